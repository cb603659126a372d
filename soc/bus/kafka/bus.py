"""The bus port on Kafka."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence

import structlog

from soc.bus.base import HITS, TOPICS, Bus, Consumer, Ends, Message, Record, TopicPartition
from soc.bus.kafka.cluster import Cluster, Topic
from soc.bus.kafka.members import KafkaConsumer
from soc.bus.kafka.pressure import Pressure
from soc.bus.kafka.producers import Producers
from soc.bus.lanes import Lane, wait_for
from soc.bus.topics import by_partition, check_sizes, partition_for, shape_of
from soc.clock import Clock
from soc.errors import Retry, Stop
from soc.metrics import Metrics
from soc.settings import BusSettings

log = structlog.get_logger()


class KafkaBus(Bus):
    """See Bus. One object serves one event loop."""

    def __init__(self, settings: BusSettings, metrics: Metrics, clock: Clock) -> None:
        """Touch nothing yet. Raises SettingsError."""
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._cluster = Cluster(settings)
        self._pressure = Pressure(self._cluster, clock)
        self._topics: dict[str, Topic] = {}
        self._lanes: dict[TopicPartition, Lane] = {}
        self._running: list[asyncio.Task[None]] = []
        self._tasks: asyncio.TaskGroup | None = None
        self._producers: Producers | None = None
        self._publishing: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()

    async def open(self) -> None:
        """See Bus.open."""
        try:
            there = await self._cluster.topics()
            self._topics = await self._cluster.made([topic for topic in TOPICS if topic not in there])
            await self._tell_of_short_retention()
        except BaseException:
            await self._cluster.aclose()
            raise
        started = asyncio.Event()
        self._publishing = asyncio.create_task(self._publish_until_closed(started), name="kafka-bus")
        await started.wait()

    async def publish(self, topic: str, messages: Sequence[Message], *, draining: bool = False) -> None:
        """See Bus.publish."""
        if not messages:
            return
        check_sizes(messages, self._settings.max_value_bytes)
        count = self._topic(topic).partitions
        parts = by_partition(topic, messages, count)
        if not draining:
            self._pressure.check(topic, count)
        batches = [
            batch for number, part in parts.items() for batch in self._lane(TopicPartition(topic, number)).put(part)
        ]
        await wait_for(batches, self._settings.publish_timeout)
        self._metrics.bus_published_records.labels(topic).inc(len(messages))
        self._metrics.bus_published_bytes.labels(topic).inc(sum(len(message.value) for message in messages))

    def consumer(self, group: str, topics: Iterable[str]) -> Consumer:
        """See Bus.consumer."""
        return KafkaConsumer(self._cluster, self._metrics, group, tuple(topics))

    async def ends(self, topic: str) -> Mapping[int, Ends]:
        """See Bus.ends."""
        partitions = [TopicPartition(topic, number) for number in range(self._topic(topic).partitions)]
        ends = await self._cluster.ends(partitions)
        return {partition.partition: end for partition, end in ends.items()}

    async def lag(self, group: str, topic: str) -> Mapping[int, int]:
        """See Bus.lag."""
        ends = await self.ends(topic)
        commits = await self._cluster.commits(group, [TopicPartition(topic, number) for number in ends])
        positions = {partition.partition: commit.offset for partition, commit in commits.items()}
        return {number: end.high - max(end.low, positions.get(number, 0)) for number, end in ends.items()}

    async def identity(self, topic: str) -> str:
        """See Bus.identity."""
        topics = await self._cluster.topics()
        if topic not in topics:
            raise Retry(f"there is no topic {topic!r} now")
        return topics[topic].identity

    async def read(self, partition: TopicPartition, offset: int, limit: int) -> list[Record]:
        """See Bus.read."""
        return await self._cluster.read(partition, offset, limit)

    def partition_of(self, topic: str, key: bytes) -> int:
        """See Bus.partition_of."""
        return partition_for(key, self._topic(topic).partitions)

    async def expire(self) -> None:
        """See Bus.expire: the brokers do it."""

    async def aclose(self) -> None:
        """See Bus.aclose. Who still waits in `publish` is told Retry."""
        self._closing.set()
        if self._publishing is not None:
            await asyncio.wait([self._publishing])
        await self._cluster.aclose()

    async def _tell_of_short_retention(self) -> None:
        """A topic that was there keeps its retention: what was made by an earlier release keeps soc.hits too shortly."""
        kept, wanted = await self._cluster.kept(HITS), shape_of(HITS, self._settings).retention_seconds
        if 0 < kept.seconds < wanted:
            log.warning("topic keeps records for too short a time", topic=HITS, seconds=kept.seconds, wanted=wanted)

    def _topic(self, name: str) -> Topic:
        if name not in self._topics:
            raise Stop(f"the bus is not open, or has no topic {name!r}")
        return self._topics[name]

    async def _publish_until_closed(self, started: asyncio.Event) -> None:
        """Own what runs: a task that fails ends them all, and every later publish says so."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._running.append(tasks.create_task(self._pressure.run(), name="kafka-pressure"))
            self._producers = Producers(self._cluster, self._metrics, self._clock, self._pressure, tasks)
            started.set()
            await self._closing.wait()
            for task in self._running:
                task.cancel()
            await self._producers.aclose()

    def _lane(self, partition: TopicPartition) -> Lane:
        producers, tasks = self._producers, self._tasks
        if producers is None or tasks is None or self._publishing is None:
            raise Stop("the bus is not open")
        if self._publishing.done():
            failed = None if self._publishing.cancelled() else self._publishing.exception()
            raise Stop(f"the bus is closed: {failed!r}")
        if partition not in self._lanes:

            async def deliver(messages: Sequence[Message], wanted: Callable[[], bool]) -> None:
                await producers.deliver(partition, messages, wanted)

            lane = self._lanes[partition] = Lane(deliver, self._settings.linger)
            name = f"kafka-{partition.topic}-{partition.partition}"
            self._running.append(tasks.create_task(lane.run(), name=name))
        return self._lanes[partition]
