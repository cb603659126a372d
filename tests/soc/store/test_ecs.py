"""ECS at the store's door: what people search by, and bounds that hold whatever a log says."""

from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.alerts import Contribution, Match
from soc.events import LogSource, to_document
from soc.store import ecs
from soc.testing import NOW, make_alert, make_correlated, make_event, make_evidence, make_match


def source_of(fields: dict[str, Any], **event: Any) -> dict[str, Any]:
    """Return the document of a match on an event with these fields."""
    return ecs.match_source(make_match(0, event=to_document(make_event(0, fields=fields, **event))))


def test_an_ssh_failure_is_found_by_its_ecs_names() -> None:
    """Address, port, user, host, rule and technique."""
    source = source_of(
        {"SourceIp": "203.0.113.7", "SourcePort": 51514, "User": "root", "Action": "login_failed", "pid": 7}
    )
    assert source["source"] == {"ip": "203.0.113.7", "port": 51514}
    assert source["user"] == {"name": "root"}
    assert source["host"] == {"name": "web01"}
    assert source["organization"] == {"name": "district-1"}
    assert source["event"]["action"] == "login_failed"
    assert source["event"]["kind"] == "alert"
    assert source["process"] == {"pid": 7}
    assert source["rule"]["level"] == "medium"
    assert source["threat"]["technique"] == {"id": ["T1110"]}
    assert source["threat"]["tactic"] == {"name": ["credential-access"]}
    assert source["@timestamp"] == "2026-09-21T14:13:20.000+00:00"


def test_a_web_request_is_found_by_its_ecs_names() -> None:
    """Client, request, status, and the agent's own words."""
    fields = {
        "c-ip": "2001:db8::1", "cs-method": "GET", "cs-uri": "/a?b=1", "cs-uri-stem": "/a", "cs-uri-query": "b=1",
        "sc-status": 200, "sc-bytes": "12", "cs-user-agent": "sqlmap", "cs-referer": "x", "cs-username": "lan",
    }  # fmt: skip
    source = source_of(fields, logsource=LogSource(None, "webserver", "nginx"))
    assert source["source"] == {"ip": "2001:db8::1"}
    assert source["url"] == {"original": "/a?b=1", "path": "/a", "query": "b=1"}
    assert source["http"]["request"] == {"method": "GET", "referrer": "x"}
    assert source["http"]["response"] == {"status_code": 200, "body": {"bytes": 12}}
    assert source["user_agent"] == {"original": "sqlmap"}
    assert source["vonggac"]["logsource"] == {"category": "webserver", "service": "nginx"}


def test_a_sub_technique_is_named_with_its_technique() -> None:
    """attack.t1059.001 is T1059 and T1059.001; a group or a software is no tactic."""
    rule = replace(make_match().rule, tags=("attack.t1059.001", "attack.execution", "attack.g0032", "cve.2021-44228"))
    threat = ecs.match_source(make_match(rule=rule))["threat"]
    assert threat["technique"] == {"id": ["T1059"], "subtechnique": {"id": ["T1059.001"]}}
    assert threat["tactic"] == {"name": ["execution"]}


@pytest.mark.parametrize("value", ["fe80::1%eth0", "999.1.1.1", "", 7, None, ["203.0.113.7"], "203.0.113.7\n"])
def test_what_is_no_address_is_left_out(value: Any) -> None:
    """The next field that holds one is taken."""
    assert "source" not in source_of({"SourceIp": value})
    assert source_of({"SourceIp": value, "c-ip": "192.0.2.1"})["source"] == {"ip": "192.0.2.1"}


def test_a_correlation_is_found_by_its_group_events_and_hosts() -> None:
    """The group by its ECS names too; a host that is several is left out, and those that took part are related."""
    evidence = make_evidence(3)
    evidence = replace(
        evidence, contributions=(*evidence.contributions, evidence.contributions[0]._replace(event_id="x", host="db02"))
    )
    source = ecs.match_source(make_correlated(evidence=evidence, host="", site=""))
    assert source["source"] == {"ip": "203.0.113.7"}
    assert source["user"] == {"name": "root"}
    assert "host" not in source
    assert "organization" not in source
    assert source["related"] == {"hosts": ["web01", "db02"]}
    assert source["event"]["end"] == "2026-09-21T14:13:22.000+00:00"
    found = source["vonggac"]["correlation"]
    assert found["kind"] == "event_count"
    assert found["group"] == {"SourceIp": "203.0.113.7", "User": "root"}
    assert found["events"] == [each.event_id for each in evidence.contributions]
    assert (found["hits"], found["bucket"]) == (3, evidence.bucket)


@given(st.lists(st.tuples(st.text() | st.just("k" * 40_000), st.text() | st.just("Đ" * 20_000)), max_size=4))
def test_every_group_maps_within_bounds(group: list[tuple[str, str]]) -> None:
    """Names and values are as a log has them."""
    contribution = Contribution("e" * 40_000, NOW, "r", "s", "h" * 40_000)
    evidence = make_evidence(group=tuple(group), contributions=(contribution,))
    source = orjson.loads(orjson.dumps(ecs.match_source(make_correlated(evidence=evidence))))
    found = source["vonggac"]["correlation"]
    for name, value in found["group"].items():
        assert len(f"{name}\0{value}".encode()) <= 32_766
        assert "\0" not in name
    assert all(len(each) <= ecs.LONGEST for each in (*found["events"], *source["related"]["hosts"]))


def test_an_alert_is_found_by_its_texts_in_any_case() -> None:
    """Title, host, site and key, folded as a query will be."""
    source = ecs.alert_source(make_alert(1, host="MÁY-CHỦ"))
    assert source["vonggac"]["text"][1] == "máy-chủ"
    assert source["vonggac"]["last_seen"] == make_alert(1).last_seen == NOW + 1_000_000


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text() | st.sampled_from(["x" * 70_000, "\x00" * 9000, "Đ" * 20_000, "\U0001f40d" * 9000]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)  # fmt: skip
_NAMES = st.sampled_from([name for names in ecs.KEYWORDS.values() for name in names] + ["message", "pid", "c-ip"])


@given(st.dictionaries(_NAMES | st.text() | st.just("k" * 40_000), _VALUES, max_size=5), st.text())
def test_every_event_maps_within_bounds(fields: dict[str, Any], host: str) -> None:
    """No term is longer than Lucene takes, fields are one level deep, and the exact document is inside."""
    event = to_document(make_event(0, fields=fields))
    match = make_match(0, event=event, host=host)
    source = orjson.loads(orjson.dumps(ecs.match_source(match)))
    for name, value in source["vonggac"]["fields"].items():
        for each in value if isinstance(value, list) else [value]:
            assert isinstance(each, str)
            assert len(f"{name}\0{each}".encode()) <= 32_766
            assert "\0" not in name
    for name in ecs.KEYWORDS:
        assert len(str(_at(source, name) or "").encode()) <= 32_766
    assert Match.from_document(orjson.loads(source["vonggac"]["document"])) == match


def _at(source: dict[str, Any], name: str) -> Any:
    value: Any = source
    for part in name.split("."):
        value = value.get(part, {})
    return value
