"""What both backends do alike before they do anything."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.bus.base import DEADLETTER, EVENTS, HITS, NATIONAL, Commit, Message, TopicPartition, TopicShape, murmur2
from soc.bus.topics import MAX_KEY_AND_HEADERS, by_partition, check_metadata, check_sizes, partition_for, shape_of
from soc.errors import DeadLetter, Stop
from soc.settings import BusSettings


def test_shapes() -> None:
    """Partitions by topic, retention by settings."""
    settings = BusSettings(partitions=6, retention_hours=2, retention_bytes=1000)
    assert shape_of(EVENTS, settings) == TopicShape(6, 7200, 1000)
    assert shape_of(NATIONAL, settings).partitions == 2
    assert shape_of(DEADLETTER, settings).partitions == 1
    assert shape_of(HITS, settings) == shape_of(EVENTS, settings)
    longer = settings.model_copy(update={"hits_retention_hours": 9})
    assert shape_of(HITS, longer) == TopicShape(6, 9 * 3600, 1000)
    assert shape_of(EVENTS, longer) == shape_of(EVENTS, settings)
    larger = settings.model_copy(update={"hits_retention_bytes": 5000})
    assert shape_of(HITS, larger) == TopicShape(6, 7200, 5000)
    assert shape_of(EVENTS, larger) == shape_of(EVENTS, settings)


@given(
    st.lists(st.builds(Message, st.binary(max_size=9), st.binary(max_size=9), st.just(()), st.none())),
    st.integers(1, 9),
)
def test_messages_keep_their_order_in_each_partition(messages: list[Message], partitions: int) -> None:
    """By key as partition_for says; nothing is lost."""
    parts = by_partition("t", messages, partitions)
    for number, part in parts.items():
        assert part == [m for m in messages if (murmur2(m.key) & 0x7FFFFFFF) % partitions == number]
    assert sum(map(len, parts.values())) == len(messages)
    assert all(partition_for(m.key, partitions) in parts for m in messages)


@pytest.mark.parametrize("partition", [-1, 3])
def test_a_partition_that_is_not_there_is_refused(partition: int) -> None:
    """Before anything is sent."""
    with pytest.raises(Stop, match="partitions 0 to 2"):
        by_partition("t", [Message(b"", b"", (), partition)], 3)


@pytest.mark.parametrize(
    "message",
    [
        Message(b"", b"x" * 101),
        Message(b"x" * (MAX_KEY_AND_HEADERS + 1), b""),
        Message(b"", b"", (("h", b"x" * MAX_KEY_AND_HEADERS),)),
        Message(b"x" * 100, b"", (("h", b"x" * (MAX_KEY_AND_HEADERS - 50)),)),
    ],
)
def test_what_is_too_large_is_a_dead_letter(message: Message) -> None:
    """Value, key or headers; also behind messages that are not."""
    check_sizes([Message(b"k", b"x" * 100, (("h", b"v"),))] * 2, 100)
    with pytest.raises(DeadLetter) as refused:
        check_sizes([Message(b"k", b"x" * 100, (("h", b"v"),)), message], 100)
    assert refused.value.reason == "too_large"


def test_metadata_has_a_bound() -> None:
    """In bytes, as brokers count."""
    check_metadata({TopicPartition("t", 0): Commit(1, "x" * 4000)})
    for text in ("x" * 4001, "é" * 2001):
        with pytest.raises(Stop, match="metadata"):
            check_metadata({TopicPartition("t", 0): Commit(1, text)})
