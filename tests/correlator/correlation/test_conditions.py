"""Every operator of a condition for every type, ranges and decimals too: judged at hits or once a window, as it says.

One group has six hits within a timespan, told to a partition out of order; what each type measures of them is written here.
"""

from typing import Final

import pytest

from correlator.correlation.rule import Bound, Condition, Correlation, Either, Every, Expression, Kind, Refers, Without
from soc.clock import SECOND
from tests.correlator.correlation.model import Happening, expected
from tests.correlator.correlation.strategies import Bounds, correlation
from tests.correlator.correlation.worlds import Scene, World

MINUTE: Final = 60 * SECOND
EVENTS: Final = (
    (1, "Db", "anh", 1),
    (2, "Da", "bình", 2.5),
    (3, "Da", "ANH", "4"),
    (4, "Da", "chi", 8),
    (5, "Dd", "chi", 7),
    (6, "Dd", "chi", None),
)
"""Second, detection rule, user, bytes: all in the first minute."""

MEASURED: Final = {
    Kind.EVENT_COUNT: 6,
    Kind.VALUE_COUNT: 3,
    Kind.TEMPORAL: 3,
    Kind.TEMPORAL_ORDERED: 2,  # Da, then Dd: Db is before them, and Dc not there
    Kind.VALUE_SUM: 22.5,
    Kind.VALUE_AVG: 4.5,
    Kind.VALUE_PERCENTILE: 7,
    Kind.VALUE_MEDIAN: 4,
}
HOLDS: Final = {
    Bound.GT: (False, False, True),
    Bound.GTE: (False, True, True),
    Bound.LT: (True, False, False),
    Bound.LTE: (True, True, False),
    Bound.EQ: (False, True, False),
    Bound.NEQ: (True, False, True),
}
"""Whether a number that is below, at, or above the threshold is within the bound."""


def found(rule: Correlation) -> int:
    """Return how many matches a correlation makes of the events; brute force must make the same."""
    happenings = [
        Happening(f"e{at}", at * SECOND, at * SECOND, {"host": "h", "user": user, "bytes": number}, (met,))
        for at, met, user, number in EVENTS
    ]
    late = [
        each._replace(arrival=each.time + (7 * SECOND if number % 2 else 0)) for number, each in enumerate(happenings)
    ]
    found = World(Scene(0, [rule], [(0, each) for each in late], (1, 1, 10 * SECOND), 0)).run()
    assert found == expected(late, [rule], 10 * SECOND)
    return len(found)


def rule_of(kind: Kind, bounds: Bounds, expression: Expression | None = None) -> Correlation:
    """Return a correlation of that kind over all four detection rules, by host, within a minute."""
    fields = {Kind.VALUE_COUNT: ("user",)}.get(kind, ("bytes",) if "value" in kind else ())
    percentile = 75 if kind is Kind.VALUE_PERCENTILE else None
    return correlation(
        "A", kind, ["Da", "Db", "Dc", "Dd"], MINUTE, group_by=("host",), bounds=bounds, fields=fields,
        percentile=percentile, expression=expression,
    )  # fmt: skip


@pytest.mark.parametrize("bound", Bound)
@pytest.mark.parametrize("kind", Kind)
def test_a_threshold_around_what_is_measured(kind: Kind, bound: Bound) -> None:
    """The number is below a threshold above it, at its own, and above one below it."""
    number = MEASURED[kind]
    thresholds = (number + 0.25, number, number - 0.25)
    assert tuple(bool(found(rule_of(kind, ((bound, each),)))) for each in thresholds) == HOLDS[bound]


@pytest.mark.parametrize("kind", Kind)
def test_a_range(kind: Kind) -> None:
    """Both bounds must hold."""
    number = MEASURED[kind]
    assert found(rule_of(kind, ((Bound.GTE, number), (Bound.LT, number + 0.5))))
    assert not found(rule_of(kind, ((Bound.GT, number), (Bound.LTE, number + 0.5))))


@pytest.mark.parametrize(
    ("expression", "holds"),
    [
        (Every((Refers(0), Refers(1))), True),
        (Every((Refers(0), Refers(2))), False),
        (Either((Refers(2), Refers(3))), True),
        (Every((Refers(0), Without(Refers(2)))), True),
        (Every((Refers(0), Without(Either((Refers(2), Refers(3)))))), False),
        (Without(Refers(2)), True),
    ],
)
def test_an_expression(expression: Expression, *, holds: bool) -> None:
    """And, or, not: with `not` it is judged once the window is over."""
    assert bool(found(rule_of(Kind.TEMPORAL, (), expression))) is holds


@pytest.mark.parametrize("kind", [Kind.TEMPORAL, Kind.TEMPORAL_ORDERED])
def test_without_a_condition_every_rule_is_asked_for(kind: Kind) -> None:
    """Dc never came."""
    assert not found(rule_of(kind, ()))


def test_the_condition_is_what_was_written() -> None:
    """The rules of this file say what they mean to say."""
    assert rule_of(Kind.VALUE_PERCENTILE, ((Bound.GT, 1),)).condition == Condition(((Bound.GT, 1),), ("bytes",), 75)
