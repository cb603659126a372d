"""The whole room on a real Kafka: numbers and summaries live in commits' metadata there too."""

import uuid
from collections.abc import AsyncIterator

import pytest

from alerting.group import GROUP
from soc import bus as buses
from soc.alerts import Level
from soc.bus.base import CASES, Bus
from soc.clock import SystemClock
from soc.metrics import Metrics
from soc.settings import BusSettings
from soc.store.base import Store
from tests.alerting.conftest import caught_up
from tests.alerting.nationals import received
from tests.alerting.test_group import match, message
from tests.alerting.test_stage import outside, settled, staged
from tests.services.shared import KafkaAddress


@pytest.fixture
async def bus(kafka_service: KafkaAddress, metrics: Metrics) -> AsyncIterator[Bus]:
    """A bus with topics of its own."""
    url, prefix = f"kafka://{kafka_service.bootstrap}", f"{uuid.uuid4().hex[:8]}."
    settings = BusSettings(url=url, prefix=prefix, partitions=2, session_timeout=6)
    async with buses.connect(settings, metrics, SystemClock()) as opened:
        yield opened


async def test_restarts_repeat_and_skip_nothing(bus: Bus, store: Store) -> None:
    """Each alert is told, numbers go on where they stood, nothing conflicts.

    A commit that the broker could not take when a stage ended repeats what it told, under the id that it had.
    """
    async with outside() as (settings, hook, mock):
        for round_ in range(3):
            async with staged(settings, bus, store):
                keys = [f"k{round_}-{each}" for each in range(4)]
                cases = [match(round_ * 100 + i, key, level=Level.CRITICAL) for i, key in enumerate(keys * 3)]
                await bus.publish(CASES, [message(case) for case in cases])
                await caught_up(bus, GROUP, CASES)
        async with staged(settings, bus, store):
            await settled(bus)
        assert len(set(hook.taken)) == 12
        assert [seq for seq, _ in received(mock)] == list(range(1, 13))
        counters = mock.ledger.counters()
        assert (counters["conflicts"], counters["invalid"]) == (0, 0)
