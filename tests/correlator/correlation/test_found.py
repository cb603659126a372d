"""What was found becomes a match that explains itself."""

import pytest

from correlator.correlation.found import number, span
from correlator.correlation.rule import Bound, Condition, Either, Every, Kind, Refers, Without
from soc.alerts import Contribution, Match
from soc.clock import SECOND
from soc.events import digest
from tests.correlator.correlation.desk import Desk, at_least, hit, linked


def test_the_match_of_a_count() -> None:
    """Its id is that of rule, group and bucket; it names what was asked, what was counted, and who."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(3), span=600))
    (match,) = desk.matches(desk.take(hit(1300), hit(1301, host="h2"), hit(1302, late=2)))
    assert match.id == digest("id-one", '["bob"]', 2)
    assert (match.event_id, match.time, match.received, match.site) == (
        "event-1302",
        1302 * SECOND,
        1304 * SECOND,
        "hn",
    )
    assert match.host == "", "there were two"
    assert match.alert_key == "id-one|bob"
    evidence = match.correlation
    assert evidence is not None
    assert (evidence.kind, evidence.group, evidence.counted, evidence.hits) == (
        "event_count",
        (("User", "bob"),),
        "3",
        3,
    )
    assert evidence.condition == "event_count: >= 3 within 10 min"
    assert evidence.bucket == 1200 * SECOND
    assert evidence.contributions[1] == Contribution("event-1301", 1301 * SECOND, "Rule 0", "hn", "h2")
    assert Match.from_document(match.to_document()) == match


def test_one_host_is_the_match_s() -> None:
    """An analyst finds it in the host's column."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(2)))
    (match,) = desk.matches(desk.take(hit(1), hit(2)))
    assert match.host == "h1"


@pytest.mark.parametrize(
    ("kind", "condition", "said"),
    [
        (Kind.TEMPORAL, Condition(), "temporal: Rule 0 and Rule 1 within 1.5 h"),
        (Kind.TEMPORAL_ORDERED, Condition(), "temporal_ordered: Rule 0, then Rule 1 within 1.5 h"),
        (Kind.TEMPORAL, Condition(expression=Either((Refers(0), Refers(1)))), "temporal: (Rule 0 or Rule 1) within"),
    ],
)
def test_temporal_conditions_in_words(kind: Kind, condition: Condition, said: str) -> None:
    """With the titles of the rules."""
    desk = Desk(linked(kind, condition, rules=2, span=5400))
    (match,) = desk.matches(desk.take(hit(1, number=0), hit(2, number=1))[:1])
    assert match.correlation is not None
    assert match.correlation.condition.startswith(said)


def test_conditions_over_values_in_words() -> None:
    """With the field, the percentile, and each bound."""
    condition = Condition(((Bound.GT, 10), (Bound.LTE, 20.5)), ("Bytes",), percentile=95)
    desk = Desk(linked(Kind.VALUE_PERCENTILE, condition, span=2 * 86_400))
    desk.take(hit(1, value=15))
    (match,) = desk.matches(desk.time(10**6).found)
    assert match.correlation is not None
    assert match.correlation.condition == "value_percentile 95 of Bytes: > 10 and <= 20.5 within 2 d"
    assert match.correlation.contributions[0].value == "15"


def test_what_is_not_there_in_words() -> None:
    """A condition with "not"."""
    one = linked(Kind.TEMPORAL, Condition(expression=Every((Refers(0), Without(Refers(1))))), rules=2)
    desk = Desk(one)
    desk.take(hit(1))
    (match,) = desk.matches(desk.time(100).found)
    assert match.correlation is not None
    assert match.correlation.condition == "temporal: (Rule 0 and not Rule 1) within 1.667 min"


def test_a_match_names_the_latest_hundred() -> None:
    """And how many there were."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(150), span=1000))
    (match,) = desk.matches(desk.take(*(hit(number) for number in range(1, 151))))
    assert match.correlation is not None
    assert (match.correlation.hits, len(match.correlation.contributions)) == (150, 100)
    assert match.correlation.contributions[-1].event_id == "event-150"


def test_a_hostile_group_does_not_look_like_two() -> None:
    """Separators are escaped, long keys cut."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(1)))
    first, second = desk.matches(desk.take(hit(1, user="a|b"), hit(2, user="x" * 900)))
    assert first.alert_key == "id-one|a\\|b"
    assert len(second.alert_key) < 450


def test_numbers_and_spans() -> None:
    """As people write them."""
    assert [number(each) for each in (3, 3.0, 2.5, 1e6)] == ["3", "3", "2.5", "1000000"]
    assert [span(each * SECOND) for each in (5, 90, 3600, 86_400)] == ["5 s", "1.5 min", "1 h", "1 d"]
