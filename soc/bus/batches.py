"""The embedded bus's batch: many messages of one partition as one blob. Values in, values out.

Layout, little-endian: version u16, records u32, size of the header table u32; then three arrays of u32 (length of each
key, length of each value, each record's row of the header table), the header table, all keys, all values. Records share
a row of the table where their headers are the same, as they nearly always are.
"""

import struct
from collections.abc import Iterator, Sequence
from itertools import accumulate, pairwise, repeat

from soc.bus.base import Message, Record

VERSION = 1
LARGEST_BATCH = 1 << 20
"""A blob is closed at this many bytes, so that reading one record never decodes more than that beyond it."""

_HEAD = struct.Struct("<HII")
_PAIR = struct.Struct("<II")
_COUNT = struct.Struct("<I")

Headers = tuple[tuple[str, bytes], ...]


def split(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    """Yield the messages in order, cut where a blob of them would pass LARGEST_BATCH."""
    first = size = 0
    for at, message in enumerate(messages):
        size += len(message.value) + len(message.key)
        if size > LARGEST_BATCH and at > first:
            yield messages[first:at]
            first, size = at, len(message.value) + len(message.key)
    if first < len(messages):
        yield messages[first:]


def encode(messages: Sequence[Message]) -> bytes:
    """Return the blob of the messages. Their partition is not in it."""
    rows: dict[Headers, int] = {}
    keys = [message.key for message in messages]
    values = [message.value for message in messages]
    kinds = [rows.setdefault(message.headers, len(rows)) for message in messages]
    table = _encode_table(rows)
    arrays = struct.pack(f"<{3 * len(keys)}I", *map(len, keys), *map(len, values), *kinds)
    return b"".join([_HEAD.pack(VERSION, len(keys), len(table)), arrays, table, *keys, *values])


def decode(blob: bytes, topic: str, partition: int, base: int, timestamp: int) -> list[Record]:
    """Return the blob's records, the first with offset `base`. Raises ValueError where it is no blob of ours."""
    try:
        version, count, table_size = _HEAD.unpack_from(blob)
        if version != VERSION:
            raise ValueError(f"batch version {version}; this release reads {VERSION}")
        arrays = struct.unpack_from(f"<{3 * count}I", blob, _HEAD.size)
        table_at = _HEAD.size + 12 * count
        table = _decode_table(blob[table_at : table_at + table_size])
        ends = list(accumulate(arrays[: 2 * count], initial=table_at + table_size))
        if ends[-1] != len(blob):
            raise ValueError(f"batch of {len(blob)} bytes says that it has {ends[-1]}")
        parts = [blob[start:end] for start, end in pairwise(ends)]
        headers = [table[kind] for kind in arrays[2 * count :]]
    except (struct.error, IndexError, UnicodeDecodeError) as error:
        raise ValueError(f"damaged batch: {error}") from None
    offsets = range(base, base + count)
    return list(
        map(Record, repeat(topic), repeat(partition), offsets, repeat(timestamp), parts[:count], parts[count:], headers)
    )


def _encode_table(rows: dict[Headers, int]) -> bytes:
    parts = []
    for headers in rows:
        parts.append(_COUNT.pack(len(headers)))
        for name, value in headers:
            encoded = name.encode()
            parts += [_PAIR.pack(len(encoded), len(value)), encoded, value]
    return b"".join(parts)


def _decode_table(data: bytes) -> list[Headers]:
    table, at = [], 0
    while at < len(data):
        (count,) = _COUNT.unpack_from(data, at)
        at += _COUNT.size
        headers = []
        for _ in range(count):
            name_size, value_size = _PAIR.unpack_from(data, at)
            at += _PAIR.size
            name, value = data[at : at + name_size], data[at + name_size : at + name_size + value_size]
            headers.append((name.decode(), value))
            at += name_size + value_size
        table.append(tuple(headers))
    return table
