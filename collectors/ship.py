"""From sockets to the bus: what was received waits in the Intake, the Shipper makes it events and publishes them."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple
from uuid import uuid4
from zoneinfo import ZoneInfo

import structlog

from collectors import syslog
from collectors.framing import Bad
from collectors.publish import message_of
from soc.bus.base import EVENTS, Bus, Message
from soc.bus.deadletters import Letter, bury, of_input
from soc.clock import Clock
from soc.errors import DeadLetter, Retry, SlowDown
from soc.events import Event, digest, to_wire
from soc.metrics import Metrics
from soc.settings import Settings

log = structlog.get_logger()

STAGE: Final = "collect"
PENDING_BYTES: Final = 64 * 1024 * 1024
"""Bytes received and not yet on the bus, beside the bound on messages."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


class Received(NamedTuple):
    """A message, or what was no message, as a socket gave it. `time`: microseconds since the epoch."""

    data: bytes | Bad
    time: int
    transport: str
    address: str

    @property
    def size(self) -> int:
        """How many bytes are held."""
        return len(self.data.raw) if isinstance(self.data, Bad) else len(self.data)


class Intake:
    """Messages received and not yet acknowledged by the bus: bounded, and it says when it is full."""

    def __init__(self, limit: int, metrics: Metrics) -> None:
        """Be full from `limit` messages or PENDING_BYTES on, and until half of that is gone."""
        self._limit = limit
        self._metrics = metrics
        self._queue: deque[Received] = deque()
        self._pending = 0
        self._bytes = 0
        self._wanted = 1
        self._ready = asyncio.Event()
        self._watchers: list[tuple[Callable[[], None], Callable[[], None]]] = []
        self.full = False
        self.closed = False

    def watch(self, on_full: Callable[[], None], on_room: Callable[[], None]) -> None:
        """Call `on_full` when nothing more should be read, `on_room` when reading may go on."""
        self._watchers.append((on_full, on_room))

    def put(self, items: Sequence[bytes | Bad], time: int, transport: str, address: str) -> None:
        """Take what was received, also when full: whoever can slow its sender down asks `full` before it reads."""
        received = [Received(item, time, transport, address) for item in items]
        size = sum(each.size for each in received)
        self._queue.extend(received)
        self._pending += len(received)
        self._bytes += size
        self._metrics.messages_received.labels(transport).inc(len(received))
        self._metrics.bytes_received.labels(transport).inc(size)
        if len(self._queue) >= self._wanted:
            self._ready.set()
        if not self.full and (self._pending >= self._limit or self._bytes >= PENDING_BYTES):
            self.full = True
            for on_full, _ in self._watchers:
                on_full()

    async def take(self, most: int, seconds: float) -> list[Received]:
        """Return up to `most` messages; fewer when `seconds` have passed since the first. [] once closed and empty."""
        await self._wait_for(1)
        if len(self._queue) < most and not self.closed:
            try:
                async with asyncio.timeout(seconds):
                    await self._wait_for(most)
            except TimeoutError:
                pass
        self._metrics.pending_messages.set(self._pending)
        return [self._queue.popleft() for _ in range(min(most, len(self._queue)))]

    async def _wait_for(self, count: int) -> None:
        self._wanted = count
        while len(self._queue) < count and not self.closed:
            self._ready.clear()
            await self._ready.wait()

    def settle(self, batch: Sequence[Received]) -> None:
        """Forget messages that the bus has acknowledged."""
        self._pending -= len(batch)
        self._bytes -= sum(each.size for each in batch)
        self._metrics.pending_messages.set(self._pending)
        if self.full and self._pending <= self._limit // 2 and self._bytes <= PENDING_BYTES // 2:
            self.full = False
            for _, on_room in self._watchers:
                on_room()

    def left(self) -> Sequence[Received]:
        """Return what nobody has taken."""
        return tuple(self._queue)

    def close(self) -> None:
        """Take no more; what is there is still handed out."""
        self.closed = True
        self._ready.set()


@dataclass
class _Batch:
    """Events and dead letters of one round, with the transports that their messages came by."""

    messages: list[Message] = field(default_factory=list)
    inputs: list[Received] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)


class Shipper:
    """Publishes what the Intake holds, batch after batch; a batch that the bus does not take is tried until it does.

    A syslog message has no position of its own: its event's id is a digest of the collector's name, an epoch drawn at
    process start, and a sequence number. Nothing is kept across a restart, so no id can come twice.
    """

    def __init__(self, settings: Settings, bus: Bus, intake: Intake, metrics: Metrics, clock: Clock) -> None:
        """Publish to `bus` under the site and collector name of the settings."""
        self._settings = settings
        self._bus = bus
        self._intake = intake
        self._metrics = metrics
        self._clock = clock
        self._zone = ZoneInfo(settings.collect.timezone)
        self._epoch = uuid4().hex
        self._sequence = 0
        self._in_hand: list[Received] = []
        self.away = ""
        """Why the bus takes nothing; empty while it does."""

    async def run(self) -> None:
        """Publish until the Intake is closed and empty. Raises Stop where the bus does."""
        collect = self._settings.collect
        while batch := await self._intake.take(collect.batch_messages, collect.batch_seconds):
            self._in_hand = batch
            await self._deliver(self._prepare(batch))
            self._in_hand = []
            self._intake.settle(batch)

    def abandon(self) -> Mapping[str, int]:
        """Return, by transport, how many messages are left, and count them as dropped: the end came first."""
        left = Counter(each.transport for each in (*self._in_hand, *self._intake.left()))
        for transport, count in left.items():
            self._metrics.messages_dropped.labels(transport, "stopped").inc(count)
        return left

    def _prepare(self, received: Sequence[Received]) -> _Batch:
        batch = _Batch()
        clocks: Counter[str] = Counter()
        for each in received:
            try:
                event = self._event(each)
                value = self._encoded(event)
            except DeadLetter as error:
                batch.letters.append(self._letter(each, error))
                continue
            if "clock" in event.source:
                clocks[event.source["clock"]] += 1
            batch.messages.append(message_of(event, value))
            batch.inputs.append(each)
        for cause, count in clocks.items():
            self._metrics.clock_replaced.labels(cause).inc(count)
        return batch

    def _event(self, each: Received) -> Event:
        if isinstance(each.data, Bad):
            raise DeadLetter(each.data.reason, f"{each.data.size} bytes")
        self._sequence += 1
        collect = self._settings.collect
        return syslog.parse(
            each.data,
            received=each.time,
            site=self._settings.site,
            source=self._source(each),
            id=digest(collect.name, self._epoch, self._sequence),
            zone=self._zone,
            max_future=collect.max_future_seconds,
        )

    def _source(self, each: Received) -> dict[str, Any]:
        collector = self._settings.collect.name
        return {"type": "syslog", "transport": each.transport, "address": each.address, "collector": collector}

    def _encoded(self, event: Event) -> bytes:
        value = to_wire(event)
        if len(value) > self._settings.bus.max_value_bytes:
            raise DeadLetter("too_large", f"{len(value)} bytes as an event")
        return value

    def _letter(self, each: Received, error: DeadLetter) -> Letter:
        raw, size = (each.data.raw, each.data.size) if isinstance(each.data, Bad) else (each.data, len(each.data))
        return replace(of_input(STAGE, raw, error, each.time, self._source(each)), size=size)

    async def _deliver(self, batch: _Batch) -> None:
        pause = FIRST_PAUSE
        while batch.messages or batch.letters:
            try:
                await self._publish(batch)
                self.away = ""
            except Retry as error:
                self.away = str(error)
                wait = error.after if isinstance(error, SlowDown) else pause
                self._metrics.stage_retries.labels(STAGE).inc()
                log.warning("the bus takes nothing, trying again", reason=self.away, seconds=wait)
                await self._clock.sleep(wait)
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _publish(self, batch: _Batch) -> None:
        """Publish events, then letters; what is acknowledged leaves the batch, so that a retry does not repeat it."""
        if batch.messages:
            try:
                await self._bus.publish(EVENTS, batch.messages)
            except DeadLetter as error:
                await self._publish_halves(batch, error)
                return
            for transport, count in Counter(each.transport for each in batch.inputs).items():
                self._metrics.events_published.labels(transport).inc(count)
            batch.messages, batch.inputs = [], []
        try:
            await bury(self._bus, self._metrics, batch.letters)
        except DeadLetter as error:
            log.error("dead letters that the bus refuses are dropped", reason=str(error), letters=len(batch.letters))  # noqa: TRY400 - the reason says all
            self._metrics.messages_dropped.labels("any", "unburied").inc(len(batch.letters))
        batch.letters = []

    async def _publish_halves(self, batch: _Batch, error: DeadLetter) -> None:
        """Find the event that the bus refuses, and bury it; the others go through."""
        if len(batch.messages) == 1:
            batch.letters.append(self._letter(batch.inputs[0], error))
            batch.messages, batch.inputs = [], []
            return
        half = len(batch.messages) // 2
        first = _Batch(batch.messages[:half], batch.inputs[:half])
        await self._deliver(first)
        batch.messages, batch.inputs = batch.messages[half:], batch.inputs[half:]
