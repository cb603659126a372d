"""The real things, failing when told to: backends before the act, after it, or half-way; and the engine."""

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

from correlator.engine.kind import Kind
from correlator.engine.plain import Holds
from correlator.rules import RuleSet
from soc.alerts import Match
from soc.bus.base import Message
from soc.bus.sqlite import SqliteBus
from soc.clock import Clock
from soc.errors import Retry
from soc.events import LogSource
from soc.metrics import Metrics
from soc.settings import BusSettings, StoreSettings
from soc.store.base import Answer, Written
from soc.store.sqlite import SqliteStore


class FlakyBus(SqliteBus):
    """Publishes a prefix and then fails: at the next `failures` calls, or at random."""

    def __init__(self, settings: BusSettings, metrics: Metrics, clock: Clock) -> None:
        """Start healthy."""
        super().__init__(settings, metrics, clock)
        self.failures = 0
        self.random = random.Random(0)
        self.rate = 0.0

    async def publish(self, topic: str, messages: Sequence[Message], *, draining: bool = False) -> None:
        """Publish, or a prefix and then raise Retry."""
        if self.failures or self.random.random() < self.rate:
            self.failures = max(0, self.failures - 1)
            if landed := messages[: self.random.randint(0, len(messages))]:
                await super().publish(topic, landed, draining=draining)
            raise Retry("the bus went away")
        await super().publish(topic, messages, draining=draining)


class FlakyStore(SqliteStore):
    """Answers "retry" to some writes, of which some were done; refuses ids that begin with "bad"."""

    def __init__(self, settings: StoreSettings, metrics: Metrics, clock: Clock) -> None:
        """Start healthy."""
        super().__init__(settings, metrics, clock)
        self.away = False
        self.random = random.Random(0)
        self.rate = 0.0
        self.bulks: list[list[str]] = []

    async def add_matches(self, matches: Sequence[Match]) -> list[Written]:
        """Create, or fail as told."""
        self.bulks.append([match.id for match in matches])
        if self.away:
            return [Written(Answer.RETRY, "the store is away")] * len(matches)
        answers: list[Written] = []
        for match in matches:
            if match.id.startswith("bad"):
                answers.append(Written(Answer.REJECTED, "not for us"))
                continue
            lost_before, lost_after = self.random.random() < self.rate, self.random.random() < self.rate
            if not lost_before:
                answers += await super().add_matches([match])
            if lost_before or lost_after:
                answers[len(answers) - (not lost_before) :] = [Written(Answer.RETRY, "timed out")]
        return answers


@contextmanager
def fallen_back(rules: RuleSet, logsource: LogSource, holds: Holds) -> Iterator[None]:
    """Have the engine fail on every event, and the first rule for this logsource, by itself, do as `holds`."""

    def fail(_kind: Kind, _fields: dict[str, Any], _wire: bytes | None) -> NoReturn:
        raise RecursionError

    first = rules.covering(logsource)[0]
    first.__dict__["predicate"] = first.predicate._replace(holds=holds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Kind, "fired", fail)
        yield
