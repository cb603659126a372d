"""The Kafka bus: the contract on a real broker, and what only it promises."""

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.admin import AIOKafkaAdminClient, RecordsToDelete

from soc.bus import connect
from soc.bus.base import TOPICS, Bus, TopicPartition
from soc.clock import SystemClock
from soc.metrics import Metrics
from soc.settings import BusSettings
from tests.services.shared import KafkaAddress
from tests.soc.bus.contract import PARTITIONS, BusContract


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
        while {self._prefix + topic for topic in TOPICS} & set(await self._admin.list_topics()):
            await asyncio.sleep(0.05)
