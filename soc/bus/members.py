"""A member of a consumer group on the embedded bus."""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar
from uuid import uuid4

from soc.bus.base import Commit, Consumer, Record, TopicPartition
from soc.bus.catalog import Catalog, Topic
from soc.bus.database import translated
from soc.bus.groups import Group, Member, share
from soc.bus.processes import this_process
from soc.bus.segments import Reader
from soc.bus.topics import check_metadata
from soc.clock import Clock
from soc.errors import Abandon, Lost
from soc.metrics import Metrics

LOOK_SECONDS, IDLE_LOOK_SECONDS = 0.03, 0.1
"""How often a waiting member looks whether another process has written (two stat calls, no thread): at first, and after
three seconds without a record."""
CHECK_SECONDS = 0.5
"""How often it asks the database all the same: members may have come or gone."""
_SETTLED = 50_000_000
"""Nanoseconds after which a file's time of change is past: a later write gives another."""

T = TypeVar("T")


class Home(Protocol):
    """What a member needs of its bus."""

    folder: Path
    clock: Clock
    metrics: Metrics
    timeout: float

    def prepare_group(self, name: str) -> None:
        """Make the group where there is none."""

    def entered(self, member: "SqliteConsumer") -> None:
        """Keep the member's heart beating from now on."""

    def left(self, member: "SqliteConsumer") -> None:
        """Do so no more."""


class _Share(NamedTuple):
    """The partitions that we have in a generation, and where to read each from."""

    generation: int
    positions: dict[TopicPartition, int]


class _Found(NamedTuple):
    """Records, and the positions behind them."""

    records: list[Record]
    moved: dict[TopicPartition, int]


class SqliteConsumer(Consumer):
    """Its SQLite calls run in a thread of its own, one after another.

    What the thread finds counts only when the event loop has it: a cancelled poll loses nothing.
    """

    def __init__(self, home: Home, group: str, topics: Iterable[str]) -> None:
        """Join `group` at the first poll."""
        self.group = group
        self.topics = tuple(topics)
        self.id = uuid4().hex
        self.woken = asyncio.Event()
        self._home = home
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"bus-{group}")
        self._catalog: Catalog | None = None
        self._member: Group | None = None
        self._logs: dict[str, Topic] = {}
        self._readers: dict[str, Reader] = {}
        self._generation = 0
        self._positions: dict[TopicPartition, int] = {}
        self._told: dict[TopicPartition, int] = {}
        self._turn = 0
        self._seen: tuple[object, ...] = ()
        self._glancing: asyncio.TimerHandle | None = None
        self._fed = 0.0
        self._closed = False

    # The port -------------------------------------------------------------------------------------------------------

    async def poll(self, max_records: int = 500, timeout: float = 1.0) -> list[Record]:
        """See Consumer.poll."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout
        while True:
            self.woken.clear()
            records = await self._fetch(max_records)
            if records:
                self._fed = loop.time()
                return records
            if await self._idle(min(deadline, loop.time() + CHECK_SECONDS)) and loop.time() >= deadline:
                return []

    async def commit(self, positions: Mapping[TopicPartition, Commit]) -> None:
        """See Consumer.commit."""
        check_metadata(positions)
        foreign = positions.keys() - self._positions.keys()
        if foreign:
            raise Abandon(f"{self.group}: not this member's: {sorted(foreign)}")
        if positions:
            await self._run(self._commit, dict(positions), self._generation)

    async def committed(self, partition: TopicPartition) -> Commit | None:
        """See Consumer.committed."""
        return await self._run(self._committed, partition)

    async def position(self, partition: TopicPartition) -> int:
        """See Consumer.position."""
        if partition not in self._positions:
            raise Abandon(f"{self.group}: {partition} is not this member's")
        return self._positions[partition]

    def assignment(self) -> frozenset[TopicPartition]:
        """See Consumer.assignment."""
        return frozenset(self._positions)

    @property
    def generation(self) -> int:
        """See Consumer.generation."""
        return self._generation

    async def rewind(self) -> None:
        """See Consumer.rewind."""
        generation, self._generation = self._generation, 0  # where this fails, or is cancelled, the next poll does it
        if generation:
            self._positions = await self._run(self._starts, frozenset(self._positions))
            self._generation = generation

    async def aclose(self) -> None:
        """See Consumer.aclose."""
        if self._closed:
            return
        self._closed = True
        self._home.left(self)
        try:
            await self._run(self._leave)
        finally:
            self._thread.shutdown(wait=False)

    # On the event loop ----------------------------------------------------------------------------------------------

    async def _fetch(self, max_records: int) -> list[Record]:
        """Return what there is now."""
        seen = self._look()
        try:
            found = await self._run(self._read, self._generation, self._positions, max_records, self._turn)
        except Lost as lost:
            partition = TopicPartition(lost.topic, lost.partition)
            self._positions[partition] = self._told[partition] = lost.last
            raise
        if isinstance(found, _Share):
            self._home.entered(self)  # now that its group is there
            self._generation, self._positions = found
            return await self._fetch(max_records)
        self._seen = seen
        self._turn += 1
        for partition, offset in found.moved.items():
            count = offset - self._positions[partition]
            self._home.metrics.bus_polled_records.labels(partition.topic, self.group).inc(count)
        self._positions |= found.moved
        return found.records

    async def _idle(self, until: float) -> bool:
        """Wait until something was written, and return False, or until loop time `until`, and return True."""
        self._glance_later()
        try:
            async with asyncio.timeout_at(until):
                await self.woken.wait()
        except TimeoutError:
            return True
        finally:
            if self._glancing is not None:
                self._glancing.cancel()
        return False

    def _glance(self) -> None:
        """See whether another process has written. A timer, not a task that sleeps: it costs a tenth."""
        if not self._seen or self._look() != self._seen:
            self.woken.set()
        else:
            self._glance_later()

    def _glance_later(self) -> None:
        loop = asyncio.get_running_loop()
        wait = min(IDLE_LOOK_SECONDS, max(LOOK_SECONDS, (loop.time() - self._fed) / 30))
        self._glancing = loop.call_later(wait, self._glance)

    def _look(self) -> tuple[object, ...]:
        """Return what changes whenever a topic of ours is written to; () while a write may still leave it as it is."""
        stamps: list[object] = []
        now = self._home.clock.now() * 1000
        for path in (path for reader in self._readers.values() for path in reader.watched):
            try:
                status = os.stat(path)  # noqa: PTH116 - pathlib's costs twice as much, forty times a second
            except OSError:
                stamps.append(None)
                continue
            if abs(now - status.st_mtime_ns) < _SETTLED:
                return ()
            stamps += (status.st_mtime_ns, status.st_size)
        return tuple(stamps)

    async def _run(self, function: Callable[..., T], *arguments: object) -> T:
        def call() -> T:
            with translated(f"{self._home.folder}, group {self.group}"):
                return function(*arguments)

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    # In the thread --------------------------------------------------------------------------------------------------

    def _enter(self, known: int) -> _Share | None:
        """Return our share of the partitions, and where to read from, if the generation is not the known one."""
        member = self._opened()
        if known and member.generation() == known:
            return None
        generation, members = member.members()
        if self.id not in {each.id for each in members}:
            member.join(Member(self.id, this_process(), self._home.clock.monotonic(), self.topics))
            generation, members = member.members()
        shares = share(members, {topic: log.partitions for topic, log in self._logs.items()})
        return _Share(generation, self._starts(shares.get(self.id, frozenset())))

    def _opened(self) -> Group:
        if self._member is None:
            self._home.prepare_group(self.group)
            self._catalog = Catalog(self._home.folder, self._home.timeout)
            self._logs = {topic: self._catalog.existing(topic) for topic in self.topics}
            self._readers = {topic: Reader(self._catalog, topic) for topic in self.topics}
            self._member = Group(self._home.folder / "groups", self.group, self._home.timeout)
        return self._member

    def _starts(self, partitions: frozenset[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the committed position of each, or its oldest record where there is none."""
        starts: dict[TopicPartition, int] = {}
        for topic in sorted({partition.topic for partition in partitions}):
            commits = self._opened().positions(topic, self._logs[topic].identity)
            self._readers[topic].refresh()
            for each in sorted(each for each in partitions if each.topic == topic):
                commit = commits.get(each.partition)
                starts[each] = commit.offset if commit else self._readers[topic].low(each.partition)
        return starts

    def _read(self, known: int, positions: dict[TopicPartition, int], limit: int, turn: int) -> _Share | _Found:
        """Return our new share if there is one, else records; another partition comes first every time."""
        changed = self._enter(known)
        if changed:
            return changed
        for topic in {partition.topic for partition in positions}:
            self._readers[topic].refresh()
        found = _Found([], {})
        order = list(positions)
        first = turn % len(order) if order else 0
        for partition in order[first:] + order[:first]:
            offset = self._not_lost(partition, positions[partition])
            more = self._readers[partition.topic].read(partition.partition, offset, limit - len(found.records))
            if more:
                self._not_lost(partition, offset, more[0].offset)
                found.records.extend(more)
                found.moved[partition] = more[-1].offset + 1
            if len(found.records) >= limit:
                break
        return found

    def _not_lost(self, partition: TopicPartition, offset: int, low: int | None = None) -> int:
        """Return where to read; raise Lost for what is gone and was not reported yet."""
        low = self._readers[partition.topic].low(partition.partition) if low is None else low
        first = max(offset, self._told.get(partition, 0))
        if first < low:
            raise Lost(*partition, first, low)
        return max(offset, low)

    def _commit(self, positions: dict[TopicPartition, Commit], generation: int) -> None:
        logs = {topic: log.identity for topic, log in self._logs.items()}
        self._opened().commit(generation, positions, logs, self._home.clock.now())

    def _committed(self, partition: TopicPartition) -> Commit | None:
        group = self._opened()
        log = self._logs.get(partition.topic)
        return group.positions(partition.topic, log.identity).get(partition.partition) if log else None

    def _leave(self) -> None:
        if self._member is not None and self._catalog is not None:
            self._member.leave(self.id)
            self._member.close()
            for reader in self._readers.values():
                reader.close()
            self._catalog.close()
            self._member = self._catalog = None
