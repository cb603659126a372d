"""What a window has, kept up while hits enter and leave it: how many, how many values, how much."""

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Final, Protocol

from correlator.correlation.conditions import within
from correlator.correlation.hits import Value
from correlator.correlation.plan import Linked
from correlator.correlation.state import VALUE, Entry

ROUNDING: Final = 1e-6
"""A running sum is this part from the true one at most; where that decides, the window is added up anew."""

Window = Callable[[], Sequence[Entry]]
"""Gives the hits of the window, where they must be looked at once more."""


class Measure(Protocol):
    """A window's measure; hits are left out and taken in one by one."""

    def enter(self, entry: Entry) -> None:
        """Take a hit in."""

    def leave(self, entry: Entry) -> None:
        """Leave out a hit that was taken in."""

    def holds(self, window: Window) -> bool:
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

    def holds(self, window: Window) -> bool:  # noqa: ARG002 - the number is exact
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

    def holds(self, window: Window) -> bool:  # noqa: ARG002 - the number is exact
        """See Measure.holds."""
        return len(self._counts) >= self._need

    def could_hold(self, more: Sequence[Entry]) -> bool:
        """See Measure.could_hold."""
        lacking = self._need - len(self._counts)
        if lacking <= 0 or lacking > len(more):
            return lacking <= 0
        return len({entry[VALUE] for entry in more}.difference(self._counts, (None,))) >= lacking


class Total:
    """What the values add up to, those below zero left out."""

    __slots__ = ("_linked", "_most", "_number", "_total")

    def __init__(self, linked: Linked) -> None:
        """Begin with none."""
        self._linked = linked
        self._total = self._most = 0.0
        self._number = 0

    def enter(self, entry: Entry) -> None:
        """See Measure.enter."""
        if (value := amount(entry)) is not None:
            self._total += value
            self._most = max(self._most, self._total)
            self._number += 1

    def leave(self, entry: Entry) -> None:
        """See Measure.leave."""
        if (value := amount(entry)) is not None:
            self._total -= value
            self._number -= 1

    def holds(self, window: Window) -> bool:
        """See Measure.holds."""
        if not self._number:
            return False
        condition = self._linked.correlation.condition
        off = ROUNDING * (self._most + 1)
        low, high = within(condition, self._total - off), within(condition, self._total + off)
        return low if low == high else within(condition, total(window()))

    def could_hold(self, more: Sequence[Entry]) -> bool:
        """See Measure.could_hold."""
        off = ROUNDING * (self._most + 1)
        return within(self._linked.correlation.condition, self._total + off + total(more) * (1 + ROUNDING))


def amount(entry: Entry) -> int | float | None:
    """Return the value that a sum takes in, None where there is none or it is below zero."""
    value = entry[VALUE]
    return value if isinstance(value, int | float) and value >= 0 else None


def total(window: Sequence[Entry]) -> float:
    """Return the sum of the hits' values, those below zero left out, correct to the last digit of a float."""
    return added([value for entry in window if (value := amount(entry)) is not None])


def added(values: Sequence[float]) -> float:
    """Return the sum, correct to the last digit of a float; infinite where no float is so large."""
    try:
        return math.fsum(values)
    except OverflowError:
        exact = sum(map(Fraction, values))
    try:
        return float(exact)
    except OverflowError:
        return math.inf if exact > 0 else -math.inf
