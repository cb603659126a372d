"""The correlator's stages as the service runs them: each a consumer group of its own, so none waits for another."""

import asyncio
import gc
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, TypeVar

from correlator import correlate, detect, forward
from correlator.correlate import Correlator
from correlator.detect import Detector
from correlator.forward import Forwarder
from correlator.inforce import RulesInForce
from correlator.reload import Reloader
from correlator.rules import RuleSet
from soc.bus.base import EVENTS, HITS, MATCHES, Bus, Consumer, Record, TopicPartition
from soc.bus.work import Handler, work
from soc.clock import Clock
from soc.metrics import Metrics
from soc.settings import Settings
from soc.store.base import Store

T = TypeVar("T")

COMPILING: Final = "loading the rules"
JOINING: Final = "waiting for the bus"
REPLAYING: Final = "reading again what the correlations' state is made of"

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

    async def _work(self, name: str, topic: str, handler: Callable[[Consumer], Handler], stop: asyncio.Event) -> None:
        """Consume until the stop; a batch in hand is finished and committed first."""
        on_lost = self._settings.bus.on_lost
        async with self._bus.consumer(name, [topic]) as consumer:
            handle = handler(consumer)

            async def unless_stopped(records: Sequence[Record]) -> Mapping[TopicPartition, str] | None:
                if stop.is_set():
                    raise _Stopped
                self._waiting = None
                return await handle(records)

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
        self,
        settings: Settings,
        bus: Bus,
        metrics: Metrics,
        clock: Clock,
        *,
        reload: asyncio.Event | None = None,
        rules: RulesInForce | None = None,
    ) -> None:
        """Take what the process shares; the rules are loaded by `run` into `rules`, and again when `reload` is set."""
        super().__init__(settings, bus, metrics, clock)
        self._reloader = Reloader(settings, metrics, clock, reload or asyncio.Event())
        self._rules = rules or RulesInForce()
        self._waiting = COMPILING

    async def run(self, stop: asyncio.Event) -> None:
        """Load the rules, then work until the stop. Raises RulesError where there are none, others in a group."""
        rules = await _unless(stop, self._reloader.load())
        if rules is None:
            return
        self._waiting = JOINING
        self._put(rules)
        detector = Detector(self._settings, rules, self._bus, self._metrics, self._clock)

        def adopt(other: RuleSet) -> None:
            self._put(other)  # first: who takes hits must know their correlations before they are published
            detector.adopt(other)

        async with asyncio.TaskGroup() as group:
            beside = [
                group.create_task(self._reloader.watch()),
                group.create_task(self._reloader.keep(rules, adopt)),
            ]
            await self._work(detect.NAME, EVENTS, partial(_detect, detector), stop)
            for task in beside:
                task.cancel()

    def _put(self, rules: RuleSet) -> None:
        """Put the rules in force, where no search for cycles passes through them: they are many objects and in none.

        Garbage is not looked for beforehand: that would hold up all stages for a tenth of a second, and find nothing.
        """
        self._rules.put(rules)
        gc.freeze()


def _detect(detector: Detector, consumer: Consumer) -> Handler:
    detector.follow(consumer)
    return detector.detect


class CorrelateStage(_Stage):
    """Correlations on soc.hits, matches to soc.matches, and what feeds other correlations back to soc.hits."""

    def __init__(self, settings: Settings, bus: Bus, metrics: Metrics, clock: Clock, rules: RulesInForce) -> None:
        """Take what the process shares; another stage loads `rules`."""
        super().__init__(settings, bus, metrics, clock)
        self._rules = rules
        self._waiting = COMPILING
        self._correlator: Correlator | None = None

    def unready(self) -> str | None:
        """See _Stage.unready; reading again what the state is made of may take a while."""
        return super().unready() or (REPLAYING if self._correlator and self._correlator.replaying else None)

    async def run(self, stop: asyncio.Event) -> None:
        """Wait for the rules, then work until the stop."""
        if await _unless(stop, self._rules.loaded()) is None:
            return
        self._waiting = JOINING
        await self._work(correlate.NAME, HITS, partial(self._handler, stop), stop)

    def _handler(self, stop: asyncio.Event, consumer: Consumer) -> Handler:
        self._correlator = Correlator(
            self._settings,
            self._rules,
            self._bus,
            consumer,
            metrics=self._metrics,
            clock=self._clock,
            stopping=stop.is_set,
        )
        return self._correlator.correlate


class ForwardStage(_Stage):
    """Matches to the store, then to soc.cases."""

    def __init__(self, settings: Settings, bus: Bus, store: Store, metrics: Metrics, clock: Clock) -> None:
        """Take what the process shares; the store is open when `run` is called."""
        super().__init__(settings, bus, metrics, clock)
        self._store = store

    async def run(self, stop: asyncio.Event) -> None:
        """Work until the stop; while the store is away the group's lag grows and nothing else happens."""
        forwarder = Forwarder(self._bus, self._store, self._metrics, self._clock)
        await self._work(forward.NAME, MATCHES, lambda _consumer: forwarder.forward, stop)


async def _unless(stop: asyncio.Event, act: Coroutine[Any, Any, T]) -> T | None:
    """Return what the act returns, or None where the stop comes first."""
    acting, stopping = asyncio.ensure_future(act), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({acting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return acting.result() if acting.done() else None
    finally:
        for waiter in (acting, stopping):
            waiter.cancel()
        await asyncio.gather(acting, stopping, return_exceptions=True)
