"""The correlate stage on a real bus, killed at any step: before, within and after every publication and commit."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from random import Random

import orjson

from correlator.correlate import NAME, Correlator
from correlator.correlation.feed import Feeder
from correlator.correlation.hits import Detected
from correlator.correlation.plan import Plan
from correlator.engine.record import Record as Fields
from correlator.hitting import records
from correlator.inforce import RulesInForce
from correlator.rules import RuleSet
from correlator.source import Rule
from correlator.syntax import All
from soc.alerts import Level, Match, RuleRef
from soc.bus.base import EVENTS, HITS, MATCHES, Bus, Commit, Consumer, Message, Record, TopicPartition
from soc.bus.members import SqliteConsumer
from soc.bus.sqlite import SqliteBus
from soc.bus.work import work
from soc.clock import SECOND, Clock
from soc.errors import Retry
from soc.events import Event, LogSource, digest
from soc.metrics import Metrics
from soc.settings import BusSettings, Settings
from soc.testing import ManualClock
from tests.correlator.correlation.model import Answer, Happening
from tests.correlator.correlation.strategies import DETECTIONS

FOREVER = 10**9
"""Seconds after which nothing happens."""

SSHD = LogSource("linux", None, "sshd")
RULES = {
    rule: Rule(RuleRef(rule, f"Title of {rule}", Level.LOW), SSHD, (), "made.yml", 1, All(())) for rule in DETECTIONS
}


class Crash(Exception):
    """The process is gone."""


class Idle(Exception):
    """Nothing is left to do."""


class Steps:
    """Tells at which steps to crash, and at which the bus is away."""

    def __init__(self, seed: int = 0, *, crashes: float = 0.0, retries: float = 0.0, at: int | None = None) -> None:
        """Crash at a share of the steps, or at step number `at` alone; find the bus away at another share."""
        self.random = Random(seed)
        self.calm = at is None and not crashes and not retries
        self.taken = self.crashed = self.failed = 0
        self._crashes, self._retries, self._at = crashes, retries, at

    def step(self) -> None:
        """Crash, raise Retry, or go on."""
        self.taken += 1
        if self.taken == self._at or self.random.random() < self._crashes:
            self.crashed += 1
            raise Crash
        if self.random.random() < self._retries:
            self.failed += 1
            raise Retry("the bus is away")

    def some(self, number: int) -> int:
        """Return how many of so many, from none to all; all of them where nothing is to go wrong."""
        return number if self.calm else self.random.randint(0, number)


class CrashingConsumer(SqliteConsumer):
    """Crashes before a commit and after it; a poll may find less than the one before."""

    steps = Steps()

    async def poll(self, max_records: int = 500, timeout: float = 1.0) -> list[Record]:
        """Return up to some records."""
        return await super().poll(1 + self.steps.some(max_records - 1), timeout)

    async def commit(self, positions: Mapping[TopicPartition, Commit]) -> None:
        """Commit, or crash."""
        self.steps.step()
        await super().commit(positions)
        self.steps.step()


class CrashingBus(SqliteBus):
    """Crashes before a publication, after a part of it, and after it."""

    steps = Steps()
    gate: asyncio.Event | None = None
    """What publications wait for, behind the first `open_until`; `hangs`: one waits."""
    open_until = 0

    def __init__(self, settings: BusSettings, metrics: Metrics, clock: Clock) -> None:
        """Go on, until told otherwise."""
        super().__init__(settings, metrics, clock)
        self.hangs = asyncio.Event()

    async def publish(self, topic: str, messages: Sequence[Message], *, draining: bool = False) -> None:
        """Publish, or crash."""
        self.steps.step()
        self.open_until -= 1
        if self.gate is not None and self.open_until < 0:
            self.hangs.set()
            await self.gate.wait()
        part = self.steps.some(len(messages))
        await super().publish(topic, messages[:part], draining=draining)
        self.steps.step()
        await super().publish(topic, messages[part:], draining=draining)
        self.steps.step()

    def consumer(self, group: str, topics: Iterable[str]) -> Consumer:
        """Return a member that crashes at the same steps."""
        made = CrashingConsumer(self, group, topics)
        made.steps = self.steps
        return made


class Hurried(ManualClock):
    """A clock on which nobody waits."""

    async def sleep(self, seconds: float) -> None:
        """Let the time be over."""
        self.advance(seconds)


def in_force(plan: Plan) -> RulesInForce:
    """Return rules whose correlations are these."""
    rules = RulesInForce()
    rules.put(RuleSet((), plan=plan))
    return rules


class Scene:
    """One consumer group on one bus, as processes that come and go."""

    def __init__(self, settings: Settings, bus: Bus, plan: Plan, metrics: Metrics) -> None:
        """The bus is open; time begins at zero."""
        self.settings, self.bus, self.plan, self.metrics = settings, bus, plan, metrics
        self.clock = Hurried(0)

    def correlator(self, consumer: Consumer, rules: RulesInForce | None = None) -> Correlator:
        """Return a correlator as a new process has it."""
        return Correlator(
            self.settings,
            rules or in_force(self.plan),
            self.bus,
            consumer,
            metrics=self.metrics,
            clock=self.clock,
        )

    async def live(self, records: int = 500) -> bool:
        """Run one process until nothing is left, or it crashes; tell whether it came to its end."""
        consumer = self.bus.consumer(NAME, [HITS])
        correlator = self.correlator(consumer)
        quiet = 0

        async def handle(batch: Sequence[Record]) -> Mapping[TopicPartition, str]:
            nonlocal quiet
            answer = await correlator.correlate(batch)
            quiet = 0 if batch else quiet + 1
            if quiet > 2:
                raise Idle
            return answer

        try:
            await work(
                consumer,
                handle,
                bus=self.bus,
                metrics=self.metrics,
                clock=self.clock,
                name=NAME,
                max_records=records,
                idle=0.02,
            )
        except Crash:
            return False
        except Idle:
            return True
        finally:
            await consumer.aclose()
        raise AssertionError

    async def begin(self) -> None:
        """Let a first process note from when judged correlations are judged: from the beginning of time."""
        await self.live()
        self.clock.advance(10**6)  # who forgot it would judge none of the windows

    async def matches(self) -> dict[str, Match]:
        """Return the matches on soc.matches, by id."""
        found = [Match.from_document(orjson.loads(record.value)) for record in await self.read(MATCHES)]
        return {match.id: match for match in found}

    async def read(self, topic: str) -> list[Record]:
        """Return everything on a topic."""
        ends = await self.bus.ends(topic)
        pages = [await self.bus.read(TopicPartition(topic, p), end.low, 100_000) for p, end in sorted(ends.items())]
        return [record for page in pages for record in page]


# What detection writes ------------------------------------------------------------------------------------------------


async def detected(
    bus: Bus,
    plan: Plan,
    events: Sequence[tuple[int, Happening]],
    lateness: float,
    *,
    at_once: int = 3,
    end: int = FOREVER,
) -> None:
    """Write what detection writes of these events: on which partition of soc.events, what happened, in order of arrival.

    In the end every partition is read up to a watermark of `end` seconds.
    """
    partitions, hits = len(await bus.ends(EVENTS)), len(await bus.ends(HITS))
    logs = [
        sorted((each for p, each in events if p == number), key=lambda each: each.arrival)
        for number in range(partitions)
    ]
    batches = [
        (log[min(begin + at_once, len(log)) - 1].arrival, number, begin)
        for number, log in enumerate(logs)
        for begin in range(0, len(log), at_once)
    ]
    for last, number, begin in sorted(batches):
        feeder = Feeder(plan, 1 << 20)
        for each in logs[number][begin : begin + at_once]:
            for rule in each.met:
                feeder.feed(RULES[rule], Fields(each.fields), _event(each), each.arrival)
        clock = Detected(number, begin + at_once, last - round(lateness * SECOND))
        await bus.publish(HITS, records(feeder.hits, [clock], hits, 1 << 20))
    await bus.publish(
        HITS, records([], [Detected(number, 10**6, end * SECOND) for number in range(partitions)], hits, 1 << 20)
    )


def ids(answers: Iterable[Answer]) -> set[str]:
    """Return the ids of the matches that are these answers."""
    return {digest(each.rule, orjson.dumps(list(each.group)).decode(), each.bucket) for each in answers}


def _event(of: Happening) -> Event:
    return Event(
        of.id, of.time, of.arrival, "hue", str(of.fields.get("host", "")), SSHD, dict(of.fields), None, "utf-8", {}
    )
