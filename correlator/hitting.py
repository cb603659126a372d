"""Hits and watermarks become records of soc.hits: what detect writes, and correlate for the correlations above. No I/O."""

from collections.abc import Iterable, Sequence

from correlator.correlation.hits import SCHEMA, Correlated, Detected, Hit, encoded, partition_of
from soc.bus.base import Message

HEADERS = (("schema", SCHEMA),)


def records(
    hits: Iterable[tuple[str, Hit]],
    clocks: Sequence[Detected | Correlated],
    partitions: int,
    max_bytes: int,
    *,
    everywhere: bool = True,
) -> list[Message]:
    """Return the messages for soc.hits, which has so many partitions: hits, each with the version of its correlation.

    Each hit goes to its group's partition, in order. The clocks follow them, in the same record where it fits: on every
    partition, or on those alone that have hits where not `everywhere`. A value has `max_bytes` at most, as
    correlator.correlation.hits.encoded says. Raises DeadLetter where a hit holds what JSON cannot.
    """
    parts: dict[int, list[tuple[str, Hit]]] = {}
    if everywhere and clocks:
        parts = {number: [] for number in range(partitions)}
    for version, hit in hits:
        parts.setdefault(partition_of(version, hit.group, partitions), []).append((version, hit))
    return [
        Message(b"", value, HEADERS, number)
        for number, part in parts.items()
        for value in encoded(part, clocks, max_bytes)
    ]
