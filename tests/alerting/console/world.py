"""A console on the embedded store and bus, with a client that speaks to it, and stand-ins for what surrounds it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import NamedTuple

import httpx
import orjson
from fastapi import FastAPI

from alerting.console.app import build
from alerting.group import GROUP, Group
from soc.alerts import Action, Alert, Match
from soc.bus.base import CASES, Bus, Message, TopicPartition
from soc.bus.sqlite import SqliteBus
from soc.clock import SystemClock
from soc.errors import Retry
from soc.metrics import Metrics
from soc.settings import BusSettings, ConsoleSettings, Settings, StoreSettings
from soc.store.base import Answer, Store
from soc.store.sqlite import SqliteStore
from soc.testing import NOW, ManualClock

URL = "http://127.0.0.1:8080"


class HurryingClock(ManualClock):
    """A clock for which sleeping is only moving on; while it stands still, sleepers wait for others instead."""

    still = False

    async def sleep(self, seconds: float) -> None:
        """Let others run, and move on at once unless standing still."""
        await asyncio.sleep(0.01 if self.still else 0)
        if not self.still:
            self.advance(seconds)


@dataclass
class World:
    """A running console and what is behind it."""

    app: FastAPI
    client: httpx.AsyncClient
    store: Store
    bus: Bus
    metrics: Metrics
    clock: HurryingClock

    async def put(self, *alerts: Alert, matches: Sequence[Match] = ()) -> None:
        """Store alerts and matches, visible at once."""
        assert all(each.answer is Answer.CREATED for each in await self.store.put_alerts([(a, None) for a in alerts]))
        assert all(each.answer is Answer.CREATED for each in await self.store.add_matches(matches))
        await self.store.refresh()

    async def actions(self) -> list[Action]:
        """Return every action on soc.cases."""
        found = []
        for partition in await self.bus.ends(CASES):
            from_there = await self.bus.read(TopicPartition(CASES, partition), 0, 1000)
            found += [Action.from_document(orjson.loads(record.value)["action"]) for record in from_there]
        return found

    @asynccontextmanager
    async def grouping(self) -> AsyncIterator[None]:
        """Let the stage `group` apply actions while inside."""
        task = asyncio.create_task(self._group(), name="group")
        self.clock.still = True
        try:
            yield
        finally:
            self.clock.still = False
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _group(self) -> None:
        group = Group(Settings(), self.bus, self.store, self.metrics, self.clock)
        async with self.bus.consumer(GROUP, [CASES]) as consumer:
            while True:
                await group.handle(await consumer.poll(timeout=0.1))


class DeadBus(SqliteBus):
    """A bus whose publishes fail as long as `dead`."""

    dead = False

    async def publish(self, topic: str, messages: Sequence[Message], *, draining: bool = False) -> None:
        """Publish, unless dead."""
        if self.dead:
            raise Retry("the bus is away")
        await super().publish(topic, messages, draining=draining)


@asynccontextmanager
async def world(
    folder: Path, console: ConsoleSettings | None = None, rules: tuple[Path, ...] = (), **headers: str
) -> AsyncIterator[World]:
    """Open a console on an empty store and bus under `folder`."""
    settings = Settings.model_validate({"console": console or ConsoleSettings(), "correlate": {"rules": rules}})
    metrics, clock = Metrics(), HurryingClock(NOW)
    bus = DeadBus(BusSettings(url=f"sqlite:///{folder}/bus", partitions=2), metrics, SystemClock())
    store = SqliteStore(StoreSettings(url=f"sqlite:///{folder}/store", retention_days=3650), metrics, SystemClock())
    async with bus, store:
        app = build(settings, bus, store, metrics, clock)
        transport = httpx.ASGITransport(app, client=("127.0.0.1", 50000))
        async with httpx.AsyncClient(transport=transport, base_url=URL, headers=headers) as client:
            yield World(app, client, store, bus, metrics, clock)


class Tag(NamedTuple):
    """A start tag as a browser sees it."""

    name: str
    attributes: dict[str, str | None]


class Page(HTMLParser):
    """What a page's HTML says: its tags with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        """Parse."""
        super().__init__()
        self.tags: list[Tag] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep it."""
        self.tags.append(Tag(tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        """Keep it."""
        self.text += data

    def all(self, name: str, **attributes: str) -> list[Tag]:
        """Return the tags of this name with these attributes."""
        wanted = attributes.items()
        return [tag for tag in self.tags if tag.name == name and wanted <= tag.attributes.items()]

    def ids(self) -> list[str]:
        """Return the ids of the alerts that a list shows, in order."""
        links = (tag.attributes.get("id") or "" for tag in self.all("a"))
        return [link.removeprefix("a-") for link in links if link.startswith("a-")]

    def form(self, act: str) -> dict[str, str]:
        """Return the hidden fields of the form for this act."""
        fields: dict[str, str] = {}
        for tag in self.all("input", type="hidden"):
            fields[tag.attributes["name"] or ""] = tag.attributes["value"] or ""
            if tag.attributes["name"] == "id" and fields["act"] == act:
                return fields
        raise AssertionError(f"the page has no form to {act}")
