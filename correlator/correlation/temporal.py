"""Correlations of different rules near in time, in any order or in the order given, judged at their hits."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence

from correlator.correlation.plan import Linked
from correlator.correlation.rule import Bound, Condition, Either, Every, Expression, Refers
from correlator.correlation.sliding import Group, Sliding, window_of
from correlator.correlation.state import ARRIVAL, ID, NEVER, NUMBER, TIME, Bounds, Entry, Feed

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

    def size(self) -> int:
        """See Group.size."""
        return sum(map(len, self.lanes))


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

    def _new(self) -> Lanes:
        return Lanes(self._rules)

    def _add(self, group: Lanes, key: str, entry: Entry) -> int:
        lane = group.lanes[entry[NUMBER]]
        time = entry[TIME]
        if time > group.newest:
            group.newest = group.latest[entry[NUMBER]] = time
            lane.append(entry)
            if self._wants_all and min(group.latest) <= time - self.span:
                pass
            elif self._may_hold_at(entry) and not self._needless(group, time) and self._at_newest(group, time):
                self._holds(group, key, entry, entry)
        else:
            at = bisect_left(lane, entry[:2])
            if at < len(lane) and lane[at][:2] == entry[:2]:
                return self._again(group, key, lane, at, entry)
            lane.insert(at, entry)
            group.latest[entry[NUMBER]] = max(time, group.latest[entry[NUMBER]])
            self._judge(group, key, entry)
        if len(lane) > self.bounds.group_hits:
            self._cut(lane)
        return 1

    def _again(self, group: Lanes, key: str, lane: list[Entry], at: int, entry: Entry) -> int:
        """Take a copy of a hit: what arrived last says how long it is kept."""
        before = lane[at]
        if entry[ARRIVAL] < before[ARRIVAL]:
            return 0
        lane[at] = entry
        self._release([before])
        later = entry[ARRIVAL] > before[ARRIVAL]
        if later and self.linked.parents and self._may_hold_at(entry) and self._is_true(group, entry[TIME]):
            self._holds(group, key, entry, entry)
        return 1

    def _may_hold_at(self, entry: Entry) -> bool:  # noqa: ARG002 - not of every kind
        """Return whether the condition can hold at a hit of that rule."""
        return True

    def _judge(self, group: Lanes, key: str, arrived: Entry) -> None:
        """Judge every hit less than a timespan after one that arrived."""
        time = arrived[TIME]
        for lane in group.lanes:
            for at in lane[bisect_left(lane, (time,)) : bisect_left(lane, (time + self.span,))]:
                if not self._may_hold_at(at):
                    break
                if self._needless(group, at[TIME]) or (group.held and at[ID] in group.held):
                    continue
                if self._is_true(group, at[TIME]):
                    self._holds(group, key, at, arrived)

    def _at_newest(self, group: Lanes, time: int) -> bool:
        """Return whether the condition holds at a hit that is behind all others."""
        before = time - self.span
        there = 0
        for number, latest in enumerate(group.latest):
            if latest > before:
                there |= 1 << number
        return self._says(there)

    def _is_true(self, group: Lanes, time: int) -> bool:
        """Return whether the condition holds at a hit of that time."""
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

    def _drop(self, group: Lanes, before: int) -> list[Entry]:
        gone: list[Entry] = []
        for lane in group.lanes:
            end = bisect_left(lane, (before,))
            kept, passed = self._passed(lane[:end])
            lane[:end] = kept
            gone += passed
        return gone

    def _first(self, group: Lanes) -> int:
        return min(lane[0][TIME] for lane in group.lanes if lane)

    def _window(self, group: Lanes, at: Entry) -> list[Entry]:
        found: list[Entry] = []
        for lane in group.lanes:
            start, stop = window_of(lane, at[TIME], self.span)
            found += lane[start:stop]
        return sorted(found, key=lambda entry: entry[:2])

    def _counted(self, window: Sequence[Entry]) -> int:
        return len({entry[NUMBER] for entry in window})


class Ordered(Temporal):
    """Hits of every referred rule in the order given, judged at those of the last one. Equal times count as ordered."""

    def _may_hold_at(self, entry: Entry) -> bool:
        return entry[NUMBER] == self._rules - 1

    def _at_newest(self, group: Lanes, time: int) -> bool:
        return self._is_true(group, time)

    def _is_true(self, group: Lanes, time: int) -> bool:
        earliest = time - self.span + 1
        for lane in group.lanes:
            first = bisect_left(lane, (earliest,))
            if first == len(lane) or lane[first][TIME] > time:
                return False
            earliest = lane[first][TIME]
        return True
