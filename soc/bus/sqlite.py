"""The embedded bus: SQLite files in one folder, shared by the processes of one machine.

FOLDER/topics.db            which topics and segments there are (soc.bus.catalog)
FOLDER/TOPIC/NUMBER.db      records, a row a batch (soc.bus.segments)
FOLDER/groups/GROUP.db      members and commits (soc.bus.groups)
FOLDER/soc.events.writer    locked by the one process that publishes to soc.events

A process that is paused (SIGSTOP) inside a write transaction keeps SQLite's lock: publishers to that topic, or commits
of that group, then answer Retry until it goes on or is killed.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from soc.bus import groups
from soc.bus.appender import Appender, Request
from soc.bus.base import EVENTS, TOPICS, Bus, Commit, Consumer, Ends, Message, Record, TopicPartition
from soc.bus.catalog import Catalog, Topic
from soc.bus.database import make_folder, translated
from soc.bus.groups import Group
from soc.bus.heart import Heart
from soc.bus.logs import Log, WriterClaim, setup
from soc.bus.members import SqliteConsumer
from soc.bus.segments import Reader
from soc.bus.topics import by_partition, check_sizes, partition_for, shape_of
from soc.clock import Clock
from soc.errors import Retry, SettingsError, Stop, VonggacError
from soc.metrics import Metrics
from soc.settings import BusSettings

T = TypeVar("T")


def folder_of(url: str) -> Path:
    """Return the folder of sqlite:///FOLDER: relative, or absolute with a fourth slash. Raises SettingsError."""
    path = url.removeprefix("sqlite:///")
    if path == url or not path:
        raise SettingsError(f"bus.url = {url!r}: want sqlite:///FOLDER")
    return Path(path)


class SqliteBus(Bus):
    """See Bus. One object serves one event loop; each topic that is written to has a thread."""

    def __init__(self, settings: BusSettings, metrics: Metrics, clock: Clock) -> None:
        """Touch nothing yet."""
        self.folder = folder_of(settings.url)
        self.clock = clock
        self.metrics = metrics
        self.timeout = settings.publish_timeout
        self._settings = settings
        self._heart = Heart(self.folder / "groups", settings.session_timeout, clock)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bus")
        self._catalog: Catalog | None = None
        self._topics: dict[str, Topic] = {}
        self._readers: dict[str, Reader] = {}
        self._appenders: dict[str, Appender] = {}
        self._members: set[SqliteConsumer] = set()
        self._claim: WriterClaim | None = None

    # The port -------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """See Bus.open."""
        await self._run(self._open)

    async def publish(self, topic: str, messages: Sequence[Message], *, draining: bool = False) -> None:
        """See Bus.publish."""
        if not messages:
            return
        check_sizes(messages, self._settings.max_value_bytes)
        parts = by_partition(topic, messages, self._topic(topic).partitions)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._appender(topic).put(Request(parts, loop, done, draining))
        try:
            async with asyncio.timeout(self._settings.publish_timeout):
                await done
        except TimeoutError:
            raise Retry(f"{topic}: not written in {self._settings.publish_timeout} s") from None
        self.metrics.bus_published_records.labels(topic).inc(len(messages))
        self.metrics.bus_published_bytes.labels(topic).inc(sum(len(message.value) for message in messages))
        for member in self._members:
            if topic in member.topics:
                member.woken.set()

    def consumer(self, group: str, topics: Iterable[str]) -> Consumer:
        """See Bus.consumer."""
        return SqliteConsumer(self, group, topics)

    async def ends(self, topic: str) -> Mapping[int, Ends]:
        """See Bus.ends."""
        return await self._run(lambda: self._reader(topic).ends())

    async def lag(self, group: str, topic: str) -> Mapping[int, int]:
        """See Bus.lag."""
        return await self._run(self._lag, group, topic)

    async def identity(self, topic: str) -> str:
        """See Bus.identity."""
        return self._topic(topic).identity

    async def read(self, partition: TopicPartition, offset: int, limit: int) -> list[Record]:
        """See Bus.read."""
        return await self._run(self._read, partition, offset, limit)

    def partition_of(self, topic: str, key: bytes) -> int:
        """See Bus.partition_of."""
        return partition_for(key, self._topic(topic).partitions)

    async def expire(self) -> None:
        """See Bus.expire. Closes segments that are old, too, so that idle topics lose old records as well."""
        await self._run(self._expire)

    async def aclose(self) -> None:
        """See Bus.aclose. What was handed to `publish` is written first."""
        for member in tuple(self._members):
            await member.aclose()
        await asyncio.to_thread(self._stop_threads)
        await self._run(self._close)
        self._thread.shutdown(wait=False)

    # What members need ----------------------------------------------------------------------------------------------

    def prepare_group(self, name: str) -> None:
        """Make the group where there is none. In any thread."""
        with setup(self.folder, self.timeout):
            Group.prepare(self.folder / "groups", name)

    def entered(self, member: SqliteConsumer) -> None:
        """Wake the member when something is published, and let its heart beat, from now on."""
        if member not in self._members:
            self._members.add(member)
            self._heart.add(member.group, member.id)

    def left(self, member: SqliteConsumer) -> None:
        """Do so no more."""
        self._members.discard(member)
        self._heart.remove(member.group, member.id)

    # Inside ---------------------------------------------------------------------------------------------------------

    def _topic(self, name: str) -> Topic:
        if name not in self._topics:
            raise Stop(f"the bus is not open, or has no topic {name!r}")
        return self._topics[name]

    def _appender(self, topic: str) -> Appender:
        if topic not in self._appenders:
            if topic == EVENTS:
                self._claim = WriterClaim(self.folder / f"{EVENTS}.writer")
            log = Log(self.folder, topic, self._settings, self.clock)
            self._appenders[topic] = Appender(f"bus-{topic}", log.append, log.close)
        return self._appenders[topic]

    async def _run(self, function: Callable[..., T], *arguments: object) -> T:
        def call() -> T:
            with translated(str(self.folder)):
                return function(*arguments)

        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _open(self) -> None:
        make_folder(self.folder / "groups")
        with setup(self.folder, self.timeout):
            Catalog.prepare(self.folder)
            catalog = self._catalog = Catalog(self.folder, self.timeout)
            for topic in TOPICS:
                catalog.ensure(topic, shape_of(topic, self._settings), self.clock.now())
        self._topics = {topic: catalog.existing(topic) for topic in TOPICS}

    def _reader(self, topic: str) -> Reader:
        if self._catalog is None:
            raise Stop("the bus is not open")
        if topic not in self._readers:
            self._readers[topic] = Reader(self._catalog, topic)
        return self._readers[topic]

    def _read(self, partition: TopicPartition, offset: int, limit: int) -> list[Record]:
        reader = self._reader(partition.topic)
        reader.refresh()
        return reader.read(partition.partition, offset, limit)

    def _lag(self, name: str, topic: str) -> dict[int, int]:
        ends = self._reader(topic).ends()
        positions: dict[int, Commit] = {}
        if name in groups.names(self.folder / "groups"):
            group = Group(self.folder / "groups", name, self.timeout)
            try:
                positions = group.positions(topic, self._topic(topic).identity)
            finally:
                group.close()
        starts = {p: max(end.low, positions[p].offset) if p in positions else end.low for p, end in ends.items()}
        return {p: end.high - starts[p] for p, end in ends.items()}

    def _expire(self) -> None:
        """Of every topic, whatever befalls one; then raise what befell the first."""
        failed: list[VonggacError] = []
        for topic in self._topics:
            log = Log(self.folder, topic, self._settings, self.clock)
            try:
                log.expire()
            except VonggacError as error:
                failed.append(error)
            finally:
                log.close()
        if failed:
            raise failed[0]

    def _stop_threads(self) -> None:
        for appender in self._appenders.values():
            appender.stop()
        self._heart.stop()
        if self._claim is not None:
            self._claim.release()

    def _close(self) -> None:
        for reader in self._readers.values():
            reader.close()
        if self._catalog is not None:
            self._catalog.close()
