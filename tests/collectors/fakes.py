"""A bus in memory that can be away, full or choosy, and settings on free ports."""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

from soc.bus.base import DEADLETTER, EVENTS, Bus, Consumer, Ends, Message, Record, TopicPartition, murmur2
from soc.bus.deadletters import Letter
from soc.clock import SystemClock
from soc.errors import DeadLetter, Retry
from soc.events import Event, from_wire
from soc.metrics import Metrics
from soc.settings import Address, Settings
from soc.testing import NOW


class SetClock(SystemClock):
    """The machine's clock, set to soc.testing.NOW at its start: a date without a year is of the year of the tests."""

    def __init__(self) -> None:
        self._ahead = SystemClock.now(self) - NOW

    def now(self) -> int:
        """Return microseconds since the epoch."""
        return super().now() - self._ahead


class FakeBus(Bus):
    """Keeps what was published. `trouble` is raised, once each, by the next publishes; `away` by every one."""

    def __init__(self) -> None:
        self.topics: dict[str, list[Message]] = {}
        self.trouble: list[Exception] = []
        self.away = False
        self.refused = b""
        self.calls = 0

    async def publish(self, topic: str, messages: Sequence[Message], *, draining: bool = False) -> None:
        self.calls += 1
        if self.trouble:
            raise self.trouble.pop(0)
        if self.away:
            raise Retry("away")
        if topic == EVENTS and self.refused and any(self.refused in message.value for message in messages):
            raise DeadLetter("too_large", "not this one")
        self.topics.setdefault(topic, []).extend(messages)

    def events(self) -> list[Event]:
        messages = self.topics.get(EVENTS, [])
        return [from_wire(message.value, dict(message.headers)["schema"]) for message in messages]

    def messages(self) -> list[str]:
        return [event.fields["message"] for event in self.events()]

    def letters(self) -> list[Letter]:
        messages = self.topics.get(DEADLETTER, [])
        return [Letter.from_record(Record(DEADLETTER, 0, 0, 0, message.key, message.value)) for message in messages]

    async def open(self) -> None:
        """Nothing to do."""

    def consumer(self, group: str, topics: Iterable[str]) -> Consumer:
        raise NotImplementedError

    async def ends(self, topic: str) -> Mapping[int, Ends]:
        return {0: Ends(0, len(self.topics.get(topic, [])))}

    async def lag(self, group: str, topic: str) -> Mapping[int, int]:
        raise NotImplementedError

    async def identity(self, topic: str) -> str:
        return f"fake {topic}"

    async def read(self, partition: TopicPartition, offset: int, limit: int) -> list[Record]:
        raise NotImplementedError

    def partition_of(self, topic: str, key: bytes) -> int:
        return murmur2(key) % 4 if topic else 0

    async def expire(self) -> None:
        """Nothing to do."""

    async def aclose(self) -> None:
        """Nothing to do."""


def make_settings(folder: Path, **collect: Any) -> Settings:
    """Return settings with one free port of each kind, on IPv4 and IPv6, and the door in `folder`."""
    here = (Address(host="127.0.0.1", port=0), Address(host="::1", port=0))
    changes = {"udp": here, "tcp": here, "door": str(folder / "door.sock"), "batch_seconds": 0.01, **collect}
    return Settings.model_validate({"site": "district-1", "collect": changes})


async def eventually(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait until the condition holds; fail after some seconds."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)


def counted(metrics: Metrics, name: str, **labels: str) -> float:
    """Return a metric's value, 0 where it was never counted."""
    return metrics.registry.get_sample_value(f"vonggac_{name}", labels) or 0.0
