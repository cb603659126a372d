"""Events, values and sums, judged at their hits."""

from collections import Counter
from typing import Any

import orjson
import pytest

from correlator.correlation.conditions import least
from correlator.correlation.counting import Counted
from correlator.correlation.measures import Total
from correlator.correlation.plan import Input
from correlator.correlation.rule import Bound, Condition, Kind
from correlator.correlation.sliding import FEW
from correlator.correlation.state import Bounds, Entry
from soc.errors import DeadLetter
from tests.correlator.correlation.desk import GT, GTE, Desk, at_least, buckets, hit, linked


@pytest.mark.parametrize(
    ("bound", "threshold", "need"),
    [(GTE, 3, 3), (GT, 3, 4), (GTE, 2.5, 3), (GT, 2.5, 3), (GTE, 0, 1), (GT, -4, 1), (GTE, 3.0, 3), (GT, 3.0, 4)],
)
def test_the_least_number(bound: Bound, threshold: float, need: int) -> None:
    """Of hits that a bound asks for, decimal thresholds included."""
    assert least(linked(Kind.EVENT_COUNT, Condition(((bound, threshold),)))) == need


def test_events_are_counted_within_the_timespan() -> None:
    """The window is open at its beginning: a hit exactly a timespan before is out."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(3)))
    assert not desk.take(hit(1), hit(50), hit(101))
    found = desk.take(hit(149))
    assert [(each.counted, each.hits, each.bucket) for each in found] == [(3, 3, 1)]


def test_a_late_hit_completes_the_hits_after_it() -> None:
    """Each less than a timespan after it is judged again; matches are the buckets."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(3)))
    assert not desk.take(hit(80), hit(150))
    assert buckets(desk.take(hit(60))) == [1]
    assert buckets(desk.take(hit(49))) == [0], "80 has two before it now, and 150 is told already"


def test_a_bucket_is_told_once() -> None:
    """However long the burst; one over an edge gives two."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(2)))
    found = [each for second in range(190, 215, 5) for each in desk.take(hit(second))]
    assert buckets(found) == [1, 2]


def test_groups_are_counted_apart() -> None:
    """Two users are two groups."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(2)))
    assert not desk.take(hit(1, user="bob"), hit(2, user="alice"))
    assert [each.group for each in desk.take(hit(3, user="alice"))] == ['["alice"]']


def test_an_event_counts_once() -> None:
    """Delivered again, at another offset, or met by two of the rules."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(2), rules=2))
    assert not desk.take(hit(1, "a"), hit(1, "a"), hit(1, "a", late=5), hit(1, "a", number=1))
    assert desk.tally().hits == 1
    assert buckets(desk.take(hit(2, "b"))) == [0]


def test_values_are_counted_once() -> None:
    """And hits without a value not at all."""
    desk = Desk(linked(Kind.VALUE_COUNT, at_least(3, "Ip")))
    assert not desk.take(hit(1, value="a"), hit(2, value="b"), hit(3, value="a"), hit(4), hit(5, value="b"))
    found = desk.take(hit(6, value="c"))
    assert [(each.counted, each.hits) for each in found] == [(3, 6)]


def test_values_leave_with_their_last_hit() -> None:
    """A value that came again counts from then on."""
    desk = Desk(linked(Kind.VALUE_COUNT, at_least(3, "Ip")))
    assert not desk.take(hit(1, value="a"), hit(60, value="a"), hit(70, value="b"), hit(161, value="c"))
    assert not desk.take(hit(170, value="d"), hit(170.5, value="c")), "b is a timespan ago"
    assert buckets(desk.take(hit(171, value="e"))) == [1]


def test_a_late_value_completes_the_window() -> None:
    """Also where it is older than the newest hit's window."""
    desk = Desk(linked(Kind.VALUE_COUNT, at_least(3, "Ip")))
    assert not desk.take(hit(110, value="a"), hit(150, value="b"), hit(320, value="x"), hit(321, value="y"))
    assert buckets(desk.take(hit(120, value="c"))) == [1]
    assert buckets(desk.take(hit(319, value="z"))) == [3]


def test_one_event_with_two_values_is_two_values() -> None:
    """Two referred rules may look at different fields of it."""
    desk = Desk(linked(Kind.VALUE_COUNT, at_least(2, "Ip"), rules=2))
    assert buckets(desk.take(hit(1, "a", value="x"), hit(1, "a", value="y", number=1))) == [0]


def test_values_are_summed() -> None:
    """A value below zero is left out and counted; so is what is none."""
    desk = Desk(linked(Kind.VALUE_SUM, Condition(((GT, 10),), ("Bytes",))))
    assert not desk.take(hit(1, value=4), hit(2, value=-100), hit(3), hit(4, value=5.5))
    found = desk.take(hit(5, value=0.6))
    assert [each.counted for each in found] == [pytest.approx(10.1)]
    assert desk.tally().unread == 1, "that there is none is counted where it is fed"


def test_a_sum_of_what_was_seen_again_is_the_same() -> None:
    """An event adds once."""
    desk = Desk(linked(Kind.VALUE_SUM, at_least(10, "Bytes")))
    assert not desk.take(hit(1, "a", value=6), hit(1, "a", value=6, late=9))
    assert buckets(desk.take(hit(2, value=4))) == [0]


def test_a_range_takes_the_narrower_bound() -> None:
    """Of several lower bounds."""
    desk = Desk(linked(Kind.EVENT_COUNT, Condition(((GTE, 2), (GT, 2)))))
    assert not desk.take(hit(1), hit(2))
    assert desk.take(hit(3))


def test_a_group_keeps_its_latest_hits() -> None:
    """Beyond the bound the oldest go, counted; what is there still fires."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(4)), bounds=Bounds(10, 1000, 8))
    found = desk.take(*(hit(1 + second / 10) for second in range(40)))
    assert buckets(found) == [0]
    assert desk.tally().hits <= 8
    assert desk.tally().evicted == 40 - desk.tally().hits


def test_the_least_recently_touched_group_goes() -> None:
    """And a match says that something was left out."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(2)), bounds=Bounds(2, 1000, 100))
    for time, user in ((1, "a"), (2, "b"), (3, "a"), (4, "c")):
        desk.take(hit(time, user=user))
    assert not desk.take(hit(5, user="b")), "b was forgotten"
    found = desk.take(hit(6, user="c"))
    assert not found or found[0].incomplete == ("version-one",)
    assert desk.tally().evicted >= 1


def test_of_two_values_of_one_event_the_greatest_counts() -> None:
    """Whichever rule gave it, and whichever came first; none gives way."""
    for values in ((None, 7), (7, None), (3, 7), (7, 3)):
        desk = Desk(linked(Kind.VALUE_SUM, at_least(10, "Bytes"), rules=2))
        assert not desk.take(*(hit(1, "a", value=value, number=number) for number, value in enumerate(values)))
        assert not desk.take(hit(2, value=2))
        assert [each.counted for each in desk.take(hit(3, value=1))] == [10], values


def test_sums_are_exact() -> None:
    """Beyond what a float holds, and of fractions in any order."""
    desk = Desk(linked(Kind.VALUE_SUM, Condition(((GT, 2**53),), ("Bytes",))))
    assert not desk.take(hit(1, value=2**53))
    assert desk.take(hit(2, value=1))
    parts = Desk(linked(Kind.VALUE_SUM, at_least(0.3, "Bytes")))
    assert not parts.take(hit(3, value=0.2))
    assert parts.take(hit(1, value=0.1))


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the hits that sums take in, which is what a look at a window costs."""
    count = Counter[str]()
    enter = Total.enter

    def counted(self: Total, entry: Entry) -> None:
        count["hits"] += 1
        enter(self, entry)

    monkeypatch.setattr(Total, "enter", counted)
    return count


def test_what_hovers_at_the_threshold_costs_one_pass(entered: Counter[str]) -> None:
    """All hits together would be enough, those of no window are: each is looked at once, not once a window."""
    desk = Desk(linked(Kind.VALUE_SUM, Condition(((GTE, 1e9),), ("Bytes",)), span=100_000))
    desk.take(*(hit(1 + number, value=0) for number in range(10_000)), hit(100_001, value=1))
    entered.clear()
    assert not desk.take(hit(0.5, value=999_999_999.5))
    assert 10_000 <= entered["hits"] < 20_000


def test_late_hits_that_nobody_waits_for_cost_nothing(entered: Counter[str]) -> None:
    """Every bucket that they may complete has its match."""
    desk = Desk(linked(Kind.VALUE_SUM, at_least(1, "Bytes")))
    assert buckets(desk.take(*(hit(number / 10, value=1) for number in range(3000)))) == [0, 1, 2]
    entered.clear()
    assert not desk.take(hit(50.05, value=1), hit(60.05, value=1))
    assert entered["hits"] < 5


def test_what_is_forgotten_leaves_nothing_behind() -> None:
    """Neither keys of groups that are gone, nor ids of hits that were fed on, nor places in the log."""
    parents = (("version-two", Input("id-one", 0, ("User",), ())),)
    child = linked(Kind.EVENT_COUNT, at_least(2), parents=parents)
    parent = linked(Kind.EVENT_COUNT, at_least(2), name="two", level=2, inputs=(parents[0][1],))
    desk = Desk(child, parent, bounds=Bounds(10, 1000, 16))
    for number in range(3000):
        desk.take(hit(number / 100, user=f"user{number}"))
    state = desk.partition._states["version-one"]
    assert isinstance(state, Counted)
    assert sum(map(len, state._due.values())) <= 2 * len(state.groups) + FEW
    assert len(state._offsets._records) < 2000
    desk.take(*(hit(31 + number / 1000, user="bob") for number in range(500)))
    assert len(state.groups['["bob"]'].held or ()) <= 16


def test_a_malformed_record_leaves_no_trace() -> None:
    """What comes after it is judged as if it had not been there."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(2)))
    wrong: dict[int, list[Any]] = {
        0: [["[]"], 7],
        1: [1.5, None, "1"],
        2: [7, None],
        3: [1.5, None],
        4: [1, -1, 2**63, 0.0, "0", None, [0]],
        5: [[1], {}, True],
        6: [7, -1, 0.5, None],
        7: ["x", 7, {"User": 1}, []],
    }
    good = ["[]", 1, "a", 1, 0, None, 0, None]
    broken = [[*good[:place], each, *good[place + 1 :]] for place, values in wrong.items() for each in values]
    for each in broken:
        late = [["[]", 5, "b", 5, 0, None, 0, None], ["[]", 3, "c", 5, 0, None, 0, None], each]
        columns = list(zip(*late, strict=True))
        value = orjson.dumps({"hits": {"version-one": columns}, "origins": [["hn", "h"]], "clocks": []})
        with pytest.raises(DeadLetter):
            desk.partition.take(value, 0)
    assert not desk.take(hit(1))
    assert desk.take(hit(2))


def test_what_a_replay_found_is_told_again() -> None:
    """What was dropped when it first came may be there in a replay: a match that nobody was told of must not be kept back."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(2)))
    desk.take(hit(1), hit(2))
    assert not desk.take(hit(3))
    desk.partition.replayed()
    assert buckets(desk.take(hit(4))) == [0]
