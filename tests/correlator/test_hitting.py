"""Records of soc.hits: every hit once on its group's partition, the clocks behind them, none too large."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from correlator.correlation.hits import Correlated, Detected, Hit, partition_of
from correlator.hitting import records
from soc.bus.base import Message

CLOCKS = (Detected(0, 17, 1_000), Correlated(1, 1, 900, (("v1", 800),)))
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
HITS = st.builds(
    Hit,
    group=st.lists(TEXTS, max_size=3).map(lambda values: orjson.dumps(values).decode()),
    id=TEXTS,
    time=st.integers(-(2**62), 2**62),
    arrival=st.integers(0, 2**62),
    number=st.integers(0, 5),
    value=st.none() | TEXTS | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False),
    origin=st.tuples(TEXTS, TEXTS),
    carried=st.none() | st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=3),
)


def hit(number: int = 0, group: str = "[]") -> Hit:
    """Return a hit; `number` tells hits apart."""
    return Hit(group, f"event-{number}", number, number + 1, 0, None, ("district-1", "web01"))


def read(message: Message) -> tuple[list[tuple[str, Hit]], list[list[Any]]]:
    """Return what a record says: hits with their versions, clocks."""
    document = orjson.loads(message.value)
    origins = [(site, host) for site, host in document["origins"]]
    hits = [
        (version, Hit(group, identity, time, arrival, number, value, origins[origin], carried))
        for version, columns in document["hits"].items()
        for group, time, identity, arrival, number, value, origin, carried in zip(*columns, strict=True)
    ]
    return hits, document["clocks"]


@given(st.lists(st.tuples(st.sampled_from(["v1", "v2", "v3"]), HITS), max_size=30), st.integers(1, 5))
def test_every_hit_is_there_once_on_its_groups_partition(hits: list[tuple[str, Hit]], partitions: int) -> None:
    """Of a correlation and group in order; the clocks are on every partition, behind all hits, once."""
    messages = records(hits, CLOCKS, partitions, 700)
    found: list[tuple[str, Hit]] = []
    for number in range(partitions):
        mine = [read(message) for message in messages if message.partition == number]
        assert [bool(clocks) for _, clocks in mine] == [False] * (len(mine) - 1) + [True]
        assert mine[-1][1] == [["d", 0, 17, 1_000], ["c", 1, 1, 900, [["v1", 800]]]]
        for version in ("v1", "v2", "v3"):
            here = [each for part, _ in mine for each in part if each[0] == version]
            assert here == [each for each in hits if each[0] == version and place(each, partitions) == number]
            found += here
    assert len(found) == len(hits)


def place(each: tuple[str, Hit], partitions: int) -> int:
    """Return the partition that a hit belongs on."""
    return partition_of(each[0], each[1].group, partitions)


def test_no_record_is_too_large() -> None:
    """A thousand hits are cut; what cannot be cut goes alone, and the clocks behind it."""
    hits = [("v", hit(number)) for number in range(1000)]
    messages = records(hits, CLOCKS, 1, 2_000)
    assert max(len(message.value) for message in messages) <= 2_000
    assert [each for message in messages for each in read(message)[0]] == hits
    marks = [Detected(number, 0, 0) for number in range(1000)]
    messages = records([], marks, 1, 2_000)
    assert max(len(message.value) for message in messages) <= 2_000
    assert [clock[1] for message in messages for clock in read(message)[1]] == list(range(1000))
    large, behind = records([("v", hit(1, "x" * 3_000))], CLOCKS, 1, 2_000)
    assert (len(read(large)[0]), len(read(large)[1])) == (1, 0)
    assert (len(read(behind)[0]), len(read(behind)[1])) == (0, 2)


def test_a_record_is_for_whom_it_concerns() -> None:
    """Without clocks partitions without hits get none; nor where the clocks are not to go everywhere."""
    (message,) = records([("v", hit())], (), 4, 2_000)
    assert message.partition == partition_of("v", "[]", 4)
    (same,) = records([("v", hit())], CLOCKS, 4, 2_000, everywhere=False)
    assert (same.partition, len(read(same)[1])) == (message.partition, 2)
    assert records([], CLOCKS, 4, 2_000, everywhere=False) == []
    assert [each.partition for each in records([], CLOCKS, 4, 2_000)] == [0, 1, 2, 3]


def test_a_record_tells_its_version() -> None:
    """As on soc.events, in a header."""
    (message,) = records([("v", hit())], (), 1, 2_000)
    assert message.headers == (("schema", b"1"),)
