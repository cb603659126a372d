"""Correlations judged once per window aligned to the epoch, when the clock has passed its end.

A detection hit counts if it arrived before the end + lateness, a correlation's while the window is not judged; later
ones are counted late. A group without events has no window. A full rule takes no new group into a window until that is
judged, and gives no verdict on what it could not take in whole.
"""

import math
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Final

from correlator.correlation.conditions import expected, within
from correlator.correlation.counting import greater
from correlator.correlation.hits import Hit, Value
from correlator.correlation.measures import added
from correlator.correlation.plan import Linked
from correlator.correlation.rule import Kind
from correlator.correlation.sliding import MAX_ENTRIES
from correlator.correlation.state import (
    ARRIVAL,
    ID,
    NUMBER,
    ORIGIN,
    TIME,
    VALUE,
    Bounds,
    Entry,
    Feed,
    Found,
    Hits,
    Outcome,
    State,
)
from correlator.correlation.temporal import in_order
from soc.events import digest

MEDIAN: Final = 50.0

Window = dict[tuple[str, int, int], Entry]
"""The hits of one group, by id, number and time."""


class Tumbling(State):
    """Open windows: number, then group. `begin`: windows that start earlier are not judged."""

    def __init__(
        self, linked: Linked, bounds: Bounds, feed: Feed, *, lateness: int, below: frozenset[int], begin: int
    ) -> None:
        """`below`: numbers of the referred rules that are correlations."""
        super().__init__(linked, bounds, feed)
        self.begin = begin
        self._lateness = lateness
        self._below = below
        self._expected = expected(linked.correlation.condition, len(linked.correlation.rules))
        self._forget()

    def _forget(self) -> None:
        self._windows: dict[int, dict[str, Window]] = {}
        self._ends: list[int] = []
        self._first: dict[int, int] = {}
        self._refused: dict[int, set[str]] = {}
        self._full: set[int] = set()
        self._closed: tuple[int, int] | None = None
        self.tally.groups = self.tally.hits = self.tally.windows = 0

    def restart(self, begin: int) -> None:
        """Give no verdict on what is open, nor on windows that start before `begin`: something of them was lost."""
        self._forget()
        self.begin = max(self.begin, begin)

    def take(self, hits: Hits, offset: int, outcome: Outcome) -> None:  # noqa: ARG002 - nothing is judged here
        """See State.take."""
        self.tally.taken += len(hits.entries)
        for key, entry in hits.entries:
            window = entry[TIME] // self.span
            if window * self.span < self.begin:
                self.tally.early += 1
            elif self._is_late(window, entry[ARRIVAL], entry[NUMBER]):
                self.tally.late += 1
            else:
                self._put(window, key, entry, offset)

    def _is_late(self, window: int, arrival: int, number: int) -> bool:
        end = (window + 1) * self.span
        return end <= self.clock or (number not in self._below and arrival >= end + self._lateness)

    def _put(self, window: int, key: str, entry: Entry, offset: int) -> None:
        groups = self._windows.get(window)
        if groups is None and (groups := self._opened(window, offset)) is None:
            return
        hits = groups.get(key)
        if hits is None:
            if window in self._full or self._is_full():
                self._full.add(window)
                self._refuse(window)
                return
            hits = groups[key] = {}
            self.tally.groups += 1
        place = (entry[ID], entry[NUMBER], entry[TIME])
        if place in hits:
            value = greater(hits[place][VALUE], entry[VALUE])
            hits[place] = (*entry[:VALUE], value, *entry[ORIGIN:])
        elif self.tally.hits >= self.bounds.hits or len(hits) >= self.bounds.group_hits:
            self._refused.setdefault(window, set()).add(key)
            self._refuse(window)
        else:
            hits[place] = entry
            self.tally.hits += 1

    def _opened(self, window: int, offset: int) -> dict[str, Window] | None:
        """Return a window that has no group yet, or None where there is no room for one: then not before it is over."""
        if self._is_full() or (self._closed is not None and window <= self._closed[0]):
            last, first = self._closed or (window, offset)
            self._closed = (max(last, window), first)
            self._refuse(window)
            return None
        self._first[window] = offset
        heappush(self._ends, window)
        return self._windows.setdefault(window, {})

    def _is_full(self) -> bool:
        return self.tally.groups >= self.bounds.groups or self.tally.hits >= self.bounds.hits

    def _refuse(self, window: int) -> None:
        """Leave a hit out, and so the verdict on its group: of a group that has no hits, until the window is judged."""
        self.tally.refused += 1
        self._leave_out((window + 1) * self.span)

    def advance(self, clock: int, outcome: Outcome) -> None:
        """See State.advance."""
        self.clock = clock
        while self._ends and (self._ends[0] + 1) * self.span <= clock:
            window = heappop(self._ends)
            refused = self._refused.pop(window, set())
            for key, hits in self._windows.pop(window).items():
                self.tally.groups -= 1
                self.tally.hits -= len(hits)
                if key not in refused:
                    self._judge(window, key, hits, outcome)
            del self._first[window]
            self._full.discard(window)
        if self._closed is not None and (self._closed[0] + 1) * self.span <= clock:
            self._closed = None
        self.tally.windows = len(self._first)

    def lowest(self, position: int) -> int:
        """See State.lowest."""
        closed = position if self._closed is None else min(position, self._closed[1])
        return min([closed, *self._first.values()])

    def _judge(self, window: int, key: str, hits: Window, outcome: Outcome) -> None:
        entries = list(hits.values())
        counted = counted_of(self.linked, entries)
        if counted is None or not self._holds(entries, counted):
            return
        last = (window + 1) * self.span - 1
        entries.sort(key=lambda entry: entry[:2])
        latest = entries[-1]
        identity = digest(self.linked.correlation.ref.id, key, window)
        at = Hit(key, identity, last, last, 0, None, latest[ORIGIN], None)
        if not self.linked.silent:
            found = Found(
                self.linked, key, window, at, window * self.span, last, counted, len(entries), entries[-MAX_ENTRIES:]
            )
            outcome.found.append(found)
            self.tally.matches += 1
        if self.linked.parents:
            self._feed(self.linked, at, outcome)

    def _holds(self, entries: Sequence[Entry], counted: float) -> bool:
        if self.linked.correlation.kind is Kind.TEMPORAL:
            there = 0
            for entry in entries:
                there |= 1 << entry[NUMBER]
            return self._expected(there)
        return within(self.linked.correlation.condition, counted)


def counted_of(linked: Linked, entries: Sequence[Entry]) -> int | float | None:
    """Return what a condition compares, of the hits of a window; None where they have no value to look at."""
    kind = linked.correlation.kind
    if kind is Kind.EVENT_COUNT:
        return len({entry[ID] for entry in entries})
    if kind is Kind.VALUE_COUNT:
        return len({entry[VALUE] for entry in entries} - {None})
    if kind is Kind.TEMPORAL:
        return len({entry[NUMBER] for entry in entries})
    if kind is Kind.TEMPORAL_ORDERED:
        return in_order(entries, len(linked.correlation.rules))
    of_events: dict[str, Value] = {}
    for entry in entries:
        of_events[entry[ID]] = greater(of_events.get(entry[ID]), entry[VALUE])
    values = sorted(value for value in of_events.values() if isinstance(value, int | float))
    return _of_values(linked, values) if values else None


def _of_values(linked: Linked, values: Sequence[float]) -> float:
    """Return the sum, average or percentile of values in order, of which there is one at least."""
    kind = linked.correlation.kind
    if kind is Kind.VALUE_SUM:
        return added(values)
    if kind is Kind.VALUE_AVG:
        return _quotient(added(values), len(values))
    part = MEDIAN if kind is Kind.VALUE_MEDIAN else linked.correlation.condition.percentile
    return percentile(values, part or 0.0)


def _quotient(whole: float, parts: int) -> float:
    """Return it as a whole number where it is one: beyond 2^53 no float is."""
    return whole // parts if isinstance(whole, int) and whole % parts == 0 else whole / parts


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which `part` of 100 lie, of values in order: between two, in proportion."""
    place = (len(values) - 1) * part / 100
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    if place == below:
        return values[below]
    share = place - below
    apart = values[above] - values[below]
    if math.isinf(apart):
        return values[below] * (1 - share) + values[above] * share
    return values[below] + apart * share
