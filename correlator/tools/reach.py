"""Which correlations can fire at all, where not every rule that they refer to can."""

import math
from collections.abc import Collection, Iterable
from itertools import pairwise
from typing import Final

from correlator.correlation.conditions import expected, within
from correlator.correlation.plan import Linked, Plan
from correlator.correlation.rule import Condition, Correlation, Kind

MAX_TRIED: Final = 12
"""Rules of which every set is tried; where more of them can fire, the condition is taken to be one that can hold."""

_TEMPORAL: Final = frozenset({Kind.TEMPORAL, Kind.TEMPORAL_ORDERED})
_LEAST: Final = {Kind.EVENT_COUNT: 1, Kind.VALUE_COUNT: 0}
"""The smallest number that a window has, which no window is without: one event, which may have no value."""


def able(plan: Plan, rules: Iterable[str]) -> frozenset[str]:
    """Return the ids of rules and correlations that can fire where these detection rules, by id, can."""
    found = set(rules)
    for linked in plan.linked.values():  # lower levels first
        if may_fire(linked, {each.number for each in linked.inputs if each.rule in found}):
            found.add(linked.correlation.ref.id)
    return frozenset(found)


def may_fire(linked: Linked, there: Collection[int]) -> bool:
    """Tell whether the condition can hold where only the referred rules of these numbers can fire."""
    correlation = linked.correlation
    if not there:
        return False  # a group without events has no window
    if correlation.kind in _TEMPORAL:
        return _of_rules(correlation, there)
    return any(within(correlation.condition, number) for number in _numbers(correlation))


def _of_rules(correlation: Correlation, there: Collection[int]) -> bool:
    ordered = correlation.kind is Kind.TEMPORAL_ORDERED
    if ordered and correlation.condition.bounds:
        return any(within(correlation.condition, number) for number in range(1, len(there) + 1))
    if len(there) > MAX_TRIED:
        plain = correlation.condition == Condition()
        return not plain or len(there) == len(correlation.rules)
    holds = expected(correlation.condition, len(correlation.rules))
    return any(map(holds, _sets(there)))


def _sets(there: Collection[int]) -> Iterable[int]:
    """Yield every set of rules but the empty one, as bits."""
    bits = sum(1 << number for number in there)
    chosen = bits
    while chosen:
        yield chosen
        chosen = (chosen - 1) & bits


def _numbers(correlation: Correlation) -> Iterable[float]:
    """Return numbers of which one meets the bounds if any that a window can have does."""
    thresholds = [float(number) for _, number in correlation.condition.bounds]
    if correlation.kind in _LEAST:
        near = {math.floor(each) + step for each in thresholds for step in (-1, 0, 1, 2)}
        return [number for number in (_LEAST[correlation.kind], *near) if number >= _LEAST[correlation.kind]]
    ordered = sorted(thresholds)
    between = [(low + high) / 2 for low, high in pairwise(ordered)]
    ends = [math.nextafter(each, way) for each in thresholds for way in (-math.inf, math.inf)]
    return [*thresholds, *between, *ends]
