"""Correlations of different rules near in time, in any order or in the order given, judged at their hits."""

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from correlator.correlation.conditions import expected, least
from correlator.correlation.plan import Linked
from correlator.correlation.sliding import Disturbed, Group, Sliding, window_of
from correlator.correlation.state import ARRIVAL, NEVER, NUMBER, TIME, Bounds, Entry, Feed


class Lanes(Group):
    """The hits of one group, those of each referred rule apart. `latest`: time of each rule's last. `newest`: of all."""

    __slots__ = ("lanes", "latest", "newest")

    def __init__(self, rules: int) -> None:
        """Hold nothing."""
        super().__init__()
        self.lanes: list[list[Entry]] = [[] for _ in range(rules)]
        self.latest = [NEVER] * rules
        self.newest = NEVER

    def entries(self) -> Iterator[Entry]:
        """See Group.entries."""
        return (entry for lane in self.lanes for entry in lane)


class Temporal(Sliding[Lanes]):
    """Hits of the referred rules that the condition asks for, in any order. An id counts once for each rule."""

    def __init__(self, linked: Linked, bounds: Bounds, feed: Feed) -> None:
        """Hold nothing."""
        super().__init__(linked, bounds, feed)
        self._rules = len(linked.correlation.rules)
        self._expected = expected(linked.correlation.condition, self._rules)
        self._known: dict[int, bool] = {}
        condition = linked.correlation.condition
        self._wants_all = condition.expression is None and not condition.bounds
        self._from = 0
        self._most = bounds.group_hits

    def _new(self) -> Lanes:
        return Lanes(self._rules)

    def _add(self, group: Lanes, key: str, entry: Entry) -> int:
        number, time = entry[NUMBER], entry[TIME]
        lane = group.lanes[number]
        if time > group.newest:
            group.newest = group.latest[number] = time
            lane.append(entry)
            if number < self._from or (self._wants_all and min(group.latest) <= time - self.span):
                pass
            elif not self._needless(group, time) and self._at_newest(group, entry):
                self._holds(group, key, entry, entry)
        else:
            at = bisect_left(lane, entry[:2])
            if at < len(lane) and lane[at][:2] == entry[:2]:
                return self._again(group, key, lane, at, entry)
            lane.insert(at, entry)
            group.latest[number] = max(time, group.latest[number])
            self._disturb(key, entry)
        if len(lane) > self._most:
            self._cut(group, lane)
        return 1

    def _again(self, group: Lanes, key: str, lane: list[Entry], at: int, entry: Entry) -> int:
        """Take a copy of a hit: what arrived last says how long it is kept."""
        before = lane[at]
        if entry[ARRIVAL] < before[ARRIVAL]:
            return 0
        lane[at] = entry
        later = entry[ARRIVAL] > before[ARRIVAL]
        if later and self.linked.parents and entry[NUMBER] >= self._from and self._is_true(group, entry):
            self._holds(group, key, entry, entry)
        return 0

    def _could(self, group: Lanes, time: int) -> bool:  # noqa: ARG002 - any hit will do
        """See Sliding._could: hits of enough rules are there."""
        return self._says(sum(1 << number for number, lane in enumerate(group.lanes) if lane))

    def _judge(self, group: Lanes, key: str, disturbed: Disturbed) -> None:
        """See Sliding._judge: in one pass over the hits, with the latest of each rule up to there."""
        hits = sorted(entry for lane in group.lanes for entry in self._range(lane, disturbed))
        latest = [_last_before(lane, disturbed.first) for lane in group.lanes]
        at = 0
        while at < len(hits):
            time, begin = hits[at][TIME], at
            while at < len(hits) and hits[at][TIME] == time:
                latest[hits[at][NUMBER]] = time
                at += 1
            if self._says(_there(latest, time - self.span)):
                self._hold_all(group, key, hits[begin:at], disturbed.arrived)

    def _range(self, lane: list[Entry], disturbed: Disturbed) -> list[Entry]:
        """Return the hits of one rule that are to be judged."""
        return lane[bisect_left(lane, (disturbed.first,)) : bisect_left(lane, (disturbed.last + self.span,))]

    def _at_newest(self, group: Lanes, at: Entry) -> bool:
        """Return whether the condition holds at a hit that is behind all others."""
        return self._says(_there(group.latest, at[TIME] - self.span))

    def _is_true(self, group: Lanes, at: Entry) -> bool:
        """Return whether the condition holds at a hit."""
        time = at[TIME]
        there = 0
        for number, lane in enumerate(group.lanes):
            last = bisect_left(lane, (time + 1,)) - 1
            if last >= 0 and lane[last][TIME] > time - self.span:
                there |= 1 << number
        return self._says(there)

    def _says(self, there: int) -> bool:
        try:
            return self._known[there]
        except KeyError:
            if len(self._known) > 1 << 12:
                self._known.clear()
            said = self._known[there] = self._expected(there)
            return said

    def _drop(self, group: Lanes, before: int) -> int:
        gone = sum([self._cleared(lane, before) for lane in group.lanes if lane and lane[0][TIME] < before])
        if gone:
            group.latest = [lane[-1][TIME] if lane else NEVER for lane in group.lanes]
        return gone

    def _first(self, group: Lanes) -> int | None:
        return min([lane[0][TIME] for lane in group.lanes if lane], default=None)

    def _window(self, group: Lanes, at: Entry) -> list[Entry]:
        found: list[Entry] = []
        for lane in group.lanes:
            start, stop = window_of(lane, at[TIME], self.span)
            found += lane[start:stop]
        return sorted(found, key=lambda entry: entry[:2])

    def _counted(self, window: Sequence[Entry]) -> int:
        return len({entry[NUMBER] for entry in window})


def _last_before(lane: list[Entry], time: int) -> int:
    """Return the time of the last hit before a time, NEVER where there is none."""
    at = bisect_left(lane, (time,))
    return lane[at - 1][TIME] if at else NEVER


def _there(latest: Sequence[int], before: int) -> int:
    """Return as bits the rules whose latest hit is after a time."""
    there = 0
    for number, time in enumerate(latest):
        if time > before:
            there |= 1 << number
    return there


class Ordered(Temporal):
    """Hits of the referred rules in the order given, judged at the last of them. Equal times count as ordered.

    A number in the condition is how many of the rules there are in that order, one after another up to the hit.
    """

    def __init__(self, linked: Linked, bounds: Bounds, feed: Feed) -> None:
        """Hold nothing."""
        super().__init__(linked, bounds, feed)
        self._need = least(linked) if linked.correlation.condition.bounds else self._rules
        self._from = self._need - 1  # a hit of an earlier rule ends no such row

    def _judge(self, group: Lanes, key: str, disturbed: Disturbed) -> None:
        for lane in group.lanes[self._from :]:
            hits = self._range(lane, disturbed)
            self._hold_all(group, key, (at for at in hits if self._is_true(group, at)), disturbed.arrived)

    def _at_newest(self, group: Lanes, at: Entry) -> bool:
        return self._is_true(group, at)

    def _is_true(self, group: Lanes, at: Entry) -> bool:
        if self._need < self._rules:
            return 1 + longest(group.lanes[: at[NUMBER]], at[TIME] - self.span + 1, at[TIME]) >= self._need
        earliest = at[TIME] - self.span + 1
        for lane in group.lanes:
            first = bisect_left(lane, (earliest,))
            if first == len(lane) or lane[first][TIME] > at[TIME]:
                return False
            earliest = lane[first][TIME]
        return True

    def _counted(self, window: Sequence[Entry]) -> int:
        return in_order(window, self._rules)


def in_order(window: Iterable[Entry], rules: int) -> int:
    """Return of how many referred rules there are hits in the order given."""
    lanes: list[list[Entry]] = [[] for _ in range(rules)]
    for entry in sorted(window, key=lambda entry: entry[:2]):
        lanes[entry[NUMBER]].append(entry)
    return longest(lanes, NEVER, -NEVER)


def longest(lanes: Sequence[list[Entry]], start: int, end: int) -> int:
    """Return from how many lanes, in order, there are entries of which none is before that of an earlier lane."""
    ends = [start]  # for each number of them the earliest time at which there are as many
    for lane in lanes:
        for number in range(len(ends) - 1, -1, -1):
            first = bisect_left(lane, (ends[number],))
            if first == len(lane) or (time := lane[first][TIME]) > end:
                continue
            if number + 1 == len(ends):
                ends.append(time)
            else:
                ends[number + 1] = min(ends[number + 1], time)
    return len(ends) - 1
