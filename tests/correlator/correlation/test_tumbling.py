"""Windows that are judged once, when the clock has passed their end."""

import pytest

from correlator.correlation.rule import Bound, Condition, Every, Kind, Refers, Without
from correlator.correlation.state import Bounds
from correlator.correlation.tumbling import Tumbling, percentile
from soc.clock import SECOND
from tests.correlator.correlation.desk import LT, Desk, buckets, hit, linked

FEW = Condition(((LT, 3),))


def test_a_window_is_judged_when_the_clock_passes_its_end() -> None:
    """Not before; its last instant is the time of the match."""
    desk = Desk(linked(Kind.EVENT_COUNT, FEW))
    assert not desk.take(hit(110), hit(120))
    assert not desk.time(199.9).found
    (found,) = desk.time(200).found
    assert (found.bucket, found.counted, found.start, found.end) == (1, 2, 100 * SECOND, 200 * SECOND - 1)
    assert not desk.time(300).found


def test_a_group_without_events_has_no_window() -> None:
    """Nothing is below three, and nobody is told."""
    desk = Desk(linked(Kind.EVENT_COUNT, FEW))
    desk.take(hit(110))
    assert buckets(desk.time(900).found) == [1]


@pytest.mark.parametrize(
    ("bounds", "counts"),
    [
        (((Bound.LT, 2),), [1]),
        (((Bound.LTE, 2),), [1, 2]),
        (((Bound.EQ, 2),), [2]),
        (((Bound.NEQ, 2),), [1, 3, 4]),
        (((Bound.GT, 1), (Bound.LTE, 3)), [2, 3]),
        (((Bound.LT, 2.5),), [1, 2]),
    ],
)
def test_operators(bounds: tuple[tuple[Bound, float], ...], counts: list[int]) -> None:
    """Of all that need the whole window."""
    desk = Desk(linked(Kind.EVENT_COUNT, Condition(bounds)))
    for number in (1, 2, 3, 4):
        desk.take(*(hit(100 * number + each) for each in range(number)))
    assert buckets(desk.time(1000).found) == counts


@pytest.mark.parametrize(
    ("kind", "value"), [(Kind.VALUE_SUM, 10), (Kind.VALUE_AVG, 2.5), (Kind.VALUE_MEDIAN, 2.5), (Kind.VALUE_COUNT, 4)]
)
def test_values(kind: Kind, value: float) -> None:
    """Of a window; a value that is none is left out, an event that came twice counts once."""
    desk = Desk(linked(kind, Condition(((Bound.EQ, value),), ("Bytes",))))
    desk.take(*(hit(100 + number, f"e{number}", value=number) for number in (4, 2, 1, 3)), hit(105))
    desk.take(hit(104, "e4", value=4, late=1))
    assert [each.counted for each in desk.time(200).found] == [value]


def test_percentiles() -> None:
    """Between two values in proportion."""
    assert percentile([1, 2, 3, 4], 50) == 2.5
    assert percentile([7], 99) == 7
    assert percentile([1, 2, 3, 4, 5], 0) == 1
    assert percentile([1, 2, 3, 4, 5], 100) == 5
    assert percentile([10, 20], 90) == pytest.approx(19)


def test_no_value_no_verdict() -> None:
    """An average of nothing is below no threshold."""
    desk = Desk(linked(Kind.VALUE_AVG, Condition(((LT, 5),), ("Bytes",))))
    desk.take(hit(110))
    assert not desk.time(200).found


def test_one_rule_without_another() -> None:
    """A condition with "not" waits for the window's end."""
    one = linked(Kind.TEMPORAL, Condition(expression=Every((Refers(0), Without(Refers(1))))), rules=2)
    desk = Desk(one)
    desk.take(hit(110), hit(210), hit(220, number=1))
    assert buckets(desk.time(1000).found) == [1]


def test_what_arrived_in_time_counts() -> None:
    """Lateness is arrival - time, a fact of the event; later ones are counted late."""
    desk = Desk(linked(Kind.EVENT_COUNT, FEW))
    desk.take(hit(199, late=60.9), hit(198, late=62))
    assert [each.hits for each in desk.time(200).found] == [1]
    desk.take(hit(197, late=1))
    assert not desk.time(300).found
    assert desk.tally().late == 2


def test_a_rule_begins_with_its_first_whole_window() -> None:
    """Half a window would be below every threshold."""
    desk = Desk(linked(Kind.EVENT_COUNT, FEW), begin=150)
    desk.take(hit(160), hit(210))
    assert buckets(desk.time(1000).found) == [2]
    assert desk.tally().early == 1


def test_a_full_rule_gives_no_false_verdict() -> None:
    """Neither of groups that it could not take, nor of one that it could not take in whole."""
    desk = Desk(linked(Kind.EVENT_COUNT, FEW), bounds=Bounds(1, 1000, 10))
    desk.take(hit(110, user="a"), hit(120, user="b"), hit(130, user="a"))
    assert [each.group for each in desk.time(200).found] == ['["a"]']
    assert desk.tally().refused == 1
    small = Desk(linked(Kind.EVENT_COUNT, Condition(((LT, 100),))), bounds=Bounds(10, 1000, 3))
    small.take(*(hit(110 + number) for number in range(5)))
    assert not small.time(200).found


def test_a_window_that_refused_a_group_refuses_it_to_the_end() -> None:
    """Room that another window leaves must not give it half a verdict."""
    desk = Desk(linked(Kind.EVENT_COUNT, FEW), bounds=Bounds(1, 1000, 10))
    desk.take(hit(50, user="a"), hit(110, user="b"))
    assert len(desk.time(100).found) == 1
    desk.take(hit(150, user="b"))
    assert not desk.time(200).found


def test_refused_windows_take_no_room() -> None:
    """Wild times by the thousand while the rule is full open nothing; they are refused until they are over."""
    desk = Desk(linked(Kind.EVENT_COUNT, FEW), bounds=Bounds(1, 1000, 10))
    desk.take(hit(110, user="a"))
    for window in range(2, 500):
        desk.take(hit(100 * window + 1, user="b"))
    assert (desk.tally().groups, desk.tally().refused) == (1, 498)
    assert desk.partition.lowest(10_000) == 0
    assert buckets(desk.time(300).found) == [1]
    assert desk.partition.lowest(10_000) == 1, "windows that were refused stay so in a replay"
    assert not desk.take(hit(450, user="b"))
    assert not desk.time(50_100).found
    desk.take(hit(50_110))
    assert buckets(desk.time(60_000).found) == [501]


def test_after_a_gap_windows_begin_afresh() -> None:
    """What was lost of a window could make it false."""
    desk = Desk(linked(Kind.EVENT_COUNT, FEW))
    desk.take(hit(110), hit(310))
    state = desk.partition._states["version-one"]
    assert isinstance(state, Tumbling)
    state.restart(250 * SECOND)
    desk.take(hit(290), hit(320))
    assert buckets(desk.time(1000).found) == [3]


def test_numbers_at_the_edge() -> None:
    """Whole numbers beyond 2^53 stay whole; what is far apart has a middle."""
    desk = Desk(linked(Kind.VALUE_AVG, Condition(((Bound.EQ, 2**53 + 1),), ("Bytes",))))
    desk.take(hit(110, value=2**53), hit(120, value=2**53 + 2))
    assert [each.counted for each in desk.time(200).found] == [2**53 + 1]
    assert percentile([-1.7e308, 1.7e308], 50) == 0
    values = ((None, 7), (7, None), (3, 7), (7, 3))
    for given in values:
        both = Desk(linked(Kind.VALUE_AVG, Condition(((Bound.EQ, 7),), ("Bytes",)), rules=2))
        both.take(*(hit(110, "a", value=value, number=number) for number, value in enumerate(given)))
        assert both.time(200).found, given
