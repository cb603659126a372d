"""Events and dead letters straight onto the bus: what the door does for others, and a replay on Kafka for itself."""

from collections.abc import Sequence
from typing import Final

from soc.bus.base import EVENTS, Bus, Message
from soc.bus.deadletters import Letter, bury
from soc.events import SCHEMA, Event, to_wire
from soc.metrics import Metrics

HEADERS: Final = (("schema", SCHEMA),)
"""The headers of every record of soc.events."""


def message_of(event: Event, value: bytes | None = None) -> Message:
    """Return the record of an event, keyed by site and host; `value` is its wire form where that is known.

    Raises DeadLetter where it has none.
    """
    return Message(f"{event.site}/{event.host}".encode("utf-8", "replace"), value or to_wire(event), HEADERS)


class Publisher:
    """Hands events and dead letters to a bus, and counts them under a transport's name."""

    def __init__(self, bus: Bus, metrics: Metrics, transport: str) -> None:
        """Publish to an open bus."""
        self._bus = bus
        self._metrics = metrics
        self._transport = transport

    async def send(self, events: Sequence[Event], letters: Sequence[Letter] = ()) -> None:
        """Return when all of it is acknowledged. Raises Retry, and DeadLetter where an event cannot be published."""
        messages = [message_of(event) for event in events]
        if messages:
            await self._bus.publish(EVENTS, messages)
        await bury(self._bus, self._metrics, letters)
        self._metrics.messages_received.labels(self._transport).inc(len(events) + len(letters))
        self._metrics.bytes_received.labels(self._transport).inc(sum(len(message.value) for message in messages))
        self._metrics.events_published.labels(self._transport).inc(len(events))
