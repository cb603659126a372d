"""The correlator's two stages as the service runs them: each a consumer group of its own, so neither waits for the other."""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final

from correlator import detect, forward
from correlator.detect import Detector
from correlator.forward import Forwarder
from correlator.reload import Reloader
from correlator.rules import RuleSet
from soc.bus.base import EVENTS, MATCHES, Bus, Record, TopicPartition
from soc.bus.work import Handler, work
from soc.clock import Clock
from soc.metrics import Metrics
from soc.settings import Settings
from soc.store.base import Store

COMPILING: Final = "loading the rules"
JOINING: Final = "waiting for the bus"


IDLE: Final = 0.5
"""Seconds that a poll waits for records, and so how long an idle stage takes to notice the stop."""


class _Stopped(Exception):
    """The stop was asked for."""


class _Stage:
    """A consumer group that works until it is told to stop."""

    def __init__(self, settings: Settings, bus: Bus, metrics: Metrics, clock: Clock) -> None:
        self._settings = settings
        self._bus = bus
        self._metrics = metrics
        self._clock = clock
        self._waiting: str | None = JOINING

    def unready(self) -> str | None:
        """Return why the stage is not at work yet, or None."""
        return self._waiting

    async def _work(self, name: str, topic: str, handle: Handler, stop: asyncio.Event) -> None:
        """Consume until the stop; a batch in hand is finished and committed first."""

        async def unless_stopped(records: Sequence[Record]) -> Mapping[TopicPartition, str] | None:
            if stop.is_set():
                raise _Stopped
            self._waiting = None
            return await handle(records)

        on_lost = self._settings.bus.on_lost
        async with self._bus.consumer(name, [topic]) as consumer:
            with suppress(_Stopped):
                await work(
                    consumer,
                    unless_stopped,
                    bus=self._bus,
                    metrics=self._metrics,
                    clock=self._clock,
                    name=name,
                    on_lost=on_lost,
                    idle=IDLE,
                )


class DetectStage(_Stage):
    """Rules on soc.events, matches to soc.matches."""

    def __init__(
        self, settings: Settings, bus: Bus, metrics: Metrics, clock: Clock, reload: asyncio.Event | None = None
    ) -> None:
        """Take what the process shares; the rules are loaded by `run`, and again when `reload` is set."""
        super().__init__(settings, bus, metrics, clock)
        self._reloader = Reloader(settings, metrics, clock, reload or asyncio.Event())
        self._waiting = COMPILING

    async def run(self, stop: asyncio.Event) -> None:
        """Load the rules, then work until the stop. Raises RulesError where there are none, others in a group."""
        rules = await self._loaded(stop)
        if rules is None:
            return
        self._waiting = JOINING
        detector = Detector(self._settings, rules, self._bus, self._metrics, self._clock)
        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(self._reloader.watch()),
                group.create_task(self._reloader.keep(rules, detector.adopt)),
            ]
            await self._work(detect.NAME, EVENTS, detector.detect, stop)
            for task in beside:
                task.cancel()

    async def _loaded(self, stop: asyncio.Event) -> RuleSet | None:
        """Return the rules, or None where the stop comes first."""
        loading = asyncio.ensure_future(self._reloader.load())
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({loading, stopping}, return_when=asyncio.FIRST_COMPLETED)
            return loading.result() if loading.done() else None
        finally:
            for waiter in (loading, stopping):
                waiter.cancel()
            await asyncio.gather(loading, stopping, return_exceptions=True)


class ForwardStage(_Stage):
    """Matches to the store, then to soc.cases."""

    def __init__(self, settings: Settings, bus: Bus, store: Store, metrics: Metrics, clock: Clock) -> None:
        """Take what the process shares; the store is open when `run` is called."""
        super().__init__(settings, bus, metrics, clock)
        self._store = store

    async def run(self, stop: asyncio.Event) -> None:
        """Work until the stop; while the store is away the group's lag grows and nothing else happens."""
        forwarder = Forwarder(self._bus, self._store, self._metrics, self._clock)
        await self._work(forward.NAME, MATCHES, forwarder.forward, stop)
