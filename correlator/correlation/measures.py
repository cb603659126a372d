"""What a window has, kept up while hits enter and leave it: how many, how many values, how much."""

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from fractions import Fraction
from typing import Final, Protocol

from correlator.correlation.conditions import within
from correlator.correlation.hits import Value
from correlator.correlation.plan import Linked
from correlator.correlation.state import VALUE, Entry

SCALE: Final = 1074
"""Binary places behind the point that a float may have: scaled by them every float is a whole number."""


class Measure(Protocol):
    """A window's measure; hits are left out and taken in one by one."""

    def enter(self, entry: Entry) -> None:
        """Take a hit in."""

    def leave(self, entry: Entry) -> None:
        """Leave out a hit that was taken in."""

    def holds(self) -> bool:
        """Return whether the condition is true."""

    def could_hold(self, more: Sequence[Entry]) -> bool:
        """Return False only where the condition is not true of any part of what was taken in and these together."""


class Number:
    """How many hits there are."""

    def __init__(self, need: int) -> None:
        """Begin with none; `need` make the condition true."""
        self._need = need
        self._number = 0

    def enter(self, entry: Entry) -> None:  # noqa: ARG002 - any hit counts
        """See Measure.enter."""
        self._number += 1

    def leave(self, entry: Entry) -> None:  # noqa: ARG002 - any hit counts
        """See Measure.leave."""
        self._number -= 1

    def holds(self) -> bool:
        """See Measure.holds."""
        return self._number >= self._need

    def could_hold(self, more: Sequence[Entry]) -> bool:
        """See Measure.could_hold."""
        return self._number + len(more) >= self._need


class Variety:
    """How many values there are."""

    __slots__ = ("_counts", "_need")

    def __init__(self, need: int) -> None:
        """Begin with none; `need` make the condition true."""
        self._need = need
        self._counts: dict[Value, int] = {}

    def enter(self, entry: Entry) -> None:
        """See Measure.enter."""
        if (value := entry[VALUE]) is not None:
            self._counts[value] = self._counts.get(value, 0) + 1

    def leave(self, entry: Entry) -> None:
        """See Measure.leave."""
        if (value := entry[VALUE]) is not None:
            left = self._counts[value] - 1
            if left:
                self._counts[value] = left
            else:
                del self._counts[value]

    def holds(self) -> bool:
        """See Measure.holds."""
        return len(self._counts) >= self._need

    def could_hold(self, more: Sequence[Entry]) -> bool:
        """See Measure.could_hold."""
        lacking = self._need - len(self._counts)
        if lacking <= 0 or lacking > len(more):
            return lacking <= 0
        return len({entry[VALUE] for entry in more}.difference(self._counts, (None,))) >= lacking


class Total:
    """What the values add up to, those below zero left out. Exact, so that the order of hits and looks changes nothing."""

    __slots__ = ("_condition", "_number", "_part", "_scaled", "_whole")

    def __init__(self, linked: Linked) -> None:
        """Begin with none."""
        self._condition = linked.correlation.condition
        bounds = tuple((bound, scaled(threshold)) for bound, threshold in self._condition.bounds)
        self._scaled = replace(self._condition, bounds=bounds)
        self._whole = self._part = self._number = 0

    def enter(self, entry: Entry) -> None:
        """See Measure.enter."""
        self._count(entry, 1)

    def leave(self, entry: Entry) -> None:
        """See Measure.leave."""
        self._count(entry, -1)

    def _count(self, entry: Entry, sign: int) -> None:
        if (value := amount(entry)) is None:
            return
        self._number += sign
        if isinstance(value, int) or value.is_integer():
            self._whole += sign * int(value)
        else:
            self._part += sign * scaled(value)

    def holds(self) -> bool:
        """See Measure.holds."""
        if not self._number:
            return False
        if not self._part:
            return within(self._condition, self._whole)
        return within(self._scaled, (self._whole << SCALE) + self._part)

    def could_hold(self, more: Sequence[Entry]) -> bool:
        """See Measure.could_hold."""
        together = copy(self)
        for entry in more:
            together.enter(entry)
        return together.holds()


def scaled(value: float) -> int:
    """Return a finite number times two to the power of SCALE."""
    numerator, denominator = value.as_integer_ratio()
    return (numerator << SCALE) // denominator


def amount(entry: Entry) -> int | float | None:
    """Return the value that a sum takes in, None where there is none or it is below zero."""
    value = entry[VALUE]
    return value if isinstance(value, int | float) and value >= 0 else None


def total(window: Sequence[Entry]) -> float:
    """Return the sum of the hits' values, those below zero left out, correct to the last digit of a float."""
    return added([value for entry in window if (value := amount(entry)) is not None])


def added(values: Sequence[float]) -> float:
    """Return the sum, of whole numbers as it is, else correct to the last digit of a float; infinite where no float is so large."""
    if all(isinstance(value, int) for value in values):
        return sum(values)
    try:
        return math.fsum(values)
    except OverflowError:
        exact = sum(map(Fraction, values))
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf
