"""The stage that tells one receiver: soc.alerts ─▶ mail or webhook, then commit. Each receiver is a group of its own."""

from collections.abc import Sequence
from typing import Final, Protocol

import structlog

from alerting.mail import MailSender
from alerting.outside import Track, Tracks
from alerting.post import Poster
from alerting.told import change_of, id_in, is_told, message_id
from alerting.webhook import WebhookSender
from soc.alerts import AlertChange, Level
from soc.bus.base import Bus, Commit, Consumer, Record, TopicPartition
from soc.bus.deadletters import bury, of_record
from soc.clock import Clock
from soc.errors import DeadLetter, Retry
from soc.metrics import Metrics
from soc.settings import Receiver, WebhookReceiver

log = structlog.get_logger()

SPAN: Final = 2000
"""How many records of a partition are looked back on for a change that was published again."""


class Sender(Protocol):
    """The way to one receiver."""

    async def tell(self, change: AlertChange) -> None:
        """Return at the other side's receipt. Raises DeadLetter where it refuses for good, Retry."""
        ...


def group_of(receiver: Receiver) -> str:
    """Return the receiver's consumer group."""
    return f"notify-{receiver.name}"


def sender_of(receiver: Receiver, poster: Poster) -> Sender:
    """Return the way to the receiver."""
    return WebhookSender(receiver, poster) if isinstance(receiver, WebhookReceiver) else MailSender(receiver)


class Notify:
    """Tells one receiver of openings and rises. While it is away, it alone waits."""

    def __init__(
        self, receiver: Receiver, sender: Sender, bus: Bus, consumer: Consumer, *, metrics: Metrics, clock: Clock
    ) -> None:
        """`consumer`: the member of the receiver's group whose batches are handled."""
        self._name = receiver.name
        self._group = group_of(receiver)
        self._lowest = Level.parse(receiver.min_level)
        self._sender = sender
        self._bus = bus
        self._metrics = metrics
        self._clock = clock
        self._consumer = consumer
        self._tracks = Tracks(bus, consumer, SPAN, id_in)
        self._told: dict[str, None] = {}

    async def handle(self, records: Sequence[Record]) -> None:
        """Tell of each change in order, each once. Raises Retry while the receiver is away; what it has, it keeps.

        Each receipt is committed at once: a process that is killed has at most one message told again by the next.
        """
        await self._tracks.refresh()
        for record in records:
            track = self._tracks.of(record)
            if record.offset >= track.next:
                ident, told = await self._one(record, track)
                track.done(record, ident)
                if told:
                    partition = TopicPartition(record.topic, record.partition)
                    await self._consumer.commit({partition: Commit(record.offset + 1)})

    async def _one(self, record: Record, track: Track) -> tuple[str | None, bool]:
        """Act on one record; return the message id of the change that it carries, and whether it was told now."""
        ident, told = None, False
        try:
            change = change_of(record)
            ident = message_id(change)
            if self._is_new(change, ident, record, track):
                await self._sender.tell(change)
                told = True
                self._note(ident)
                self._count("sent")
        except DeadLetter as error:
            log.warning("notification refused", receiver=self._name, reason=str(error))
            await bury(self._bus, self._metrics, [of_record(self._group, record, error, self._clock.now())])
            self._count("refused")
        except Retry:
            self._count("failed")
            raise
        return ident, told

    def _is_new(self, change: AlertChange, ident: str, record: Record, track: Track) -> bool:
        if not is_told(change, self._lowest) or track.seen.repeated(ident, record.offset):
            return False
        return ident not in self._told

    def _note(self, ident: str) -> None:
        """Remember a receipt whatever becomes of its commit: partitions may change hands in between."""
        self._told[ident] = None
        if len(self._told) > SPAN:
            del self._told[next(iter(self._told))]

    def _count(self, outcome: str) -> None:
        self._metrics.notifications.labels(self._name, outcome).inc()
