"""One record in, matches out: ids, alert keys, and what is no event."""

import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from correlator.compiler.compile import compile_files
from correlator.flood import FLOOD_RULE, FloodGate
from correlator.keys import MAX_KEY
from correlator.matching import Matcher, alert_key
from correlator.rules import RuleSet
from correlator.source import Rule
from soc.bus.base import EVENTS, Record
from soc.errors import DeadLetter
from soc.events import digest, to_document, to_wire
from soc.testing import NOW, make_event

RuleFrom = Callable[..., RuleSet]
FAILED_LOGIN = "sel:\n    Action: login_failed\ncondition: sel\n"


def record_of(
    number: int = 0, value: bytes | None = None, headers: tuple[tuple[str, bytes], ...] = (), **changes: Any
) -> Record:
    """Return the record of an event on soc.events."""
    return Record(EVENTS, 0, number, NOW, b"k", value or to_wire(make_event(number, **changes)), headers)


def matcher_of(rules: RuleSet, per_minute: int = 100) -> Matcher:
    """Return a matcher whose rules must not fail."""

    def failed(_rule: Rule, error: Exception) -> None:
        raise error

    return Matcher(rules, FloodGate(per_minute, 1), failed)


def test_a_match_carries_rule_event_and_reasons(rule_from: RuleFrom) -> None:
    """Everything that an analyst needs, and an id of rule and event alone."""
    (match,) = matcher_of(rule_from(FAILED_LOGIN)).matches(record_of(3))
    event = make_event(3)
    assert match.id == digest("00000000-0000-4000-8000-000000000001", event.id)
    assert match.event == to_document(event)
    assert (match.site, match.host, match.time, match.event_id) == ("district-1", "web01", event.time, event.id)
    assert match.reasons[0].field == "Action"
    assert match.alert_key == f"{match.rule.id}|district-1|web01"


def test_a_redelivery_makes_the_same_match(rule_from: RuleFrom) -> None:
    """Whatever happened to the process in between."""
    rules = rule_from(FAILED_LOGIN)
    assert matcher_of(rules).matches(record_of(3)) == matcher_of(rules).matches(record_of(3))


def test_no_match_where_no_rule_covers_or_holds(rule_from: RuleFrom) -> None:
    """Most events."""
    matcher = matcher_of(rule_from(FAILED_LOGIN))
    assert matcher.matches(record_of(fields={"Action": "login_accepted"})) == []


def test_matches_beyond_the_bound_are_bare_and_one_tells_of_the_flood(rule_from: RuleFrom) -> None:
    """Each is there with its own id; the events of those beyond are not."""
    matcher = matcher_of(rule_from(FAILED_LOGIN), per_minute=2)
    found = [match for number in range(5) for match in matcher.matches(record_of(number))]
    floods = [match for match in found if match.rule.id == FLOOD_RULE]
    ours = [match for match in found if match.rule.id != FLOOD_RULE]
    assert len(floods) == 1
    assert len({match.id for match in ours}) == 5
    assert [match.event is not None for match in ours] == [True, True, False, False, False]
    assert [bool(match.reasons) for match in ours] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("value", "headers", "reason"),
    [
        (b"{", (), "malformed_event"),
        (b"[]", (), "malformed_event"),
        (b"{}", (), "malformed_event"),
        (to_wire(make_event()), (("schema", b"9"),), "schema_version"),
        (to_wire(make_event()).replace(b'"sshd"}', b'["sshd"]}', 1), (), "malformed_event"),
    ],
)
def test_what_is_no_event_is_a_dead_letter(
    rule_from: RuleFrom, value: bytes, headers: tuple[tuple[str, bytes], ...], reason: str
) -> None:
    """With the reason; nothing is evaluated."""
    with pytest.raises(DeadLetter) as caught:
        matcher_of(rule_from(FAILED_LOGIN)).matches(record_of(value=value, headers=headers))
    assert caught.value.reason == reason


@pytest.mark.parametrize("fields", [{f"f{n}": 1 for n in range(20_001)}, {"f": ["x"] * 10_000, "g": ["x"] * 10_001}])
def test_an_event_of_thousands_of_values_is_a_dead_letter(rule_from: RuleFrom, fields: dict[str, Any]) -> None:
    """Each keyword of each rule would look at each of them: half a minute for a megabyte."""
    with pytest.raises(DeadLetter) as caught:
        matcher_of(rule_from(FAILED_LOGIN)).matches(record_of(fields=fields))
    assert caught.value.reason == "too_many_values"


@pytest.fixture
def keyed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Rule]:
    """Return a function that makes a rule with an alert_key of its own."""

    def make(*fields: str) -> Rule:
        file = tmp_path_factory.mktemp("rules") / "rule.yml"
        text = f"""
            title: Keyed
            id: 00000000-0000-4000-8000-000000000002
            alert_key: [{", ".join(fields)}]
            logsource: {{product: linux}}
            detection:
                sel: {{Action: login_failed}}
                condition: sel
        """
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        (source,) = compile_files([file], {}).rules
        return source

    return make


ID = "00000000-0000-4000-8000-000000000002"


def test_a_rule_may_name_the_fields_of_its_alert_key(keyed: Callable[..., Rule]) -> None:
    """Matches of one attacker on many hosts are one alert then."""
    assert alert_key(keyed("SourceIp", "User"), make_event()) == f"{ID}|SourceIp=203.0.113.7|User=root"
    assert alert_key(keyed(), make_event()) == f"{ID}|district-1|web01"


def test_a_missing_field_falls_back_to_site_and_host(keyed: Callable[..., Rule]) -> None:
    """Events without the field are not one group."""
    assert alert_key(keyed("SourceIp", "NoSuch"), make_event()) == f"{ID}|district-1|web01"


def test_values_cannot_pose_as_other_keys(keyed: Callable[..., Rule]) -> None:
    """A separator inside a value is escaped."""
    rule = keyed("A", "B")
    one = alert_key(rule, make_event(fields={"A": "x|B=y", "B": "z"}))
    two = alert_key(rule, make_event(fields={"A": "x", "B": "y|B=z"}))
    assert one != two


def test_a_long_key_is_cut_and_stays_distinct(keyed: Callable[..., Rule]) -> None:
    """Attackers choose values; the store bounds keys."""
    rule = keyed("A")
    keys = {alert_key(rule, make_event(fields={"A": "x" * 10_000 + end})) for end in "ab"}
    assert len(keys) == 2
    assert max(map(len, keys)) < MAX_KEY + 50
