"""Correlations that count events, values, or what values add up to, judged at their hits."""

import math
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence

from correlator.correlation.hits import Value
from correlator.correlation.plan import Linked
from correlator.correlation.rule import Bound
from correlator.correlation.sliding import Group, InOrder, window_of
from correlator.correlation.state import TIME, VALUE, Bounds, Entry, Feed

ROUNDING = 1 + 1e-9
"""A running sum is this far from the true one at most: where it is clearly too small, nothing need be added up."""


def least(linked: Linked) -> int:
    """Return the smallest whole number that every bound of a condition (gt and gte only) allows, at least 1."""
    numbers = [1]
    for bound, threshold in linked.correlation.condition.bounds:
        numbers.append(math.floor(threshold) + 1 if bound is Bound.GT else math.ceil(threshold))
    return max(numbers)


class Counted(InOrder[Group]):
    """event_count with gt and gte. An event id counts once."""

    def __init__(self, linked: Linked, bounds: Bounds, feed: Feed) -> None:
        """Hold nothing."""
        super().__init__(linked, bounds, feed)
        self._need = least(linked)

    def _new(self) -> Group:
        return Group()

    def _newest(self, group: Group, entry: Entry) -> bool:
        need = self._need
        return len(group) >= need and group[-need][TIME] > entry[TIME] - self.span

    def _inserted(self, group: Group, entry: Entry) -> None:
        pass

    def _is_true(self, group: Group, time: int) -> bool:
        first = bisect_left(group, (time + 1,)) - self._need
        return first >= 0 and group[first][TIME] > time - self.span

    def _counted(self, window: Sequence[Entry]) -> int:
        return len(window)


class Values(Group):
    """A group, and of each value the last time, in order: those of the window that ends at the newest hit.

    `mixed`: they are not in order; then there are at least as many as should be.
    """

    __slots__ = ("last", "mixed")

    def __init__(self) -> None:
        """Hold nothing."""
        super().__init__()
        self.last: OrderedDict[Value, int] = OrderedDict()
        self.mixed = False


class Distinct(InOrder[Values]):
    """value_count with gt and gte."""

    by_value = True

    def __init__(self, linked: Linked, bounds: Bounds, feed: Feed) -> None:
        """Hold nothing."""
        super().__init__(linked, bounds, feed)
        self._need = least(linked)

    def _new(self) -> Values:
        return Values()

    def _newest(self, group: Values, entry: Entry) -> bool:
        last, time = group.last, entry[TIME]
        if (value := entry[VALUE]) is not None:
            last[value] = time
            last.move_to_end(value)
        before = time - self.span
        while last:
            first = next(iter(last))
            if last[first] > before:
                break
            del last[first]
        return len(last) >= self._need and (not group.mixed or self._is_true(group, time))

    def _inserted(self, group: Values, entry: Entry) -> None:
        value, time, newest = entry[VALUE], entry[TIME], group[-1][TIME]
        known = group.last.get(value, newest - self.span)
        if value is not None and time > known:
            group.last[value] = time
            group.mixed = group.mixed or time < newest
            if time == newest:
                group.last.move_to_end(value)

    def _is_true(self, group: Values, time: int) -> bool:
        newest = group[-1][TIME]
        if len(group.last) < self._need and time == newest:
            return False
        start, stop = window_of(group, time, self.span)
        if stop - start < self._need:
            return False
        gone = bisect_left(group, (newest - self.span + 1,)) - start
        if (
            len(group.last) + max(0, gone) < self._need
        ):  # each value of the window is among these hits, or still counted
            return False
        return self._counted(group[start:stop]) >= self._need

    def _drop(self, group: Values, before: int) -> list[Entry]:
        if group.mixed:
            group.last = OrderedDict(sorted(group.last.items(), key=lambda each: each[1]))
            group.mixed = False
        return super()._drop(group, before)

    def _counted(self, window: Sequence[Entry]) -> int:
        return len({entry[VALUE] for entry in window} - {None})


class Sums(Group):
    """A group, and about what its values add up to."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        """Hold nothing."""
        super().__init__()
        self.total = 0.0


class Summed(InOrder[Sums]):
    """value_sum with gt and gte. Values below zero are left out: with them a later hit could make it false."""

    def _new(self) -> Sums:
        return Sums()

    def _newest(self, group: Sums, entry: Entry) -> bool:
        self._inserted(group, entry)
        return self._is_true(group, entry[TIME])

    def _inserted(self, group: Sums, entry: Entry) -> None:
        group.total += self._number(entry)

    def _number(self, entry: Entry) -> float:
        value = entry[VALUE]
        if isinstance(value, int | float) and value >= 0:
            return float(value)
        self.tally.unread += 1
        return 0.0

    def _is_true(self, group: Sums, time: int) -> bool:
        if not self._within(group.total * ROUNDING):
            return False
        start, stop = window_of(group, time, self.span)
        return self._has_value(group[start:stop]) and self._within(self._counted(group[start:stop]))

    def _has_value(self, window: Sequence[Entry]) -> bool:
        return any(entry[VALUE] is not None for entry in window)

    def _within(self, total: float) -> bool:
        bounds = self.linked.correlation.condition.bounds
        return all(total > threshold if bound is Bound.GT else total >= threshold for bound, threshold in bounds)

    def _drop(self, group: Sums, before: int) -> list[Entry]:
        gone = super()._drop(group, before)
        group.total = self._counted(group)
        return gone

    def _counted(self, window: Sequence[Entry]) -> float:
        return math.fsum(value for entry in window if isinstance(value := entry[VALUE], int | float) and value >= 0)
