"""Correlations over recordings: hits of their events in, in any order, and what holds out. Values in, values out.

Hits are sorted by their times and given to the state that the service has, as if each had arrived at its own time: so
nothing is late, files may come in any order, and memory is what a window needs.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Final

from correlator.correlation.feed import Feeder
from correlator.correlation.hits import Batch, Correlated, Detected, Hit, encode
from correlator.correlation.partition import Partition, Shape
from correlator.correlation.plan import Plan
from correlator.correlation.state import Bounds, Found, Tally
from correlator.rules import Hit as Fired
from soc.events import Event

MAX_HELD: Final = 2_000_000
"""Hits of all recordings that are kept to be sorted, some 500 bytes each; what comes behind is left out and counted."""

MAX_BYTES: Final = 1024 * 1024
"""Bytes of one hit."""

STEP: Final = 1000
"""Hits between two looks at what has passed."""

Fed = tuple[str, Hit]
"""A hit, and the version of the correlation that it enters."""

_BOUNDS: Final = Bounds()


def heard(plan: Plan) -> Plan:
    """Return the plan with every correlation making matches of its own: to try one that others silence."""
    return replace(plan, linked={version: replace(each, silent=False) for version, each in plan.linked.items()})


class Replayed:
    """The correlations of one plan over recordings. `left_out`: hits that were too many to be kept."""

    def __init__(self, plan: Plan, bounds: Bounds = _BOUNDS, *, most: int = MAX_HELD) -> None:
        """Hold nothing; `bounds` are those of each correlation's state."""
        self._plan = plan
        self._partition = Partition(plan, Shape(events=1, hits=1, lateness=0, bounds=bounds))
        self._most = most
        self._feeder = Feeder(plan, MAX_BYTES)
        self._held: list[Fed] = []
        self._offset = 0
        self.left_out = 0

    def add(self, event: Event, fired: Iterable[Fired]) -> None:
        """Take the rules that fired on an event. Its id counts once; its arrival is its time."""
        for each in fired:
            self._feeder.feed(each.rule, each.record, event, event.time)
        self.take(self._feeder.hits)
        self._feeder.hits = []

    def take(self, fed: Sequence[Fed]) -> None:
        """Take hits that a Feeder of the same plan made, in another process perhaps."""
        kept = fed[: self._most - len(self._held)]
        self._held += kept
        self.left_out += len(fed) - len(kept)

    def held(self) -> Sequence[Fed]:
        """Return the hits that were taken: what another process may `take`."""
        return tuple(self._held)

    def finish(self) -> Iterator[Found]:
        """Yield what holds: once a group and bucket, in the order of the times, and judged windows as they end."""
        held = sorted(self._held, key=_by_time)
        self._held = []
        for start in range(0, len(held), STEP):
            hits = held[start : start + STEP]
            yield from self._take(hits, hits[-1][1].time)
        if held:
            spans = sum(each.correlation.timespan for each in self._plan.linked.values())
            yield from self._take((), held[-1][1].time + spans + 1)

    def ungrouped(self) -> Counter[str]:
        """Return, by the correlation's id, how many events that `add` took lacked a field of its group."""
        return self._feeder.ungrouped

    def tallies(self) -> dict[str, Tally]:
        """Return, by the correlation's version, what became of its hits."""
        return {version: tally for version, (_, tally) in self._partition.report().rules.items()}

    def _take(self, hits: Sequence[Fed], clock: int) -> Iterator[Found]:
        """Give the state hits, then the clock, and to each level what those below it gave."""
        yield from self._give(hits, Detected(0, self._offset, clock))
        told: dict[int, int] = {}
        while fresh := sorted(self._partition.clocks().items() - told.items()):
            level, mark = fresh[0]
            told[level] = mark
            yield from self._give((), Correlated(0, level, mark, self._partition.incomplete(level)))

    def _give(self, hits: Sequence[Fed], clock: Detected | Correlated) -> Iterator[Found]:
        """Give hits, then the clock, and after each of them what it fed to correlations above."""
        yield from self._until_quiet(hits)
        outcome = self._partition.take(encode(Batch({}, (clock,))), self._next())
        yield from outcome.found
        yield from self._until_quiet(outcome.fed)

    def _hear(self, hits: Sequence[Fed]) -> None:
        """Look at hits before the state takes them: for who explains."""

    def _until_quiet(self, hits: Sequence[Fed]) -> Iterator[Found]:
        while hits:
            self._hear(hits)
            outcome = self._partition.take(encode(Batch(_by_version(hits), ())), self._next())
            yield from outcome.found
            hits = outcome.fed

    def _next(self) -> int:
        self._offset += 1
        return self._offset


def _by_time(fed: Fed) -> tuple[int, str, str, str]:
    version, hit = fed
    return hit.time, version, hit.group, hit.id


def _by_version(fed: Sequence[Fed]) -> dict[str, list[Hit]]:
    ordered = sorted(fed, key=itemgetter(0))  # stable: in the order of the times within a version
    return {version: [hit for _, hit in each] for version, each in groupby(ordered, key=itemgetter(0))}
