"""Correlators that share the partitions of soc.hits on a real Kafka: members come, go and hang, and no match changes."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from random import Random

import pytest

from correlator.correlate import NAME
from soc import bus as buses
from soc.bus.base import HITS, Bus, Record, TopicPartition
from soc.bus.work import work
from soc.clock import SECOND, SystemClock
from soc.metrics import Metrics
from soc.settings import BusSettings, Settings
from tests.correlator.correlation.model import expected, first_copies
from tests.correlator.correlation.strategies import Lives, correlations, in_time, plan_of
from tests.correlator.crashing import Idle, Scene, detected, ids
from tests.services.shared import KafkaAddress

LATENESS = 8
QUIET = 5
"""Polls without a record after which a member leaves."""


@pytest.fixture
async def kafka(kafka_service: KafkaAddress, metrics: Metrics) -> AsyncIterator[Bus]:
    """A bus with topics of its own."""
    url, prefix = f"kafka://{kafka_service.bootstrap}", f"{uuid.uuid4().hex[:8]}."
    settings = BusSettings(url=url, prefix=prefix, partitions=2, session_timeout=6)
    async with buses.connect(settings, metrics, SystemClock()) as bus:
        yield bus


async def member(scene: Scene, batches: int, hang: float = 0.0) -> None:
    """Work for so many batches, or until nothing comes; hang before the last one is committed, and then be gone."""
    left, quiet = batches, 0

    async def handle(batch: Sequence[Record]) -> Mapping[TopicPartition, str]:
        nonlocal left, quiet
        answer = await correlator.correlate(batch)
        left -= bool(batch)
        quiet = 0 if batch or not consumer.assignment() else quiet + 1
        if left <= 0 or quiet > QUIET:
            await asyncio.sleep(hang)
            raise Idle
        return answer

    async with scene.bus.consumer(NAME, [HITS]) as consumer:
        correlator = scene.correlator(consumer)
        with suppress(Idle):
            await work(
                consumer,
                handle,
                bus=scene.bus,
                metrics=scene.metrics,
                clock=scene.clock,
                name=NAME,
                max_records=10,
                idle=0.1,
            )


async def done(bus: Bus) -> bool:
    """Tell whether nothing is left: two looks, for what is done on one partition may give another something to do."""
    for _ in range(2):
        if any((await bus.lag(NAME, HITS)).values()):
            return False
        await asyncio.sleep(0.3)
    return True


async def test_rebalances_change_no_match(settings: Settings, metrics: Metrics, kafka: Bus) -> None:
    """Two correlators divide the partitions again and again, in the middle of batches, which they leave uncommitted."""
    random = Random(300)
    made = correlations(random)
    events = Lives(random, 2, LATENESS * SECOND).events(80, in_time(LATENESS * SECOND))
    late = settings.model_copy(
        update={"correlate": settings.correlate.model_copy(update={"lateness_seconds": LATENESS})}
    )
    scene = Scene(late, kafka, plan_of(made), metrics)
    await detected(kafka, scene.plan, [], LATENESS, end=0)
    await member(scene, 3)
    scene.clock.advance(10**6)
    await detected(kafka, scene.plan, events, LATENESS, at_once=1)
    rounds = 0
    while not await done(kafka):
        rounds += 1
        assert rounds < 60
        await asyncio.gather(member(scene, random.randint(2, 4), hang=1.0), member(scene, random.randint(4, 8)))
    want = ids(expected(first_copies(each for _, each in events), made, LATENESS * SECOND))
    assert set(await scene.matches()) == want
    assert rounds > 1
