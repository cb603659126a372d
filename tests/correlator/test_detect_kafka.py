"""What detect says of the ends of soc.events, on a real Kafka."""

import asyncio
import uuid
from pathlib import Path

import orjson

from correlator.compiler.compile import compile_files
from correlator.detect import Detector
from correlator.rules import RuleSet
from soc.bus import connect
from soc.bus.base import EVENTS, HITS, Bus, Consumer, Message, TopicPartition
from soc.clock import SECOND, SystemClock
from soc.events import to_wire
from soc.metrics import Metrics
from soc.settings import BusSettings, CorrelateSettings, Settings
from soc.testing import make_event
from tests.correlator.conftest import HEAD
from tests.correlator.plans import linked, plan_of
from tests.services.shared import KafkaAddress

PARTITIONS = 2


async def marks_on(bus: Bus, number: int) -> list[tuple[int, int, int]]:
    """Return the watermarks on a partition of soc.hits, in order: partition of soc.events, offset, time."""
    records = await bus.read(TopicPartition(HITS, number), 0, 10_000)
    return [(*mark,) for record in records for _, *mark in orjson.loads(record.value)["clocks"]]


async def until_said(detector: Detector, bus: Bus, consumer: Consumer, *wanted: tuple[int, int]) -> None:
    """Work until every partition of soc.hits has been told of these partitions and offsets."""
    async with asyncio.timeout(60):
        while True:
            await detector.detect(await consumer.poll(500, 0.3))
            told = [{mark[:2] for mark in await marks_on(bus, number)} for number in range(PARTITIONS)]
            if all(each in marks for each in wanted for marks in told):
                return


async def test_the_clock_goes_on_where_nothing_happens(kafka_service: KafkaAddress, tmp_path: Path) -> None:
    """Also of a partition without a record, by the difference of clocks behind now; never ahead of what is read later."""
    file = tmp_path / "rule.yml"
    file.write_text(HEAD + "    sel:\n        Action: login_failed\n    condition: sel\n")
    rules = RuleSet(compile_files([file], {}).rules, plan=plan_of(linked(("User",))))
    url = f"kafka://{kafka_service.bootstrap}"
    settings = Settings(
        bus=BusSettings(url=url, partitions=PARTITIONS, prefix=f"{uuid.uuid4().hex[:8]}."),
        correlate=CorrelateSettings(clock_difference_seconds=100.0),  # what is read sooner is said by its own time
    )
    async with connect(settings.bus, Metrics(), SystemClock()) as bus, bus.consumer("detect", [EVENTS]) as consumer:
        detector = Detector(settings, rules, bus, Metrics(), SystemClock())
        detector.follow(consumer)
        await bus.publish(EVENTS, [Message(b"k", to_wire(make_event(n)), (), 0) for n in range(20)])
        await until_said(detector, bus, consumer, (0, 20), (1, 0))
        await bus.publish(EVENTS, [Message(b"k", to_wire(make_event(20)), (), 1)])
        (late,) = await bus.read(TopicPartition(EVENTS, 1), 0, 10)
        await until_said(detector, bus, consumer, (0, 20), (1, 1))
        found = [mark for number in range(PARTITIONS) for mark in await marks_on(bus, number)]
    assert all(mark[2] + 60 * SECOND <= late.timestamp for mark in found if mark[:2] == (1, 0))
    assert late.timestamp - 60 * SECOND in {mark[2] for mark in found if mark[:2] == (1, 1)}
