"""What correlations found, on its way to the bus: kept until it is acknowledged, published in order."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import orjson
import structlog

from correlator.correlation.found import match
from correlator.correlation.hits import Correlated, Hit
from correlator.correlation.plan import Plan
from correlator.correlation.state import Found, Outcome
from correlator.detect import MAX_PUBLISH, PLACE
from correlator.flood import FLOOD_RULE, FloodGate, flood_match
from correlator.hitting import records
from correlator.owned import STAGE
from correlator.turns import Turns
from soc.alerts import Match
from soc.bus.base import HITS, MATCHES, Bus, Message
from soc.bus.deadletters import Letter, bury, of_input
from soc.clock import SECOND, Clock
from soc.errors import DeadLetter
from soc.metrics import Metrics
from soc.settings import Settings

log = structlog.get_logger()

MAX_FED: Final = 20_000
"""Hits for the correlations above that are published at once."""


class Going(NamedTuple):
    """A match on its way. `arrival`: when the event that completed it was appended; None where a window had to end."""

    rule: str
    message: Message
    arrival: int | None


class Outgoing:
    """Outputs in order. A publication that fails is repeated from the first that was not acknowledged."""

    def __init__(self, settings: Settings, bus: Bus, metrics: Metrics, clock: Clock) -> None:
        """Hold nothing."""
        self._bus = bus
        self._metrics = metrics
        self._clock = clock
        self._max_value = settings.bus.max_value_bytes
        self._gate = FloodGate(settings.correlate.flood_per_minute, settings.correlate.flood_samples)
        self.begin(0)

    def begin(self, partitions: int) -> None:
        """Drop everything: what it came from may be another member's now. `partitions`: how many soc.hits has."""
        self._partitions = partitions
        self._letters: list[Letter] = []
        self._matches: list[Going] = []
        self._missed: list[Correlated] = []
        self._fed: list[tuple[str, Hit]] = []

    def miss(self, left_out: Sequence[Correlated]) -> None:
        """Tell, before hits for the correlations above, what those below left out. It is kept until acknowledged."""
        self._missed += left_out

    def bury(self, letter: Letter) -> None:
        """Add a dead letter."""
        self._letters.append(letter)

    async def add(self, outcome: Outcome, plan: Plan) -> None:
        """Add what a record gave: a window's end may give matches by the thousand, so the loop gets its turns."""
        self._fed += outcome.fed
        turns = Turns(self._clock)
        for found in outcome.found:
            try:
                self._matches += self._going(found, plan)
            except (TypeError, ValueError) as error:  # no JSON holds its times, or its group is none
                letter = DeadLetter("unencodable", f"a match of {found.linked.correlation.ref.title}: {error}")
                self.bury(of_input(STAGE, found.group.encode(), letter, self._clock.now(), {"topic": MATCHES}))
            await turns.look()

    async def publish(self, clocks: Sequence[Correlated] = ()) -> None:
        """Publish everything, and then, on every partition of soc.hits, the clocks. Raises what publish raises."""
        await bury(self._bus, self._metrics, self._letters)
        self._letters = []
        while self._matches:
            part = _first(self._matches)
            await self._bus.publish(MATCHES, [each.message for each in part])
            del self._matches[: len(part)]
            self._count(part)
        if self._missed:
            await self._feed((), self._missed)
            self._missed = []
        while len(self._fed) > MAX_FED:
            await self._feed(self._fed[:MAX_FED], ())
            del self._fed[:MAX_FED]
        if self._fed or clocks:
            await self._feed(self._fed, clocks)
            self._fed = []

    async def _feed(self, hits: Sequence[tuple[str, Hit]], clocks: Sequence[Correlated]) -> None:
        """Publish hits and clocks. It never waits for the slowest group of soc.hits: that is ours."""
        messages: list[Message] = []
        for message in records(hits, clocks, self._partitions, self._max_value):
            if len(message.value) <= self._max_value:
                messages.append(message)
            else:
                error = DeadLetter("too_large", f"a hit of {len(message.value)} bytes for the correlations above")
                letter = of_input(STAGE, message.value, error, self._clock.now(), {"topic": HITS})
                await bury(self._bus, self._metrics, [letter])
        await self._bus.publish(HITS, messages, draining=True)

    def _going(self, found: Found, plan: Plan) -> Iterator[Going]:
        linked, arrival = found.linked, found.at.arrival
        rule = linked.correlation.ref
        verdict = self._gate.admit(rule.id, arrival)
        made = match(found if verdict.full else found._replace(entries=()), plan)
        key = made.alert_key.encode("utf-8", "replace")
        value = _value(made, self._max_value - PLACE)
        yield Going(rule.id, Message(key, value), arrival if linked.sliding else None)
        if verdict.begins:
            flood = flood_match(rule, arrival, made.site, self._gate.per_minute)
            yield Going(FLOOD_RULE, Message(flood.alert_key.encode(), orjson.dumps(flood.to_document())), None)
            self._metrics.rule_floods.labels(rule.id).inc()
            log.warning("rule floods", title=flood.rule.title)

    def _count(self, part: Sequence[Going]) -> None:
        now = self._clock.now()
        for rule, _, arrival in part:
            self._metrics.rule_matches.labels(rule).inc()
            if arrival is not None:
                self._metrics.correlate_delay.observe((now - arrival) / SECOND)


def _first(matches: Sequence[Going]) -> Sequence[Going]:
    """Return as many of the first as are published at once."""
    size = 0
    for number, each in enumerate(matches):
        size += len(each.message.value)
        if number and size > MAX_PUBLISH:
            return matches[:number]
    return list(matches)


def _value(made: Match, limit: int) -> bytes:
    """Return the match as it is published: with as many of the latest contributions as the bus takes."""
    value = orjson.dumps(made.to_document())
    kept = len(made.correlation.contributions) if made.correlation else 0
    while kept and len(value) > limit:
        kept //= 2
        value = orjson.dumps(_bare(made, kept).to_document())
    return value


def _bare(made: Match, kept: int = 0) -> Match:
    """Return the match with so many of its contributions, the latest."""
    evidence = made.correlation
    if evidence is None:
        return made
    contributions = evidence.contributions[len(evidence.contributions) - kept :]
    return replace(made, correlation=replace(evidence, contributions=contributions))
