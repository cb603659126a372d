"""The bus port: what every backend promises. tests/soc/bus/contract.py holds each promise as a test."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, NamedTuple, Self

EVENTS: Final = "soc.events"
HITS: Final = "soc.hits"
MATCHES: Final = "soc.matches"
CASES: Final = "soc.cases"
ALERTS: Final = "soc.alerts"
NATIONAL: Final = "soc.national"
DEADLETTER: Final = "soc.deadletter"

TOPICS: Final = (EVENTS, HITS, MATCHES, CASES, ALERTS, NATIONAL, DEADLETTER)
"""Every topic that there is."""


class TopicPartition(NamedTuple):
    """One ordered log."""

    topic: str
    partition: int


class Message(NamedTuple):
    """What a publisher hands over. The key picks the partition (murmur2, as Kafka's clients do) unless one is named."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()
    partition: int | None = None


class Record(NamedTuple):
    """What a consumer gets. `timestamp`: when the bus appended it, microseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()

    def header(self, name: str) -> bytes | None:
        """Return the header's first value, or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Commit(NamedTuple):
    """A group's position. `offset` is always the next record to be read; `metadata` at most 4,000 characters."""

    offset: int
    metadata: str = ""


class Ends(NamedTuple):
    """`low`: the oldest offset still there. `high`: the offset that the next record will get."""

    low: int
    high: int


@dataclass(frozen=True, slots=True)
class TopicShape:
    """How a topic is created. Retention removes the oldest records past either bound; 0 means without that bound."""

    partitions: int
    retention_seconds: int
    retention_bytes: int


class Consumer(ABC):
    """A member of a consumer group: reads the partitions that the group gives it, each in order.

    A new group starts at the earliest record. Positions move with `poll`, commits are explicit.
    """

    @abstractmethod
    async def poll(self, max_records: int = 500, timeout: float = 1.0) -> list[Record]:
        """Return up to `max_records` records as soon as there are any, or [] after `timeout` seconds.

        After the group's partitions changed hands, reading goes on from the committed positions of those that this
        member now has. Raises Lost once for each position that retention has overtaken: the next poll goes on at the
        oldest record that is there. Raises Retry while the bus is away.
        """

    @abstractmethod
    async def commit(self, positions: Mapping[TopicPartition, Commit]) -> None:
        """Record durably that the group has processed everything before each offset.

        Raises Abandon where a partition is no longer this member's (nothing is committed then; the next poll starts
        at the committed positions), Retry while the bus is away.
        """

    @abstractmethod
    async def committed(self, partition: TopicPartition) -> Commit | None:
        """Return the group's last commit with its metadata, or None where there is none."""

    @abstractmethod
    async def position(self, partition: TopicPartition) -> int:
        """Return the offset of the next record that poll would return of one of this member's partitions.

        Raises Abandon where the partition is not this member's.
        """

    @abstractmethod
    def assignment(self) -> frozenset[TopicPartition]:
        """Return the partitions that this member has as of the last poll. Empty before the first."""

    @property
    @abstractmethod
    def generation(self) -> int:
        """A number that changes whenever the assignment may have: forget cached state of partitions then."""

    @abstractmethod
    async def rewind(self) -> None:
        """Read again from the committed positions: what was polled and not committed comes again.

        Raises Retry while the bus is away: the next poll that succeeds reads from there all the same.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Leave the group at once, so that others take over; commits nothing."""

    async def __aenter__(self) -> Self:
        """Join lazily: the first poll does."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the group."""
        await self.aclose()


class Bus(ABC):
    """Topics of partitions of records. An async context manager: entering connects and creates what is missing."""

    @abstractmethod
    async def open(self) -> None:
        """Connect and create each missing topic. Raises Retry while the bus is away, AlreadyRunning, SettingsError."""

    @abstractmethod
    async def publish(self, topic: str, messages: Sequence[Message], *, draining: bool = False) -> None:
        """Append the messages; return only when all are durable ("acknowledged").

        Per partition they land as a prefix in order: after a failure inside, everything from the first
        unacknowledged record is sent again before anything later. Calls made one after another land in that order;
        concurrent calls may interleave whole batches. On failure some messages may have landed; publishing again may
        repeat them.

        Raises DeadLetter("too_large") before anything is appended where a value is over settings.max_value_bytes, Retry
        when the bus stayed away for settings.publish_timeout seconds, SlowDown when the slowest group nears retention:
        never where the publisher is `draining`, which says that it has to write to a topic to go on reading it.
        """

    @abstractmethod
    def consumer(self, group: str, topics: Iterable[str]) -> Consumer:
        """Return a new member of the group; close it (async context manager) to leave."""

    @abstractmethod
    async def ends(self, topic: str) -> Mapping[int, Ends]:
        """Return each partition's ends."""

    @abstractmethod
    async def lag(self, group: str, topic: str) -> Mapping[int, int]:
        """Return how many records the group has still to commit, a partition; all of them where it has no commit."""

    @abstractmethod
    async def identity(self, topic: str) -> str:
        """Return the log's identity: another one after the topic was lost and made anew under the same name."""

    @abstractmethod
    async def read(self, partition: TopicPartition, offset: int, limit: int) -> list[Record]:
        """Return up to `limit` records from `offset` on, without a group; from the oldest one where those are gone."""

    @abstractmethod
    def partition_of(self, topic: str, key: bytes) -> int:
        """Return the partition that a key's messages go to: toPositive(murmur2(key)) mod partitions."""

    @abstractmethod
    async def expire(self) -> None:
        """Apply retention now. A backend whose servers do it themselves does nothing."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close connections and locks; consumers are closed first."""

    async def __aenter__(self) -> Self:
        """Open."""
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()


def murmur2(data: bytes) -> int:
    """Return Kafka's 32-bit murmur2 hash (seed 0x9747b28c), unsigned, so that every client agrees on partitions."""
    m, mask = 0x5BD1E995, 0xFFFFFFFF
    length = len(data)
    h = 0x9747B28C ^ length
    end = length & ~3
    for i in range(0, end, 4):
        k = int.from_bytes(data[i : i + 4], "little") * m & mask
        h = (h * m & mask) ^ ((k ^ k >> 24) * m & mask)
    tail = data[end:]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15
