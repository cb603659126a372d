"""The stage that sends to the National SOC: soc.national ─▶ HTTP, numbered, each content once, then commit.

Numbers are a fold of soc.national: whoever reads it gives the same content the same number. The last number stands in the
commit's metadata. A content id that stood in the records before is skipped. A message that is refused for good is
parked, and a tombstone takes its number, so that nothing behind it waits.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import orjson
import structlog

from alerting.national import STREAMS, VERSION, Content, Number, id_in, numbered, tombstone
from alerting.outside import Track, Tracks
from alerting.post import Poster, body_of
from alerting.visible import iso
from soc.bus.base import NATIONAL, Bus, Consumer, Record, TopicPartition
from soc.bus.deadletters import bury, of_record
from soc.clock import Clock
from soc.errors import DeadLetter, Retry
from soc.metrics import Metrics
from soc.settings import NationalSettings

log = structlog.get_logger()

GROUP: Final = "push"
LOOKBACK: Final = 10_000
"""How many records back a repeated content id is known."""

KEPT_NUMBERS: Final = 5000
"""More than a batch has records: what is not committed may come again."""


@dataclass(slots=True)
class Line:
    """One stream as this member sends it.

    `last`: the last number that the other side has acknowledged. `numbers`: by offset, the last number before it: a batch
    that comes again may end sooner than the first time.
    """

    stream: str
    epoch: str
    last: int = 0
    parked: int = -1
    numbers: dict[int, int] = field(default_factory=dict)

    def next(self) -> Number:
        """Return the number that the next content gets."""
        return Number(self.stream, self.epoch, self.last + 1)

    def sent(self, offset: int) -> None:
        """Remember the last number before `offset`."""
        self.numbers[offset] = self.last
        if len(self.numbers) > KEPT_NUMBERS:
            del self.numbers[next(iter(self.numbers))]

    def metadata(self, offset: int) -> str:
        """Return what is committed with `offset`."""
        return orjson.dumps({"epoch": self.epoch, "seq": self.numbers[offset]}).decode()


class Push:
    """Sends the streams of the partitions that its consumer has."""

    def __init__(
        self,
        settings: NationalSettings,
        bus: Bus,
        consumer: Consumer,
        poster: Poster,
        *,
        metrics: Metrics,
        clock: Clock,
    ) -> None:
        """`consumer`: the member of the group whose batches are handled. `poster`: an open HTTP client."""
        self._settings = settings
        self._bus = bus
        self._poster = poster
        self._metrics = metrics
        self._clock = clock
        self._tracks = Tracks(bus, consumer, LOOKBACK, id_in)
        self._epoch = ""
        self._lines: dict[TopicPartition, Line] = {}
        self._begun = asyncio.Event()

    async def handle(self, records: Sequence[Record]) -> Mapping[TopicPartition, str]:
        """Send the batch in order; return each partition's last number. Raises Retry while the other side is away."""
        await self._refresh()
        offsets: dict[TopicPartition, int] = {}
        for record in records:
            partition = TopicPartition(record.topic, record.partition)
            track, line = self._tracks.of(record), self._lines[partition]
            if record.offset >= track.next:
                track.done(record, await self._one(record, track, line))
                line.sent(track.next)
            offsets[partition] = record.offset + 1
        return {partition: self._lines[partition].metadata(offset) for partition, offset in offsets.items()}

    async def beat(self) -> None:
        """Send heartbeats on a timer until cancelled; they carry each stream's last number and are not numbered."""
        await self._begun.wait()
        while True:
            if self._lines:
                await self._heartbeat()
            await self._clock.sleep(self._settings.heartbeat_seconds)

    async def _heartbeat(self) -> None:
        last = [Number(each.stream, each.epoch, each.last).to_document() for each in self._lines.values()]
        head = {"version": VERSION, "type": "heartbeat", "province": self._settings.province}
        try:
            await self._post({**head, "time": iso(self._clock.now()), "last": last}, {})
            outcome = "accepted"
        except (Retry, DeadLetter) as error:
            log.warning("heartbeat not taken", reason=str(error))
            outcome = "failed"
        self._metrics.national_messages.labels("heartbeat", outcome).inc()

    async def _refresh(self) -> None:
        if await self._tracks.refresh():
            self._epoch, self._lines = "", {}
        if not self._epoch:
            self._epoch = await self._bus.identity(NATIONAL)
            self._lines = {each: _line(each, self._epoch, track) for each, track in self._tracks.items()}
            self._begun.set()

    async def _one(self, record: Record, track: Track, line: Line) -> str | None:
        """Send one record's content unless it was sent; return its id."""
        try:
            content = Content.from_record(record)
        except DeadLetter as error:
            await self._park(record, error)
            return None
        if not track.seen.repeated(content.id, record.offset):
            number = line.next()
            await self._deliver(record, content, number, line)
            line.last = number.seq
            self._metrics.national_last_number.labels(line.stream).set(line.last)
        return content.id

    async def _deliver(self, record: Record, content: Content, number: Number, line: Line) -> None:
        try:
            await self._send(content, number)
        except DeadLetter as error:
            if line.parked != record.offset:
                await self._park(record, error)
                line.parked = record.offset
            await self._bury(tombstone(content.id, number), number)

    async def _bury(self, stone: Content, number: Number) -> None:
        """Send the tombstone. One that is refused as well leaves a gap that waiting would not close."""
        try:
            await self._send(stone, number)
        except DeadLetter as error:
            log.warning("tombstone refused", stream=number.stream, seq=number.seq, reason=str(error))

    async def _send(self, content: Content, number: Number) -> None:
        try:
            await self._post(numbered(content, number, self._settings.province), {"Idempotency-Key": content.id})
        except DeadLetter:
            self._metrics.national_messages.labels(number.stream, "refused").inc()
            raise
        except Retry:
            self._metrics.national_messages.labels(number.stream, "failed").inc()
            raise
        self._metrics.national_messages.labels(number.stream, "accepted").inc()

    async def _post(self, message: Mapping[str, object], headers: Mapping[str, str]) -> None:
        token = self._settings.token.get_secret_value()
        sent = {**headers, "Authorization": f"Bearer {token}"} if token else headers
        await self._poster.post(self._settings.url, body_of(message), sent)

    async def _park(self, record: Record, error: DeadLetter) -> None:
        log.warning("message to the National SOC refused", reason=str(error))
        await bury(self._bus, self._metrics, [of_record(GROUP, record, error, self._clock.now())])


def _line(partition: TopicPartition, epoch: str, track: Track) -> Line:
    """Return the stream as its last commit left it; in another log than the commit's, numbers begin again."""
    stream = STREAMS[partition.partition] if partition.partition < len(STREAMS) else f"extra-{partition.partition}"
    try:
        left = orjson.loads(track.began.metadata if track.began else "")
        last = left["seq"] if left["epoch"] == epoch else 0
    except (ValueError, TypeError, KeyError):
        last = 0
    return Line(stream, epoch, last)
