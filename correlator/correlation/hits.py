"""The form of hits and watermarks on soc.hits: one record carries what one batch has for one partition.

    {"hits": {VERSION: [GROUPS, TIMES, IDS, ARRIVALS, NUMBERS, VALUES, ORIGINS, CARRIED], ...},
     "origins": [[SITE, HOST], ...],
     "clocks": [["d", PARTITION, OFFSET, WATERMARK], ["c", PARTITION, LEVEL, WATERMARK, [[VERSION, TIME], ...]], ...]}

Hits are in columns, each a list with one item a hit: that is read in half the time. A record's hits count before its
clocks. Hits of one correlation and group go to one partition.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

from soc.errors import DeadLetter

SCHEMA: Final = b"1"
"""The version that is written, as the value of the header `schema`."""

EVENT: Final = ""
"""The name under which a hit of a correlation carries the id of the event at which it held."""

Value = str | int | float | None


Origin = tuple[str, str]
"""Where an event is from: site, host. A plain tuple: garbage collection stops looking at what holds only such."""

SITE: Final = 0
HOST: Final = 1


class Hit(NamedTuple):
    """One input of a correlation.

    `group`: JSON list of the group's values, folded. `id`: the event's, or what a correlation made of it. `time`, `arrival`:
    microseconds since the epoch. `number`: which of the referred rules. `value`: what a value_* condition looks at,
    None where the event has none. `carried`: fields that correlations above ask for; under EVENT the id of the event
    itself where `id` is another.
    """

    group: str
    id: str
    time: int
    arrival: int
    number: int
    value: Value
    origin: Origin
    carried: Mapping[str, str] | None = None


class Detected(NamedTuple):
    """Everything that arrived on a partition of soc.events up to `offset`, and is not older than `watermark`, is on soc.hits."""

    partition: int
    offset: int
    watermark: int


class Correlated(NamedTuple):
    """Likewise of what correlations of a level, on a partition of soc.hits, feed to higher ones.

    `incomplete`: versions of those that had to leave something out, and until when (microseconds). Told once.
    """

    partition: int
    level: int
    watermark: int
    incomplete: tuple[tuple[str, int], ...] = ()


class Batch(NamedTuple):
    """What one record carries: hits by the version of their correlation, then clocks."""

    hits: Mapping[str, Sequence[Hit]]
    clocks: Sequence[Detected | Correlated]


def encode(batch: Batch) -> bytes:
    """Return the value of one record. Raises DeadLetter where it holds what JSON cannot."""
    origins: dict[Origin, int] = {}
    hits = {version: _columns(each, origins) for version, each in batch.hits.items() if each}
    clocks = [["d" if isinstance(clock, Detected) else "c", *clock] for clock in batch.clocks]
    try:
        return orjson.dumps({"hits": hits, "origins": list(map(list, origins)), "clocks": clocks})
    except (TypeError, ValueError) as error:
        raise DeadLetter("unencodable", str(error)) from None


def _columns(hits: Sequence[Hit], origins: dict[Origin, int]) -> list[Sequence[Any]]:
    groups, ids, times, arrivals, numbers, values, from_, carried = zip(*hits, strict=True)
    places = [origins.setdefault(origin, len(origins)) for origin in from_]
    return [groups, times, ids, arrivals, numbers, values, places, [each or None for each in carried]]


def encoded(hits: Sequence[tuple[str, Hit]], clocks: Sequence[Detected | Correlated], max_bytes: int) -> list[bytes]:
    """Return the values of as few records as hold the hits, each with its version, in order, and then the clocks.

    None is larger than `max_bytes` unless one hit, or one clock, is by itself. Raises DeadLetter as `encode` does.
    """
    versions: dict[str, list[Hit]] = {}
    for version, hit in hits:
        versions.setdefault(version, []).append(hit)
    value = encode(Batch(versions, clocks))
    if len(value) <= max_bytes or len(hits) + len(clocks) <= 1:
        return [value]
    if not hits:
        middle = len(clocks) // 2
        return [*encoded((), clocks[:middle], max_bytes), *encoded((), clocks[middle:], max_bytes)]
    middle = (len(hits) + 1) // 2
    return [*encoded(hits[:middle], (), max_bytes), *encoded(hits[middle:], clocks, max_bytes)]


def partition_of(version: str, group: str, partitions: int) -> int:
    """Return the partition of soc.hits that a correlation's group is on."""
    return crc32(group.encode("utf-8", "surrogatepass"), crc32(version.encode())) % partitions
