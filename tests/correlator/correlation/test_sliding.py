"""How long hits are held: as long as they may count, whatever order they come in."""

import orjson
import pytest

from correlator.correlation.hits import Hit
from correlator.correlation.rule import Kind
from correlator.correlation.state import Bounds
from soc.errors import DeadLetter
from tests.correlator.correlation.desk import Desk, at_least, hit, linked


@pytest.mark.parametrize("kind", [Kind.EVENT_COUNT, Kind.VALUE_COUNT, Kind.VALUE_SUM, Kind.TEMPORAL])
def test_hits_out_of_order_do_not_let_groups_grow(kind: Kind) -> None:
    """A twelfth comes late, nothing is found: what is over goes, for it would fill the rule."""
    desk = Desk(linked(kind, at_least(10_000, *(["Bytes"] if kind in (Kind.VALUE_COUNT, Kind.VALUE_SUM) else []))))
    most = 0
    for second in range(600):
        late = 31 * (second % 4 == 0)
        desk.take(
            *(hit(second + part / 3, user=f"user{second % 5}", value=1) for part in range(2)),
            hit(max(0, second + 2 / 3 - late), user=f"user{second % 5}", late=late, value=1),
        )
        desk.time(second - 60)
        most = max(most, desk.tally().hits)
    assert most < 3 * (100 + 60) * 1.15


def test_what_is_over_counts_no_more_whether_it_was_looked_at_or_not() -> None:
    """The clock is a timespan past the first hit, and no look was due yet: a late one between does not complete it."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(3)))
    desk.take(hit(0), hit(80))
    desk.time(105)
    assert desk.tally().hits == 2
    assert not desk.take(hit(50))


def test_a_full_group_loses_first_what_is_over() -> None:
    """That is not missed: nothing was evicted, and parents need not be told."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(100)), bounds=Bounds(10, 1000, 10))
    desk.take(*(hit(second) for second in range(10)))
    desk.time(105)
    desk.take(hit(106))
    assert (desk.tally().hits, desk.tally().evicted) == (5, 0)
    desk.take(*(hit(107 + second) for second in range(6)))
    assert desk.tally().evicted == 1


def test_a_record_is_read_before_any_of_it_is_taken() -> None:
    """What one correlation would find must not be lost with another's malformed hits."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(1)), linked(Kind.EVENT_COUNT, at_least(1), name="two"))
    good = [['["bob"]'], [1], ["a"], [1], [0], [None], [0], [None]]
    bad = [['["bob"]'], [1], ["a"], [1], [7], [None], [0], [None]]
    document = {"hits": {"version-one": good, "version-two": bad}, "origins": [["hn", "h"]], "clocks": []}
    with pytest.raises(DeadLetter, match="malformed_hits"):
        desk.partition.take(orjson.dumps(document), 0)
    assert desk.tally().hits == 0
    assert desk.take(hit(2))


def test_a_group_that_is_none_is_a_dead_letter_when_its_window_ends() -> None:
    """Who writes to soc.hits beside detection must not end the stage."""
    parent = linked(Kind.EVENT_COUNT, at_least(1), name="two", level=2)
    feeding = (("version-two", parent.inputs[0]),)
    desk = Desk(linked(Kind.VALUE_AVG, at_least(0, "Bytes"), parents=feeding), parent)
    wrong: Hit = hit(1, value=1)._replace(group="no JSON")
    desk.take(wrong)
    with pytest.raises(DeadLetter, match="malformed_hits"):
        desk.time(300)
    desk.time(400)
