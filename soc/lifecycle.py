"""A named, bounded, last-in-first-out shutdown, and stages that end together."""

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import Protocol, Self, TypeVar

import structlog

from soc.clock import Clock
from soc.errors import Retry, Stop

log = structlog.get_logger()

SHUTDOWN_SECONDS = 10.0
"""What stages have to end after a stop, and each resource to close."""

STANDARD_INPUT = 0

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0

Run = Callable[[asyncio.Event], Awaitable[None]]
"""A stage: runs until the event is set, then finishes what it has in hand and returns."""


class Closable(Protocol):
    """Something that is opened and closed."""

    async def open(self) -> None:
        """Raises Retry while the other side is away."""
        ...

    async def aclose(self) -> None:
        """Close."""
        ...


C = TypeVar("C", bound=Closable)


class Lifecycle:
    """Resources closed in the reverse of the order in which they were opened, each within SHUTDOWN_SECONDS."""

    def __init__(self, clock: Clock) -> None:
        """Start with nothing open."""
        self._clock = clock
        self._open: list[tuple[str, Closable]] = []

    async def open(self, name: str, resource: C, waiting: Callable[[str], None]) -> C:
        """Open the resource, however long its other side is away; `waiting` is told why, and "" in the end."""
        self._open.append((name, resource))
        pause = FIRST_PAUSE
        while True:
            try:
                await resource.open()
            except Retry as error:
                waiting(str(error))
                log.warning("waiting", part=name, reason=str(error))
                await self._clock.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
            else:
                waiting("")
                return resource

    async def __aenter__(self) -> Self:
        """Return the lifecycle."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close everything; what does not close in time or fails is named in the log and left."""
        while self._open:
            name, resource = self._open.pop()
            try:
                async with asyncio.timeout(SHUTDOWN_SECONDS):
                    await resource.aclose()
            except Exception:
                log.exception("did not close", part=name)


def stop_on_signals() -> asyncio.Event:
    """Return an event that SIGTERM or SIGINT sets. Call it on a running loop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def reload_on_signal(stop: asyncio.Event) -> asyncio.Event:
    """Return an event that SIGHUP sets; where it says that the terminal is gone, it sets `stop` instead."""
    reload, gone = asyncio.Event(), watch_terminal()

    def heard() -> None:
        (stop if gone() else reload).set()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, heard)
    return reload


def watch_terminal() -> Callable[[], bool]:
    """Return what tells of a SIGHUP whether it came because the terminal, if there is one now, is gone."""
    at_terminal = os.isatty(STANDARD_INPUT)
    return lambda: at_terminal and not os.isatty(STANDARD_INPUT)


async def run_together(stages: Mapping[str, Run], stop: asyncio.Event) -> None:
    """Run the stages until `stop`, then give them SHUTDOWN_SECONDS to end.

    One that fails ends the others and its error is raised (an ExceptionGroup). Raises Stop naming a stage that
    returned before it was told to.
    """
    try:
        async with asyncio.TaskGroup() as group:
            tasks = {group.create_task(_guard(name, run, stop), name=name) for name, run in stages.items()}
            await stop.wait()  # a stage that fails cancels this wait
            _, late = await asyncio.wait(tasks, timeout=SHUTDOWN_SECONDS)
            for task in late:
                log.warning("did not end in time", stage=task.get_name(), seconds=SHUTDOWN_SECONDS)
                task.cancel()
    finally:
        stop.set()


async def _guard(name: str, run: Run, stop: asyncio.Event) -> None:
    await run(stop)
    if not stop.is_set():
        raise Stop(f"{name} ended by itself")
