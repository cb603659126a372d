"""What every backend does alike: the shape of each topic, and which partition a key goes to."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

from soc.bus.base import DEADLETTER, HITS, NATIONAL, Commit, Message, TopicPartition, TopicShape, murmur2
from soc.errors import DeadLetter, Stop
from soc.settings import BusSettings

HOUR = 3600
_FIXED_PARTITIONS = {NATIONAL: 2, DEADLETTER: 1}
"""soc.national has one partition a stream; dead letters are few and read in one list."""

MAX_KEY_AND_HEADERS = 32_768
"""Bytes of a message's key and headers together."""
MAX_METADATA = 4_000
"""Bytes of a commit's metadata: Kafka's offset.metadata.max.bytes is 4,096."""


def shape_of(topic: str, settings: BusSettings) -> TopicShape:
    """Return how `topic` is created. An existing topic keeps the partitions that it has."""
    partitions = _FIXED_PARTITIONS.get(topic, settings.partitions)
    hours, size = (settings.hits_retention_hours, settings.hits_retention_bytes) if topic == HITS else (0, 0)
    return TopicShape(partitions, (hours or settings.retention_hours) * HOUR, size or settings.retention_bytes)


def partition_for(key: bytes, partitions: int) -> int:
    """Return toPositive(murmur2(key)) mod partitions, as Kafka's Java client does."""
    return _positive_hash(key) % partitions


@lru_cache(maxsize=65_536)
def _positive_hash(key: bytes) -> int:
    """Keys are sites and hosts: they repeat, and the hash in Python costs more than all else in a publish."""
    return murmur2(key) & 0x7FFFFFFF


def by_partition(topic: str, messages: Sequence[Message], partitions: int) -> dict[int, list[Message]]:
    """Return the messages of each partition, in order. Raises Stop where one names a partition that is not there."""
    parts: dict[int, list[Message]] = {}
    for message in messages:
        number = message.partition
        if number is None:
            number = _positive_hash(message.key) % partitions
        if number in parts:
            parts[number].append(message)
        elif 0 <= number < partitions:
            parts[number] = [message]
        else:
            raise Stop(f"{topic} has partitions 0 to {partitions - 1}, not {number}")
    return parts


def check_sizes(messages: Sequence[Message], max_value_bytes: int) -> None:
    """Raise DeadLetter("too_large") where a message is larger than the bus takes."""
    headers: tuple[tuple[str, bytes], ...] = ()
    size = 0
    for message in messages:
        if len(message.value) > max_value_bytes:
            raise DeadLetter("too_large", f"{len(message.value)} bytes; the bus takes {max_value_bytes}")
        if message.headers is not headers:  # nearly always the same object
            headers = message.headers
            size = sum(len(name.encode()) + len(value) for name, value in headers)
        if len(message.key) + size > MAX_KEY_AND_HEADERS:
            raise DeadLetter("too_large", f"key and headers of over {MAX_KEY_AND_HEADERS} bytes")


def check_metadata(positions: Mapping[TopicPartition, Commit]) -> None:
    """Raise Stop where a commit's metadata is longer than every backend takes."""
    for partition, commit in positions.items():
        if len(commit.metadata.encode()) > MAX_METADATA:
            raise Stop(f"{partition}: metadata of {len(commit.metadata)} characters; a commit takes {MAX_METADATA}")
