"""Every promise of soc.bus.base, as tests that each backend's test module runs on the real thing."""

import asyncio
import os
import subprocess
import sys
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import pytest

from soc.bus import connect
from soc.bus.base import (
    ALERTS,
    DEADLETTER,
    EVENTS,
    HITS,
    MATCHES,
    NATIONAL,
    TOPICS,
    Bus,
    Commit,
    Consumer,
    Ends,
    Message,
    Record,
    TopicPartition,
    murmur2,
)
from soc.clock import SystemClock
from soc.errors import Abandon, DeadLetter, Lost, SlowDown
from soc.events import from_wire, to_wire
from soc.metrics import Metrics
from soc.settings import BusSettings
from soc.testing import make_event

PARTITIONS = 3
READER = Path(__file__).parent / "reader.py"


def numbered(count: int, first: int = 0, keys: int = 5) -> list[Message]:
    """Return messages whose values are numbers in order, spread over a few keys."""
    return [Message(b"host-%d" % (n % keys), b"%d" % n) for n in range(first, first + count)]


def numbers(records: Iterable[Record]) -> list[int]:
    """Return the numbers that `numbered` wrote."""
    return [int(record.value) for record in records]


async def drain(consumer: Consumer, count: int, seconds: float = 60.0) -> list[Record]:
    """Poll until `count` records came, each counted once; fail after `seconds`."""
    records: list[Record] = []
    async with asyncio.timeout(seconds):
        while len({record[:3] for record in records}) < count:
            records += await consumer.poll(500, 0.5)
    return records


async def silence(consumer: Consumer, seconds: float = 0.6) -> list[Record]:
    """Return what comes within `seconds`; tests expect nothing."""
    return await consumer.poll(500, seconds)


def kilobytes(count: int, first: int = 0) -> list[Message]:
    """Return numbered messages of one partition, 1 kB each, that hardly compress."""
    return [Message(b"k", b"%d " % n + os.urandom(1000), (), 0) for n in range(first, first + count)]


async def publish_forever(bus: Bus) -> None:
    """Publish until the bus refuses, at most far beyond any bound of these tests."""
    for first in range(0, 50_000, 20):
        await bus.publish(MATCHES, kilobytes(20, first))
        await asyncio.sleep(0.01)


async def poll_forever(consumer: Consumer) -> None:
    """Poll, without finding anything, until the poll raises."""
    while True:
        assert await consumer.poll(500, 1.0) == []


async def assigned(*consumers: Consumer, seconds: float = 90.0) -> None:
    """Poll all of them until they share every partition."""
    async with asyncio.timeout(seconds):
        while True:
            for consumer in consumers:
                await consumer.poll(1, 0.1)
            shares = [consumer.assignment() for consumer in consumers]
            if all(shares) and sum(map(len, shares)) == PARTITIONS == len(frozenset().union(*shares)):
                return


def behind(records: Sequence[Record]) -> dict[TopicPartition, Commit]:
    """Return the commits that say: all of these are processed, in whatever order they came."""
    ordered = sorted(records, key=lambda record: record.offset)
    return {TopicPartition(r.topic, r.partition): Commit(r.offset + 1) for r in ordered}


class BusContract:
    """A backend's test class adds `settings` and the things that only a backend can do."""

    session = 6.0
    """Seconds of silence that a member survives, as `settings` says."""

    @pytest.fixture
    @abstractmethod
    def settings(self) -> BusSettings:
        """Settings of a bus that nobody else uses, with PARTITIONS partitions."""

    @abstractmethod
    async def lose(self, bus: Bus, partition: TopicPartition) -> None:
        """Let retention take the partition's records."""

    @abstractmethod
    async def remake(self, settings: BusSettings) -> None:
        """Lose the topics; the next bus that opens makes them anew."""

    @pytest.fixture
    async def stack(self) -> AsyncIterator[AsyncExitStack]:
        """Closes what a test opened."""
        async with AsyncExitStack() as stack:
            yield stack

    @pytest.fixture
    async def bus(self, settings: BusSettings, stack: AsyncExitStack) -> Bus:
        return await stack.enter_async_context(connect(settings, Metrics(), SystemClock()))

    @pytest.fixture
    async def other(self, settings: BusSettings, bus: Bus, stack: AsyncExitStack) -> Bus:
        """Another bus object on the same bus, as another stage would have."""
        return await stack.enter_async_context(connect(settings, Metrics(), SystemClock()))

    # Publishing and reading -----------------------------------------------------------------------------------------

    async def test_a_record_comes_back_as_it_was_published(self, bus: Bus) -> None:
        """Key, value, headers and partition survive; the bus adds offset and append time."""
        message = Message(b"k\x00\xff", b"\x00v\xff", (("schema", b"1"), ("empty", b"")), 1)
        before = SystemClock().now() - 2_000_000
        await bus.publish(MATCHES, [message, Message(b"", b"", (), 1)])
        first, second = await bus.read(TopicPartition(MATCHES, 1), 0, 10)
        assert first[:3] == (MATCHES, 1, 0)
        assert first[4:] == (b"k\x00\xff", b"\x00v\xff", (("schema", b"1"), ("empty", b"")))
        assert before <= first.timestamp <= SystemClock().now() + 2_000_000
        assert second[2:3] + second[4:] == (1, b"", b"", ())
        assert first.header("schema") == b"1"
        assert first.header("none") is None

    async def test_the_timestamp_is_when_the_bus_appended(self, bus: Bus) -> None:
        """Later publishes have later ones, within what the clocks differ; a group and `read` see the same."""
        spans: list[tuple[int, int]] = []
        for number in range(3):
            before = SystemClock().now()
            await bus.publish(EVENTS, [Message(b"k", b"%d" % number, (), 1)])
            spans.append((before, SystemClock().now()))
            await asyncio.sleep(0.2)
        records = await bus.read(TopicPartition(EVENTS, 1), 0, 10)
        for record, (before, after) in zip(records, spans, strict=True):
            assert before - 50_000 <= record.timestamp <= after + 50_000
        assert [record.timestamp for record in records] == sorted({record.timestamp for record in records})
        async with bus.consumer("g", [EVENTS]) as consumer:
            assert await drain(consumer, 3) == records

    async def test_nothing_published_is_nothing_appended(self, bus: Bus) -> None:
        """An empty publish returns at once."""
        await bus.publish(MATCHES, [])
        assert set((await bus.ends(MATCHES)).values()) == {Ends(0, 0)}

    async def test_a_partitions_records_keep_their_order(self, bus: Bus) -> None:
        """Publishes one after another land in that order in each partition, many records a partition each."""
        for first in range(0, 3000, 500):
            await bus.publish(EVENTS, numbered(500, first, keys=17))
        async with bus.consumer("g", [EVENTS]) as consumer:
            records = await drain(consumer, 3000)
        assert sorted(numbers(records)) == list(range(3000))
        for partition in range(PARTITIONS):
            mine = [record for record in records if record.partition == partition]
            assert numbers(mine) == sorted(numbers(mine))
            assert [record.offset for record in mine] == list(range(len(mine)))

    async def test_concurrent_publishes_all_land_whole(self, bus: Bus) -> None:
        """Many publishers at once: nothing is lost, and each one's order is kept."""
        batches = [numbered(20, first * 20, keys=1) for first in range(50)]
        async with asyncio.TaskGroup() as tasks:
            for batch in batches:
                tasks.create_task(bus.publish(HITS, batch))
        partition = TopicPartition(HITS, bus.partition_of(HITS, b"host-0"))
        found = numbers(await bus.read(partition, 0, 2000))
        assert sorted(found) == list(range(1000))
        for first in range(50):
            assert [n for n in found if n // 20 == first] == list(range(first * 20, first * 20 + 20))

    async def test_a_key_picks_the_partition_as_kafkas_clients_do(self, bus: Bus) -> None:
        """murmur2 as in Kafka's Java client (its own test's values), masked, modulo the partitions."""
        known = {b"21": -973932308, b"foobar": -790332482, b"a-little-bit-long-string": -985981536}
        for key, value in known.items():
            assert murmur2(key) == value & 0xFFFFFFFF
        keys = [b"", b"21", b"foobar", b"a-little-bit-long-string", *(b"site/host-%d" % n for n in range(30))]
        await bus.publish(MATCHES, [Message(key, key) for key in keys])
        for key in keys:
            partition = (murmur2(key) & 0x7FFFFFFF) % PARTITIONS
            assert bus.partition_of(MATCHES, key) == partition
            found = await bus.read(TopicPartition(MATCHES, partition), 0, 100)
            assert key in [record.value for record in found]

    async def test_topics_have_their_shapes(self, bus: Bus) -> None:
        """soc.national has a partition a stream, soc.deadletter one, the others what the settings say."""
        for topic in TOPICS:
            expected = {NATIONAL: 2, DEADLETTER: 1}.get(topic, PARTITIONS)
            assert len(await bus.ends(topic)) == expected

    async def test_the_largest_log_record_is_stored(self, bus: Bus) -> None:
        """64 KiB of bytes that JSON must escape, in raw and in fields, pass whole."""
        text = "\x01" * 65_536
        event = make_event(raw=text, fields={"message": text})
        await bus.publish(EVENTS, [Message(b"k", to_wire(event), (("schema", b"1"),), 0)] * 3)
        records = await bus.read(TopicPartition(EVENTS, 0), 0, 10)
        assert [from_wire(record.value) for record in records] == [event] * 3

    async def test_too_large_is_refused_before_anything_is_appended(self, bus: Bus, settings: BusSettings) -> None:
        """One value over the limit: a dead letter, and its company has not landed."""
        messages = [*numbered(10), Message(b"k", b"x" * (settings.max_value_bytes + 1))]
        with pytest.raises(DeadLetter) as refused:
            await bus.publish(MATCHES, messages)
        assert refused.value.reason == "too_large"
        assert set((await bus.ends(MATCHES)).values()) == {Ends(0, 0)}
        await bus.publish(MATCHES, [Message(b"k", b"x" * settings.max_value_bytes)])

    async def test_the_ends_move_as_promised(self, bus: Bus) -> None:
        """`high` is the offset that the next record gets."""
        await bus.publish(MATCHES, [Message(b"", b"%d" % n, (), n % 2) for n in range(5)])
        assert await bus.ends(MATCHES) == {0: Ends(0, 3), 1: Ends(0, 2), 2: Ends(0, 0)}
        await bus.publish(MATCHES, [Message(b"", b"next", (), 0)])
        (record,) = await bus.read(TopicPartition(MATCHES, 0), 3, 10)
        assert (record.offset, record.value) == (3, b"next")

    async def test_read_needs_no_group(self, bus: Bus) -> None:
        """A slice of a partition by offset; beyond the end there is nothing."""
        await bus.publish(MATCHES, [Message(b"", b"%d" % n, (), 0) for n in range(10)])
        partition = TopicPartition(MATCHES, 0)
        assert numbers(await bus.read(partition, 4, 3)) == [4, 5, 6]
        assert numbers(await bus.read(partition, 8, 100)) == [8, 9]
        assert await bus.read(partition, 10, 100) == []
        assert await bus.read(TopicPartition(MATCHES, 1), 0, 100) == []

    # Groups ---------------------------------------------------------------------------------------------------------

    async def test_a_new_group_starts_at_the_earliest_record(self, bus: Bus) -> None:
        """What was published before the group existed is read."""
        await bus.publish(MATCHES, numbered(30))
        async with bus.consumer("late", [MATCHES]) as consumer:
            assert consumer.assignment() == frozenset()
            assert sorted(numbers(await drain(consumer, 30))) == list(range(30))
            assert len(consumer.assignment()) == PARTITIONS

    async def test_a_poll_returns_as_soon_as_there_is_something(self, bus: Bus) -> None:
        """An idle poll ends early with what is published meanwhile, or with nothing at its timeout."""
        async with bus.consumer("g", [MATCHES]) as consumer:
            await assigned(consumer)
            async with asyncio.TaskGroup() as tasks:
                polled = tasks.create_task(consumer.poll(10, 100.0))
                await asyncio.sleep(0.2)
                await bus.publish(MATCHES, numbered(1))
                async with asyncio.timeout(30):
                    assert numbers(await polled) == [0]
            async with asyncio.timeout(30):
                assert await consumer.poll(10, 0.2) == []

    async def test_a_poll_takes_no_more_than_it_was_asked_for(self, bus: Bus) -> None:
        """max_records bounds a poll, and the next goes on where it ended."""
        await bus.publish(MATCHES, numbered(100))
        async with bus.consumer("g", [MATCHES]) as consumer:
            records: list[Record] = []
            async with asyncio.timeout(60):
                while len(records) < 100:
                    batch = await consumer.poll(7, 0.5)
                    assert len(batch) <= 7
                    records += batch
        assert sorted(numbers(records)) == list(range(100))

    async def test_only_commits_move_a_group(self, bus: Bus) -> None:
        """What was polled and not committed comes to the next member; what was committed does not."""
        await bus.publish(MATCHES, numbered(30))
        async with bus.consumer("g", [MATCHES]) as consumer:
            records = await drain(consumer, 30)
        async with bus.consumer("g", [MATCHES]) as consumer:
            again = await drain(consumer, 30)
            assert sorted(numbers(again)) == sorted(numbers(records))
            await consumer.commit(behind(again))
        await bus.publish(MATCHES, numbered(3, 30))
        async with bus.consumer("g", [MATCHES]) as consumer:
            assert sorted(numbers(await drain(consumer, 3))) == [30, 31, 32]
            assert await silence(consumer) == []

    async def test_a_commit_keeps_its_metadata(self, bus: Bus) -> None:
        """The group's last commit, with metadata, is there for every member; other groups see nothing."""
        await bus.publish(MATCHES, numbered(30))
        partition = TopicPartition(MATCHES, 0)
        async with bus.consumer("g", [MATCHES]) as consumer:
            await assigned(consumer)
            assert await consumer.committed(partition) is None
            await consumer.commit({partition: Commit(2, "x" * 3990 + '{"é":1}')})
            await consumer.commit({TopicPartition(MATCHES, 1): Commit(1)})
            assert await consumer.committed(partition) == Commit(2, "x" * 3990 + '{"é":1}')
            assert await consumer.committed(TopicPartition(MATCHES, 1)) == Commit(1, "")
            assert await consumer.committed(TopicPartition(MATCHES, 2)) is None
        async with bus.consumer("h", [MATCHES]) as consumer:
            assert await consumer.committed(partition) is None
        async with bus.consumer("g", [MATCHES]) as consumer:
            assert await consumer.committed(partition) == Commit(2, "x" * 3990 + '{"é":1}')

    async def test_rewind_reads_again_from_the_commits(self, bus: Bus) -> None:
        """What was polled and not committed comes again, in order; positions go back at once."""
        await bus.publish(MATCHES, [Message(b"", b"%d" % n, (), 0) for n in range(10)])
        partition = TopicPartition(MATCHES, 0)
        async with bus.consumer("g", [MATCHES]) as consumer:
            await drain(consumer, 10)
            assert await consumer.position(partition) == 10
            await consumer.commit({partition: Commit(4)})
            await consumer.rewind()
            assert await consumer.position(partition) == 4
            assert numbers(await drain(consumer, 6)) == [4, 5, 6, 7, 8, 9]

    async def test_the_lag_is_what_is_still_to_commit(self, bus: Bus) -> None:
        """All records where there is no commit, then those behind the commit."""
        await bus.publish(MATCHES, [Message(b"", b"%d" % n, (), 0) for n in range(10)])
        assert await bus.lag("g", MATCHES) == {0: 10, 1: 0, 2: 0}
        async with bus.consumer("g", [MATCHES]) as consumer:
            await assigned(consumer)
            await consumer.commit({TopicPartition(MATCHES, 0): Commit(7)})
        assert await bus.lag("g", MATCHES) == {0: 3, 1: 0, 2: 0}

    async def test_a_cancelled_poll_loses_nothing(self, bus: Bus) -> None:
        """Polls cut off at any moment skip no record."""
        async with bus.consumer("g", [MATCHES]) as consumer:
            await assigned(consumer)
            records: list[Record] = []
            for round_ in range(40):
                await bus.publish(MATCHES, [Message(b"", b"%d" % round_, (), 0)])
                try:
                    async with asyncio.timeout(0.0005 * (round_ % 10)):
                        records += await consumer.poll(500, 1.0)
                except TimeoutError:
                    pass
            records += await drain(consumer, 40 - len(records)) if len(records) < 40 else []
        assert numbers(records) == list(range(40))

    async def test_a_group_reads_several_topics(self, bus: Bus) -> None:
        """One member, two topics: records say where they come from."""
        await bus.publish(MATCHES, numbered(10))
        await bus.publish(ALERTS, numbered(10))
        async with bus.consumer("g", [MATCHES, ALERTS]) as consumer:
            records = await drain(consumer, 20)
        assert Counter(record.topic for record in records) == {MATCHES: 10, ALERTS: 10}

    async def test_two_members_share_the_partitions(self, bus: Bus, other: Bus) -> None:
        """Each partition has one owner; together they handle every record; the generation tells of the change."""
        async with bus.consumer("g", [MATCHES]) as one, other.consumer("g", [MATCHES]) as two:
            await assigned(one)
            before = one.generation
            await assigned(one, two)
            assert one.generation != before
            assert one.assignment().isdisjoint(two.assignment())
            await bus.publish(MATCHES, numbered(300, keys=50))
            found: list[Record] = []
            async with asyncio.timeout(60):
                while len(found) < 300:
                    for consumer in (one, two):
                        records = await consumer.poll(50, 0.1)
                        assert {TopicPartition(r.topic, r.partition) for r in records} <= consumer.assignment()
                        found += records
            assert sorted(numbers(found)) == list(range(300))

    async def test_a_members_partitions_go_on_when_it_leaves(self, bus: Bus, other: Bus) -> None:
        """Closing hands over at once, at the committed positions."""
        await bus.publish(MATCHES, numbered(60, keys=20))
        two = other.consumer("g", [MATCHES])
        async with bus.consumer("g", [MATCHES]) as one:
            await assigned(one, two)
            theirs = two.assignment()
            await one.rewind()
            await two.rewind()
            polled = await two.poll(500, 5.0)
            await two.commit(behind(polled))
            await two.aclose()
            await assigned(one, seconds=self.session + 30)
            await one.rewind()
            rest = await drain(one, 60 - len(polled))
            assert theirs <= one.assignment()
            assert {r[:3] for r in rest}.isdisjoint(r[:3] for r in polled)

    async def test_a_member_without_partitions_waits_its_turn(self, bus: Bus, other: Bus) -> None:
        """More members than partitions: the spare one idles without haste, and takes over when the other leaves."""
        await bus.publish(DEADLETTER, numbered(3))
        one, spare = bus.consumer("g", [DEADLETTER]), other.consumer("g", [DEADLETTER])
        async with asyncio.timeout(90):
            while not (one.generation and spare.generation and one.assignment() ^ spare.assignment()):
                await one.poll(1, 0.1)
                await spare.poll(1, 0.1)
        if spare.assignment():
            one, spare = spare, one
        started, busy = time.monotonic(), time.process_time()
        assert await spare.poll(500, 3.0) == []
        assert time.monotonic() - started > 2.9
        assert time.process_time() - busy < 1.5  # room for a collection of all the garbage of the tests before
        await spare.rewind()
        await one.aclose()
        async with spare:
            assert numbers(await drain(spare, 3, self.session + 30)) == [0, 1, 2]

    async def test_a_killed_members_partitions_go_on(self, bus: Bus, settings: BusSettings) -> None:
        """Kill -9 of a member's process: the others handle what it did not commit."""
        await bus.publish(MATCHES, numbered(60, keys=20))
        async with bus.consumer("g", [MATCHES]) as one:
            with self.reader(settings, "g", MATCHES) as process:
                await self.sharing(one, process)
                process.kill()
                records = await drain(one, 60, self.session + 60)
        assert set(numbers(records)) == set(range(60))

    async def test_a_paused_member_is_replaced_and_does_no_harm(self, bus: Bus, settings: BusSettings) -> None:
        """A process that stands still for longer than a session loses its partitions; its late commit is refused."""
        await bus.publish(MATCHES, numbered(60, keys=20))
        async with bus.consumer("g", [MATCHES]) as one:
            with self.reader(settings, "g", MATCHES) as process:
                await self.sharing(one, process)
                process.send_signal(19)
                records = await drain(one, 60, self.session + 60)
                await one.commit(behind(records))
                process.send_signal(18)
                assert process.stdin
                assert process.stdout
                process.stdin.write("commit\n")
                process.stdin.flush()
                answer = await asyncio.to_thread(process.stdout.readline)
                assert answer.strip() == "Abandon"
        assert sum((await bus.lag("g", MATCHES)).values()) == 0

    async def test_a_stale_members_commit_is_refused(self, bus: Bus, other: Bus) -> None:
        """After the partitions changed hands an old batch cannot be committed, not even in part."""
        await bus.publish(MATCHES, numbered(60, keys=20))
        async with bus.consumer("g", [MATCHES]) as one:
            records = await drain(one, 60)
            async with other.consumer("g", [MATCHES]) as two:
                async with asyncio.timeout(90):
                    while not two.assignment():
                        await two.poll(1, 0.2)
                with pytest.raises(Abandon):
                    await one.commit(behind(records))
                assert sum((await bus.lag("g", MATCHES)).values()) == 60
                await assigned(one, two)
                foreign = next(iter(two.assignment()))
                with pytest.raises(Abandon):
                    await one.commit({foreign: Commit(1)})
                with pytest.raises(Abandon):
                    await one.position(foreign)

    # Retention and identity -----------------------------------------------------------------------------------------

    @pytest.fixture
    def looking_often(self) -> None:
        """A backend that looks at its groups every few seconds looks all the time."""

    @pytest.mark.usefixtures("looking_often")
    async def test_publishers_slow_down_before_a_group_loses_records(
        self, settings: BusSettings, stack: AsyncExitStack
    ) -> None:
        """Near what a partition keeps a publish says SlowDown; when the group has gone on, it is taken again."""
        settings = settings.model_copy(update={"retention_bytes": PARTITIONS * 500_000, "segment_bytes": 65_536})
        bus = await stack.enter_async_context(connect(settings, Metrics(), SystemClock()))
        async with bus.consumer("slow", [MATCHES]) as consumer:
            await assigned(consumer)
            await consumer.commit({TopicPartition(MATCHES, 0): Commit(0)})
            with pytest.raises(SlowDown) as slow:
                await publish_forever(bus)
            assert "'slow'" in str(slow.value)
            assert 0 < slow.value.after <= 10
            before = (await bus.ends(MATCHES))[0].high
            await bus.publish(MATCHES, kilobytes(3), draining=True)  # who must write to go on reading is not held up
            assert (await bus.ends(MATCHES))[0].high == before + 3
            low, published = (await bus.ends(MATCHES))[0]
            assert low == 0, "a record is lost"
            assert published >= 300
            await bus.publish(HITS, kilobytes(1))  # another topic is not concerned
            await consumer.commit({TopicPartition(MATCHES, 0): Commit(published)})
            async with asyncio.timeout(60):
                while (await bus.ends(MATCHES))[0].high == published:
                    with suppress(SlowDown):
                        await bus.publish(MATCHES, kilobytes(20))
                    await asyncio.sleep(0.05)

    async def test_a_lost_position_is_told_once(self, bus: Bus) -> None:
        """A group that retention has overtaken hears which records are gone, once, and goes on behind the gap."""
        partition = TopicPartition(MATCHES, 0)
        await bus.publish(MATCHES, [Message(b"", b"%d" % n, (), 0) for n in range(10)])
        async with bus.consumer("g", [MATCHES]) as consumer:
            await drain(consumer, 10)
            await consumer.commit({partition: Commit(3)})
        await self.lose(bus, partition)
        assert (await bus.ends(MATCHES))[0] == Ends(10, 10)
        await bus.publish(MATCHES, [Message(b"", b"%d" % n, (), 0) for n in range(10, 15)])
        async with bus.consumer("g", [MATCHES]) as consumer:
            async with asyncio.timeout(60):
                with pytest.raises(Lost) as lost:
                    await poll_forever(consumer)
            assert (lost.value.topic, lost.value.partition) == partition
            assert (lost.value.first, lost.value.last) == (3, 10)
            assert numbers(await drain(consumer, 5)) == [10, 11, 12, 13, 14]
            await consumer.rewind()
            assert numbers(await drain(consumer, 5)) == [10, 11, 12, 13, 14]
        assert numbers(await bus.read(partition, 0, 2)) == [10, 11]
        assert (await bus.lag("g", MATCHES))[0] == 5

    async def test_each_lost_position_is_told_and_nothing_else_is_lost(self, bus: Bus) -> None:
        """Two partitions overtaken at once: both gaps are told, and every record behind them is read."""
        partitions = [TopicPartition(MATCHES, 0), TopicPartition(MATCHES, 1)]
        for partition in partitions:
            await bus.publish(MATCHES, [Message(b"", b"%d" % n, (), partition.partition) for n in range(10)])
        async with bus.consumer("g", [MATCHES]) as consumer:
            await drain(consumer, 20)
            await consumer.commit(dict.fromkeys(partitions, Commit(3)))
        for partition in partitions:
            await self.lose(bus, partition)
        await bus.publish(MATCHES, [Message(b"", b"new", (), number % 2) for number in range(10)])
        told: list[tuple[int, int, int]] = []
        found: list[Record] = []
        async with bus.consumer("g", [MATCHES]) as consumer, asyncio.timeout(60):
            while len(found) < 10 or len(told) < 2:
                try:
                    found += await consumer.poll(500, 0.5)
                except Lost as lost:
                    told.append((lost.partition, lost.first, lost.last))
        assert sorted(told) == [(0, 3, 10), (1, 3, 10)]
        assert Counter(record.partition for record in found) == {0: 5, 1: 5}

    async def test_a_reading_member_hears_of_a_gap_too(self, bus: Bus) -> None:
        """Retention may overtake a member between two polls."""
        partition = TopicPartition(MATCHES, 0)
        async with bus.consumer("g", [MATCHES]) as consumer:
            await bus.publish(MATCHES, [Message(b"", b"%d" % n, (), 0) for n in range(10)])
            assert numbers(await drain(consumer, 10)) == list(range(10))
            await consumer.commit({partition: Commit(4)})
            await consumer.rewind()
            await self.lose(bus, partition)
            await bus.publish(MATCHES, [Message(b"", b"10", (), 0)])
            found: list[Record] = []
            lost: list[tuple[int, int]] = []
            async with asyncio.timeout(60):
                while not found or found[-1].offset < 10:
                    try:
                        found += await consumer.poll(500, 0.5)
                    except Lost as error:
                        lost.append((error.first, error.last))
            offsets = [record.offset for record in found]
            gap = {offset for first, last in lost for offset in range(first, last)}
            assert sorted([*offsets, *gap]) == list(range(4, 11))  # each read, or told as lost

    async def test_a_log_made_anew_has_another_identity(self, settings: BusSettings) -> None:
        """Places in a log are compared within one identity only."""
        async with connect(settings, Metrics(), SystemClock()) as bus:
            first = {topic: await bus.identity(topic) for topic in TOPICS}
        async with connect(settings, Metrics(), SystemClock()) as bus:
            assert {topic: await bus.identity(topic) for topic in TOPICS} == first
        assert len(set(first.values())) == len(TOPICS)
        await self.remake(settings)
        async with connect(settings, Metrics(), SystemClock()) as bus:
            second = {topic: await bus.identity(topic) for topic in TOPICS}
        assert set(first.values()).isdisjoint(second.values())

    async def test_partitions_of_an_existing_topic_stay(self, settings: BusSettings) -> None:
        """Another number in the settings changes nothing for topics that are there."""
        async with connect(settings, Metrics(), SystemClock()):
            pass
        async with connect(settings.model_copy(update={"partitions": 7}), Metrics(), SystemClock()) as bus:
            assert len(await bus.ends(MATCHES)) == PARTITIONS
            assert bus.partition_of(MATCHES, b"foobar") == (murmur2(b"foobar") & 0x7FFFFFFF) % PARTITIONS

    # Helpers --------------------------------------------------------------------------------------------------------

    def reader(self, settings: BusSettings, group: str, topic: str) -> "subprocess.Popen[str]":
        """Start a process that is a member of the group, polls and does not commit unless told."""
        return Killed(
            [sys.executable, str(READER), settings.model_dump_json(), group, topic],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    async def sharing(self, consumer: Consumer, other: "subprocess.Popen[str]") -> None:
        """Poll until another member, the reader, has some of the partitions and has read from them."""
        assert other.stdout
        read = asyncio.ensure_future(asyncio.to_thread(other.stdout.readline))
        async with asyncio.timeout(90):
            while not read.done() or not 0 < len(consumer.assignment()) < PARTITIONS:
                await consumer.poll(1, 0.1)
        assert await read == "read\n"
        await consumer.rewind()


class Killed(subprocess.Popen[str]):
    """A process that is killed, not waited for, at the end of its block."""

    def __exit__(self, *error: object) -> None:
        self.kill()
        self.communicate()
