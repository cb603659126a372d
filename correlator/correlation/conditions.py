"""What a condition asks of a number, or of which referred rules are there."""

import math
from collections.abc import Callable

from correlator.correlation.plan import Linked
from correlator.correlation.rule import Bound, Condition, Either, Every, Expression, Refers

Holds = Callable[[int], bool]
"""Whether a condition is true of a set of referred rules, given as bits."""


def expected(condition: Condition, rules: int) -> Holds:
    """Return what a temporal condition asks of which of the referred rules are there."""
    if condition.expression is not None:
        expression = condition.expression
        return lambda there: met(expression, there) and within(condition, there.bit_count())
    if condition.bounds:
        return lambda there: within(condition, there.bit_count())
    everything = (1 << rules) - 1
    return lambda there: there == everything


def met(expression: Expression, there: int) -> bool:
    """Return whether an expression is true of a set of referred rules, given as bits."""
    if isinstance(expression, Refers):
        return bool(there >> expression.number & 1)
    if isinstance(expression, Every):
        return all(met(part, there) for part in expression.parts)
    if isinstance(expression, Either):
        return any(met(part, there) for part in expression.parts)
    return not met(expression.part, there)


def within(condition: Condition, number: float) -> bool:
    """Return whether a number is within every bound of a condition."""
    return all(_STANDS[bound](number, threshold) for bound, threshold in condition.bounds)


_STANDS: dict[Bound, Callable[[float, float], bool]] = {
    Bound.GT: lambda number, threshold: number > threshold,
    Bound.GTE: lambda number, threshold: number >= threshold,
    Bound.LT: lambda number, threshold: number < threshold,
    Bound.LTE: lambda number, threshold: number <= threshold,
    Bound.EQ: lambda number, threshold: number == threshold,
    Bound.NEQ: lambda number, threshold: number != threshold,
}


def least(linked: Linked) -> int:
    """Return the smallest whole number that every bound of a condition (gt and gte only) allows, at least 1."""
    numbers = [1]
    for bound, threshold in linked.correlation.condition.bounds:
        numbers.append(math.floor(threshold) + 1 if bound is Bound.GT else math.ceil(threshold))
    return max(numbers)
