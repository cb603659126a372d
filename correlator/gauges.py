"""What the correlate stage tells of its state: the clocks, and of each correlation what it holds and what it left out."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final
from weakref import WeakKeyDictionary

from prometheus_client import Counter as Counting
from prometheus_client import Gauge

from correlator.correlation.partition import Partition
from correlator.correlation.state import NEVER
from soc.clock import SECOND, Clock
from soc.metrics import Metrics
from soc.settings import Settings

LOOK: Final = 5.0
"""Seconds between two looks."""

PATIENCE: Final = 60 * SECOND
"""Microseconds beyond the lateness after which a source that said nothing stands still."""

UNKNOWN: Final = ""
"""Stands for the rule of hits that no correlation in force takes."""

Counts = dict[tuple[str, str], int]
"""By what was counted and the rule's id."""


class Gauges:
    """Looks at states now and then. What a state counted before it was told of is not counted again."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock) -> None:
        """Begin without states."""
        self._metrics = metrics
        self._clock = clock
        self._patience = round(settings.correlate.lateness_seconds * SECOND) + PATIENCE
        self._looked: float | None = None
        self._counted: WeakKeyDictionary[Partition, Counts] = WeakKeyDictionary()
        self._shown: set[str] = set()
        self._counters: dict[str, Callable[[str], Counting]] = {
            "late": metrics.correlate_late.labels,
            "evicted": metrics.correlate_evicted.labels,
            "refused": metrics.correlate_refused.labels,
            "unread": metrics.hits_valueless.labels,
            "early": lambda rule: metrics.hits_refused.labels(rule, "early"),
            "ungrouped": lambda rule: metrics.hits_refused.labels(rule, "ungrouped"),
        }
        self._levels: dict[str, Gauge] = {
            "groups": metrics.correlate_groups,
            "hits": metrics.correlate_hits,
            "windows": metrics.correlate_windows,
        }

    def begin(self, state: Partition) -> None:
        """Count from here on what a state counts: what it read again was counted when it was read first."""
        self._counted[state] = self._counts(state)

    def count(self, states: Iterable[Partition]) -> None:
        """Count what states have counted since they were looked at: some may be dropped now."""
        for state in states:
            self._count(state)

    def look(self, states: Iterable[Partition]) -> None:
        """Tell how the states are, unless that was told just now."""
        now = self._clock.monotonic()
        if self._looked is not None and now - self._looked < LOOK:
            return
        self._looked = now
        every = list(states)
        self.count(every)
        self._hold(every)
        self._clocks(every)

    def _count(self, state: Partition) -> None:
        counts = self._counts(state)
        before = self._counted.get(state, {})
        for (what, rule), number in counts.items():
            new = max(0, number - before.get((what, rule), 0))
            if new and rule != UNKNOWN:
                self._counters[what](rule).inc(new)
            elif new:
                self._metrics.correlate_unknown.inc(new)
        self._counted[state] = counts

    def _counts(self, state: Partition) -> Counts:
        report = state.report()
        counts = {
            (what, linked.correlation.ref.id): int(getattr(tally, what))
            for linked, tally in report.rules.values()
            for what in self._counters
        }
        return {**counts, ("unknown", UNKNOWN): report.unknown}

    def _hold(self, states: Iterable[Partition]) -> None:
        """Tell what each correlation holds; of those that are gone, nothing."""
        held: Counter[tuple[str, str]] = Counter()
        rules: set[str] = set()
        for linked, tally in (each for state in states for each in state.report().rules.values()):
            rules.add(linked.correlation.ref.id)
            held.update({(what, linked.correlation.ref.id): getattr(tally, what) for what in self._levels})
        for what, gauge in self._levels.items():
            for rule in rules:
                gauge.labels(rule).set(held[what, rule])
            for rule in self._shown - rules:
                gauge.remove(rule)
        self._shown = rules

    def _clocks(self, states: list[Partition]) -> None:
        """Tell how far the clock of each level is behind, where the partition that is furthest behind knows it."""
        now = self._clock.now()
        least: dict[int, int] = {}
        for state in states:
            for level, clock in state.report().clocks.items():
                least[level] = min(least.get(level, clock), clock)
        self._metrics.correlate_clock_delay.clear()
        for level, clock in least.items():
            if clock != NEVER:
                self._metrics.correlate_clock_delay.labels(str(level)).set((now - clock) / SECOND)
        before = now - self._patience
        self._metrics.correlate_standing.set(max((state.standing(before) for state in states), default=0))
