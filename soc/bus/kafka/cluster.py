"""Questions to a cluster that need no group: which topics, where they begin and end, what groups committed.

Every answer comes within a deadline or not at all (Retry); a client that failed is made anew.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from soc.bus.base import TOPICS, Commit, Ends, Record, TopicPartition
from soc.bus.kafka.wire import MetadataRequest
from soc.bus.lanes import BATCH_BYTES
from soc.bus.topics import MAX_KEY_AND_HEADERS, shape_of
from soc.errors import Retry, SettingsError
from soc.settings import BusSettings

REQUEST_SECONDS = 10.0
AWAY = (KafkaError, OSError, TimeoutError)
"""What aiokafka raises where a cluster is away or refuses."""
_PAUSE = 0.1
_SHORT_WAIT_MS = 10
"""A fetch at the end of a log holds up its connection for that long."""

T = TypeVar("T")
log = structlog.get_logger()


class Topic(NamedTuple):
    """A topic that exists."""

    identity: str
    partitions: int


class Kept(NamedTuple):
    """What a topic's retention keeps: records of so many seconds, so many bytes a partition; 0: without that bound."""

    seconds: float
    bytes: int


def hosts_of(url: str) -> list[str]:
    """Return the addresses of kafka://HOST:PORT[,HOST:PORT...]. Raises SettingsError."""
    hosts = url.removeprefix("kafka://").rstrip("/").split(",")
    for host in hosts:
        name, colon, port = host.rpartition(":")
        if not (name and colon and port.isdigit()):
            raise SettingsError(f"bus.url = {url!r}: want kafka://HOST:PORT[,HOST:PORT...]")
    return hosts


def client_options(settings: BusSettings) -> dict[str, Any]:
    """Return what every client of ours is made with. Raises SettingsError where a file cannot be used."""
    options: dict[str, Any] = {
        "bootstrap_servers": hosts_of(settings.url),
        "client_id": "vonggac",
        "request_timeout_ms": int(REQUEST_SECONDS * 1000),
        "security_protocol": settings.security,
    }
    if settings.security.startswith("SASL"):
        options["sasl_mechanism"] = settings.sasl_mechanism
        options["sasl_plain_username"] = settings.username
        options["sasl_plain_password"] = settings.password.get_secret_value()
    if settings.security.endswith("SSL"):
        options["ssl_context"] = _ssl_context(settings)
    return options


def _ssl_context(settings: BusSettings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        if settings.certificate_file:
            context.load_cert_chain(settings.certificate_file, settings.key_file or None)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"bus.ca_file, bus.certificate_file or bus.key_file: {error}") from None
    return context


def records_of(partition: TopicPartition, batch: Iterable[Any]) -> list[Record]:
    """Return aiokafka's records as ours: its milliseconds become microseconds."""
    topic, number = partition
    return [
        Record(topic, number, r.offset, r.timestamp * 1000, r.key or b"", r.value or b"", tuple(r.headers))
        for r in batch
    ]


async def stopped(stopping: Awaitable[None]) -> None:
    """Wait, for a bounded time, until a client has stopped; that it fails to is no reason to fail."""
    try:
        async with asyncio.timeout(REQUEST_SECONDS):
            await stopping
    except AWAY as error:
        log.debug("a client did not stop well", reason=repr(error))


class Cluster:
    """A cluster, asked through two clients that are connected at the first question."""

    def __init__(self, settings: BusSettings) -> None:
        """Touch nothing yet. Raises SettingsError."""
        self.settings = settings
        self.options = client_options(settings)
        self._admin: Any = None
        self._reader: Any = None
        self._admin_lock, self._reader_lock = asyncio.Lock(), asyncio.Lock()

    def name(self, partition: TopicPartition) -> Any:
        """Return the partition as the cluster names it."""
        return KafkaPartition(self.settings.prefix + partition.topic, partition.partition)

    def partition(self, name: Any) -> TopicPartition:
        """Return the partition that the cluster names so."""
        return TopicPartition(name.topic.removeprefix(self.settings.prefix), name.partition)

    def group(self, name: str) -> str:
        """Return the group as the cluster names it."""
        return self.settings.prefix + name

    async def topics(self) -> dict[str, Topic]:
        """Return the topics of ours that there are. The identity is cluster id and topic id, both the cluster's."""
        return await self._asked(self._describe, "metadata")

    async def made(self, missing: Sequence[str]) -> dict[str, Topic]:
        """Make those topics, and return all when every one is there. Raises SettingsError where that is not allowed."""
        if missing:
            await self._asked(lambda admin: self._create(admin, missing), "creation of topics")
        return await self._asked(self._describe_all, "topics")

    async def ends(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Ends]:
        """Return each partition's ends."""
        names = [self.name(partition) for partition in partitions]
        async with self._reading() as reader:
            low = await reader.beginning_offsets(names)
            high = await reader.end_offsets(names)
        return {self.partition(name): Ends(low[name], high[name]) for name in names}

    async def lows(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Return the oldest offset of each."""
        names = [self.name(partition) for partition in partitions]
        async with self._reading() as reader:
            found = await reader.beginning_offsets(names)
        return {self.partition(name): offset for name, offset in found.items()}

    async def commits(self, group: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, Commit]:
        """Return the group's commits on those partitions; one without is left out."""
        names = [self.name(partition) for partition in partitions]

        async def ask(admin: Any) -> dict[TopicPartition, Commit]:
            found = await admin.list_consumer_group_offsets(self.group(group), partitions=names)
            if not set(names) <= found.keys():  # a coordinator that is still loading answers with nothing
                raise TimeoutError(f"the coordinator of {group!r} is not ready")
            return {self.partition(n): Commit(c.offset, c.metadata or "") for n, c in found.items() if c.offset >= 0}

        return await self._asked(ask, f"commits of {group!r}") if names else {}

    async def groups(self) -> list[str]:
        """Return the groups of ours that we are allowed to see."""
        found = await self._asked(lambda admin: admin.list_consumer_groups(), "groups")
        prefix = self.settings.prefix
        return sorted(name.removeprefix(prefix) for name, *_ in found if name.startswith(prefix))

    async def has_members(self, group: str) -> bool:
        """Tell whether anybody is in the group now."""
        name = [self.group(group)]
        (answer,) = await self._asked(lambda admin: admin.describe_consumer_groups(name), f"members of {group!r}")
        return any(members for _code, _group, _state, _type, _protocol, members, *_ in answer.groups)

    async def kept(self, topic: str) -> Kept:
        """Return the topic's retention as the cluster has it; as we would make it where we may not ask."""
        resource = ConfigResource(ConfigResourceType.TOPIC, self.settings.prefix + topic)
        (answer,) = await self._asked(lambda admin: admin.describe_configs([resource]), "settings of a topic")
        found = {name: value for *_, entries in answer.resources for name, value, *_ in entries}
        configs = self._configs(topic) | found
        return Kept(max(0, int(configs["retention.ms"])) / 1000, max(0, int(configs["retention.bytes"])))

    async def since(self, partitions: Iterable[TopicPartition], time: int) -> dict[TopicPartition, int]:
        """Return the offset of each one's first record that was appended at `time` or later; its end where none was."""
        names = [self.name(partition) for partition in partitions]
        async with self._reading() as reader:
            high = await reader.end_offsets(names)
            found = await reader.offsets_for_times(dict.fromkeys(names, max(0, time // 1000)))
        return {self.partition(name): found[name].offset if found.get(name) else high[name] for name in names}

    async def read(self, partition: TopicPartition, offset: int, limit: int) -> list[Record]:
        """Return up to `limit` records from `offset` on, or from the oldest where that is gone."""
        name, records = self.name(partition), list[Record]()
        async with self._reading() as reader:
            first = max(offset, (await reader.beginning_offsets([name]))[name])
            wanted = min(limit, (await reader.end_offsets([name]))[name] - first)
            if wanted <= 0:
                return []
            reader.assign([name])
            reader.seek(name, first)
            while len(records) < wanted:
                found = await reader.getmany(timeout_ms=100, max_records=wanted - len(records))
                records += [each for batch in found.values() for each in records_of(partition, batch)]
            reader.unsubscribe()  # else it would go on fetching
        return records

    async def aclose(self) -> None:
        """Close both clients."""
        await self._drop_admin()
        await self._drop_reader()

    # Topics ---------------------------------------------------------------------------------------------------------

    async def _describe(self, admin: Any) -> dict[str, Topic]:
        client = admin._client  # noqa: SLF001 - the admin's own requests know no topic ids
        names = {self.settings.prefix + topic: topic for topic in TOPICS}
        answer = await client.send(client.get_random_node(), MetadataRequest(names))
        return {
            names[name]: Topic(f"{answer.cluster}/{identity.hex()}", len(partitions))
            for error, name, identity, _internal, partitions, *_ in answer.topics
            if not error and not any(failed for failed, *_ in partitions)
        }

    async def _describe_all(self, admin: Any) -> dict[str, Topic]:
        """The controller answers creation; the other brokers hear of it a moment later."""
        described = await self._describe(admin)
        if len(described) < len(TOPICS):
            raise TimeoutError("not all topics are there yet")
        return described

    async def _create(self, admin: Any, topics: Sequence[str]) -> None:
        wanted = [self._new_topic(topic) for topic in topics]
        answer = await admin.create_topics(wanted, timeout_ms=int(REQUEST_SECONDS * 1000))
        for name, code, *message in answer.topic_errors:
            error = for_code(code)
            if not code or error is TopicAlreadyExistsError:
                continue
            if error.retriable:
                raise error
            raise SettingsError(f"kafka does not make {name} ({error.__name__} {message}): make it, or allow us to")

    def _new_topic(self, topic: str) -> Any:
        name, shape = self.settings.prefix + topic, shape_of(topic, self.settings)
        return NewTopic(name, shape.partitions, self.settings.replication, topic_configs=self._configs(topic))

    def _configs(self, topic: str) -> dict[str, str]:
        shape = shape_of(topic, self.settings)
        return {
            "message.timestamp.type": "LogAppendTime",
            "retention.ms": str(shape.retention_seconds * 1000 or -1),
            "retention.bytes": str(shape.retention_bytes // shape.partitions or -1),
            "max.message.bytes": str(max(self.settings.max_value_bytes, BATCH_BYTES) + 2 * MAX_KEY_AND_HEADERS),
        }

    # Clients --------------------------------------------------------------------------------------------------------

    @property
    def _patience(self) -> float:
        return min(REQUEST_SECONDS, self.settings.publish_timeout)

    async def _asked(self, question: Callable[[Any], Awaitable[T]], what: str) -> T:
        """Return the admin client's answer, asking again for as long as a request may take. Raises Retry after that."""
        reason = ""
        try:
            async with asyncio.timeout(self._patience), self._admin_lock:
                while True:
                    try:
                        return await question(await self._connected_admin())
                    except AWAY as error:
                        reason = repr(error)
                        if not isinstance(error, TimeoutError):  # a TimeoutError is our own: not ready yet
                            await self._drop_admin()
                    await asyncio.sleep(_PAUSE)
        except TimeoutError:
            await self._drop_admin()
            raise Retry(f"kafka: no answer to {what} in {self._patience} s: {reason}") from None

    async def _connected_admin(self) -> Any:
        if self._admin is None:
            admin = AIOKafkaAdminClient(**self.options)
            try:
                await admin.start()
            except BaseException:
                await admin.close()
                raise
            self._admin = admin
        return self._admin

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Any]:
        """A consumer without a group, for one caller at a time. Raises Retry where the cluster does not answer."""
        try:
            async with asyncio.timeout(self._patience), self._reader_lock:
                try:
                    yield await self._connected_reader()
                except BaseException:
                    await self._drop_reader()
                    raise
        except AWAY as error:
            raise Retry(f"kafka: {error!r}") from None

    async def _connected_reader(self) -> Any:
        if self._reader is None:
            self._reader = AIOKafkaConsumer(
                **self.options,
                auto_offset_reset="earliest",
                enable_auto_commit=False,
                fetch_max_wait_ms=_SHORT_WAIT_MS,
            )
            await self._reader.start()
        return self._reader

    async def _drop_admin(self) -> None:
        admin, self._admin = self._admin, None
        if admin is not None:
            await stopped(admin.close())

    async def _drop_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await stopped(reader.stop())
