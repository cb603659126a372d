"""A member of a consumer group on Kafka."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import (
    IllegalGenerationError,
    KafkaError,
    NoOffsetForPartitionError,
    OffsetOutOfRangeError,
    RebalanceInProgressError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.protocol.commit import OffsetCommitRequest

from soc.bus.base import Commit, Consumer, Record, TopicPartition
from soc.bus.kafka.cluster import AWAY, REQUEST_SECONDS, Cluster, records_of, stopped
from soc.bus.topics import check_metadata
from soc.errors import Abandon, Lost, Retry, Stop
from soc.metrics import Metrics

_HOUR_MS = 3_600_000
"""How long a handler may take: heartbeats, not polls, tell that a member lives."""
_LEAST_SESSION = 6.0
"""Brokers refuse a shorter session (group.min.session.timeout.ms)."""
_ALONE_SECONDS = 1.0

log = structlog.get_logger()


class _Member(NamedTuple):
    """As whom the group knows us; a commit under an older one is refused."""

    generation: int
    id: str


class KafkaConsumer(Consumer, ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka is not typed
    """A member of a group. What it read counts only under the membership under which it was read."""

    def __init__(self, cluster: Cluster, metrics: Metrics, group: str, topics: tuple[str, ...]) -> None:
        """Join at the first poll."""
        self._cluster = cluster
        self._metrics = metrics
        self._group = group
        self._topics = topics
        self._kafka: Any = None
        self._changes = 0
        self._assigned: frozenset[TopicPartition] | None = None
        self._arrived = asyncio.Event()
        self._member = _Member(-1, "")
        self._generation = 0
        self._positions: dict[TopicPartition, int] = {}
        self._told: dict[TopicPartition, int] = {}
        self._gaps: list[Lost] = []
        self._alone_since: float | None = None

    # The port -------------------------------------------------------------------------------------------------------

    async def poll(self, max_records: int = 500, timeout: float = 1.0) -> list[Record]:
        """See Consumer.poll."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        await self._join()
        while True:
            if self._gaps:  # before anything is read: what is read counts as handed over
                raise self._gaps.pop()
            records = await self._some(max_records, max(0.0, deadline - loop.time()))
            if records:
                return records  # whatever else is wrong: what was read counts as handed over
            if loop.time() >= deadline:
                self._check_coordinator(loop.time())
                return []

    async def commit(self, positions: Mapping[TopicPartition, Commit]) -> None:
        """See Consumer.commit."""
        check_metadata(positions)
        if self._generation != self._changes or positions.keys() - self._positions.keys():
            raise Abandon(f"{self._group}: the group's partitions were divided anew")
        if not positions:
            return
        topics: dict[str, list[tuple[int, int, str]]] = {}
        for partition, commit in positions.items():
            topics.setdefault(self._cluster.name(partition).topic, []).append((partition.partition, *commit))
        request = OffsetCommitRequest(self._cluster.group(self._group), *self._member, -1, list(topics.items()))
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await self._coordinator.ensure_coordinator_known()
                answer = await self._coordinator._send_req(request)  # noqa: SLF001 - its own commit carries the newest generation
        except AWAY as error:
            raise Retry(f"kafka: commit of {self._group!r}: {error!r}") from None
        for _topic, partitions in answer.topics:
            for _partition, code in partitions:
                self._judge(code)

    async def committed(self, partition: TopicPartition) -> Commit | None:
        """See Consumer.committed."""
        return (await self._cluster.commits(self._group, [partition])).get(partition)

    async def position(self, partition: TopicPartition) -> int:
        """See Consumer.position."""
        if partition not in self._positions:
            raise Abandon(f"{self._group}: {partition} is not this member's")
        return self._positions[partition]

    def assignment(self) -> frozenset[TopicPartition]:
        """See Consumer.assignment."""
        return frozenset(self._positions)

    @property
    def generation(self) -> int:
        """See Consumer.generation."""
        return self._generation

    async def rewind(self) -> None:
        """See Consumer.rewind."""
        if self._positions and self._generation == self._changes:
            self._generation = 0  # where this fails, or is cancelled, the next poll does it
            await self._seek(frozenset(self._positions), self._changes)

    async def aclose(self) -> None:
        """See Consumer.aclose."""
        kafka, self._kafka = self._kafka, None
        self._part()
        if kafka is not None:
            await stopped(kafka.stop())

    # What aiokafka calls --------------------------------------------------------------------------------------------

    async def on_partitions_revoked(self, revoked: Any) -> None:  # noqa: ARG002 - aiokafka gives it
        """Nothing that was read before is committed from now on."""
        self._part()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        """Note the partitions, and as whom we got them."""
        self._changes += 1
        self._assigned = frozenset(self._cluster.partition(name) for name in assigned)
        self._member = _Member(self._coordinator.generation, self._coordinator.member_id)
        self._arrived.set()

    def _part(self) -> None:
        self._changes += 1
        self._assigned = None
        self._arrived.clear()

    # Inside ---------------------------------------------------------------------------------------------------------

    @property
    def _coordinator(self) -> Any:
        if self._kafka is None:
            raise Abandon(f"{self._group}: not a member yet, or no more")
        return self._kafka._coordinator  # noqa: SLF001 - generation and member id stand nowhere else

    async def _join(self) -> None:
        """Connect and ask for partitions, once. Raises Retry while the cluster is away."""
        if self._kafka is not None:
            return
        session = max(_LEAST_SESSION, self._cluster.settings.session_timeout)
        kafka = AIOKafkaConsumer(
            **self._cluster.options,
            group_id=self._cluster.group(self._group),
            enable_auto_commit=False,
            auto_offset_reset="none",
            session_timeout_ms=int(session * 1000),
            heartbeat_interval_ms=int(min(3.0, session / 4) * 1000),
            max_poll_interval_ms=_HOUR_MS,
            partition_assignment_strategy=(RangePartitionAssignor,),
        )
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await kafka.start()
        except BaseException as error:
            await stopped(kafka.stop())
            if isinstance(error, AWAY):
                raise Retry(f"kafka: group {self._group!r}: {error!r}") from None
            raise
        self._kafka = kafka
        kafka.subscribe([self._cluster.settings.prefix + topic for topic in self._topics], listener=self)

    def _check_coordinator(self, now: float) -> None:
        """Raise Retry where the group's coordinator has been away for a while: heartbeats and fetches tell."""
        if self._coordinator.coordinator_id is not None:
            self._alone_since = None
        elif self._alone_since is None:
            self._alone_since = now
        elif now - self._alone_since > _ALONE_SECONDS:
            raise Retry(f"kafka: the coordinator of group {self._group!r} is away")

    async def _some(self, max_records: int, seconds: float) -> list[Record]:
        """Return what comes within `seconds`; [] also where partitions changed hands meanwhile."""
        try:
            async with asyncio.timeout(seconds):
                await self._arrived.wait()
        except TimeoutError:
            return []
        if self._generation != self._changes:
            await self._seek(self._assigned or frozenset(), self._changes)
            return []
        try:
            async with asyncio.timeout(seconds + 1.0):
                found = await self._kafka.getmany(timeout_ms=int(seconds * 1000), max_records=max_records)
        except TimeoutError:
            return []
        except NoOffsetForPartitionError:
            return []  # from before our own seek
        except OffsetOutOfRangeError:
            await self._find_gaps()
            return []
        except KafkaError as error:
            await self.aclose()  # its tasks may have ended: the next poll joins anew
            raise Retry(f"kafka: group {self._group!r}: {error!r}") from None
        return self._take(found) if self._generation == self._changes else []

    def _take(self, found: Mapping[Any, Sequence[Any]]) -> list[Record]:
        records: list[Record] = []
        for name, batch in found.items():
            partition = self._cluster.partition(name)
            records += records_of(partition, batch)
            self._positions[partition] = batch[-1].offset + 1
            self._metrics.bus_polled_records.labels(partition.topic, self._group).inc(len(batch))
        return records

    async def _seek(self, partitions: frozenset[TopicPartition], changes: int) -> None:
        """Read on from the committed positions, or the oldest record where there is none."""
        commits = await self._cluster.commits(self._group, sorted(partitions))
        lows = await self._cluster.lows(sorted(partitions))
        if changes != self._changes:
            return  # divided anew meanwhile: the next poll asks again
        self._positions = {each: commits[each].offset if each in commits else lows[each] for each in sorted(partitions)}
        self._generation = changes
        self._set(lows)

    async def _find_gaps(self) -> None:
        """Go on at the oldest record of each partition whose position retention, or a loss of the log's end, has taken."""
        changes = self._changes
        ends = await self._cluster.ends(sorted(self._positions))
        if changes != self._changes:
            return
        for partition, (low, high) in ends.items():
            if self._positions[partition] > high:
                log.warning(
                    "the log ends before our position", partition=partition, position=self._positions[partition]
                )
                self._positions[partition] = low
        self._set({partition: end.low for partition, end in ends.items()})

    def _set(self, lows: Mapping[TopicPartition, int]) -> None:
        """Tell aiokafka the positions, and note what retention has taken and nobody was told of."""
        for partition, low in lows.items():
            position = self._positions[partition]
            first = max(position, self._told.get(partition, 0))
            if first < low:
                self._gaps.append(Lost(*partition, first, low))
                self._told[partition] = low
            self._positions[partition] = max(position, low)
            self._kafka.seek(self._cluster.name(partition), self._positions[partition])

    def _judge(self, code: int) -> None:
        error = for_code(code)
        if error in (IllegalGenerationError, UnknownMemberIdError, RebalanceInProgressError):
            self._coordinator.request_rejoin()
            raise Abandon(f"{self._group}: the group's partitions were divided anew")
        if code and error.retriable:
            self._coordinator.coordinator_dead()
            raise Retry(f"kafka: commit of {self._group!r}: {error.__name__}")
        if code:
            raise Stop(f"kafka: commit of {self._group!r}: {error.__name__}: {error.description}")
