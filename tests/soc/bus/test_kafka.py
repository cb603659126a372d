"""The Kafka bus: the contract on a real broker, and what only it promises."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from structlog.testing import capture_logs

from soc.bus import connect
from soc.bus.base import HITS, MATCHES, TOPICS, Bus, Commit, Message, Record, TopicPartition
from soc.bus.kafka import KafkaBus, pressure, producers
from soc.bus.kafka.cluster import Cluster, client_options, hosts_of
from soc.clock import DAY, SystemClock
from soc.errors import Abandon, DeadLetter, Retry, SettingsError, SlowDown
from soc.metrics import Metrics
from soc.settings import BusSettings
from tests.services.kafka import Kafka
from tests.services.shared import KafkaAddress
from tests.soc.bus.contract import PARTITIONS, BusContract, behind, drain, numbers, poll_forever

ONE = TopicPartition(MATCHES, 0)


def in_order(count: int, first: int = 0, size: int = 0) -> list[Message]:
    """Return numbered messages of one partition; with `size`, that many bytes that do not compress follow."""
    return [
        Message(b"k", b"%d" % n + (b" " + os.urandom(size).hex().encode() if size else b""), (), 0)
        for n in range(first, first + count)
    ]


async def everything(bus: Bus, partition: TopicPartition = ONE) -> list[int]:
    """Return the numbers in the partition, in order."""
    records: list[Record] = []
    while found := await bus.read(partition, len(records), 10_000):
        records += found
    return [int(record.value.partition(b" ")[0]) for record in records]


async def until_taken(bus: Bus, messages: list[Message]) -> None:
    """Publish until it is acknowledged."""
    async with asyncio.timeout(100):
        while True:
            try:
                await bus.publish(MATCHES, messages)
            except Retry:
                await asyncio.sleep(0.1)
            else:
                return


def replaced(bus: Bus) -> float:
    """Return how many producers were replaced."""
    assert isinstance(bus, KafkaBus)
    return float(bus._metrics.bus_producers_replaced._value.get())


class TestKafka(BusContract):
    """Kafka keeps every promise of the port."""

    session = 6.0

    @pytest.fixture
    async def admin(self, kafka_service: KafkaAddress) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(bootstrap_servers=kafka_service.bootstrap)
        await admin.start()
        yield admin
        await admin.close()

    @pytest.fixture
    async def settings(self, kafka_service: KafkaAddress, admin: AIOKafkaAdminClient) -> AsyncIterator[BusSettings]:
        self._admin = admin
        self._prefix = f"{uuid.uuid4().hex[:8]}."
        yield BusSettings(
            url=f"kafka://{kafka_service.bootstrap}",
            partitions=PARTITIONS,
            prefix=self._prefix,
            session_timeout=self.session,
        )
        await admin.delete_topics([self._prefix + topic for topic in TOPICS])

    async def lose(self, bus: Bus, partition: TopicPartition) -> None:
        name = KafkaPartition(self._prefix + partition.topic, partition.partition)
        await self._admin.delete_records({name: RecordsToDelete(before_offset=-1)})

    async def remake(self, settings: BusSettings) -> None:
        await self._admin.delete_topics([self._prefix + topic for topic in TOPICS])
        while {self._prefix + topic for topic in TOPICS} & set(await self._admin.list_topics()):  # noqa: ASYNC110 - a broker sets no event
            await asyncio.sleep(0.05)

    @pytest.fixture
    def looking_often(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pressure, "LOOK_SECONDS", 0.1)

    @pytest.mark.usefixtures("looking_often")
    async def test_publishers_slow_down_when_a_group_has_old_records(self, bus: Bus) -> None:
        """By the topic's own retention, whatever our settings say; not for a group whose last member has left."""
        await self.alter({"retention.ms": "2000", "retention.bytes": "-1"})
        await bus.publish(MATCHES, in_order(10))
        async with bus.consumer("g", [MATCHES]) as consumer:
            await drain(consumer, 10)
            await consumer.commit({ONE: Commit(9)})
            async with asyncio.timeout(60):
                with pytest.raises(SlowDown, match=r"'g' has records .* older than 90% of the 2 s"):
                    await self.publish_on(bus)
            await consumer.commit({ONE: Commit((await bus.ends(MATCHES))[0].high)})
            await until_taken(bus, in_order(1))
            await consumer.commit({ONE: Commit(9)})
            with pytest.raises(SlowDown):
                await self.publish_on(bus)
        await until_taken(bus, in_order(1))

    async def publish_on(self, bus: Bus) -> None:
        while True:
            await bus.publish(MATCHES, in_order(1))
            await asyncio.sleep(0.1)

    @pytest.mark.usefixtures("looking_often")
    async def test_what_cannot_be_known_slows_nobody_down(
        self, bus: Bus, settings: BusSettings, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A cluster that answers no question about groups."""
        asked = asyncio.Event()

        async def refused(_cluster: Cluster) -> list[str]:
            asked.set()
            raise ValueError("an answer that nobody expects")

        monkeypatch.setattr(Cluster, "groups", refused)
        await bus.publish(MATCHES, in_order(10))
        async with asyncio.timeout(60):
            await asked.wait()
        await bus.publish(MATCHES, in_order(10, 10))
        assert await everything(bus) == list(range(20))

    async def alter(self, configs: dict[str, str]) -> None:
        """Set the topic's settings, and wait until the broker has them."""
        await self._admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, self._prefix + MATCHES, configs)])
        async with asyncio.timeout(60):
            while not configs.items() <= (await self.configs()).items():  # noqa: ASYNC110 - a broker sets no event
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # what it tells it does soon after

    async def configs(self) -> dict[str, str]:
        """Return the topic's settings."""
        topic = ConfigResource(ConfigResourceType.TOPIC, self._prefix + MATCHES)
        (answer,) = await self._admin.describe_configs([topic])
        return {name: value for name, value, *_ in answer.resources[0][4]}

    async def test_topics_are_made_as_wanted(self, bus: Bus, settings: BusSettings) -> None:
        """Append time, both bounds of retention (bytes divided among the partitions), room for the largest value."""
        configs = await self.configs()
        assert configs["message.timestamp.type"] == "LogAppendTime"
        assert int(configs["retention.ms"]) == settings.retention_hours * 3_600_000
        assert int(configs["retention.bytes"]) == settings.retention_bytes // PARTITIONS
        assert int(configs["max.message.bytes"]) > settings.max_value_bytes

    async def test_soc_hits_is_kept_for_longer(self, settings: BusSettings) -> None:
        """Correlations need their longest timespan; a topic that is there and keeps less is told of."""
        longer = settings.model_copy(update={"hits_retention_hours": settings.retention_hours + 100})
        with capture_logs() as logs:
            async with connect(longer, Metrics(), SystemClock()) as bus:
                assert isinstance(bus, KafkaBus)
                assert (await bus._cluster.kept(HITS)).seconds == (settings.retention_hours + 100) * 3600
                assert (await bus._cluster.kept(MATCHES)).seconds == settings.retention_hours * 3600
            assert not logs
            longest = settings.model_copy(update={"hits_retention_hours": settings.retention_hours + 200})
            async with connect(longest, Metrics(), SystemClock()):
                pass
        assert [(each["event"], each["topic"]) for each in logs] == [("topic keeps records for too short a time", HITS)]

    async def test_a_publishers_clock_says_nothing(self, settings: BusSettings) -> None:
        """The broker's does: a publisher whose clock is wrong makes no record early or late."""

        class WrongClock(SystemClock):
            def now(self) -> int:
                return super().now() - DAY

        async with connect(settings, Metrics(), WrongClock()) as bus:
            before = SystemClock().now()
            await bus.publish(MATCHES, in_order(10))
            times = {record.timestamp for record in await bus.read(ONE, 0, 10)}
            assert before - 50_000 <= min(times) <= max(times) <= SystemClock().now() + 50_000

    async def test_a_poisoned_producer_recovers(self, bus: Bus) -> None:
        """After OutOfOrderSequenceNumber every later batch would fail: the producer is replaced, the batch sent again."""
        await bus.publish(MATCHES, in_order(10))
        assert isinstance(bus, KafkaBus)
        assert bus._producers
        assert bus._producers._current
        sequences = bus._producers._current.kafka._txn_manager._sequence_numbers
        sequences[KafkaPartition(self._prefix + MATCHES, 0)] += 7
        await bus.publish(MATCHES, in_order(10, 10))
        await bus.publish(MATCHES, in_order(10, 20))
        assert await everything(bus) == list(range(30))
        assert replaced(bus) == 1

    async def test_a_batch_that_a_topic_refuses_is_divided(self, bus: Bus) -> None:
        """A topic that somebody made for smaller batches takes them divided; what is too large alone is a dead letter."""
        await self.alter({"max.message.bytes": "3000"})
        await bus.publish(MATCHES, in_order(20, size=300))
        with pytest.raises(DeadLetter) as refused:
            await bus.publish(MATCHES, in_order(1, 99, size=5000))
        assert refused.value.reason == "too_large"
        await bus.publish(MATCHES, in_order(5, 20))
        assert await everything(bus) == list(range(25))
        assert replaced(bus) >= 2

    async def test_a_producer_is_replaced_before_its_sequence_ends(
        self, bus: Bus, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """2^31 records would stop a partition for good."""
        monkeypatch.setattr(producers, "_RECORDS_A_PRODUCER", 100)
        for first in range(0, 350, 50):
            await bus.publish(MATCHES, in_order(50, first))
        assert await everything(bus) == list(range(350))
        assert replaced(bus) == 3

    async def test_a_position_behind_the_logs_end_begins_anew(self, bus: Bus) -> None:
        """A broker that lost its log's end (power, no flush) numbers anew: nothing new is passed over."""
        await bus.publish(MATCHES, in_order(10))
        async with bus.consumer("g", [MATCHES]) as consumer:
            await drain(consumer, 10)
            await consumer.commit({ONE: Commit(50)})
        async with bus.consumer("g", [MATCHES]) as consumer:
            assert numbers(await drain(consumer, 10)) == list(range(10))

    async def test_installations_share_a_cluster(self, bus: Bus, settings: BusSettings) -> None:
        """Another prefix is another bus: other topics, other groups."""
        await bus.publish(MATCHES, in_order(3))
        prefix = f"{uuid.uuid4().hex[:8]}."
        changed = settings.model_copy(update={"prefix": prefix})
        async with connect(changed, Metrics(), SystemClock()) as other:
            assert await everything(other) == []
            assert await other.identity(MATCHES) != await bus.identity(MATCHES)
        await self._admin.delete_topics([prefix + topic for topic in TOPICS])


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A broker of our own, to be killed."""
    with Kafka(tmp_path_factory.mktemp("broker")) as broker:
        yield broker


class TestAway:
    """A broker that is killed or stands still, and comes back."""

    @pytest.fixture
    def settings(self, broker: Kafka) -> BusSettings:
        return BusSettings(
            url=f"kafka://{broker.bootstrap}",
            partitions=PARTITIONS,
            prefix=f"{uuid.uuid4().hex[:8]}.",
            publish_timeout=5.0,
            session_timeout=6.0,
        )

    @pytest.fixture
    async def bus(self, settings: BusSettings) -> AsyncIterator[Bus]:
        async with connect(settings, Metrics(), SystemClock()) as bus:
            yield bus

    async def test_every_call_answers_retry_in_time_and_goes_on_later(
        self, bus: Bus, settings: BusSettings, broker: Kafka
    ) -> None:
        """Kill -9 of the broker: nothing hangs, nothing acknowledged is lost, everything goes on when it is back."""
        await bus.publish(MATCHES, in_order(100))
        async with bus.consumer("g", [MATCHES]) as consumer:
            records = await drain(consumer, 100)
            await consumer.commit(behind(records[:50]))
            await asyncio.to_thread(broker.kill)
            await self.refuses(bus, settings, lambda: self.commit(consumer, records))
            async with asyncio.timeout(60):
                with pytest.raises(Retry):
                    await poll_forever(consumer)
            await asyncio.to_thread(broker.start)
            await until_taken(bus, in_order(100, 100))
            async with asyncio.timeout(100):
                seen = {record.offset for record in records}
                while seen != set(range(await self.high(bus))):
                    try:
                        seen |= {record.offset for record in await consumer.poll(500, 0.5)}
                    except Retry:
                        await asyncio.sleep(0.1)
        assert _first(await everything(bus)) == list(range(200))

    async def test_a_broker_that_stands_still_is_survived(self, bus: Bus, broker: Kafka) -> None:
        """SIGSTOP keeps connections open and answers nothing: Retry in time, and order is kept afterwards."""
        await bus.publish(MATCHES, in_order(100))
        await asyncio.to_thread(broker.pause)
        try:
            async with asyncio.timeout(60):
                with pytest.raises(Retry):
                    await bus.publish(MATCHES, in_order(100, 100))
                with pytest.raises(Retry):
                    await bus.ends(MATCHES)
        finally:
            await asyncio.to_thread(broker.resume)
        await until_taken(bus, in_order(100, 100))
        await until_taken(bus, in_order(100, 200))
        assert _first(await everything(bus)) == list(range(300))

    async def test_a_rewind_that_failed_is_made_up_for(self, bus: Bus, broker: Kafka) -> None:
        """The broker stands still just when a handler gave its batch back: the batch comes again, none is passed over."""
        await bus.publish(MATCHES, in_order(10))
        async with bus.consumer("g", [MATCHES]) as consumer:
            records = await drain(consumer, 10)
            await consumer.commit(behind(records[:4]))
            await asyncio.to_thread(broker.pause)
            try:
                with pytest.raises(Retry):
                    await consumer.rewind()
            finally:
                await asyncio.to_thread(broker.resume)
            with pytest.raises(Abandon):
                await consumer.commit(behind(records))
            again: list[Record] = []
            async with asyncio.timeout(100):
                while len(again) < 6:
                    with suppress(Retry):
                        again += await consumer.poll(500, 0.5)
            assert numbers(again) == [4, 5, 6, 7, 8, 9]

    async def test_acknowledged_records_survive_kills_under_load(self, bus: Bus, broker: Kafka) -> None:
        """A broker that is killed again and again while we publish loses nothing that was acknowledged, nor its order."""

        async def publish(count: int) -> None:
            for first in range(0, count, 20):
                await until_taken(bus, in_order(20, first))
                await asyncio.sleep(0.01)

        async with asyncio.TaskGroup() as tasks:
            publishing = tasks.create_task(publish(1_000_000))
            for _ in range(2):
                await asyncio.sleep(1.5)
                await asyncio.to_thread(broker.restart)
            assert not publishing.done()
            publishing.cancel()
        found = _first(await everything(bus))
        assert found == list(range(len(found)))
        assert len(found) >= 100

    async def refuses(self, bus: Bus, settings: BusSettings, commit: Callable[[], Awaitable[None]]) -> None:
        """Everything that asks the broker raises Retry within its deadline."""
        calls: list[Callable[[], Awaitable[Any]]] = [
            lambda: bus.publish(MATCHES, in_order(100, 100)),
            lambda: bus.ends(MATCHES),
            lambda: bus.lag("g", MATCHES),
            lambda: bus.identity(MATCHES),
            lambda: bus.read(ONE, 0, 10),
            lambda: connect(settings, Metrics(), SystemClock()).open(),
            lambda: bus.consumer("h", [MATCHES]).poll(),
            commit,
        ]
        for call in calls:
            async with asyncio.timeout(40):
                with pytest.raises(Retry):
                    await call()

    async def commit(self, consumer: Any, records: list[Record]) -> None:
        await consumer.commit({ONE: Commit(records[-1].offset)})

    async def high(self, bus: Bus) -> int:
        return (await bus.ends(MATCHES))[0].high


def _first(found: list[int]) -> list[int]:
    """Return each number where it came first: what was sent again may stand twice."""
    return list(dict.fromkeys(found))


def test_a_url_names_brokers() -> None:
    """One or more addresses, with ports."""
    assert hosts_of("kafka://a:1,b:2") == ["a:1", "b:2"]
    for url in ("kafka://", "kafka://a", "kafka://a:x", "kafka://a:1,b"):
        with pytest.raises(SettingsError, match=r"bus\.url"):
            hosts_of(url)


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    """TLS settings are checked before anything is sent."""
    settings = BusSettings(url="kafka://a:1", security="SSL", ca_file=str(tmp_path / "none.pem"))
    with pytest.raises(SettingsError, match=r"bus\.ca_file"):
        client_options(settings)
