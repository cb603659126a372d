"""Why a correlation did or did not fire for a group, on hits of a recording. Values in, values out."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from correlator.correlation.conditions import expected, within
from correlator.correlation.hits import Hit
from correlator.correlation.measures import total
from correlator.correlation.plan import Linked, Plan
from correlator.correlation.rule import Kind
from correlator.correlation.sliding import window_of
from correlator.correlation.state import ID, NUMBER, TIME, Entry
from correlator.correlation.tumbling import counted_of
from correlator.rules import Hit as Fired
from correlator.tools.replaying import Fed, Replayed, heard
from soc.events import Event

MAX_HITS: Final = 2_000
"""Hits of one group whose windows are looked at: the first ones."""


@dataclass(frozen=True, slots=True)
class Look:
    """One window of a group: its bounds (both included, microseconds), its hits in order, what was counted of them.

    `counted` is None where they have no value to look at. `there`: numbers of the referred rules that are in it.
    """

    start: int
    end: int
    entries: Sequence[Entry]
    counted: int | float | None
    there: frozenset[int]
    holds: bool


@dataclass(frozen=True, slots=True)
class Group:
    """One group: JSON list of its values, how many hits it has, how many windows hold, and the window that tells most."""

    values: str
    hits: int
    held: int
    best: Look


@dataclass(frozen=True, slots=True)
class Account:
    """What a recording says of a correlation. `events`: how many there were. `entered`: hits by referred rule's number.

    `groups`: those that fired first, then those that came nearest.
    """

    linked: Linked
    events: int
    entered: Mapping[int, int]
    ungrouped: int
    left_out: int
    groups: Sequence[Group]


class Accounting(Replayed):
    """Listens for the hits that enter one correlation, from events or from correlations below it."""

    def __init__(self, plan: Plan, linked: Linked) -> None:
        """Take the correlation; what is not below it costs nothing but its own state."""
        super().__init__(heard(plan))
        self._linked = linked
        self._entries: dict[str, dict[tuple[int, str, int], Entry]] = defaultdict(dict)
        self._events = 0

    def add(self, event: Event, fired: Iterable[Fired]) -> None:
        """See Replayed.add."""
        self._events += 1
        super().add(event, fired)

    def account(self) -> Account:
        """Return what came of it. Ends the listening."""
        for _ in self.finish():
            pass
        groups = [
            _group(self._linked, values, sorted(found.values(), key=_place)) for values, found in self._entries.items()
        ]
        groups.sort(key=partial(_order, self._linked))
        entered = Counter(entry[NUMBER] for found in self._entries.values() for entry in found.values())
        tally = self.tallies()[self._linked.version]
        ungrouped = self.ungrouped()[self._linked.correlation.ref.id] + tally.ungrouped
        return Account(self._linked, self._events, entered, ungrouped, self.left_out, groups)

    def _hear(self, hits: Sequence[Fed]) -> None:
        for version, hit in hits:
            if version == self._linked.version:
                self._entries[hit.group].setdefault((hit.time, hit.id, hit.number), _entry(hit))


def _entry(hit: Hit) -> Entry:
    return (hit.time, hit.id, hit.arrival, hit.number, hit.value, hit.origin, hit.carried)


def _place(entry: Entry) -> tuple[int, str, int]:
    return entry[TIME], entry[ID], entry[NUMBER]


def _group(linked: Linked, values: str, entries: Sequence[Entry]) -> Group:
    looks = list(_looks(linked, entries[:MAX_HITS]))
    best = max(looks, key=lambda look: (look.holds, _nearness(linked, look), -look.end))
    return Group(values, len(entries), sum(look.holds for look in looks), best)


def _looks(linked: Linked, entries: Sequence[Entry]) -> Iterator[Look]:
    """Yield the window at each hit, or each aligned window of what is judged once."""
    span = linked.correlation.timespan
    if linked.sliding:
        for time in dict.fromkeys(entry[TIME] for entry in entries):
            start, stop = window_of(entries, time, span)
            yield _look(linked, time - span + 1, time, entries[start:stop])
        return
    for window in dict.fromkeys(entry[TIME] // span for entry in entries):
        last = (window + 1) * span - 1
        start, stop = window_of(entries, last, span)
        yield _look(linked, window * span, last, entries[start:stop])


def _look(linked: Linked, start: int, end: int, entries: Sequence[Entry]) -> Look:
    correlation = linked.correlation
    there = frozenset(entry[NUMBER] for entry in entries)
    counted = counted_of(linked, entries)
    if correlation.kind is Kind.TEMPORAL_ORDERED and not correlation.condition.bounds:
        holds = counted == len(correlation.rules)
    elif correlation.kind is Kind.TEMPORAL:
        holds = expected(correlation.condition, len(correlation.rules))(sum(1 << number for number in there))
    else:
        if linked.sliding and correlation.kind is Kind.VALUE_SUM and counted is not None:
            counted = total(entries)
        holds = counted is not None and within(correlation.condition, counted)
    return Look(start, end, entries, counted, there, holds)


def _nearness(linked: Linked, look: Look) -> tuple[float, int]:
    """Return how near a window comes to the condition: what is counted, or how many steps there are; then how many rules."""
    there = len(look.there)
    if linked.correlation.kind is Kind.TEMPORAL:
        return there, there
    return (float("-inf") if look.counted is None else look.counted), there


def _order(linked: Linked, group: Group) -> tuple[float, float, int, str]:
    """Return what sorts groups: those that fired first, then those that came nearest."""
    counted, there = _nearness(linked, group.best)
    return -group.held, -counted, -there, group.values
