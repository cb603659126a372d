"""Correlations that count events, values, or what values add up to, judged at their hits."""

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Sequence

from correlator.correlation.conditions import least
from correlator.correlation.hits import Value
from correlator.correlation.measures import Measure, Number, Total, Variety, amount, total
from correlator.correlation.plan import Linked
from correlator.correlation.sliding import Disturbed, Group, Sliding, window_of
from correlator.correlation.state import ARRIVAL, ORIGIN, TIME, VALUE, Bounds, Entry, Feed


class Measured(Group):
    """A group with the measure of the window at its newest hit, None where it is not kept; `begin`: its first hit."""

    __slots__ = ("begin", "measure")

    def __init__(self) -> None:
        """Hold nothing."""
        super().__init__()
        self.measure: Measure | None = None
        self.begin = 0


class Counting(Sliding[Measured]):
    """What looks at the hits of all referred rules together, in the order of time."""

    by_value: bool = False
    """Whether hits of one event with other values are other hits."""

    quiet: bool = False
    """Whether a group with fewer hits than are asked for needs no look at them."""

    def __init__(self, linked: Linked, bounds: Bounds, feed: Feed) -> None:
        """Hold nothing."""
        super().__init__(linked, bounds, feed)
        self._need = least(linked)
        self._quiet = min(self._need - 1, bounds.group_hits) if self.quiet else 0

    @abstractmethod
    def _measure(self) -> Measure:
        """Return the measure of a window without hits."""

    def _new(self) -> Measured:
        return Measured()

    def _add(self, group: Measured, key: str, entry: Entry) -> int:
        if group and entry[TIME] <= group[-1][TIME]:
            return self._add_before(group, key, entry)
        group.append(entry)
        if self._newest(group, entry) and not self._needless(group, entry[TIME]):
            self._holds(group, key, entry, entry)
        if len(group) > self.bounds.group_hits:
            self._shorten(group)
        return 1

    def _newest(self, group: Measured, entry: Entry) -> bool:
        """Return whether the condition holds at a hit that is behind all others."""
        return self._entered(group, entry).holds()

    def _entered(self, group: Measured, entry: Entry) -> Measure:
        """Return the measure of the window at a hit that is behind all others."""
        before = entry[TIME] - self.span
        if (measure := group.measure) is None:
            return self._begin_measure(group, before)
        measure.enter(entry)
        begin = group.begin
        while group[begin][TIME] <= before:
            measure.leave(group[begin])
            begin += 1
        group.begin = begin
        return measure

    def _begin_measure(self, group: Measured, before: int) -> Measure:
        measure = group.measure = self._measure()
        group.begin = bisect_left(group, (before + 1,))
        for entry in group[group.begin :]:
            measure.enter(entry)
        return measure

    def _add_before(self, group: Measured, key: str, entry: Entry) -> int:
        at, copy = self._place(group, entry)
        if copy:
            return self._again(group, key, at, entry)
        if group.measure is not None:
            if entry[TIME] > group[-1][TIME] - self.span:
                group.measure.enter(entry)
            else:
                group.begin += 1
        group.insert(at, entry)
        self._disturb(key, entry)
        if len(group) > self.bounds.group_hits:
            self._shorten(group)
        return 1

    def _place(self, group: Measured, entry: Entry) -> tuple[int, bool]:
        """Return where the hit belongs, and whether it stands there already."""
        at = bisect_left(group, entry[:2])
        while at < len(group) and group[at][:2] == entry[:2]:
            if not self.by_value or group[at][VALUE] == entry[VALUE]:
                return at, True
            at += 1
        return at, False

    def _again(self, group: Measured, key: str, at: int, entry: Entry) -> int:
        """Take a copy of a hit: what arrived last says how long it is kept, and the greatest value counts."""
        before = group[at]
        value = greater(before[VALUE], entry[VALUE])
        later = entry if entry[ARRIVAL] > before[ARRIVAL] else before
        group[at] = (*later[:VALUE], value, *later[ORIGIN:])
        if value != before[VALUE]:
            if group.measure is not None and at >= group.begin:
                group.measure.leave(before)
                group.measure.enter(group[at])
            self._disturb(key, group[at])
        elif later is entry and self.linked.parents and self._is_true(group, entry[TIME]):
            self._holds(group, key, entry, entry)
        return 0

    def _is_true(self, group: Measured, time: int) -> bool:
        start, stop = window_of(group, time, self.span)
        measure = self._measure()
        for entry in group[start:stop]:
            measure.enter(entry)
        return measure.holds()

    def _judge(self, group: Measured, key: str, disturbed: Disturbed) -> None:
        """See Sliding._judge: in one pass over the hits that they look at."""
        time, until, span = disturbed.first, disturbed.last + self.span, self.span
        at, end = bisect_left(group, (time,)), bisect_left(group, (until,))
        start = stop = bisect_left(group, (time - span + 1,))
        measure = self._measure()
        while at < end:
            now = group[at][TIME]
            while stop < len(group) and group[stop][TIME] <= now:
                measure.enter(group[stop])
                stop += 1
            while group[start][TIME] <= now - span:
                measure.leave(group[start])
                start += 1
            if measure.holds():
                self._hold_all(group, key, group[at:stop], disturbed.arrived)
            at = stop

    def _could(self, group: Measured, time: int) -> bool:
        """See Sliding._could: of all hits together it would be true."""
        start = bisect_left(group, (time - self.span + 1,))
        if group.measure is None:
            self._begin_measure(group, group[-1][TIME] - self.span)
        return group.measure is not None and group.measure.could_hold(group[start : group.begin])

    def _shorten(self, group: Measured) -> None:
        if self._cut(group, group):
            group.measure = None

    def _drop(self, group: Measured, before: int) -> int:
        if group.measure is None:
            return self._cleared(group, before)
        if group[-1][TIME] - self.span < before - 1:  # the measure may have some of them
            group.measure = None
        gone = self._cleared(group, before)
        group.begin -= gone
        return gone

    def _first(self, group: Measured) -> int | None:
        return group[0][TIME] if group else None


class Counted(Counting):
    """event_count with gt and gte. An event id counts once."""

    quiet = True

    def _measure(self) -> Measure:
        return Number(self._need)

    def _newest(self, group: Measured, entry: Entry) -> bool:
        need = self._need
        return len(group) >= need and group[-need][TIME] > entry[TIME] - self.span

    def _could(self, group: Measured, time: int) -> bool:
        return len(group) - bisect_left(group, (time - self.span + 1,)) >= self._need

    def _counted(self, window: Sequence[Entry]) -> int:
        return len(window)


class Distinct(Counting):
    """value_count with gt and gte."""

    by_value = True
    quiet = True

    def _measure(self) -> Measure:
        return Variety(self._need)

    def _newest(self, group: Measured, entry: Entry) -> bool:
        return len(group) >= self._need and self._entered(group, entry).holds()

    def _drop(self, group: Measured, before: int) -> int:
        gone = super()._drop(group, before)
        if len(group) < self._need:
            group.measure = None  # most groups stay so: they need none, and what comes now enters none
        return gone

    def _could(self, group: Measured, time: int) -> bool:
        return len(group) >= self._need and super()._could(group, time)

    def _counted(self, window: Sequence[Entry]) -> int:
        return len({entry[VALUE] for entry in window} - {None})


class Summed(Counting):
    """value_sum with gt and gte. Values below zero are left out: with them a later hit could make it false."""

    def _measure(self) -> Measure:
        return Total(self.linked)

    def _add(self, group: Measured, key: str, entry: Entry) -> int:
        made = super()._add(group, key, entry)
        self.tally.unread += made and entry[VALUE] is not None and amount(entry) is None
        return made

    def _counted(self, window: Sequence[Entry]) -> float:
        return total(window)


def greater(one: Value, other: Value) -> Value:
    """Return which of an event's two values counts: the greater number, or the one that there is."""
    if one is None or other is None:
        return other if one is None else one
    return max(one, other) if isinstance(one, int | float) and isinstance(other, int | float) else one
