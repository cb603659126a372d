"""One partition of soc.hits: clocks, chains, replays, other plans, what is malformed."""

from dataclasses import replace

import orjson
import pytest

from correlator.correlation.clock import Clocks
from correlator.correlation.hits import EVENT, Correlated, Detected, Hit
from correlator.correlation.partition import Partition
from correlator.correlation.plan import Input, Linked
from correlator.correlation.rule import Condition, Kind
from correlator.correlation.state import Bounds
from soc.clock import SECOND
from soc.errors import DeadLetter
from soc.events import digest
from tests.correlator.correlation.desk import LT, Desk, at_least, buckets, hit, linked, plan_of

FEW = Condition(((LT, 3),))
PARENT = Input("id-one", 0, ("User",), ())


def chain(kind: Kind = Kind.EVENT_COUNT, condition: Condition | None = None) -> tuple[Linked, Linked]:
    """Return a correlation, silent, and another above it that asks for two of its hits."""
    child = linked(kind, condition or at_least(2), silent=True, parents=(("version-two", PARENT),), carried=("Ip",))
    return child, linked(Kind.EVENT_COUNT, at_least(2), name="two", level=2, inputs=(PARENT,))


def test_the_clock_waits_for_every_source() -> None:
    """One that has said nothing holds it."""
    desk = Desk(linked(Kind.EVENT_COUNT, FEW))
    desk.partition = Partition(desk.plan, desk.shape._replace(events=2))
    desk.take(hit(110))
    assert not desk.time(500).found
    assert desk.partition.report().clocks[1] < 0
    assert desk.partition.standing(0) == 1


def test_what_the_clock_has_passed_is_forgotten() -> None:
    """A timespan after both its time and its arrival; the group goes with its last hit."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(3)))
    desk.take(hit(100, late=500), hit(110), hit(120))
    desk.time(300)
    assert desk.tally().hits == 1, "the late one is kept for what comes with it"
    desk.time(800)
    assert (desk.tally().hits, desk.tally().groups) == (0, 0)


def test_a_chain_is_fed_every_hit() -> None:
    """Not one a bucket; each with the time of the event, and an id that depends on rule, group and event."""
    desk = Desk(*chain())
    assert not desk.feed(hit(1, "a", carried={"Ip": "::1"}))
    fed = desk.feed(hit(2, "b", carried={"Ip": "::1"}), hit(3, "c", late=4))
    assert [(version, each.time, each.id) for version, each in fed] == [
        ("version-two", 2 * SECOND, digest("id-one", '["bob"]', "b")),
        ("version-two", 3 * SECOND, digest("id-one", '["bob"]', "c")),
    ]
    assert fed[0][1].carried == {EVENT: "b"}, "of what it carries the parent asks for nothing"


def test_a_late_completion_feeds_those_that_it_completes() -> None:
    """Their arrival is the completing hit's, so that those above keep them as long."""
    desk = Desk(*chain())
    desk.feed(hit(50, "b", late=1))
    (first,) = desk.feed(hit(10, "a", late=70))
    assert (first[1].id, first[1].arrival) == (digest("id-one", '["bob"]', "b"), 80 * SECOND)
    (second,) = desk.feed(hit(20, "a2", late=90))
    assert (second[1].id, second[1].arrival) == (digest("id-one", '["bob"]', "a2"), 110 * SECOND)


def test_a_copy_that_came_later_is_fed_again() -> None:
    """What arrived last says how long the correlations above keep it."""
    desk = Desk(*chain())
    desk.feed(hit(1, "a"), hit(2, "b"))
    assert not desk.feed(hit(2, "b"))
    (fed,) = desk.feed(hit(2, "b", late=500))
    assert fed[1].arrival == 502 * SECOND


def test_a_judged_window_feeds_its_last_instant() -> None:
    """With the group's fields only."""
    child, parent = chain(condition=FEW)
    desk = Desk(child, parent)
    desk.take(hit(110))
    (fed,) = desk.time(200).fed
    assert (fed[0], fed[1].time, fed[1].group) == ("version-two", 200 * SECOND - 1, '["bob"]')


def test_the_level_above_has_a_clock_of_its_own() -> None:
    """It waits for what the levels below say on soc.hits."""
    desk = Desk(*chain())
    desk.time(200)
    assert desk.partition.clocks() == {1: 200 * SECOND}
    assert desk.partition.report().clocks[2] < 0
    desk.time(201, Correlated(0, 1, 150 * SECOND))
    assert desk.partition.report().clocks[2] == 150 * SECOND


def test_what_a_lower_one_left_out_is_said_above() -> None:
    """Their matches name it, as long as their windows may lack it, whatever others said since."""
    desk = Desk(*chain())
    desk.time(10, Correlated(0, 1, 10 * SECOND, (("version-one", 10 * SECOND),)))
    desk.take(hit(11), to="version-two")
    (found,) = desk.take(hit(12), to="version-two")
    assert found.incomplete == ("version-one",)
    assert desk.matches([found])[0].correlation.incomplete == ("Correlation one",)  # type: ignore[union-attr]
    desk.time(20, Correlated(0, 1, 20 * SECOND))
    span = desk.plan.linked["version-one"].correlation.timespan // SECOND
    own = desk.plan.linked["version-two"].correlation.timespan // SECOND
    last = 10 + span + own
    assert desk.partition.lowest(9) == 0, "who reads again needs to know"
    desk.take(hit(last - 1.5), to="version-two")
    assert [each.incomplete for each in desk.take(hit(last - 1.2), to="version-two")] == [("version-one",)]
    desk.time(last, Correlated(0, 1, last * SECOND))
    desk.take(hit(last + own), to="version-two")
    assert [each.incomplete for each in desk.take(hit(last + own + 0.1), to="version-two")] == [()]
    assert desk.partition.lowest(9) > 0


def test_what_is_left_out_is_told_however_far_the_clock_jumps() -> None:
    """A judged rule that was full: its window is over before its clock is told."""
    one, two = chain()
    desk = Desk(replace(one, correlation=replace(one.correlation, condition=FEW)), two, bounds=Bounds(1, 100, 100))
    desk.take(hit(110), hit(111, user="eve"))
    desk.time(900)
    assert [version for version, _ in desk.partition.incomplete(1)] == ["version-one"]


def test_a_gap_leaves_out_what_it_held() -> None:
    """Those above are told; a window that may lack something has no verdict, the next one has."""
    desk = Desk(linked(Kind.EVENT_COUNT, FEW, parents=chain()[0].parents), chain()[1])
    desk.take(hit(110), hit(210))
    desk.partition.gap(250 * SECOND)
    desk.take(hit(260), hit(310))
    assert buckets(desk.time(900).found) == [3]
    assert desk.partition.incomplete(1) == (("version-one", 251 * SECOND),)


def test_partitions_may_be_added() -> None:
    """A source that nobody knew of counts from its first word on."""
    clocks = Clocks(1, 1)
    clocks.take(Detected(0, 1, 100), 1)
    clocks.take(Detected(1, 1, 5), 2)
    assert (clocks.of(1), clocks.standing(50, 1)) == (5, 1)
    clocks.take(Correlated(0, 1, 4), 3)
    assert clocks.of(2) == 4
    clocks.take(Correlated(1, 1, 3), 4)
    assert clocks.of(2) == 3
    with pytest.raises(ValueError, match="no partition"):
        clocks.take(Detected(10**9, 1, 5), 5)


def test_another_plan_judges_nothing_by_itself() -> None:
    """What it gave would reach nobody: clocks go on with the next record."""
    desk = Desk(linked(Kind.EVENT_COUNT, FEW))
    desk.take(hit(110))
    desk.partition._clocks.take(Detected(0, 1, 900 * SECOND), 1)  # told of, and not acted upon yet
    desk.partition.adopt(desk.plan, 0)
    assert buckets(desk.time(901).found) == [1]


def test_a_replay_begins_where_it_must() -> None:
    """At the first record whose hits are held, or whose watermark counts; it gives the same state."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(3)), linked(Kind.EVENT_COUNT, FEW, name="two"))
    desk.take(hit(10))
    desk.take(hit(310), hit(320))
    desk.take(hit(360), to="version-two")
    desk.time(200)
    assert desk.partition.lowest(4) == 1
    again = desk.again(1)
    assert buckets(again.take(hit(330))) == buckets(desk.take(hit(330))) == [3]
    assert buckets(again.time(400).found) == buckets(desk.time(400).found) == [3]
    assert desk.partition.lowest(6) == 1, "the hits of bob's burst are held on"
    desk.time(600)
    assert desk.partition.lowest(7) == 6


def test_another_plan_keeps_what_has_not_changed() -> None:
    """A new judged rule begins with the first window after it."""
    one, two = linked(Kind.EVENT_COUNT, at_least(2)), linked(Kind.EVENT_COUNT, FEW, name="two")
    desk = Desk(one)
    desk.take(hit(110))
    desk.partition.adopt(plan_of(one, two), 120 * SECOND)
    desk.take(hit(130), hit(220), to="version-two")
    assert buckets(desk.take(hit(140))) == [1]
    assert buckets(desk.time(900).found) == [2]
    desk.partition.adopt(plan_of(two), 0)
    assert not desk.take(hit(150))
    assert desk.partition.report().unknown == 1


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[]",
        b"{}",
        b'{"hits": {}, "origins": [], "clocks": [["x"]]}',
        b'{"hits": {"version-one": [[1]]}, "origins": [], "clocks": []}',
        b'{"hits": {"version-one": [["[]"], [1], ["a"], [1], [0], [null], [7], [null]]}, "origins": [], "clocks": []}',
        b'{"hits": {"version-one": [["[]"], [1], ["a"], [1, 2], [0], [null], [0], [null]]}, "origins": [["a", "b"]], "clocks": []}',
        b'{"hits": {"version-one": [[], [1], ["a"], [1], [0], [null], [0], [null]]}, "origins": [["a", "b"]], "clocks": []}',
        b'{"hits": {"version-one": [[], [], [], [], [], [], [], []]}, "origins": [], "clocks": []}',
    ],
)
def test_what_is_malformed_is_a_dead_letter(value: bytes) -> None:
    """And the state goes on."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(2)))
    with pytest.raises(DeadLetter, match="malformed_hits"):
        desk.partition.take(value, 0)
    assert desk.take(hit(1), hit(2))


def test_hits_of_one_group_share_no_group_with_another() -> None:
    """The group is the JSON list of its values: no separator to be forged."""
    one = hit(1, user='a","b')
    assert orjson.loads(one.group) == ['a","b']
    assert isinstance(one, Hit)
