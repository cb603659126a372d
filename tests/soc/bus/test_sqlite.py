"""The embedded bus: the contract, and what only it promises."""

import asyncio
import random
import resource
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from shutil import rmtree

import pytest
from structlog.testing import capture_logs

from soc.bus import connect, members
from soc.bus.base import EVENTS, HITS, MATCHES, Bus, Commit, Message, Record, TopicPartition
from soc.bus.heart import TICK_SECONDS
from soc.bus.sqlite import SqliteBus, folder_of
from soc.clock import DAY, SystemClock
from soc.errors import Abandon, AlreadyRunning, Retry, SettingsError, Stop
from soc.metrics import Metrics
from soc.settings import BusSettings
from tests.soc.bus.contract import (
    PARTITIONS,
    BusContract,
    Killed,
    assigned,
    behind,
    drain,
    kilobytes,
    numbered,
    numbers,
    publish_forever,
)

WRITER = Path(__file__).parent / "writer.py"
ONE = TopicPartition(MATCHES, 0)
SMALL = {"segment_bytes": 65_536}


class ShiftedClock(SystemClock):
    """The machine's clock, some microseconds ahead."""

    shift = 0

    def now(self) -> int:
        return super().now() + self.shift


class TestSqlite(BusContract):
    """The embedded bus keeps every promise of the port."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> BusSettings:
        return BusSettings(url=f"sqlite:///{tmp_path}/bus", partitions=PARTITIONS, session_timeout=self.session)

    async def lose(self, bus: Bus, partition: TopicPartition) -> None:
        assert isinstance(bus, SqliteBus)
        bus.clock = ShiftedClock()
        bus.clock.shift = 2 * DAY
        await bus.expire()  # closes the file, which is two days old
        bus.clock.shift = 10 * DAY
        await bus.expire()  # removes it
        bus.clock = SystemClock()

    async def remake(self, settings: BusSettings) -> None:
        rmtree(folder_of(settings.url))


def small(tmp_path: Path, **changes: object) -> BusSettings:
    """Return settings with small segments."""
    return BusSettings.model_validate(
        {"url": f"sqlite:///{tmp_path}/bus", "partitions": PARTITIONS, **SMALL, **changes}
    )


async def everything(bus: Bus, topic: str) -> dict[int, list[Record]]:
    """Return each partition's records."""
    found: dict[int, list[Record]] = {}
    for partition, end in (await bus.ends(topic)).items():
        records = found[partition] = list[Record]()
        while len(records) < end.high - end.low:
            records += await bus.read(TopicPartition(topic, partition), end.low + len(records), 10_000)
    return found


class TestCrash:
    """Processes that are killed, and several at once."""

    def writer(self, settings: BusSettings, topic: str, name: str, count: int) -> "subprocess.Popen[str]":
        """Start a process that publishes NAME:PUBLISH:RECORD to every partition, and prints each publish acknowledged."""
        command = [sys.executable, str(WRITER), settings.model_dump_json(), topic, name, str(count)]
        return Killed(command, stdout=subprocess.PIPE, text=True)

    @pytest.mark.parametrize("topic", [EVENTS, MATCHES])
    async def test_kill_9_loses_nothing_acknowledged_and_leaves_no_part(self, tmp_path: Path, topic: str) -> None:
        """A publisher killed at any instant, also while it begins a new file: a publish is there whole or not at all."""
        settings, rounds = small(tmp_path), 8
        chance = random.Random(7)
        acknowledged: dict[str, int] = {}
        for round_ in range(rounds):
            with self.writer(settings, topic, str(round_), 1_000_000) as process:
                assert process.stdout
                await asyncio.to_thread(process.stdout.readline)
                await asyncio.sleep(chance.uniform(0.0, 0.15))
                process.kill()
                lines = [line for line in process.stdout.read().split("\n")[:-1] if line]
                acknowledged[str(round_)] = int(lines[-1]) if lines else 0
        async with connect(settings, Metrics(), SystemClock()) as bus:
            await bus.publish(topic, numbered(1))
            found = await everything(bus, topic)
        for records in found.values():
            assert [record.offset for record in records] == list(range(len(records)))
        parts: dict[tuple[str, int], list[int]] = {}
        for record in (record for records in found.values() for record in records if b":" in record.value):
            writer, publish, number = record.value.decode().split(":")[:3]
            parts.setdefault((writer, int(publish)), []).append(int(number))
        for name, last in acknowledged.items():
            published = [int(publish) for writer, publish in parts if writer == name]
            assert sorted(published) == list(range(len(published)))
            assert len(published) > last, "an acknowledged publish is gone"
        assert all(sorted(numbers) == list(range(30)) for numbers in parts.values()), "a publish is there in part"
        assert len(list((tmp_path / "bus" / topic).glob("*.db"))) > 1

    async def test_many_processes_write_to_one_topic(self, tmp_path: Path) -> None:
        """Each one's order is kept, nothing is lost or doubled, while files are closed and begun."""
        settings = small(tmp_path)
        writers = [self.writer(settings, HITS, str(number), 60) for number in range(4)]
        for writer in writers:
            with writer:
                assert await asyncio.to_thread(writer.wait, 120) == 0
        async with connect(settings, Metrics(), SystemClock()) as bus:
            found = await everything(bus, HITS)
        values = [record.value for records in found.values() for record in records]
        assert len(values) == len(set(values)) == 4 * 60 * 30
        for records in found.values():
            for who in (b"0:", b"1:", b"2:", b"3:"):
                mine = [tuple(map(int, r.value.split(b":")[1:3])) for r in records if r.value.startswith(who)]
                assert mine == sorted(mine)

    async def test_events_have_one_writing_process(self, tmp_path: Path) -> None:
        """A second process is refused with the remedy, may read, and takes over when the first has ended."""
        settings = small(tmp_path)
        async with connect(settings, Metrics(), SystemClock()) as bus:
            with self.writer(settings, EVENTS, "w", 1_000_000) as process:
                assert process.stdout
                await asyncio.to_thread(process.stdout.readline)
                with pytest.raises(AlreadyRunning, match="soc replay"):
                    await bus.publish(EVENTS, numbered(1))
                await bus.publish(MATCHES, numbered(1))
                async with bus.consumer("g", [EVENTS]) as consumer:
                    assert await drain(consumer, 100)
            await bus.publish(EVENTS, numbered(1))

    async def test_a_lock_that_cannot_be_made_now_answers_retry(self, tmp_path: Path) -> None:
        """A full disk, say: the publisher lives on, and has the lock later."""
        async with connect(small(tmp_path), Metrics(), SystemClock()) as bus:
            in_the_way = tmp_path / "bus" / f"{EVENTS}.writer"
            in_the_way.mkdir()
            with pytest.raises(Retry, match=EVENTS):
                await bus.publish(EVENTS, numbered(1))
            in_the_way.rmdir()
            await bus.publish(EVENTS, numbered(1))

    async def test_buses_of_one_process_may_both_write_events(self, tmp_path: Path) -> None:
        """The writer is the process: the second bus keeps the right when the first closes."""
        settings = small(tmp_path)
        async with connect(settings, Metrics(), SystemClock()) as one:
            await one.publish(EVENTS, numbered(1))
            async with connect(settings, Metrics(), SystemClock()) as two:
                await two.publish(EVENTS, numbered(1))
            await one.publish(EVENTS, numbered(1))
            with self.writer(settings, EVENTS, "w", 1) as process:
                assert await asyncio.to_thread(process.wait, 120) != 0
        with self.writer(settings, EVENTS, "w", 1) as process:
            assert await asyncio.to_thread(process.wait, 120) == 0

    async def test_processes_may_start_at_once_on_a_fresh_folder(self, tmp_path: Path) -> None:
        """Each finds or makes what there must be, and all speak of the same logs."""
        settings = small(tmp_path)
        writers = [self.writer(settings, HITS, str(number), 1) for number in range(4)]
        for writer in writers:
            with writer:
                assert await asyncio.to_thread(writer.wait, 120) == 0
        async with connect(settings, Metrics(), SystemClock()) as bus:
            assert sum(end.high for end in (await bus.ends(HITS)).values()) == 4 * 30

    async def test_a_heart_waits_until_its_group_is_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """On a fresh folder another process may be making files for a while: that is no failed heartbeat."""
        prepare = SqliteBus.prepare_group

        def after_others(bus: SqliteBus, name: str) -> None:
            time.sleep(3 * TICK_SECONDS)
            prepare(bus, name)

        monkeypatch.setattr(SqliteBus, "prepare_group", after_others)
        async with connect(small(tmp_path), Metrics(), SystemClock()) as bus, bus.consumer("g", [MATCHES]) as consumer:
            with capture_logs() as logs:
                await assigned(consumer)
        assert logs == []

    async def test_another_processs_records_arrive_soon(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An idle poll sees by the files that they came, long before it would ask the database again."""
        monkeypatch.setattr(members, "CHECK_SECONDS", 3600.0)
        assert members.IDLE_LOOK_SECONDS < 0.2
        settings = small(tmp_path)
        async with connect(settings, Metrics(), SystemClock()) as bus, bus.consumer("g", [MATCHES]) as consumer:
            await assigned(consumer)
            with self.writer(settings, MATCHES, "w", 1):
                async with asyncio.timeout(100):
                    assert await consumer.poll(500, 3600.0)


class TestFiles:
    """Segments, retention and what goes wrong with files."""

    @pytest.fixture
    async def bus(self, tmp_path: Path) -> AsyncIterator[Bus]:
        async with connect(small(tmp_path, retention_bytes=1_000_000), Metrics(), SystemClock()) as bus:
            yield bus

    def files(self, tmp_path: Path) -> list[Path]:
        return sorted((tmp_path / "bus" / MATCHES).glob("*.db"))

    async def test_retention_by_size_removes_the_oldest_files(self, bus: Bus, tmp_path: Path) -> None:
        """The topic stays under its cap by itself, the newest records stay, and the low end says what went."""
        for first in range(0, 3000, 50):
            await bus.publish(MATCHES, kilobytes(50, first))
        assert sum(path.stat().st_size for path in self.files(tmp_path)) <= 1_000_000
        low, high = (await bus.ends(MATCHES))[0]
        assert high == 3000
        assert 2000 < low < 2900
        records = await bus.read(ONE, 0, 5000)
        assert [record.offset for record in records] == list(range(low, high))
        assert [int(record.value.split()[0]) for record in records] == list(range(low, high))
        assert all(
            int(path.name.split(".")[0]) >= int(self.files(tmp_path)[0].stem)
            for path in self.files(tmp_path)[0].parent.iterdir()
        )

    async def test_a_group_that_nobody_runs_any_more_stops_no_publisher(self, tmp_path: Path) -> None:
        """Its last commit is older than what is kept."""
        settings = small(tmp_path, retention_bytes=1_000_000, retention_hours=1)
        clock = ShiftedClock()
        async with connect(settings, Metrics(), clock) as bus:
            async with bus.consumer("g", [MATCHES]) as consumer:
                await assigned(consumer)
                await consumer.commit({ONE: Commit(0)})
            clock.shift = DAY
            for first in range(0, 2000, 50):
                await bus.publish(MATCHES, kilobytes(50, first))

    async def test_a_group_that_cannot_be_read_stops_no_publisher(self, bus: Bus, tmp_path: Path) -> None:
        """A damaged file of positions is its own members' trouble."""
        (tmp_path / "bus" / "groups" / "g.db").write_bytes(b"no database" * 1000)
        for first in range(0, 2000, 50):
            await bus.publish(MATCHES, kilobytes(50, first))

    async def test_old_files_are_removed_also_of_an_idle_topic(self, tmp_path: Path) -> None:
        """expire() closes an old file and removes it when its time is over; an empty newest file stays."""
        clock = ShiftedClock()
        async with connect(small(tmp_path, retention_hours=2, segment_seconds=60), Metrics(), clock) as bus:
            await bus.publish(MATCHES, kilobytes(10))
            clock.shift = DAY // 24
            await bus.expire()
            assert (await bus.ends(MATCHES))[0] == (0, 10)
            clock.shift = DAY
            await bus.expire()
            assert (await bus.ends(MATCHES))[0] == (10, 10)
            assert len(self.files(tmp_path)) == 1
            await bus.publish(MATCHES, kilobytes(1))
            assert (await bus.ends(MATCHES))[0] == (10, 11)

    async def test_a_clock_that_was_wrong_for_a_while_makes_no_record_old(self, tmp_path: Path) -> None:
        """A file begun while the clock stood years back does not make the one before it look as old."""
        clock = ShiftedClock()
        async with connect(small(tmp_path, segment_seconds=60), Metrics(), clock) as bus:
            await bus.publish(MATCHES, kilobytes(10))
            clock.shift = -1000 * DAY
            await bus.publish(MATCHES, kilobytes(100, 10))
            await bus.publish(MATCHES, kilobytes(1, 110))
            assert len(self.files(tmp_path)) == 2
            clock.shift = 0
            await bus.expire()
            assert (await bus.ends(MATCHES))[0] == (0, 111)

    async def test_old_files_are_removed_where_no_new_one_can_be_made(self, tmp_path: Path) -> None:
        """A full disk, say: retention still frees what it can, of every topic, and says that it could not do all."""
        clock = ShiftedClock()
        async with connect(small(tmp_path, retention_hours=2, segment_seconds=60), Metrics(), clock) as bus:
            for shift in (DAY // 24, DAY):
                for topic in (HITS, MATCHES):
                    await bus.publish(topic, kilobytes(10))
                clock.shift = shift
                if shift == DAY:
                    (tmp_path / "bus" / HITS / "0000000003.db" / "in the way").mkdir(parents=True)
                    with pytest.raises(Retry):
                        await bus.expire()
                else:
                    await bus.expire()
            assert [(await bus.ends(topic))[0].low for topic in (HITS, MATCHES)] == [10, 10]
            assert not (tmp_path / "bus" / HITS / "0000000001.db").exists()

    @pytest.fixture
    def allow(self) -> Iterator[Callable[[int], None]]:
        """Sets how large a file may become; -1: as large as it likes."""
        before = resource.getrlimit(resource.RLIMIT_FSIZE)

        def allow(size: int) -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size if size >= 0 else before[0], before[1]))

        yield allow
        allow(-1)

    async def test_a_rewind_that_failed_is_made_up_for(self, bus: Bus, tmp_path: Path) -> None:
        """The group cannot be read just when a handler gave its batch back: the batch comes again."""
        await bus.publish(MATCHES, kilobytes(10))
        async with bus.consumer("g", [MATCHES]) as consumer:
            records = await drain(consumer, 10)
            await consumer.commit(behind(records[:4]))
            other = sqlite3.connect(tmp_path / "bus" / "groups" / "g.db", isolation_level=None)
            other.execute("ALTER TABLE position RENAME TO hidden")
            with pytest.raises(Retry):
                await consumer.rewind()
            other.execute("ALTER TABLE hidden RENAME TO position")
            other.close()
            with pytest.raises(Abandon):
                await consumer.commit(behind(records))
            assert [record.offset for record in await drain(consumer, 6)] == [4, 5, 6, 7, 8, 9]

    async def test_a_full_disk_answers_retry_and_leaves_no_part(
        self, tmp_path: Path, allow: Callable[[int], None]
    ) -> None:
        """No publish is there in part, nothing acknowledged is gone, and both sides go on when there is room again."""
        async with connect(small(tmp_path), Metrics(), SystemClock()) as bus, bus.consumer("g", [MATCHES]) as consumer:
            await assigned(consumer)
            allow(200_000)
            with pytest.raises(Retry, match=r"full|I/O"):
                await publish_forever(bus)
            with pytest.raises(Retry):
                await bus.publish(MATCHES, kilobytes(500))
            count = (await bus.ends(MATCHES))[0].high
            records = await drain(consumer, count)
            assert [int(record.value.split()[0]) for record in records] == list(range(count))
            assert count % 20 == 0 < count
            allow(-1)
            await consumer.commit(behind(records))
            await bus.publish(MATCHES, kilobytes(20, count))
            more = await drain(consumer, 20)
            assert [int(record.value.split()[0]) for record in more] == list(range(count, count + 20))

    async def test_a_reader_survives_files_that_vanish(self, bus: Bus) -> None:
        """A reader far behind hears of the gap, or goes on at the oldest, whatever files it had open."""
        await bus.publish(MATCHES, kilobytes(50))
        assert len(await bus.read(ONE, 0, 10)) == 10
        for first in range(50, 3000, 50):
            await bus.publish(MATCHES, kilobytes(50, first))
            if first % 500 == 0:
                records = await bus.read(ONE, 0, 10)
                assert records[0].offset == (await bus.ends(MATCHES))[0].low

    async def test_a_busy_log_answers_retry_in_time(self, tmp_path: Path) -> None:
        """Another process inside a write transaction: Retry after publish_timeout, and later it goes on."""
        async with connect(small(tmp_path, publish_timeout=0.3), Metrics(), SystemClock()) as bus:
            blocker = sqlite3.connect(self.files(tmp_path)[0], isolation_level=None)
            blocker.execute("BEGIN IMMEDIATE")
            assert min([await self.seconds_to_retry(bus) for _ in range(3)]) < 3
            assert await bus.read(ONE, 0, 10) == []
            blocker.execute("ROLLBACK")
            blocker.close()
            async with asyncio.timeout(60):
                while not await bus.read(ONE, 0, 10):
                    with suppress(Retry):  # a slow disk
                        await bus.publish(MATCHES, kilobytes(1, 1))

    async def seconds_to_retry(self, bus: Bus) -> float:
        """Return how long a publish takes to be refused."""
        started = time.monotonic()
        with pytest.raises(Retry):
            await bus.publish(MATCHES, kilobytes(1))
        return time.monotonic() - started

    async def test_a_damaged_file_stops_with_the_remedy(self, tmp_path: Path) -> None:
        """Not an endless Retry."""
        settings = small(tmp_path)
        async with connect(settings, Metrics(), SystemClock()) as bus:
            await bus.publish(MATCHES, kilobytes(100))
        for path in self.files(tmp_path):
            path.write_bytes(b"no database" * 1000)
        async with connect(settings, Metrics(), SystemClock()) as bus:
            with pytest.raises(Stop, match="damaged"):
                await bus.publish(MATCHES, kilobytes(1))
            with pytest.raises(Stop, match="damaged"):
                await bus.read(ONE, 0, 10)

    async def test_closing_writes_what_was_handed_over(self, tmp_path: Path) -> None:
        """A publish that is under way when the bus closes is finished."""
        settings = small(tmp_path)
        async with connect(settings, Metrics(), SystemClock()) as bus:
            publishing = [asyncio.ensure_future(bus.publish(MATCHES, kilobytes(10, n * 10))) for n in range(20)]
            await asyncio.sleep(0)
        await asyncio.gather(*publishing)
        async with connect(settings, Metrics(), SystemClock()) as bus:
            assert (await bus.ends(MATCHES))[0] == (0, 200)

    async def test_a_large_publish_is_divided_into_rows(self, bus: Bus) -> None:
        """Reading one record of it does not decode all of it, and polls go on where they were."""
        await bus.publish(MATCHES, [Message(b"k", b"%d" % n + b" " * 5000, (), 0) for n in range(150)])
        async with bus.consumer("g", [MATCHES]) as consumer:
            records: list[Record] = []
            while len(records) < 150:
                records += await consumer.poll(7, 1.0)
        assert numbers(records) == list(range(150))


@pytest.mark.parametrize(("url", "folder"), [("sqlite:///data/bus", "data/bus"), ("sqlite:////var/b", "/var/b")])
def test_a_url_names_a_relative_or_an_absolute_folder(url: str, folder: str) -> None:
    """Three slashes are relative, four absolute."""
    assert folder_of(url) == Path(folder)


@pytest.mark.parametrize("url", ["sqlite://data", "sqlite:///", "sqlite:"])
def test_a_url_without_a_folder_is_refused(url: str) -> None:
    """The error names the setting."""
    with pytest.raises(SettingsError, match=r"bus\.url"):
        folder_of(url)
