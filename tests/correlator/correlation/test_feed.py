"""A match becomes hits: groups without case, values as the condition wants them, and what is counted instead."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.correlation.feed import CUT_TEXT, MAX_TEXT, Feeder, folded, group_of, value_of
from correlator.correlation.hits import Batch, Hit, encode
from correlator.correlation.rule import Kind
from correlator.engine.record import Record
from soc.events import LogSource, from_wire, to_wire
from soc.taxonomy import native
from soc.testing import NOW, make_event
from tests.correlator.plans import linked, plan_of, rule_of

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
MAX_BYTES = 1_000_000


def fed(feeder: Feeder, asked: LogSource | None = None, **changes: Any) -> list[Hit]:
    """Feed the hits of one event, as it comes from the bus, and return them."""
    event = from_wire(to_wire(make_event(1, **changes)))
    feeder.feed(rule_of(asked or event.logsource), Record(event.fields), event, NOW + 7)
    return [hit for _, hit in feeder.hits]


def test_a_hit_says_what_its_event_is() -> None:
    """Time, arrival and origin; which rule, under the version of the correlation that it enters."""
    feeder = Feeder(plan_of(linked(("User", "SourceIp"), number=2)), MAX_BYTES)
    (hit,) = fed(feeder, fields={"User": "Root", "SourceIp": "203.0.113.7"})
    event = make_event(1)
    origin = ("district-1", "web01")
    assert hit == Hit('["root","203.0.113.7"]', event.id, event.time, NOW + 7, 2, None, origin, None)
    assert [version for version, _ in feeder.hits] == ["v-event_count"]


def test_a_rule_enters_every_correlation_that_refers_to_it() -> None:
    """Each in its own group."""
    feeder = Feeder(plan_of(linked(("User",)), linked((), kind=Kind.TEMPORAL)), MAX_BYTES)
    assert [hit.group for hit in fed(feeder)] == ['["root"]', "[]"]


def test_a_rule_that_feeds_nothing_costs_nothing() -> None:
    """No field is looked at."""
    feeder = Feeder(plan_of(linked(("User",)), rule="another rule"), MAX_BYTES)
    record = Record({"User": "root"})
    feeder.feed(rule_of(make_event().logsource), record, make_event(), NOW)
    assert feeder.hits == []
    assert not record.texts


@pytest.mark.parametrize("fields", [{}, {"User": None}, {"User": []}, {"User": [None]}])
def test_without_a_field_of_the_group_a_hit_is_counted_and_not_grouped(fields: dict[str, Any]) -> None:
    """Or all accounts without a name would be one account."""
    feeder = Feeder(plan_of(linked(("User", "SourceIp"))), MAX_BYTES)
    assert fed(feeder, fields={"SourceIp": "203.0.113.7"} | fields) == []
    assert feeder.ungrouped == {"c-event_count": 1}


def test_host_and_site_are_fields_of_every_event() -> None:
    """Whoever goes from site to site is seen by no field; a field of that name is written by whoever sent the event."""
    asked = linked(("host", "User"), values=("site",), kind=Kind.VALUE_COUNT, carried=("host", "site"))
    feeder = Feeder(plan_of(asked), MAX_BYTES)
    (hit,) = fed(feeder, fields={"User": "root"})
    assert (hit.group, hit.value) == ('["web01","root"]', "district-1")
    assert hit.carried == {"host": "web01", "site": "district-1"}
    *_, own = fed(feeder, fields={"User": "root", "host": "GW9", "site": "hue"})
    assert (own.group, own.value, own.origin) == ('["web01","root"]', "district-1", ("district-1", "web01"))


def test_an_event_of_no_known_host_is_in_no_group_of_hosts() -> None:
    """Or all of them would be one host."""
    feeder = Feeder(plan_of(linked(("host",))), MAX_BYTES)
    assert fed(feeder, host="") == []
    assert feeder.ungrouped == {"c-event_count": 1}


def test_fields_have_the_events_own_names() -> None:
    """A rule says Image where Windows' Security log says NewProcessName."""
    feeder = Feeder(
        plan_of(linked(("Image",), values=("ParentImage",), kind=Kind.VALUE_COUNT, carried=("ProcessId",))), MAX_BYTES
    )
    security = LogSource("windows", "process_creation", "security")
    fields = {"NewProcessName": "C:\\A.exe", "ParentProcessName": "C:\\B.exe", "NewProcessId": "0x1F", "ProcessId": "1"}
    rule = LogSource("windows", "process_creation", None)
    assert native(rule, security).names
    (hit,) = fed(feeder, rule, logsource=security, fields=fields)
    assert (hit.group, hit.value, hit.carried) == ('["c:\\\\a.exe"]', "c:\\b.exe", {"ProcessId": "0x1f"})


def test_what_correlations_above_ask_for_is_carried_where_it_is_there() -> None:
    """Folded, as it will be compared."""
    feeder = Feeder(plan_of(linked((), carried=("User", "SourceIp", "Nothing"))), MAX_BYTES)
    (hit,) = fed(feeder, fields={"User": "Ngô", "SourceIp": ["10.0.0.1", None, "10.0.0.2"]})
    assert hit.carried == {"User": "ngô", "SourceIp": "10.0.0.1,10.0.0.2"}


@pytest.mark.parametrize(
    ("kind", "fields", "value"),
    [
        (Kind.VALUE_COUNT, {"a": "X", "b": 1}, '["x","1"]'),
        (Kind.VALUE_COUNT, {"a": "X"}, None),
        (Kind.VALUE_SUM, {"a": 12}, 12),
        (Kind.VALUE_AVG, {"a": "0.5"}, 0.5),
        (Kind.VALUE_PERCENTILE, {"a": [" -3 "]}, -3),
        (Kind.VALUE_MEDIAN, {"a": ["1", "2"]}, None),
        (Kind.VALUE_SUM, {"a": "12 kB"}, None),
        (Kind.VALUE_SUM, {"a": True}, None),
        (Kind.VALUE_SUM, {"a": None}, None),
        (Kind.VALUE_SUM, {"a": "1e999"}, None),
        (Kind.VALUE_SUM, {"a": "9" * 40}, float("9" * 40)),
        (Kind.EVENT_COUNT, {"a": "X"}, None),
    ],
)
def test_a_value_is_what_the_condition_looks_at(kind: Kind, fields: dict[str, Any], value: object) -> None:
    """Numbers as the engine reads them; an event without one stays in its group, and is counted."""
    names = ("a", "b") if kind is Kind.VALUE_COUNT else () if kind is Kind.EVENT_COUNT else ("a",)
    feeder = Feeder(plan_of(linked((), values=names, kind=kind)), MAX_BYTES)
    (hit,) = fed(feeder, fields=fields)
    assert hit.value == value
    assert feeder.valueless == ({f"c-{kind}": 1} if names and value is None else {})


@given(st.none() | TEXTS | st.lists(TEXTS, max_size=5).map(tuple))
def test_folding_twice_changes_nothing(text: str | tuple[str, ...] | None) -> None:
    """What a chain carries is in the same group as what an event says; nothing long is kept."""
    found = folded(text)
    assert folded(found) == found
    assert found is None or len(found) <= CUT_TEXT
    if isinstance(text, str):
        assert found == folded(text.casefold())


def test_long_values_are_told_apart() -> None:
    """By a digest of all of it."""
    one, other = folded("x" * 5000 + "1"), folded("x" * 5000 + "2")
    assert one is not None
    assert other is not None
    assert one != other
    assert one[:MAX_TEXT] == other[:MAX_TEXT] == "x" * MAX_TEXT


@given(st.lists(TEXTS, max_size=4), st.lists(TEXTS, max_size=4))
def test_groups_are_the_same_where_their_values_are(one: list[str], other: list[str]) -> None:
    """And no value looks like two."""
    assert (group_of(one) == group_of(other)) == ([folded(each) for each in one] == [folded(each) for each in other])


@given(TEXTS | st.integers().map(str) | st.floats().map(str), st.sampled_from(Kind))
def test_every_value_can_be_encoded(text: str, kind: Kind) -> None:
    """Whatever a log says: JSON has no endless numbers, and no integers of forty digits."""
    value = value_of(kind, [text])
    assert orjson.loads(orjson.dumps(value)) == value


def test_a_hit_that_no_record_would_hold_is_counted() -> None:
    """Many long fields on a bus for short messages; the others are fed."""
    names = tuple(f"F{number}" for number in range(40))
    feeder = Feeder(plan_of(linked(names)), 16_384)
    assert fed(feeder, fields=dict.fromkeys(names, "\x00" * 1000)) == []
    assert feeder.too_large == {"c-event_count": 1}
    (hit,) = fed(feeder, fields=dict.fromkeys(names, "x" * 200))
    assert len(encode(Batch({"v-event_count": [hit]}, ()))) <= 16_384


@pytest.mark.parametrize("time", [0, -(2**63), 2**63 - 1, 2**64 - 1])
def test_wild_times_go_out_as_they_are(time: int) -> None:
    """What is made of them is for the windows to say."""
    (hit,) = fed(Feeder(plan_of(linked(())), MAX_BYTES), time=time)
    assert orjson.loads(encode(Batch({"v": [hit]}, ())))["hits"]["v"][1] == [time]
