"""The correlations of `soc rules match`: hits that the workers found, in one place."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from correlator.correlation.found import match
from correlator.correlation.plan import Plan
from correlator.correlation.state import Bounds
from correlator.tools.replaying import Fed, Replayed
from soc.rules.scan import Done, Found
from soc.rules.shown import Hit

TOLD: Final = 5
"""Correlations that are named in a remark."""


class Correlated:
    """Takes hits in, and gives the matches of the correlations that are not silenced, when all has been read."""

    def __init__(self, plan: Plan, bounds: Bounds) -> None:
        """Hold nothing."""
        self._plan = plan
        self._replayed = Replayed(plan, bounds)
        self._titles = {each.correlation.ref.id: each.correlation.ref.title for each in plan.linked.values()}
        self._ungrouped: Counter[str] = Counter()
        self._undated = 0

    def take(self, fed: Sequence[Fed], record: str) -> None:
        """Take the hits of one record, FILE:NUMBER, which is their id."""
        self._replayed.take([(version, hit._replace(id=record)) for version, hit in fed])

    def note(self, done: Done) -> None:
        """Note what a part had that could not be counted."""
        self._undated += done.undated
        self._ungrouped.update(done.ungrouped)

    def hits(self, first: int) -> Iterator[Hit]:
        """Yield what was found, in the order of the times. `first`: the place of the first correlation behind the rules."""
        places = {version: first + number for number, version in enumerate(self._plan.linked)}
        for found in self._replayed.finish():
            if not found.linked.silent:
                made = match(found, self._plan)
                told = Found(places[found.linked.version], 0, made.time, made.host, made.reasons, None)
                yield Hit(Path(), found.linked.correlation, told, made.correlation)

    def remarks(self) -> Iterator[str]:
        """Yield what was not counted, and so may be missing."""
        if self._undated:
            yield f"{self._undated:,} events state no time: correlations left them out"
        if left_out := self._replayed.left_out:
            yield f"{left_out:,} hits of correlations were left out: they are too many; name fewer files or rules"
        tallies = self._replayed.tallies()
        ungrouped, evicted = Counter(self._ungrouped), Counter[str]()
        for version, tally in tallies.items():
            rule = self._plan.linked[version].correlation.ref.id
            ungrouped[rule] += tally.ungrouped
            evicted[rule] += tally.evicted + tally.refused
        yield from self._named(ungrouped, "hits lacked a field of the group")
        yield from self._named(evicted, "hits were more than are remembered (correlate.max_groups, max_hits)")

    def _named(self, counts: Counter[str], what: str) -> Iterator[str]:
        found = [(rule, count) for rule, count in counts.most_common() if count]
        for rule, count in found[:TOLD]:
            yield f"{self._titles.get(rule, rule)}: {count:,} {what}"
        if len(found) > TOLD:
            yield f"{len(found) - TOLD:,} more correlations: {what}"
