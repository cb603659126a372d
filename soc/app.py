"""Wiring: what each role opens, which stages it runs, and in which order everything closes.

The only importer of the stages, each imported only by the role that runs it. `soc up` forks one process a role.
"""

import asyncio
import gc
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import structlog
import uvloop

from soc import bus as buses
from soc import store as stores
from soc.bus.base import ALERTS, CASES, EVENTS, HITS, MATCHES, NATIONAL, Bus
from soc.clock import Clock, SystemClock
from soc.errors import Retry
from soc.health import Health
from soc.lifecycle import C, Lifecycle, Run, reload_on_signal, run_together, stop_on_signals
from soc.metrics import Metrics
from soc.settings import Settings
from soc.store.base import Store

log = structlog.get_logger()

WATCH_SECONDS = 10.0
EXPIRE_SECONDS = 60.0
GC_THRESHOLDS = (50_000, 20, 50)
"""Batches of events are many objects and no cycles: looking for cycles every 700 objects costs 2-3 us an event."""


class Process:
    """What every role's process has: settings, metrics, health, clock, and resources that close in reverse order."""

    def __init__(
        self, settings: Settings, lifecycle: Lifecycle, clock: Clock, reload: asyncio.Event | None = None
    ) -> None:
        """Hold what the stages of one process share. `reload` asks those to read anew that can; others ignore it."""
        self.reload = reload or asyncio.Event()
        self.settings = settings
        self.lifecycle = lifecycle
        self.clock = clock
        self.metrics = Metrics()
        self.health = Health(self.metrics)

    async def bus(self) -> Bus:
        """Open the bus, however long it is away."""
        return await self.opened("bus", buses.connect(self.settings.bus, self.metrics, self.clock))

    async def store(self) -> Store:
        """Open the store, however long it is away."""
        return await self.opened("store", stores.connect(self.settings.store, self.metrics, self.clock))

    async def opened(self, name: str, resource: C) -> C:
        """Open the resource, however long it is away; /health/ready says why meanwhile."""
        return await self.lifecycle.open(name, resource, self._waiting(name))

    def _waiting(self, name: str) -> Callable[[str], None]:
        def note(reason: str) -> None:
            self.health.register(name, lambda: reason or None)

        note("not opened yet")
        return note


async def collect(process: Process) -> dict[str, Run]:
    """Return the stages of `soc collect`: listeners to soc.events, and the bus's retention."""
    from collectors.stage import CollectStage  # noqa: PLC0415 - a stage is imported by its own role alone

    bus = await process.bus()
    stage = CollectStage(process.settings, bus, process.metrics, process.clock)
    process.health.register("collect", stage.unready)
    return {"collect": stage.run, "expire": partial(_expire, bus, process.clock)}


async def correlate(process: Process) -> dict[str, Run]:
    """Return the stages of `soc correlate`: detect, correlate, and forward to the store, none waiting for another."""
    from correlator.inforce import RulesInForce  # noqa: PLC0415 - as above
    from correlator.stage import CorrelateStage, DetectStage, ForwardStage  # noqa: PLC0415 - as above

    bus, rules = await process.bus(), RulesInForce()
    detect = DetectStage(process.settings, bus, process.metrics, process.clock, reload=process.reload, rules=rules)
    process.health.register("detect", detect.unready)
    correlations = CorrelateStage(process.settings, bus, process.metrics, process.clock, rules)
    process.health.register("correlate", correlations.unready)
    store = stores.connect(process.settings.store, process.metrics, process.clock)
    forward = ForwardStage(process.settings, bus, store, process.metrics, process.clock)
    process.health.register("forward", forward.unready)

    async def forward_when_open(stop: asyncio.Event) -> None:
        await process.opened("store", store)
        await forward.run(stop)

    watched = [("detect", EVENTS), ("correlate", HITS), ("forward", MATCHES)]
    return {
        "detect": detect.run,
        "correlate": correlations.run,
        "forward": forward_when_open,
        "watch": partial(_watch, bus, watched, process.metrics, process.clock),
    }


async def alert(process: Process) -> dict[str, Run]:
    """Return the stages of `soc alert`: grouping, notification, national push, and the console."""
    from alerting.console.app import build  # noqa: PLC0415 - as above
    from alerting.console.serve import check_exposure, serve  # noqa: PLC0415 - as above
    from alerting.stage import AlertStage  # noqa: PLC0415 - as above

    settings = process.settings
    check_exposure(settings.console)
    bus, store = await process.bus(), await process.store()
    stage = AlertStage(settings, bus, store, process.metrics, process.clock)
    process.health.register("alert", stage.unready)
    app = build(settings, bus, store, process.metrics, process.clock)
    process.health.register("console", lambda: "not listening yet")

    def listening(url: str) -> None:
        process.health.register("console", lambda: None)
        log.info("console", url=url)

    async def console(stop: asyncio.Event) -> None:
        await serve(app, settings.console, listening, stop)

    watched = [("group", CASES), ("report", ALERTS), ("push", NATIONAL)]
    watched += [(f"notify-{receiver.name}", ALERTS) for receiver in settings.receivers]
    return {
        "alert": stage.run,
        "console": console,
        "watch": partial(_watch, bus, watched, process.metrics, process.clock),
    }


ROLES = {"collect": collect, "correlate": correlate, "alert": alert}
"""Each role's name, and what it runs. `soc up` starts them in this order."""


def run_role(role: str, settings: Settings) -> None:
    """Run one role in this process until SIGTERM or SIGINT; SIGHUP reloads. Raises Stop, alone or in a group."""
    gc.freeze()  # what is there now stays: forked processes go on sharing its pages
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(role, settings))


async def _run(role: str, settings: Settings) -> None:
    stop = stop_on_signals()
    reload = reload_on_signal(stop)
    clock = SystemClock()
    async with Lifecycle(clock) as lifecycle:
        process = Process(settings, lifecycle, clock, reload)
        port = getattr(settings.health, role)
        await run_together(
            {
                "health": partial(process.health.serve, settings.health.host, port),
                role: partial(_stages, role, process),
            },
            stop,
        )


async def _stages(role: str, process: Process, stop: asyncio.Event) -> None:
    """Open what the role needs, unless the stop comes first, and run its stages."""
    opening = asyncio.ensure_future(ROLES[role](process))
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({opening, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            await run_together(opening.result(), stop)
    finally:
        for waiter in (opening, stopping):
            waiter.cancel()
        await asyncio.gather(opening, stopping, return_exceptions=True)


async def _watch(
    bus: Bus, groups: Sequence[tuple[str, str]], metrics: Metrics, clock: Clock, stop: asyncio.Event
) -> None:
    """Export each group's lag, so that an operator sees what lags."""

    async def measure() -> None:
        for group, topic in groups:
            lag: Mapping[int, int] = await bus.lag(group, topic)
            metrics.bus_lag.labels(group, topic).set(sum(lag.values()))

    await _every(WATCH_SECONDS, measure, clock, stop)


async def _expire(bus: Bus, clock: Clock, stop: asyncio.Event) -> None:
    await _every(EXPIRE_SECONDS, bus.expire, clock, stop)


async def _every(seconds: float, act: Callable[[], object], clock: Clock, stop: asyncio.Event) -> None:
    """Act, wait, and again until the stop; a bus that is away is met again the next time."""
    while not stop.is_set():
        try:
            await act()  # type: ignore[misc] # an async callable
        except Retry as error:
            log.warning("later", reason=str(error))
        waiting = asyncio.ensure_future(clock.sleep(seconds))
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait({waiting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
            stopping.cancel()
