"""An embedded bus and store for each test, and stages that run beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from soc import bus as buses
from soc import store as stores
from soc.bus.base import Bus, Record, TopicPartition
from soc.clock import SystemClock
from soc.metrics import Metrics
from soc.settings import BusSettings, StoreSettings
from soc.store.base import Store
from soc.testing import NOW, ManualClock


class FactoryClock(SystemClock):
    """The machine's clock, set to soc.testing.NOW at its start: the factories' times are never past a retention."""

    def __init__(self) -> None:
        self._ahead = SystemClock.now(self) - NOW

    def now(self) -> int:
        """Return microseconds since the epoch."""
        return super().now() - self._ahead


@pytest.fixture
def metrics() -> Metrics:
    """Metrics of the test's own."""
    return Metrics()


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at soc.testing.NOW."""
    return ManualClock()


@pytest.fixture
async def bus(tmp_path: Path, metrics: Metrics) -> AsyncIterator[Bus]:
    """An open, empty bus with two partitions."""
    settings = BusSettings(url=f"sqlite:///{tmp_path}/bus", partitions=2)
    async with buses.connect(settings, metrics, SystemClock()) as opened:
        yield opened


@pytest.fixture
async def store(tmp_path: Path, metrics: Metrics, clock: ManualClock) -> AsyncIterator[Store]:
    """An open, empty store."""
    async with stores.connect(StoreSettings(url=f"sqlite:///{tmp_path}/store"), metrics, clock) as opened:
        yield opened


@asynccontextmanager
async def beside(run: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a stage while the block runs; its failure fails the block."""
    async with asyncio.TaskGroup() as group:
        task = group.create_task(run)
        yield
        task.cancel()


async def until(predicate: Callable[[], object], seconds: float = 100) -> None:
    """Wait until the predicate holds."""
    async with asyncio.timeout(seconds):
        while not predicate():  # noqa: ASYNC110 - what is waited for knows nothing of events
            await asyncio.sleep(0.01)


async def records_of(bus: Bus, topic: str) -> list[Record]:
    """Return all that is on the topic, partition by partition."""
    ends = await bus.ends(topic)
    pages = [await bus.read(TopicPartition(topic, each), 0, 10_000) for each in sorted(ends)]
    return [record for page in pages for record in page]


async def values_of(bus: Bus, topic: str) -> list[dict[str, Any]]:
    """Return all that is on the topic, decoded."""
    return [orjson.loads(record.value) for record in await records_of(bus, topic)]


async def caught_up(bus: Bus, group: str, topic: str) -> None:
    """Wait until the group has committed everything."""
    async with asyncio.timeout(100):
        while sum((await bus.lag(group, topic)).values()):  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
