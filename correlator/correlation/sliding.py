"""Correlations judged at their hits, without waiting: a later hit can only make them true.

A condition holds at hit f if it is true of the hits with time in (f.time - timespan, f.time]. Each arrival judges again
every hit less than a timespan after it, so the result does not depend on the order of arrival. A hit is kept until the
clock has passed a timespan after both its time and its arrival.

This is where the processor time of correlation goes: hits mostly come in the order of their times, and then an arrival
has only itself to judge.
"""

from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush, nsmallest
from typing import Final, Generic, NamedTuple, TypeVar

from correlator.correlation.hits import EVENT, Hit
from correlator.correlation.plan import Linked
from correlator.correlation.state import (
    ARRIVAL,
    CARRIED,
    GRAIN,
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
    Offsets,
    Outcome,
    State,
)
from soc.events import digest

MAX_ENTRIES: Final = 100
"""Hits that a match names: the latest."""

EVICTED_AT_ONCE: Final = 64
"""A full rule forgets this part of its groups at once: looking for the least recently touched is not free."""

REPLAY_PARTS: Final = 1024
"""A replay may begin this part of a timespan early: so few places in the log are remembered."""

FEW: Final = 1000
"""Keys of groups that are gone that may wait to be looked at, beside as many as there are groups."""


class Group(list[Entry]):
    """The hits of one group in the order of time, then id.

    `due`: when it is next looked at. `touched`: offset of the last record that had a hit of it. `told`: buckets that a
    match was made for. `held`: ids of hits that were fed on.
    """

    __slots__ = ("due", "held", "told", "touched")

    due: int
    touched: int
    told: set[int] | None
    held: set[str] | None

    def entries(self) -> Iterator[Entry]:
        """Yield every hit."""
        return iter(self)


class Disturbed(NamedTuple):
    """Hits of one record and group that came behind others: the first and last time, and which of them arrived last."""

    first: int
    last: int
    arrived: Entry

    def widened(self, entry: Entry) -> "Disturbed":
        """Return it with one more hit."""
        arrived = entry if entry[ARRIVAL] > self.arrived[ARRIVAL] else self.arrived
        return Disturbed(min(self.first, entry[TIME]), max(self.last, entry[TIME]), arrived)


G = TypeVar("G", bound=Group)


class Sliding(State, Generic[G]):
    """What all kinds have in common: groups, their bounds, and when their hits go."""

    def __init__(self, linked: Linked, bounds: Bounds, feed: Feed) -> None:
        """Hold nothing."""
        super().__init__(linked, bounds, feed)
        self.groups: dict[str, G] = {}
        self._offsets = Offsets(self.span // REPLAY_PARTS)
        self._due: dict[int, list[str]] = {}
        self._waiting = 0
        self._buckets: list[int] = []
        self._grain = max(GRAIN, self.span // 8)
        self._outcome = Outcome()
        self._disturbed: dict[str, Disturbed] = {}
        self._quiet = 0
        """Hits of a group below which none that is behind the others needs a look."""

    @abstractmethod
    def _new(self) -> G:
        """Return a group without hits."""

    @abstractmethod
    def _add(self, group: G, key: str, entry: Entry) -> int:
        """Take one hit and judge what it may complete. Return 1, or 0 for a copy of one that is held."""

    @abstractmethod
    def _could(self, group: G, time: int) -> bool:
        """Return False only where the condition holds at no hit of this time or later; more hits never make it False."""

    @abstractmethod
    def _judge(self, group: G, key: str, disturbed: "Disturbed") -> None:
        """Judge every hit less than a timespan after those that came behind others."""

    @abstractmethod
    def _drop(self, group: G, before: int) -> int:
        """Take out the hits of before this time that arrived before it too; return how many."""

    @abstractmethod
    def _first(self, group: G) -> int | None:
        """Return the earliest time in a group, None where it is empty."""

    def take(self, hits: Hits, offset: int, outcome: Outcome) -> None:
        """See State.take."""
        self._outcome = outcome
        self._disturbed.clear()
        groups, add, quiet = self.groups, self._add, self._quiet
        made = 0
        try:
            for key, entry in hits.entries:
                group = groups.get(key)
                if group is None:
                    group = groups[key] = self._begun(key, entry[TIME])
                group.touched = offset
                if len(group) < quiet and (not group or entry[TIME] > group[-1][TIME]):
                    group.append(entry)  # as add would, of most hits
                    made += 1
                else:
                    made += add(group, key, entry)
            self._judge_disturbed()
        finally:
            self._offsets.add(offset, max(self.clock, hits.latest) + self.span)
            self.tally.taken += len(hits.entries)
            self.tally.hits += made
        if len(groups) > self.bounds.groups or self.tally.hits > self.bounds.hits:
            self._evict()
        self.tally.groups = len(groups)

    def advance(self, clock: int, outcome: Outcome) -> None:  # noqa: ARG002 - nothing is judged by the clock here
        """See State.advance."""
        self.clock = clock
        self._offsets.passed(clock)
        while self._buckets and self._buckets[0] * self._grain <= clock:
            due = heappop(self._buckets)
            keys = self._due.pop(due)
            self._waiting -= len(keys)
            for key in keys:
                group = self.groups.get(key)
                if group is not None and group.due == due:
                    self._look(key, group)
        self.tally.groups = len(self.groups)

    def lowest(self, position: int) -> int:
        """See State.lowest."""
        return self._offsets.lowest(position)

    def replayed(self) -> None:
        """See State.replayed: what is told twice has one id."""
        for group in self.groups.values():
            group.told = group.held = None

    def _disturb(self, key: str, entry: Entry) -> None:
        """Have the group judged once when the record is taken: late hits by the hundred must not cost as many passes."""
        before = self._disturbed.get(key)
        self._disturbed[key] = Disturbed(entry[TIME], entry[TIME], entry) if before is None else before.widened(entry)

    def _judge_disturbed(self) -> None:
        over = self._over()
        for key, disturbed in self._disturbed.items():
            group = self.groups[key]
            if (first := self._first(group)) is None:
                continue
            wanted = not self._is_needless(group, disturbed) and self._could(group, disturbed.first)
            if (
                wanted or first < over - self._grain
            ):  # what is over must not count, nor fill the rule, until it is looked at
                self._trim(group)
            if wanted and self._first(group) is not None:
                self._judge(group, key, disturbed)

    # Groups ---------------------------------------------------------------------------------------------------------

    def _begun(self, key: str, time: int) -> G:
        group = self._new()
        group.told = group.held = None
        self._later(key, group, max(time + self.span, self.clock))
        return group

    def _later(self, key: str, group: G, time: int) -> None:
        """Have the group looked at when the clock has passed the time."""
        due = time // self._grain + 1
        keys = self._due.get(due)
        if keys is None:
            keys = self._due[due] = []
            heappush(self._buckets, due)
        keys.append(key)
        group.due = due
        self._waiting += 1
        if self._waiting > 2 * len(self.groups) + FEW:
            self._forget_gone()

    def _forget_gone(self) -> None:
        """Look no more for groups that were forgotten: there may be many more than there are groups."""
        due: dict[int, list[str]] = {}
        for key, group in self.groups.items():
            due.setdefault(group.due, []).append(key)
        self._due, self._buckets = due, sorted(due)
        self._waiting = len(self.groups)

    def _look(self, key: str, group: G) -> None:
        """Drop the hits that the clock has passed, and the group with its last one.

        That is once a timespan at most, for a look costs more than a hit: some are held for two timespans.
        """
        self._trim(group)
        first = self._first(group)
        if first is None:
            del self.groups[key]
            return
        if group.told:
            group.told = {bucket for bucket in group.told if (bucket + 1) * self.span > first}
        if group.held:
            group.held &= {entry[ID] for entry in group.entries()}
        self._later(key, group, max(first, self.clock) + self.span)

    def _over(self) -> int:
        """Return before which time a hit that arrived before it too counts no more."""
        return self.clock - self.span + 1

    def _trim(self, group: G) -> None:
        """Drop the hits that are over."""
        self.tally.hits -= self._drop(group, self._over())

    def _cleared(self, entries: list[Entry], before: int) -> int:
        """Take out those before a time that arrived before it too; return how many."""
        end, kept = 0, []
        for entry in entries:
            if entry[TIME] >= before:
                break
            end += 1
            if entry[ARRIVAL] >= before:
                kept.append(entry)
        entries[:end] = kept
        return end - len(kept)

    def _evict(self) -> None:
        """Forget the least recently touched groups."""
        while len(self.groups) > self.bounds.groups or (self.tally.hits > self.bounds.hits and len(self.groups) > 1):
            number = max(1, len(self.groups) // EVICTED_AT_ONCE)
            for key in nsmallest(number, self.groups, key=lambda key: self.groups[key].touched):
                group = self.groups.pop(key)
                self._trim(group)  # those are not missed
                entries = list(group.entries())
                if entries:
                    self._leave_out(max(entry[ARRIVAL] for entry in entries))
                self.tally.hits -= len(entries)
                self.tally.evicted += len(entries)

    def _cut(self, group: G, entries: list[Entry]) -> bool:
        """Forget the oldest of a group's hits, or of those of one rule, where too many are not over; tell whether."""
        self._trim(group)
        if len(entries) <= self.bounds.group_hits:
            return False
        gone = entries[: max(1, self.bounds.group_hits // 8)]
        del entries[: len(gone)]
        self._leave_out(gone[-1][ARRIVAL])
        self.tally.hits -= len(gone)
        self.tally.evicted += len(gone)
        if group.held:
            group.held.difference_update([entry[ID] for entry in gone])
        return True

    # What holds -----------------------------------------------------------------------------------------------------

    def _needless(self, group: G, time: int) -> bool:
        """Tell whether nobody waits for the verdict on a hit: its bucket has its match, and there is nobody above."""
        return group.told is not None and time // self.span in group.told and not self.linked.parents

    def _is_needless(self, group: G, disturbed: Disturbed) -> bool:
        """Tell whether nobody waits for a verdict on what these hits may complete."""
        first, last = disturbed.first // self.span, (disturbed.last + self.span - 1) // self.span
        return bool(group.told) and all(self._needless(group, at * self.span) for at in range(first, last + 1))

    def _hold_all(self, group: G, key: str, hits: Iterable[Entry], arrived: Entry) -> None:
        for at in hits:
            if not self._needless(group, at[TIME]) and not (group.held and at[ID] in group.held):
                self._holds(group, key, at, arrived)

    def _holds(self, group: G, key: str, at: Entry, completing: Entry) -> None:
        """Make a match, the first of its bucket, and feed the correlations above, once a hit."""
        bucket = at[TIME] // self.span
        if group.told is None:
            group.told = set()
        if bucket not in group.told:
            group.told.add(bucket)
            if not self.linked.silent:
                self._outcome.found.append(self._found(group, key, at))
                self.tally.matches += 1
        if self.linked.parents:
            if group.held is None:
                group.held = set()
            if at[ID] not in group.held or at is completing:  # a copy that came later is kept longer above as well
                group.held.add(at[ID])
                self._pass_on(key, at, max(at[ARRIVAL], completing[ARRIVAL]))

    def _pass_on(self, key: str, at: Entry, arrival: int) -> None:
        identity = digest(self.linked.correlation.ref.id, key, at[ID])
        carried = {EVENT: at[ID], **(at[CARRIED] or {})}  # of a chain's chain the event stays the first one's
        hit = Hit(key, identity, at[TIME], arrival, at[NUMBER], at[VALUE], at[ORIGIN], carried)
        self._feed(self.linked, hit, self._outcome)

    def _found(self, group: G, key: str, at: Entry) -> Found:
        start = at[TIME] - self.span + 1
        window = self._window(group, at)
        return Found(
            linked=self.linked,
            group=key,
            bucket=at[TIME] // self.span,
            at=Hit(key, at[ID], at[TIME], at[ARRIVAL], at[NUMBER], at[VALUE], at[ORIGIN], at[CARRIED]),
            start=start,
            end=at[TIME],
            counted=self._counted(window),
            hits=len(window),
            entries=window[-MAX_ENTRIES:],
        )

    def _window(self, group: G, at: Entry) -> list[Entry]:
        """Return the hits of the window that ends at a hit, in order."""
        start, stop = window_of(group, at[TIME], self.span)
        return group[start:stop]

    @abstractmethod
    def _counted(self, window: Sequence[Entry]) -> int | float:
        """Return what the condition compares, of the hits of a window."""


def window_of(entries: Sequence[Entry], time: int, span: int) -> tuple[int, int]:
    """Return the slice of the entries, which are in order, with time in (time - span, time]."""
    return (
        bisect_left(entries, (time - span + 1,)),
        bisect_left(entries, (time + 1,)),
    )
