"""Ports whose every call is an Effect: a step that a schedule carries out, fails, or leaves in flight."""

import random
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from soc.alerts import Alert, AlertChange, AlertKey
from soc.bus.base import DEADLETTER, Message
from soc.errors import Retry
from soc.store.base import AlertRef, Answer, Stored, Version, Written

WINDOW = 10


class Effect:
    """One call on a port. `do(faults)` carries it out; `faults` is a source of misfortune or None."""

    def __init__(self, do: Callable[[random.Random | None], Any], label: str) -> None:
        self.do = do
        self.label = label

    def __await__(self) -> Generator["Effect", Any, Any]:
        result = yield self
        if isinstance(result, Exception):
            raise result
        return result


@dataclass
class World:
    """What outlives every process."""

    keys: dict[str, tuple[AlertKey, int]]
    alerts: dict[AlertRef, tuple[Alert, int]]
    changes: list[AlertChange]
    dead: list[dict[str, Any]]
    committed: int = 0


class FakeStore:
    """The four calls that grouping makes, each an Effect. Items of a write fail one by one."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def get_keys(self, keys: Sequence[str]) -> Any:
        """Return what is known of the keys."""
        return await Effect(lambda faults: _read(faults, self._world.keys, keys), f"get_keys {keys}")

    async def get_alerts(self, refs: Sequence[AlertRef]) -> Any:
        """Return the alerts."""
        return await Effect(lambda faults: _read(faults, self._world.alerts, refs), f"get_alerts {refs}")

    async def put_keys(self, writes: Sequence[tuple[AlertKey, Version | None]]) -> Any:
        """Create or replace keys."""
        items = [(each.key, each, version) for each, version in writes]
        return await Effect(lambda faults: _write(faults, self._world.keys, items), f"put_keys {items}")

    async def put_alerts(self, writes: Sequence[tuple[Alert, Version | None]]) -> Any:
        """Create or replace alerts."""
        items = [(AlertRef(each.id, each.month), each, version) for each, version in writes]
        assert len({each.id for each, _ in writes}) == len(writes)
        return await Effect(lambda faults: _write(faults, self._world.alerts, items), "put_alerts")


class FakeBus:
    """Publishing as an Effect: a prefix may land and the call yet fail."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Append the messages."""
        values = [orjson.loads(message.value) for message in messages]

        def do(faults: random.Random | None) -> Any:
            landing = values
            failed = faults is not None and faults.random() < 0.1
            if failed and faults is not None:
                landing = values[: faults.randrange(len(values) + 1)]
            if topic == DEADLETTER:
                self._world.dead += landing
            else:
                self._world.changes += [AlertChange.from_document(value) for value in landing]
            return Retry("the bus is away") if failed else None

        await Effect(do, f"publish {topic}")


def _read(faults: random.Random | None, table: dict[Any, tuple[Any, int]], ids: Sequence[Any]) -> Any:
    if faults is not None and faults.random() < 0.05:
        return Retry("the store is away")
    return [Stored(table[id_][0], Version(table[id_][1])) if id_ in table else None for id_ in ids]


def _write(faults: random.Random | None, table: dict[Any, tuple[Any, int]], items: Sequence[Any]) -> Any:
    answers = []
    for id_, document, version in items:
        luck = 1.0 if faults is None else faults.random()
        have = table.get(id_)
        if luck < 0.05:
            answers.append(Written(Answer.RETRY, "not done"))
        elif (have[1] if have else None) != (version.number if version else None):
            answers.append(Written(Answer.CONFLICT))
        else:
            table[id_] = (document, (have[1] if have else 0) + 1)
            done = Answer.UPDATED if have else Answer.CREATED
            answers.append(Written(Answer.RETRY, "done, unheard") if luck < 0.1 else Written(done))
    return answers
