"""The detect stage: soc.events in, matches on soc.matches out.

Its input is committed only after each match, and each dead letter, is acknowledged. It never waits for the store.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import orjson
import structlog

from correlator.costs import Costs
from correlator.flood import FLOOD_RULE, FloodGate
from correlator.matching import Matcher
from correlator.rules import RuleSet
from correlator.source import Rule
from soc.alerts import Match
from soc.bus.base import MATCHES, Bus, Message, Record
from soc.bus.deadletters import Letter, bury, of_record
from soc.clock import SECOND, Clock
from soc.errors import DeadLetter
from soc.metrics import Metrics
from soc.settings import Settings

log = structlog.get_logger()

NAME: Final = "detect"
"""The stage's name, and its consumer group's."""

SLICE: Final = 0.02
"""Seconds of evaluation after which the loop gets its turn: the consumer's heartbeat, health, the other stage."""

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

    @property
    def rules(self) -> RuleSet:
        """The rules in force."""
        return self._rules

    def adopt(self, rules: RuleSet) -> None:
        """Put other rules in force from the next batch on."""
        self._wanted = rules

    async def detect(self, records: Sequence[Record]) -> None:
        """Evaluate one batch and publish what matched. Raises what publish raises: the batch comes again then."""
        if self._wanted is not self._rules:
            self._costs.follow(self._wanted)
            self._rules = self._wanted
        gate = self._gate.copy()
        found, letters = await self._evaluate(records, gate)
        await bury(self._bus, self._metrics, letters)
        for messages in self._publications(match for match, _ in found):
            await self._bus.publish(MATCHES, messages)
        self._gate = gate  # only now: a batch that comes again is counted once
        self._count(len(records), found)
        self._costs.look()

    async def _evaluate(
        self, records: Sequence[Record], gate: FloodGate
    ) -> tuple[list[tuple[Match, int]], list[Letter]]:
        """Return the matches, each with when its event was appended, and letters for what was not evaluated in full."""
        found: list[tuple[Match, int]] = []
        letters: list[Letter] = []
        failures: list[str] = []
        matches = Matcher(self._rules, gate, partial(self._failed, failures)).matches
        monotonic = self._clock.monotonic
        turn = monotonic() + SLICE
        for record in records:
            try:
                if matched := matches(record):
                    found += [(match, record.timestamp) for match in matched]
                if failures:
                    raise _failures(failures)
            except DeadLetter as error:
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

    def _count(self, evaluated: int, found: Sequence[tuple[Match, int]]) -> None:
        self._metrics.events_evaluated.inc(evaluated)
        now = self._clock.now()
        for _, appended in found:
            self._metrics.detect_delay.observe((now - appended) / SECOND)
        for rule, number in Counter(match.rule.id for match, _ in found).items():
            self._metrics.rule_matches.labels(rule).inc(number)
        for match, _ in found:
            if match.rule.id == FLOOD_RULE:
                self._metrics.rule_floods.labels(match.alert_key.split("|")[1]).inc()
                log.warning("rule floods", title=match.rule.title)


def _failures(titles: Sequence[str]) -> DeadLetter:
    """Return why an event is kept as a dead letter though it was evaluated: a retry completes it."""
    named = "; ".join(titles[:MAX_NAMED])
    return DeadLetter("rule_failed", f"{len(titles)} rules failed, the others' matches are published: {named}")
