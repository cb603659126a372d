"""Correlations judged once per window aligned to the epoch, when the clock has passed its end.

A detection hit counts if it arrived before the end + lateness, a correlation's while the window is not judged; later
ones are counted late. A group without events has no window. A full rule takes no new group into a window until that is
judged, and gives no verdict on what it could not take in whole.
"""

import math
from collections.abc import Sequence
from typing import Final

from correlator.correlation.conditions import expected, within
from correlator.correlation.hits import Hit, Origin
from correlator.correlation.measures import added
from correlator.correlation.plan import Linked
from correlator.correlation.rule import Kind
from correlator.correlation.sliding import MAX_ENTRIES
from correlator.correlation.state import (
    ID,
    NUMBER,
    ORIGIN,
    TIME,
    VALUE,
    Bounds,
    Entry,
    Feed,
    Found,
    Outcome,
    RawHit,
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
        self._windows: dict[int, dict[str, Window]] = {}
        self._first: dict[int, int] = {}
        self._refused: dict[int, set[str]] = {}
        self._full: set[int] = set()
        self._expected = expected(linked.correlation.condition, len(linked.correlation.rules))

    def take(self, hits: Sequence[RawHit], origins: Sequence[Origin], offset: int, outcome: Outcome) -> None:  # noqa: ARG002 - nothing is judged here
        """See State.take."""
        self.tally.taken += len(hits)
        for key, time, identity, arrival, number, value, origin, carried in hits:
            window = time // self.span
            if window * self.span < self.begin:
                self.tally.early += 1
            elif self._is_late(window, arrival, number):
                self.tally.late += 1
            else:
                self._first.setdefault(window, offset)
                entry = (time, identity, arrival, number, value, origins[origin], carried)
                self._put(window, key, entry)

    def _is_late(self, window: int, arrival: int, number: int) -> bool:
        end = (window + 1) * self.span
        return end <= self.clock or (number not in self._below and arrival >= end + self._lateness)

    def _put(self, window: int, key: str, entry: Entry) -> None:
        groups = self._windows.setdefault(window, {})
        hits = groups.get(key)
        if hits is None:
            if window in self._full or self._is_full():
                self._refuse(window, key)
                return
            hits = groups[key] = {}
            self.tally.groups += 1
        place = (entry[ID], entry[NUMBER], entry[TIME])
        if place in hits:
            return
        if self.tally.hits >= self.bounds.hits or len(hits) >= self.bounds.group_hits:
            self._refuse(window, key)
            return
        hits[place] = entry
        self.tally.hits += 1

    def _is_full(self) -> bool:
        return self.tally.groups >= self.bounds.groups or self.tally.hits >= self.bounds.hits

    def _refuse(self, window: int, key: str) -> None:
        """Leave a hit out, and so its group's verdict: of a group that has no hits, all until the window is judged."""
        self.tally.refused += 1
        self._leave_out((window + 1) * self.span)
        if key in self._windows[window]:
            self._refused.setdefault(window, set()).add(key)
        else:
            self._full.add(window)

    def advance(self, clock: int, outcome: Outcome) -> None:
        """See State.advance."""
        self.clock = clock
        for window in sorted(each for each in self._first if (each + 1) * self.span <= clock):
            refused = self._refused.pop(window, set())
            for key, hits in self._windows.pop(window, {}).items():
                self.tally.groups -= 1
                self.tally.hits -= len(hits)
                if key not in refused:
                    self._judge(window, key, hits, outcome)
            del self._first[window]
            self._full.discard(window)
        self.tally.windows = len(self._first)

    def lowest(self, position: int) -> int:
        """See State.lowest."""
        return min(self._first.values(), default=position)

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
    values = sorted({entry[ID]: value for entry in entries if isinstance(value := entry[VALUE], int | float)}.values())
    return _of_values(linked, values) if values else None


def _of_values(linked: Linked, values: Sequence[float]) -> float:
    """Return the sum, average or percentile of values in order, of which there is one at least."""
    kind = linked.correlation.kind
    if kind is Kind.VALUE_SUM:
        return added(values)
    if kind is Kind.VALUE_AVG:
        return added(values) / len(values)
    part = MEDIAN if kind is Kind.VALUE_MEDIAN else linked.correlation.condition.percentile
    return percentile(values, part or 0.0)


def percentile(values: Sequence[float], part: float) -> float:
    """Return the value below which `part` of 100 lie, of values in order: between two, in proportion."""
    place = (len(values) - 1) * part / 100
    below = math.floor(place)
    above = min(below + 1, len(values) - 1)
    if place == below:
        return values[below]
    return values[below] + (values[above] - values[below]) * (place - below)
