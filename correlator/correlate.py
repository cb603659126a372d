"""The correlate stage: soc.hits in; matches on soc.matches, and hits and clocks for the correlations above, out.

Exact under restarts: state is a function of the log, and the input is committed only after every output is acknowledged,
with the offset from which the state can be had again (correlator/remembered.py). A batch that comes again was taken already:
its records are skipped, and the outputs that were not acknowledged are published first.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from correlator.correlation.hits import Correlated
from correlator.correlation.partition import Partition, Shape
from correlator.correlation.plan import Plan
from correlator.correlation.state import NEVER, Bounds
from correlator.gauges import Gauges
from correlator.inforce import RulesInForce
from correlator.outgoing import Outgoing
from correlator.owned import STAGE, Owned, Replay, begins_of, remembered
from correlator.turns import Turns
from soc.bus.base import EVENTS, HITS, Bus, Consumer, Record, TopicPartition
from soc.bus.deadletters import of_record
from soc.clock import SECOND, Clock
from soc.errors import Abandon, DeadLetter
from soc.metrics import Metrics
from soc.settings import Settings

NAME: Final = STAGE
"""The stage's name, and its consumer group's."""

STEP: Final = SECOND // 4
"""Microseconds by which a clock advances at least before it is told, unless nothing else is to do."""


class Correlator:
    """Handles batches of soc.hits. `correlate` is a soc.bus.work.Handler."""

    def __init__(
        self,
        settings: Settings,
        rules: RulesInForce,
        bus: Bus,
        consumer: Consumer,
        *,
        metrics: Metrics,
        clock: Clock,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`consumer`: the member whose batches are handled. `stopping`: tells whether to give up reading again."""
        self._settings = settings
        self._rules = rules
        self._bus = bus
        self._consumer = consumer
        self._metrics = metrics
        self._clock = clock
        self._replay = Replay(bus, metrics, clock, stopping)
        self._plan = Plan()
        self._generation: int | None = None
        self._owned: dict[TopicPartition, Owned] = {}
        self._before: dict[TopicPartition, Owned] = {}
        self._told: dict[tuple[int, int], int] = {}
        self._said: dict[tuple[int, str], int] = {}
        self._outgoing = Outgoing(settings, bus, metrics, clock)
        self._gauges = Gauges(settings, metrics, clock)
        self._events = self._hits = 0
        self._replaying = False

    @property
    def replaying(self) -> bool:
        """Whether it still reads what was read before."""
        return self._replaying

    async def correlate(self, records: Sequence[Record]) -> Mapping[TopicPartition, str]:
        """Take one batch and publish what it gave; return what is to be committed with it.

        Raises what publish raises: the batch comes again then. Abandon where a partition is not ours.
        """
        self._adopt()
        await self._refresh(records)
        await self._outgoing.publish()  # what a try before left: nothing more is taken until it is acknowledged
        await self._take(records)
        await self._publish(idle=not records)
        self._gauges.look(self._states())
        return await self._metadata(records)

    def _adopt(self) -> None:
        """Put other rules in force, if there are: they are ours before detect publishes hits of them."""
        plan = self._rules.plan()
        if plan is not self._plan:
            self._plan = plan
            for owned in (*self._owned.values(), *self._before.values()):
                owned.adopt(plan, self._clock.now())

    async def _refresh(self, records: Sequence[Record]) -> None:
        """Begin anew with all partitions where they may have changed hands."""
        generation = self._consumer.generation
        if generation != self._generation:
            self._gauges.count(self._states())
            self._before, self._owned, self._told, self._said = self._owned, {}, {}, {}
            await self._look_at_topics()
            self._outgoing.begin(self._hits)
            self._generation = generation
        missing = sorted(self._consumer.assignment() - self._owned.keys())
        self._replaying = bool(missing)
        for place in missing:
            self._owned[place] = await self._begin(place, records)
        self._replaying = False
        self._before = {}

    async def _look_at_topics(self) -> None:
        """Note how many partitions there are; a state of other numbers is of no use."""
        before = (self._events, self._hits)
        self._events, self._hits = [len(await self._bus.ends(topic)) for topic in (EVENTS, HITS)]
        if before != (self._events, self._hits):
            self._before = {}

    async def _begin(self, place: TopicPartition, records: Sequence[Record]) -> Owned:
        """Return a partition as the last commit left it."""
        commit = await self._consumer.committed(place)
        lowest, known = remembered(commit, self._plan)
        kept = self._before.get(place)
        if kept and commit and commit.offset == kept.taken and known == kept.begins:
            return kept  # it stayed ours: a replay would give the same
        begins = begins_of(self._plan, known, self._clock.now())
        here = [record.offset for record in records if record.partition == place.partition]
        first = commit.offset if commit else here[0] if here else await self._consumer.position(place)
        state = Partition(self._plan, self._shape(), begins)
        owned = Owned(place, state, begins, first, first, unsaved=begins != known)
        if lowest is not None:
            await self._replay.into(owned, lowest)
        self._gauges.begin(state)
        return owned

    def _shape(self) -> Shape:
        correlate = self._settings.correlate
        bounds = Bounds(correlate.max_groups, correlate.max_hits, correlate.max_group_hits)
        return Shape(self._events, self._hits, round(correlate.lateness_seconds * SECOND), bounds)

    async def _take(self, records: Sequence[Record]) -> None:
        turns = Turns(self._clock)
        for record in records:
            owned = self._owned.get(TopicPartition(record.topic, record.partition))
            if owned is None:
                raise Abandon(f"{record.topic}[{record.partition}] is not ours")
            try:
                outcome = owned.take(record, self._clock.now())
            except DeadLetter as error:
                self._outgoing.bury(of_record(NAME, record, error, self._clock.now()))
            else:
                if outcome is not None:
                    await self._outgoing.add(outcome, self._plan)
            await turns.look()

    async def _publish(self, *, idle: bool) -> None:
        """Publish, and tell the clocks that the outputs have passed; before the outputs, what they may lack."""
        for owned in self._owned.values():
            self._outgoing.miss(self._left_out(owned))
        clocks = [each for owned in self._owned.values() for each in self._clocks(owned, 1 if idle else STEP)]
        await self._outgoing.publish(clocks)
        self._told |= {(each.partition, each.level): each.watermark for each in clocks}

    def _clocks(self, owned: Owned, step: int) -> list[Correlated]:
        """Return the clocks of a partition that have advanced by `step` since they were told."""
        number = owned.place.partition
        return [
            Correlated(number, level, mark)
            for level, mark in owned.state.clocks().items()
            if mark - self._told.get((number, level), NEVER) >= step
        ]

    def _left_out(self, owned: Owned) -> list[Correlated]:
        """Return what a partition left out and has not told."""
        number = owned.place.partition
        found = []
        for level in range(1, self._plan.levels):
            news = {
                each: time for each, time in owned.state.incomplete(level) if self._said.get((number, each)) != time
            }
            self._said |= {(number, version): time for version, time in news.items()}
            if news:
                found.append(Correlated(number, level, NEVER, tuple(news.items())))
        return found

    def _states(self) -> list[Partition]:
        return [owned.state for owned in self._owned.values()]

    async def _metadata(self, records: Sequence[Record]) -> dict[TopicPartition, str]:
        """Return what is to be committed: behind the batch, and where plans were adopted though nothing was read."""
        ends = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
        found: dict[TopicPartition, str] = {}
        for place, owned in self._owned.items():
            if place in ends and ends[place] != owned.taken:
                found[place] = owned.metadata_before(await self._consumer.committed(place))
            elif place in ends or (owned.unsaved and await self._consumer.position(place) == owned.taken):
                found[place] = owned.metadata()
        return found
