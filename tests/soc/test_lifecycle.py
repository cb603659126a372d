"""The shutdown: named, bounded, last in first out; stages that end together."""

import asyncio
import os
import signal

import pytest

from soc import lifecycle
from soc.errors import Retry, Stop
from soc.lifecycle import Lifecycle, run_together
from soc.testing import ManualClock


class Resource:
    """Something that notes when it is opened and closed."""

    def __init__(self, name: str, journal: list[str], failures: int = 0, broken: bool = False) -> None:
        self.name, self.journal, self.failures, self.broken = name, journal, failures, broken

    async def open(self) -> None:
        if self.failures:
            self.failures -= 1
            raise Retry(f"{self.name} is away")
        self.journal.append(f"open {self.name}")

    async def aclose(self) -> None:
        self.journal.append(f"close {self.name}")
        if self.broken:
            raise RuntimeError("cannot close")


def ignore(_reason: str) -> None:
    """Nobody waits to be told."""


async def test_resources_close_in_the_reverse_order() -> None:
    """The bus closes after the stages' consumers that stand on it."""
    journal: list[str] = []
    async with Lifecycle(ManualClock()) as life:
        await life.open("a", Resource("a", journal), ignore)
        await life.open("b", Resource("b", journal), ignore)
    assert journal == ["open a", "open b", "close b", "close a"]


async def test_one_that_fails_to_close_does_not_keep_the_others_open() -> None:
    """It is logged and left."""
    journal: list[str] = []
    async with Lifecycle(ManualClock()) as life:
        await life.open("a", Resource("a", journal), ignore)
        await life.open("b", Resource("b", journal, broken=True), ignore)
    assert journal[-1] == "close a"


async def test_one_that_does_not_close_is_left_after_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for ever."""

    class Stuck(Resource):
        async def aclose(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(lifecycle, "SHUTDOWN_SECONDS", 0.01)
    journal: list[str] = []
    async with Lifecycle(ManualClock()) as life:
        await life.open("a", Resource("a", journal), ignore)
        await life.open("stuck", Stuck("stuck", journal), ignore)
    assert journal[-1] == "close a"


async def test_opening_waits_for_what_is_away_and_says_so() -> None:
    """The reason is told, and "" once it is there."""
    clock, told, journal = ManualClock(), list[str](), list[str]()
    async with Lifecycle(clock) as life, asyncio.timeout(60):
        opening = asyncio.ensure_future(life.open("a", Resource("a", journal, failures=2), told.append))
        while not opening.done():
            await asyncio.sleep(0)
            clock.advance(10)
        await opening
    assert told == ["a is away", "a is away", ""]


async def test_sighup_asks_for_a_reload() -> None:
    """However often, and it stops nothing."""
    stop = asyncio.Event()
    reload = lifecycle.reload_on_signal(stop)
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(60):
        await reload.wait()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
    assert not stop.is_set()


async def test_sighup_of_a_terminal_that_went_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing its window ends a service that runs in it."""
    monkeypatch.setattr(os, "isatty", lambda _: True)
    stop = asyncio.Event()
    reload = lifecycle.reload_on_signal(stop)
    monkeypatch.setattr(os, "isatty", lambda _: False)
    os.kill(os.getpid(), signal.SIGHUP)
    async with asyncio.timeout(60):
        await stop.wait()
    asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
    assert not reload.is_set()


async def test_stages_run_until_the_stop() -> None:
    """Each is told by the event, and returns."""
    stop, ended = asyncio.Event(), list[str]()

    async def stage(stop: asyncio.Event) -> None:
        await stop.wait()
        ended.append("stage")

    async def stopper(stop: asyncio.Event) -> None:
        stop.set()

    await run_together({"stage": stage, "stopper": stopper}, stop)
    assert ended == ["stage"]


async def test_a_stage_that_fails_ends_the_others_with_its_error() -> None:
    """Nothing limps on."""

    async def forever(stop: asyncio.Event) -> None:
        await stop.wait()

    async def failing(_stop: asyncio.Event) -> None:
        raise Stop("no rules")

    stop = asyncio.Event()
    with pytest.raises(ExceptionGroup) as caught:
        await run_together({"a": forever, "b": failing}, stop)
    assert caught.group_contains(Stop, match="no rules")
    assert stop.is_set()


async def test_a_stage_that_returns_by_itself_is_an_error() -> None:
    """A stage that silently ended would look alive."""

    async def quits(_stop: asyncio.Event) -> None:
        return

    async def forever(stop: asyncio.Event) -> None:
        await stop.wait()

    with pytest.raises(ExceptionGroup) as caught:
        await run_together({"quits": quits, "forever": forever}, asyncio.Event())
    assert caught.group_contains(Stop, match="quits ended by itself")


async def test_a_stage_that_does_not_end_is_cancelled_after_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends all the same."""
    monkeypatch.setattr(lifecycle, "SHUTDOWN_SECONDS", 0.01)

    async def deaf(_stop: asyncio.Event) -> None:
        await asyncio.Event().wait()

    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(60):
        await run_together({"deaf": deaf}, stop)
