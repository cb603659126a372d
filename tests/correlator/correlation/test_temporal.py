"""Rules near in time, in any order or in the order given."""

import pytest

from correlator.correlation.conditions import met, within
from correlator.correlation.rule import Bound, Condition, Either, Every, Expression, Kind, Refers, Without
from tests.correlator.correlation.desk import Desk, at_least, buckets, hit, linked

ALL = Condition()


def test_every_rule_is_wanted() -> None:
    """In any order, within the timespan."""
    desk = Desk(linked(Kind.TEMPORAL, ALL, rules=3))
    assert not desk.take(hit(1, number=2), hit(50, number=0), hit(101, number=1))
    assert buckets(desk.take(hit(102, number=2))) == [1]


def test_a_number_of_the_rules_may_be_enough() -> None:
    """The condition counts different rules, not hits."""
    desk = Desk(linked(Kind.TEMPORAL, at_least(2), rules=3))
    assert not desk.take(hit(1, number=0), hit(2, number=0))
    assert buckets(desk.take(hit(3, number=2))) == [0]


def test_an_expression_over_the_rules() -> None:
    """Without "not" it is judged at its hits."""
    one = linked(Kind.TEMPORAL, Condition(expression=Every((Refers(0), Either((Refers(1), Refers(2)))))), rules=3)
    assert one.sliding
    desk = Desk(one)
    assert not desk.take(hit(1, number=1), hit(2, number=2))
    assert buckets(desk.take(hit(3, number=0))) == [0]


def test_one_event_may_meet_all_rules() -> None:
    """An id counts once for each of them."""
    desk = Desk(linked(Kind.TEMPORAL, ALL, rules=2))
    assert not desk.take(hit(1, "a", number=0), hit(1, "a", number=0))
    assert buckets(desk.take(hit(1, "a", number=1))) == [0]


def test_the_order_counts() -> None:
    """And only hits of the last rule complete it."""
    desk = Desk(linked(Kind.TEMPORAL_ORDERED, ALL, rules=3))
    assert not desk.take(hit(1, number=1), hit(2, number=0), hit(3, number=2))
    assert not desk.take(hit(4, number=1))
    assert buckets(desk.take(hit(5, number=2))) == [0]


def test_equal_times_are_in_order() -> None:
    """Clocks of one second's resolution must not hide an attack."""
    desk = Desk(linked(Kind.TEMPORAL_ORDERED, ALL, rules=2))
    assert buckets(desk.take(hit(1, "b", number=1), hit(1, "a", number=0))) == [0]


def test_what_comes_late_is_put_in_its_place() -> None:
    """A first step that arrives last completes the last step that has arrived."""
    desk = Desk(linked(Kind.TEMPORAL_ORDERED, ALL, rules=2))
    assert not desk.take(hit(150, number=1), hit(240, number=1), hit(260, number=1))
    assert buckets(desk.take(hit(145, number=0))) == [1, 2]
    assert not desk.take(hit(400, number=0))


def test_the_window_ends_at_the_last_step() -> None:
    """The first step must be less than a timespan before."""
    desk = Desk(linked(Kind.TEMPORAL_ORDERED, ALL, rules=2))
    assert not desk.take(hit(1, number=0), hit(101, number=1))
    assert desk.take(hit(100.9, number=1))


@pytest.mark.parametrize(
    ("expression", "there", "true"),
    [
        (Refers(1), 0b10, True),
        (Refers(1), 0b01, False),
        (Without(Refers(0)), 0b10, True),
        (Every((Refers(0), Without(Refers(1)))), 0b01, True),
        (Either((Refers(0), Refers(1))), 0b00, False),
    ],
)
def test_expressions(expression: Expression, there: int, true: bool) -> None:
    """Over the referred rules that are there."""
    assert met(expression, there) is true


@pytest.mark.parametrize(
    ("bound", "holds"),
    [
        (Bound.GT, [4]),
        (Bound.GTE, [3, 4]),
        (Bound.LT, [2]),
        (Bound.LTE, [2, 3]),
        (Bound.EQ, [3]),
        (Bound.NEQ, [2, 4]),
    ],
)
def test_bounds(bound: Bound, holds: list[int]) -> None:
    """Each operator against three."""
    assert [number for number in (2, 3, 4) if within(Condition(((bound, 3),)), number)] == holds


def test_what_has_passed_is_not_counted_again() -> None:
    """A late hit is judged with what the clock has left, whenever the group was looked at."""
    desk = Desk(linked(Kind.TEMPORAL, ALL, rules=2))
    desk.take(hit(10, number=0), hit(300, number=0))
    desk.time(250)
    assert not desk.take(hit(15, number=1, late=300)), "the first is gone: the clock passed a timespan after it"
