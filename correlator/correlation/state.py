"""What every correlation's state is made of: entries, their offsets in the log, and what it gives."""

from abc import ABC, abstractmethod
from array import array
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, NamedTuple

from correlator.correlation.hits import Hit, Origin, Value
from correlator.correlation.plan import Linked
from soc.clock import SECOND

NEVER: Final = -(2**62)
"""A watermark below every other: nothing is known yet."""

Entry = tuple[int, str, int, int, Value, Origin, Mapping[str, str] | None]
"""A hit as it is held: time, id, arrival, number, value, origin, carried. Sorts by time, then id."""

TIME: Final = 0
ID: Final = 1
ARRIVAL: Final = 2
NUMBER: Final = 3
VALUE: Final = 4
ORIGIN: Final = 5
CARRIED: Final = 6

Columns = Sequence[Sequence[Any]]
"""Hits as they stand on the wire: groups, times, ids, arrivals, numbers, values, positions of origins, what is carried."""


class Hits(NamedTuple):
    """The hits of one record, in order, each with its group. `latest`: the latest time or arrival of all."""

    entries: Sequence[tuple[str, Entry]]
    latest: int


def hits_of(written: Columns, origins: Sequence[Origin], rules: int) -> Hits:
    """Read the hits of one correlation, which refers to so many rules; there is one hit at least.

    Raises TypeError, ValueError, LookupError or OverflowError where one is not of the form that soc.hits has.
    """
    groups, times, ids, arrivals, numbers, values, places, carried = written
    for integers in (times, arrivals, numbers, places):
        array("q", integers)  # takes integers alone, and is quicker than to ask for the type of each
    for texts in (groups, ids):
        "".join(texts)
    if min(numbers) < 0 or max(numbers) >= rules or min(places) < 0:
        raise ValueError("no rule, or no origin, has this number")
    _check(values, carried)
    origin = map(origins.__getitem__, places)
    entries = zip(times, ids, arrivals, numbers, values, origin, carried, strict=True)
    return Hits(list(zip(groups, entries, strict=True)), max(*times, *arrivals))


def _check(values: Sequence[Any], carried: Sequence[Any]) -> None:
    """Raise TypeError where one is of a type that soc.hits does not have. Most are None."""
    if values.count(None) < len(values) and not {*map(type, values)} <= {str, int, float, type(None)}:
        raise TypeError("a value is text or a number")
    if carried.count(None) < len(carried):
        "".join(chain.from_iterable(each.values() for each in carried if each is not None))


class Bounds(NamedTuple):
    """How much one correlation remembers on one partition of soc.hits: groups, hits, and hits of one group."""

    groups: int = 100_000
    hits: int = 1_000_000
    group_hits: int = 20_000


class Found(NamedTuple):
    """A correlation that holds: for the first time in its group and bucket, as far as is known.

    `bucket`: number of the timespan since the epoch. `at`: the hit at which it holds; of a judged window its last
    instant. `start`, `end`: the window, both included. `counted`: what the condition was compared with. `hits`: how many
    the window has; `entries` are the latest of them. `incomplete`: versions that had left something out.
    """

    linked: Linked
    group: str
    bucket: int
    at: Hit
    start: int
    end: int
    counted: int | float
    hits: int
    entries: Sequence[Entry]
    incomplete: tuple[str, ...] = ()


@dataclass(slots=True)
class Outcome:
    """What taking records gave: for soc.matches, and for the correlations above on soc.hits."""

    found: list[Found] = field(default_factory=list)
    fed: list[tuple[str, Hit]] = field(default_factory=list)


@dataclass(slots=True)
class Tally:
    """Counts of one correlation since the process began; `groups` and `hits` are what it holds now."""

    groups: int = 0
    hits: int = 0
    windows: int = 0
    taken: int = 0
    late: int = 0
    early: int = 0
    evicted: int = 0
    refused: int = 0
    ungrouped: int = 0
    unread: int = 0
    matches: int = 0


class Offsets:
    """Until when each record of the log is needed: where a replay has to begin."""

    def __init__(self, grain: int) -> None:
        """Need nothing. Records that are needed no longer than `grain` beyond another may be kept as that one."""
        self._grain = grain
        self._records: deque[tuple[int, int, int]] = deque()

    def add(self, offset: int, until: int) -> None:
        """Need a record, which is later than every one before, until the clock has passed `until`."""
        if self._records:
            first, since, last = self._records[-1]
            if until <= last:
                return
            if until < since + self._grain:
                self._records[-1] = (first, since, until)
                return
        self._records.append((offset, until, until))

    def passed(self, clock: int) -> None:
        """Need no record of which the clock has passed everything, and that no needed one comes before."""
        records = self._records
        while records and records[0][2] <= clock:
            records.popleft()

    def lowest(self, position: int) -> int:
        """Return the first record that is needed, or `position`."""
        return min(self._records[0][0], position) if self._records else position


class State(ABC):
    """One correlation on one partition of soc.hits.

    `clock`: everything before it is known (microseconds). `left_out`: the latest time of what was left out, or NEVER.
    """

    def __init__(self, linked: Linked, bounds: Bounds, feed: "Feed") -> None:
        """Hold nothing; `feed` takes the hits at which the correlation holds."""
        self.linked = linked
        self.span = linked.correlation.timespan
        self.bounds = bounds
        self.tally = Tally()
        self.clock = NEVER
        self._feed = feed
        self.left_out = NEVER

    @abstractmethod
    def take(self, hits: Hits, offset: int, outcome: Outcome) -> None:
        """Take the hits of one record."""

    @abstractmethod
    def advance(self, clock: int, outcome: Outcome) -> None:
        """Drop and judge what the clock, which never goes back, has passed."""

    @abstractmethod
    def lowest(self, position: int) -> int:
        """Return the offset from which a replay gives this state again, at most `position`."""

    def replayed(self) -> None:  # noqa: B027 - windows that are judged once tell nothing before that
        """Forget what was told before: a replay may find what was not found then, and it must be told at its next hit."""

    def _leave_out(self, time: int) -> None:
        self.left_out = max(self.left_out, time)


Feed = Callable[[Linked, Hit, Outcome], None]
"""Gives a hit at which a correlation holds to those above it."""

GRAIN: Final = SECOND
"""Microseconds between two looks whether a group's hits have passed, at least."""
