"""The detect stage: soc.events in, matches on soc.matches and hits for correlations on soc.hits out.

Its input is committed only after each match, hit and dead letter is acknowledged. It never waits for the store.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import orjson
import structlog

from correlator.correlation.feed import Feeder
from correlator.costs import Costs
from correlator.flood import FLOOD_RULE, FloodGate
from correlator.hitting import records as records_of
from correlator.matching import Matcher
from correlator.rules import RuleSet
from correlator.source import Rule
from correlator.turns import SLICE
from correlator.watermarks import Said, Watermarks
from soc.alerts import Match
from soc.bus.base import HITS, MATCHES, Bus, Consumer, Message, Record
from soc.bus.deadletters import Letter, bury, of_record
from soc.clock import SECOND, Clock
from soc.errors import DeadLetter, VonggacError
from soc.metrics import Metrics
from soc.settings import Settings

log = structlog.get_logger()

NAME: Final = "detect"
"""The stage's name, and its consumer group's."""

PLACE: Final = 256
"""Bytes that a match may grow by on its way: `forward` adds its place."""

MAX_PUBLISH: Final = 8 * 1024 * 1024
"""Bytes of encoded matches held at once: an event that fires many rules is in each of their matches."""

MAX_NAMED: Final = 10
"""Failed rules that a dead letter names."""


class Detector:
    """Handles batches of soc.events. `detect` is a soc.bus.work.Handler."""

    def __init__(self, settings: Settings, rules: RuleSet, bus: Bus, metrics: Metrics, clock: Clock) -> None:
        """Take the rules in force."""
        self._rules = self._wanted = rules
        self._bus = bus
        self._metrics = metrics
        self._clock = clock
        self._max_value = settings.bus.max_value_bytes - PLACE
        self._gate = FloodGate(settings.correlate.flood_per_minute, settings.correlate.flood_samples)
        self._costs = Costs(rules, settings.correlate.rule_budget_percent, metrics, clock)
        self._max_record = settings.bus.max_value_bytes
        self._watermarks = Watermarks(settings.correlate, bus, clock)
        self._partitions = 0
        self._landed: dict[int, int] = {}

    @property
    def rules(self) -> RuleSet:
        """The rules in force."""
        return self._rules

    def adopt(self, rules: RuleSet) -> None:
        """Put other rules in force from the next batch on."""
        self._wanted = rules

    def follow(self, consumer: Consumer) -> None:
        """Look where this consumer, whose records `detect` is given, stands: correlations hear of ends that it reached."""
        self._watermarks.follow(consumer)

    async def detect(self, records: Sequence[Record]) -> None:
        """Evaluate one batch and publish what matched. Raises what publish raises: the batch comes again then.

        Called with [] as well, now and then: the clock of correlations goes on where nothing happens.
        """
        if self._wanted is not self._rules:
            self._costs.follow(self._wanted)
            self._rules = self._wanted
            self._landed.clear()
        gate = self._gate.copy()
        feeder = Feeder(self._rules.plan, self._max_record)
        found, letters = await self._evaluate(records, gate, feeder)
        await bury(self._bus, self._metrics, letters)
        for messages in self._publications(match for match, record in found if not self._has_landed(record)):
            await self._bus.publish(MATCHES, messages)
        if self._rules.plan.linked:
            await self._publish_hits(records, feeder)
            self._landed.clear()
        self._gate = gate  # only now: a batch that comes again is counted once
        self._count(len(records), found)
        self._count_hits(feeder)
        self._costs.look()

    async def _publish_hits(self, records: Sequence[Record], feeder: Feeder) -> None:
        """Publish the hits, and behind them how far soc.events has been read.

        Where that fails the batch comes again, for hours where soc.hits is full: its matches and dead letters do not.
        """
        try:
            said = await self._watermarks.after(records)
            await self._bus.publish(HITS, await self._hits(feeder, said))
            self._watermarks.acknowledged(said)
        except VonggacError:
            for record in records:
                self._landed[record.partition] = max(record.offset + 1, self._landed.get(record.partition, 0))
            raise

    def _has_landed(self, record: Record) -> bool:
        """Tell whether the record's matches are acknowledged, from a batch whose hits are not."""
        return record.offset < self._landed.get(record.partition, 0)

    async def _hits(self, feeder: Feeder, said: Said) -> list[Message]:
        if not self._partitions:
            self._partitions = len(await self._bus.ends(HITS))
        return records_of(feeder.hits, said.clocks, self._partitions, self._max_record, everywhere=said.everywhere)

    async def _evaluate(
        self, records: Sequence[Record], gate: FloodGate, feeder: Feeder
    ) -> tuple[list[tuple[Match, Record]], list[Letter]]:
        """Return the matches, each with its event's record, and letters for what was not evaluated in full."""
        found: list[tuple[Match, Record]] = []
        letters: list[Letter] = []
        failures: list[str] = []
        matches = Matcher(self._rules, gate, partial(self._failed, failures), feeder).matches
        monotonic = self._clock.monotonic
        turn = monotonic() + SLICE
        for record in records:
            try:
                if matched := matches(record):
                    found += [(match, record) for match in matched]
                if failures:
                    raise _failures(failures)
            except DeadLetter as error:
                if not self._has_landed(record):
                    letters.append(of_record(NAME, record, error, self._clock.now()))
                failures.clear()
            if monotonic() >= turn:
                await asyncio.sleep(0)
                turn = monotonic() + SLICE
        return found, letters

    def _publications(self, matches: Iterable[Match]) -> Iterator[list[Message]]:
        """Yield the records of soc.matches, in order, as many at once as the bound allows."""
        messages: list[Message] = []
        size = 0
        for match in matches:
            message = self._message(match)
            if messages and size + len(message.value) > MAX_PUBLISH:
                yield messages
                messages, size = [], 0
            messages.append(message)
            size += len(message.value)
        if messages:
            yield messages

    def _message(self, match: Match) -> Message:
        """Return the record of soc.matches; one that the bus does not take leaves its event behind, then its reasons."""
        key = match.alert_key.encode("utf-8", "replace")
        bare = replace(match, event=None)
        for form in (match, bare):
            try:
                value = orjson.dumps(form.to_document())
            except TypeError:  # orjson.JSONEncodeError: the event nests as deep as JSON goes, and stands deeper here
                continue
            if len(value) <= self._max_value:
                return Message(key, value)
        return Message(key, orjson.dumps(replace(bare, reasons=()).to_document()))

    def _failed(self, failures: list[str], rule: Rule, error: Exception) -> None:
        if not failures:  # one line an event: hostile events could fail thousands of rules
            log.warning("rule failed", rule=rule.ref.title, file=rule.file, error=repr(error)[:500])
        failures.append(rule.ref.title)
        self._metrics.rule_errors.labels(rule.ref.id).inc()

    def _count(self, evaluated: int, found: Sequence[tuple[Match, Record]]) -> None:
        self._metrics.events_evaluated.inc(evaluated)
        now = self._clock.now()
        for _, record in found:
            self._metrics.detect_delay.observe((now - record.timestamp) / SECOND)
        for rule, number in Counter(match.rule.id for match, _ in found).items():
            self._metrics.rule_matches.labels(rule).inc(number)
        for match, _ in found:
            if match.rule.id == FLOOD_RULE:
                self._metrics.rule_floods.labels(match.alert_key.split("|")[1]).inc()
                log.warning("rule floods", title=match.rule.title)

    def _count_hits(self, feeder: Feeder) -> None:
        for version, number in Counter(version for version, _ in feeder.hits).items():
            self._metrics.hits_fed.labels(self._rules.plan.linked[version].correlation.ref.id).inc(number)
        for cause, counts in (("ungrouped", feeder.ungrouped), ("too_large", feeder.too_large)):
            for rule, number in counts.items():
                self._metrics.hits_refused.labels(rule, cause).inc(number)
        for rule, number in feeder.valueless.items():
            self._metrics.hits_valueless.labels(rule).inc(number)


def _failures(titles: Sequence[str]) -> DeadLetter:
    """Return why an event is kept as a dead letter though it was evaluated: a retry completes it."""
    named = "; ".join(titles[:MAX_NAMED])
    return DeadLetter("rule_failed", f"{len(titles)} rules failed, the others' matches are published: {named}")
