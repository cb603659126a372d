"""What the rules in force cost, told to the metrics every few seconds, and to the log where a rule costs too much."""

from collections.abc import Iterator, Mapping
from typing import Final

import structlog

from correlator.rules import RuleSet
from correlator.statistics import Cost
from soc.clock import Clock
from soc.metrics import Metrics

log = structlog.get_logger()

PERIOD: Final = 5.0
"""Seconds between two looks: there are thousands of rules, and Prometheus asks less often."""

MINUTE: Final = 60.0
HOUR: Final = 3600.0
NOTHING: Final = Cost()


class Costs:
    """Follows a rule set's statistics. What a rule that is gone took stays in the metrics."""

    def __init__(self, rules: RuleSet, percent: float, metrics: Metrics, clock: Clock) -> None:
        """Begin with these rules; `percent` of one processor is what a rule may take, in the mean of a minute."""
        self._share = percent / 100
        self._metrics = metrics
        self._clock = clock
        self._named: dict[str, float] = {}
        self._next = self._minute = 0.0
        self._follow(rules)

    def follow(self, rules: RuleSet) -> None:
        """Go on with other rules; first tell what the former have done."""
        self._tell()
        self._follow(rules)

    def look(self) -> None:
        """Tell what was done since the last look, if that is some seconds ago."""
        now = self._clock.monotonic()
        if now < self._next:
            return
        self._next = now + PERIOD
        self._tell()
        if now >= self._minute + MINUTE:
            self._judge(now)

    def _follow(self, rules: RuleSet) -> None:
        self._rules = rules
        self._told = rules.statistics()  # what warmed it is not counted
        self._next = self._clock.monotonic() + PERIOD
        self._begin_minute(self._clock.monotonic())

    def _begin_minute(self, now: float) -> None:
        self._minute = now
        self._at_minute = self._told.rules

    def _tell(self) -> None:
        before, done = self._told, self._rules.statistics()
        self._metrics.events_undecided.inc(done.undecided - before.undecided)
        self._metrics.values_judged.inc(done.judged - before.judged)
        self._metrics.memory_resets.inc(done.resets - before.resets)
        for rule, cost in _since(before.rules, done.rules):
            self._metrics.rule_evaluations.labels(rule).inc(cost.evaluations)
            self._metrics.rule_cost.labels(rule).inc(cost.seconds)
        self._told = done

    def _judge(self, now: float) -> None:
        """Name the rules that were slow for a minute: each in the metrics, and once an hour in the log."""
        seconds = now - self._minute
        for rule, cost in _since(self._at_minute, self._told.rules):
            if cost.seconds > self._share * seconds:
                self._metrics.rule_slow.labels(rule).inc()
                self._name(rule, cost, 100 * cost.seconds / seconds, now)
        self._begin_minute(now)

    def _name(self, rule_id: str, cost: Cost, percent: float, now: float) -> None:
        if now < self._named.get(rule_id, now):
            return
        self._named = {each: until for each, until in self._named.items() if until > now}
        self._named[rule_id] = now + HOUR
        rule = next(each for each in self._rules.rules if each.ref.id == rule_id)
        log.warning(
            "rule slow",
            rule=rule.ref.title,
            file=rule.file,
            line=rule.line,
            processor=f"{percent:.1f} %",
            evaluations=cost.evaluations,
            remedy="simplify its regular expressions, or leave it out (correlate.disabled)",
        )


def _since(before: Mapping[str, Cost], now: Mapping[str, Cost]) -> Iterator[tuple[str, Cost]]:
    """Yield what each rule took in between, of those that took anything."""
    for rule, cost in now.items():
        was = before.get(rule, NOTHING)
        if cost.evaluations > was.evaluations or cost.seconds > was.seconds:
            yield rule, Cost(max(0, cost.evaluations - was.evaluations), max(0.0, cost.seconds - was.seconds))
