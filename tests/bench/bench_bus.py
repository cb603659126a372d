"""What the bus costs: CPU an event on Kafka, events a second on SQLite, and what waiting costs.

An event is 1 kB on the wire; the loop is uvloop, as in the service. CPU is that of this process, all threads, with encoding (to_wire) and decoding (from_wire).
"""

import asyncio
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import uvloop

from soc.bus import connect
from soc.bus.base import EVENTS, MATCHES, Bus, Message
from soc.clock import SystemClock
from soc.events import SCHEMA, Event, from_wire, to_wire
from soc.metrics import Metrics
from soc.settings import BusSettings
from soc.testing import make_event
from tests.bench.figures import Figure
from tests.services.kafka import Kafka

COUNT, RUNS = 100_000, 3
POOL = 5_000
"""Events that are made beforehand and published again and again."""
BATCH = 1_000
POLL = 500
HEADERS = (("schema", SCHEMA),)
IDLE_SECONDS = 5.0
PROBES = 100


def run() -> list[Figure]:
    """Return the figures of SQLite files and of a Kafka with the tests' 512 MB heap."""
    with tempfile.TemporaryDirectory() as folder:
        figures = uvloop.run(_sqlite(Path(folder) / "bus"))
        with Kafka(Path(folder) / "kafka") as broker:
            return figures + uvloop.run(_kafka(broker))


async def _sqlite(folder: Path) -> list[Figure]:
    settings = BusSettings(url=f"sqlite:///{folder}", linger=0)
    async with _open(settings) as bus:
        published = await _measure(lambda: _publish_values(bus))
        polled = await _measure(lambda: _poll_values(bus))
        return [
            Figure("SQLite bus: durable publish in batches of 1,000", COUNT / published.seconds, "events/s", 100_000),
            Figure("SQLite bus: poll by 500", COUNT / polled.seconds, "events/s", 100_000),
            Figure("SQLite bus: CPU an event published", published.cpu / COUNT * 1e6, "us"),
            Figure("SQLite bus: CPU an event polled", polled.cpu / COUNT * 1e6, "us"),
            Figure("SQLite bus: publish of one event, 99th percentile", await _publish_latency(bus), "ms"),
            Figure("SQLite bus: CPU of one idle member", await _idle_share(bus), "%", 1.0, "most"),
        ]


async def _kafka(broker: Kafka) -> list[Figure]:
    async with _open(BusSettings(url=f"kafka://{broker.bootstrap}")) as bus:
        events = _events()
        await _publish_events(bus, events, BATCH)
        await _poll_events(bus, BATCH)
        published = await _measure(lambda: _publish_events(bus, events, COUNT))
        polled = await _measure(lambda: _poll_events(bus, COUNT))
        return [
            Figure("Kafka: publish, CPU an event with encoding", published.cpu / COUNT * 1e6, "us", 8, "most"),
            Figure("Kafka: poll, CPU an event with decoding", polled.cpu / COUNT * 1e6, "us", 10, "most"),
            Figure("Kafka: publish", COUNT / published.seconds, "events/s"),
            Figure("Kafka: poll", COUNT / polled.seconds, "events/s"),
            Figure("Kafka: publish of one event, 99th percentile", await _publish_latency(bus), "ms"),
            Figure("Kafka: CPU of one idle member", await _idle_share(bus), "%"),
        ]


class _Cost:
    """What a piece of work took: `seconds` by the clock, `cpu` seconds of this process."""

    def __init__(self, seconds: float, cpu: float) -> None:
        self.seconds = seconds
        self.cpu = cpu


async def _measure(work: Callable[[], Awaitable[None]]) -> _Cost:
    """Return the least of several runs: whatever else the machine does only adds."""
    costs = []
    for _ in range(RUNS):
        cpu, clock = _cpu(), time.perf_counter()
        await work()
        costs.append(_Cost(time.perf_counter() - clock, _cpu() - cpu))
    return _Cost(min(cost.seconds for cost in costs), min(cost.cpu for cost in costs))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@asynccontextmanager
async def _open(settings: BusSettings) -> AsyncIterator[Bus]:
    async with connect(settings, Metrics(), SystemClock()) as bus:
        yield bus


def _events() -> list[Event]:
    """Return events of 1 kB on the wire, of a hundred hosts."""
    events = [make_event(n, host=f"host-{n % 100:03}") for n in range(POOL)]
    missing = 1000 - len(to_wire(events[0]))
    return [
        event._replace(raw=f"{event.raw}{'abcdefghij' * 100}"[: len(event.raw or "") + missing]) for event in events
    ]


async def _publish_events(bus: Bus, events: list[Event], count: int) -> None:
    for first in range(0, count, BATCH):
        at = first % POOL
        messages = [
            Message(f"{event.site}/{event.host}".encode(), to_wire(event), HEADERS) for event in events[at : at + BATCH]
        ]
        await bus.publish(EVENTS, messages)


async def _poll_events(bus: Bus, count: int) -> None:
    async with bus.consumer(uuid4().hex, [EVENTS]) as consumer:
        polled = 0
        while polled < count:
            records = await consumer.poll(POLL)
            events = [from_wire(record.value, record.header("schema") or b"") for record in records]
            polled += len(events)


async def _publish_values(bus: Bus) -> None:
    values = [Message(b"site/host-%03d" % (n % 100), b"x" * 1000, HEADERS) for n in range(BATCH)]
    for _ in range(COUNT // BATCH):
        await bus.publish(EVENTS, values)


async def _poll_values(bus: Bus) -> None:
    async with bus.consumer(uuid4().hex, [EVENTS]) as consumer:
        polled = 0
        while polled < COUNT:
            polled += len(await consumer.poll(POLL))


async def _publish_latency(bus: Bus) -> float:
    times = []
    for _ in range(PROBES):
        started = time.perf_counter()
        await bus.publish(MATCHES, [Message(b"k", b"x" * 1000)])
        times.append(time.perf_counter() - started)
    return sorted(times)[int(PROBES * 0.99) - 1] * 1e3


async def _idle_share(bus: Bus) -> float:
    """Return the share of one core that a member costs while nothing happens, in percent."""
    async with bus.consumer("idle", [MATCHES]) as consumer:
        while await consumer.poll(5000):
            pass
        await asyncio.sleep(1.0)
        cpu, started = _cpu(), time.perf_counter()
        while time.perf_counter() - started < IDLE_SECONDS:
            await consumer.poll(POLL, 1.0)
        return (_cpu() - cpu) / (time.perf_counter() - started) * 100
