"""The blob of a batch: what goes in comes out, and anything else is refused."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.bus.base import Message, Record
from soc.bus.batches import LARGEST_BATCH, decode, encode, split

_HEADERS = st.lists(st.tuples(st.text(max_size=8), st.binary(max_size=8)), max_size=3).map(tuple)
_MESSAGES = st.lists(st.builds(Message, st.binary(max_size=20), st.binary(max_size=200), _HEADERS), max_size=30)


@given(_MESSAGES, st.integers(0, 1 << 40))
def test_a_blob_gives_back_its_messages(messages: list[Message], base: int) -> None:
    """Keys, values and headers come back in order, with consecutive offsets."""
    records = decode(encode(messages), "t", 3, base, 77)
    assert records == [
        Record("t", 3, base + at, 77, message.key, message.value, message.headers)
        for at, message in enumerate(messages)
    ]


@given(st.binary(max_size=300))
def test_what_is_no_blob_is_refused(data: bytes) -> None:
    """Any bytes: a list of records, or ValueError."""
    with suppress(ValueError):
        assert isinstance(decode(data, "t", 0, 0, 0), list)


@given(_MESSAGES.filter(bool), st.data())
def test_a_damaged_blob_never_crashes(messages: list[Message], data: st.DataObject) -> None:
    """A cut or changed blob gives records or ValueError, nothing else."""
    blob = bytearray(encode(messages))
    at = data.draw(st.integers(0, len(blob) - 1))
    blob[at] ^= data.draw(st.integers(1, 255))
    for damaged in (bytes(blob), bytes(blob[:at])):
        with suppress(ValueError):
            decode(damaged, "t", 0, 0, 0)


def test_a_shorter_blob_is_noticed() -> None:
    """Values are not silently cut."""
    with pytest.raises(ValueError, match="says that it has"):
        decode(encode([Message(b"k", b"value")])[:-1], "t", 0, 0, 0)


@given(st.lists(st.integers(0, LARGEST_BATCH // 2 + 10), max_size=12))
def test_split_keeps_order_and_bounds_each_part(sizes: list[int]) -> None:
    """Parts are not empty, hold everything in order, and are small unless one message alone is large."""
    messages = [Message(b"", bytes(size)) for size in sizes]
    parts = list(split(messages))
    assert [message for part in parts for message in part] == messages
    assert all(parts)
    assert all(len(part) == 1 or sum(len(m.value) for m in part) <= LARGEST_BATCH for part in parts)
