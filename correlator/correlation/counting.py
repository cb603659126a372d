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

    def _add(self, group: Group, key: str, entry: Entry) -> int:
        time = entry[TIME]
        if group and time <= group[-1][TIME]:
            return self._add_before(group, key, entry)
        group.append(entry)  # as in InOrder, without its steps: half of all correlations count, and floods come here
        size, need = len(group), self._need
        if size >= need and group[-need][TIME] > time - self.span and not self._needless(group, time):
            self._holds(group, key, entry, entry)
        if size > self.bounds.group_hits:
            self._cut(group)
        return 1

    def _newest(self, group: Group, entry: Entry) -> bool:
        return self._is_true(group, entry[TIME])

    def _inserted(self, group: Group, entry: Entry) -> None:
        pass

    def _is_true(self, group: Group, time: int) -> bool:
        first = bisect_left(group, (time + 1,)) - self._need
        return first >= 0 and group[first][TIME] > time - self.span

    def _counted(self, window: Sequence[Entry]) -> int:
        return len(window)


class Values(Group):
    """A group; where it has hits enough, of each value the last time, in order: those of the window at the newest hit.

    `mixed`: they are not in order; then there are at least as many as should be.
    """

    __slots__ = ("last", "mixed")

    def __init__(self) -> None:
        """Hold nothing."""
        super().__init__()
        self.last: OrderedDict[Value, int] | None = None
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
        if len(group) < self._need:
            return False
        last, time = group.last, entry[TIME]
        if last is None:
            last = self._counted_last(group)
        elif (value := entry[VALUE]) is not None:
            last[value] = time
            last.move_to_end(value)
        before = time - self.span
        while last:
            first = next(iter(last))
            if last[first] > before:
                break
            del last[first]
        return len(last) >= self._need and (not group.mixed or self._is_true(group, time))

    def _counted_last(self, group: Values) -> OrderedDict[Value, int]:
        """Begin to count a group's values: those of its window."""
        start, _ = window_of(group, group[-1][TIME], self.span)
        last: OrderedDict[Value, int] = OrderedDict()
        for entry in group[start:]:
            if (value := entry[VALUE]) is not None:
                last[value] = entry[TIME]
                last.move_to_end(value)
        group.last, group.mixed = last, False
        return last

    def _inserted(self, group: Values, entry: Entry) -> None:
        value, time, newest = entry[VALUE], entry[TIME], group[-1][TIME]
        if group.last is None or value is None or time <= group.last.get(value, newest - self.span):
            return
        group.last[value] = time
        if time == newest:
            group.last.move_to_end(value)
        else:
            group.mixed = True

    def _is_true(self, group: Values, time: int) -> bool:
        start, stop = window_of(group, time, self.span)
        if stop - start < self._need:
            return False
        if group.last is not None:  # each value of the window is among these, or its hits have left the newest window
            gone = bisect_left(group, (group[-1][TIME] - self.span + 1,)) - start
            if len(group.last) + max(0, gone) < self._need:
                return False
        return self._counted(group[start:stop]) >= self._need

    def _drop(self, group: Values, before: int) -> list[Entry]:
        gone = super()._drop(group, before)
        group.last = None  # counted anew, in order, where there are hits enough
        return gone

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
