"""A small world around the real partitions: detection and correlation as processes that crash, wait, and come back.

Every process is a generator that yields after each record that it writes, so it can be stopped at every step: a crash
begins it again from what was committed, a zombie is one that goes on all the same and can no longer commit. Records are
appended again later (an acknowledgement was lost), processes fall behind each other, and time goes on meanwhile.
"""

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any, Final, NamedTuple

import orjson
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from correlator.correlation.feed import Feeder
from correlator.correlation.hits import Correlated, Detected
from correlator.correlation.partition import Partition, Shape
from correlator.correlation.rule import Correlation
from correlator.correlation.state import NEVER, Bounds, Found
from correlator.engine.record import Record
from correlator.hitting import records
from correlator.source import Rule
from correlator.syntax import All
from soc.alerts import Level, RuleRef
from soc.bus.base import Message
from soc.clock import SECOND
from soc.events import Event, LogSource
from tests.correlator.correlation.model import Answer, Happening
from tests.correlator.correlation.strategies import DETECTIONS, LATENESS, Delay, Lives, correlations, plan_of

Process = Iterator[bool]
"""One step at a time; False where there was nothing to do."""

ENOUGH: Final = 400_000
"""Steps after which a world that should come to rest never does."""


class Scene(NamedTuple):
    """What a world is made of. `events`: partition of soc.events and event. `shape`: events, hits, lateness (see Shape)."""

    seed: int
    correlations: Sequence[Correlation]
    events: Sequence[tuple[int, Happening]]
    shape: tuple[int, int, int]
    chaos: float = 1.0
    bounds: Bounds = Bounds()

    @property
    def happenings(self) -> list[Happening]:
        """What is appended, whichever partition it is on."""
        return [each for _, each in self.events]


class World:
    """Partitions of soc.events and soc.hits, a process for each, and a clock that all of them share."""

    def __init__(self, scene: Scene) -> None:
        """Take what will be appended to soc.events, and who looks at it."""
        self.partitions, self.hit_partitions, self.lateness = scene.shape
        self.correlations, self.chaos, self.bounds = scene.correlations, scene.chaos, scene.bounds
        self.random = Random(scene.seed)
        self.counts: Counter[str] = Counter()
        self.answers: set[Answer] = set()
        self.found: list[Found] = []
        self._plan = plan_of(scene.correlations)
        self._coming = sorted(scene.events, key=lambda each: each[1].arrival)
        self._now = 0
        self._at_rest = False
        self._events: list[list[Happening]] = [[] for _ in range(self.partitions)]
        self._hits: list[list[bytes]] = [[] for _ in range(self.hit_partitions)]
        self._again: list[tuple[int, bytes]] = []
        self._read = [0] * self.partitions
        self._taken = [(0, 0)] * self.hit_partitions  # committed, and from where a replay begins
        self._lives: Counter[tuple[str, int]] = Counter()
        self._away: dict[tuple[str, int], int] = {}
        self._zombies: list[Process] = []
        detecting = {("detect", number): self._detect(number) for number in range(self.partitions)}
        correlating = {("correlate", number): self._correlate(number) for number in range(self.hit_partitions)}
        self._processes: dict[tuple[str, int], Process] = {**detecting, **correlating}

    # The logs ---------------------------------------------------------------------------------------------------------

    def _pass_time(self, microseconds: int) -> None:
        self._now += microseconds
        while self._coming and self._coming[0][1].arrival <= self._now:
            partition, event = self._coming.pop(0)
            self._events[partition].append(event)

    def _append(self, messages: Iterable[Message]) -> Process:
        """Append one after another: a crash may come between any two."""
        for each in messages:
            assert each.partition is not None
            self._hits[each.partition].append(each.value)
            if not self._at_rest and self.random.random() < 0.04 * self.chaos:
                self._again.append((each.partition, each.value))
            yield True

    def _records(self, hits: Sequence[tuple[str, Any]], clocks: Sequence[Detected | Correlated]) -> list[Message]:
        """Return records in the form of the wire, some so small that one batch needs many, the partitions in any order."""
        made = records(hits, clocks, self.hit_partitions, self.random.choice((400, 1 << 20)))
        first = self.random.randrange(self.hit_partitions)
        return sorted(made, key=lambda each: ((each.partition or 0) + first) % self.hit_partitions)

    # Detection --------------------------------------------------------------------------------------------------------

    def _detect(self, number: int) -> Process:
        life, position, told = self._lives["detect", number], self._read[number], NEVER
        while True:
            events = self._events[number][position : position + self.random.randint(1, 6)]
            at_end, now = position + len(events) == len(self._events[number]), self._now
            watermark = (now if at_end else events[-1].arrival) - self.lateness
            clock = Detected(number, position + len(events), watermark)
            if not events and watermark <= told:
                yield False
                continue
            hits = self._hits_of(events)
            if self.random.random() < 0.5:
                yield from self._append(self._records(hits, [clock]))
            else:
                yield from self._append(self._records(hits, []))
                yield from self._append(self._records([], [clock]))
            told, position = watermark, position + len(events)
            if events and self._lives["detect", number] == life:
                self._read[number] = position
            yield True

    def _hits_of(self, events: Sequence[Happening]) -> list[tuple[str, Any]]:
        feeder = Feeder(self._plan, 1 << 20)
        for each in events:
            for rule in each.met:
                feeder.feed(_RULES[rule], Record(each.fields), _event(each), each.arrival)
        return feeder.hits

    # Correlation ------------------------------------------------------------------------------------------------------

    def _correlate(self, number: int) -> Process:
        life, (position, begin) = self._lives["correlate", number], self._taken[number]
        plan = plan_of(self.correlations)
        shape = Shape(self.partitions, self.hit_partitions, self.lateness, self.bounds)
        partition, log = Partition(plan, shape), self._hits[number]
        for offset in range(begin, position):
            partition.take(log[offset], offset)
        self.counts["replayed"] += position - begin
        told: dict[int, int] = {}
        while True:
            end = min(len(log), position + self.random.randint(1, 12))
            if end == position:
                yield False
                continue
            for offset in range(position, end):
                outcome = partition.take(log[offset], offset)
                self._publish(outcome.found)
                yield from self._append(self._records(outcome.fed, []))
            position = end
            clocks = list(self._advanced(partition, number, told))
            yield from self._append(self._records([], clocks) if clocks else [])
            if self._lives["correlate", number] == life:
                self._taken[number] = (position, partition.lowest(position))
            if self.random.random() < 0.02 * self.chaos:
                partition.adopt(plan_of(self.correlations), self._now)
            yield True

    def _publish(self, found: Sequence[Found]) -> None:
        self.found += found
        self.answers.update(answer_of(each) for each in found)

    def _advanced(self, partition: Partition, number: int, told: dict[int, int]) -> Iterator[Correlated]:
        for level, watermark in partition.clocks().items():
            if watermark > told.get(level, watermark - 1):
                told[level] = watermark
                yield Correlated(number, level, watermark, partition.incomplete(level))

    # What happens -----------------------------------------------------------------------------------------------------

    def run(self) -> set[Answer]:
        """Let everything happen, then everything come to rest, and return the answers."""
        random, end = self.random, max((each.arrival for _, each in self._coming), default=0) + 1
        rate = random.choice((0.02, 0.1, 0.3))  # of time against the processes: they fall behind, or wait for it
        tick = max(SECOND, end // 5000)
        names = list(self._processes)
        weights = [random.choice((0.1, 1, 3)) for _ in names]
        while self._now < end:
            if random.random() < rate:
                self._pass_time(random.randint(1, 3) * tick)
            elif random.random() < 0.08:
                self._happen(names)
            else:
                name = random.choices(names, weights)[0]
                if self._away.get(name, -1) <= self._now:
                    next(self._processes[name])
        self._rest(names)
        return self.answers

    def _happen(self, names: Sequence[tuple[str, int]]) -> None:
        """Perhaps crash one process, or several at once (a rebalance); stop one; append again; have a zombie act."""
        random, chance = self.random, self.random.random() * 0.07
        if chance < 0.004 * self.chaos:
            self._crash(random.choice(names), zombie=random.random() < 0.4)
        elif chance < 0.006 * self.chaos:
            for name in random.sample(names, random.randint(1, len(names))):
                self._crash(name, zombie=random.random() < 0.6)
        elif chance < 0.007 * self.chaos:
            self._away[random.choice(names)] = self._now + random.randint(1, 60) * SECOND
        elif chance < 0.03 and self._again:
            partition, value = self._again.pop(random.randrange(len(self._again)))
            self._hits[partition].append(value)
        elif self._zombies:
            zombie = random.choice(self._zombies)
            next(zombie)
            if random.random() < 0.1:
                self._zombies.remove(zombie)

    def _crash(self, name: tuple[str, int], *, zombie: bool) -> None:
        if zombie:
            self._zombies.append(self._processes[name])
        self._lives[name] += 1
        kind, number = name
        self._processes[name] = self._detect(number) if kind == "detect" else self._correlate(number)
        self.counts["crashes"] += 1

    def _rest(self, names: Sequence[tuple[str, int]]) -> None:
        for partition, value in self._again:
            self._hits[partition].append(value)
        self._at_rest = True
        longest = max(each.timespan for each in self.correlations)
        for _ in range(self._plan.levels + 2):
            self._drain()
            self._pass_time(3 * longest + 5 * self.lateness)
        self._drain()
        if self.chaos:
            for name in names:
                self._crash(name, zombie=False)
            self._drain()

    def _drain(self) -> None:
        steps, quiet = 0, 0
        while quiet < 2:
            before = steps
            for process in self._processes.values():
                while next(process):
                    steps += 1
                    assert steps < ENOUGH, "never at rest"
            quiet = 0 if steps > before else quiet + 1


def answer_of(found: Found) -> Answer:
    """Return what a found correlation's id is made of."""
    return Answer(found.linked.correlation.ref.id, tuple(orjson.loads(found.group)), found.bucket)


_SSHD: Final = LogSource("linux", None, "sshd")
_RULES: Final = {
    rule: Rule(RuleRef(rule, f"Title of {rule}", Level.LOW), _SSHD, (), "made.yml", 1, All(())) for rule in DETECTIONS
}


def _event(of: Happening) -> Event:
    host = str(of.fields.get("host", ""))
    return Event(of.id, of.time, of.arrival, "hue", host, _SSHD, dict(of.fields), None, "utf-8", {})


# Worlds from a seed ---------------------------------------------------------------------------------------------------

EXAMPLES: Final = 5_000 if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 50
seeds: Final = st.integers(0, 2**48)
worlds: Final = settings(
    max_examples=EXAMPLES,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),  # a smaller seed makes no smaller world
    suppress_health_check=[HealthCheck.too_slow],
)


def made(seed: int, delays: Callable[[int], Delay], **how: Any) -> Scene:
    """Return a world of up to 60 events; `how` goes to the making of its correlations."""
    random = Random(seed)
    shape = (random.randint(1, 4), random.randint(1, 4), random.choice(LATENESS))
    drawn = correlations(random, **how)
    events = Lives(random, shape[0], shape[2]).events(random.randint(8, 60), delays(shape[2]))
    return Scene(seed, drawn, events, shape, random.choice((0, 1, 1, 3)))
