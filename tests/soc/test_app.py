"""Wiring: stages end together, resources wait for their other side, and a stop is heard at any time."""

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from time import monotonic

import pytest

from soc import app
from soc.app import ROLES, Process, _every, _stages
from soc.clock import SystemClock
from soc.errors import Retry, Stop
from soc.lifecycle import Lifecycle, Run
from soc.settings import Settings
from soc.testing import ManualClock


def embedded(folder: Path, **changes: object) -> Settings:
    """Settings of the embedded backends in a folder, on free ports."""
    here = {"host": "127.0.0.1", "port": 0}
    return Settings.model_validate(
        {
            "bus": {"url": f"sqlite:///{folder}/bus"},
            "store": {"url": f"sqlite:///{folder}/store"},
            "collect": {"udp": [here], "tcp": [here], "door": f"{folder}/door.sock"},
            "console": {"listen": here},
            "health": {"collect": 0, "correlate": 0, "alert": 0},
            **changes,
        }
    )


async def eventually(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until the condition holds; fail after some seconds."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("role", ROLES)
async def test_each_role_gets_ready_and_ends_when_told(tmp_path: Path, role: str) -> None:
    """On the embedded backends, in this process."""
    clock, stop = SystemClock(), asyncio.Event()
    async with Lifecycle(clock) as lifecycle, asyncio.timeout(240):
        process = Process(embedded(tmp_path), lifecycle, clock)
        assert process.health.unready()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_stages(role, process, stop))
            await eventually(lambda: not process.health.unready())
            stop.set()


async def test_a_stop_ends_the_wait_for_a_bus_that_is_away(tmp_path: Path) -> None:
    """Meanwhile the health page says what is waited for."""
    clock, stop = SystemClock(), asyncio.Event()
    settings = embedded(tmp_path, bus={"url": "kafka://127.0.0.1:1"})
    async with Lifecycle(clock) as lifecycle, asyncio.timeout(240):
        process = Process(settings, lifecycle, clock)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_stages("collect", process, stop))
            await eventually(lambda: "bus" in process.health.unready())
            stop.set()


async def test_a_role_that_fails_to_open_raises_its_error(tmp_path: Path) -> None:
    """Not as a group, and not only when told to stop."""
    (tmp_path / "store").write_bytes(b"")
    clock = SystemClock()
    async with Lifecycle(clock) as lifecycle:
        process = Process(embedded(tmp_path), lifecycle, clock)
        with pytest.raises(Stop, match=r"store\.url"):
            await _stages("alert", process, asyncio.Event())


async def test_a_stage_that_returns_untold_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The others end, and the error names it."""
    ended = []

    async def done(_stop: asyncio.Event) -> None:
        return

    async def lasting(stop: asyncio.Event) -> None:
        try:
            await stop.wait()
        finally:
            ended.append("lasting")

    async def role(_process: Process) -> dict[str, Run]:
        return {"done": done, "lasting": lasting}

    monkeypatch.setitem(app.ROLES, "collect", role)
    clock = SystemClock()
    async with Lifecycle(clock) as lifecycle:
        with pytest.raises(ExceptionGroup) as caught:
            await _stages("collect", Process(embedded(tmp_path), lifecycle, clock), asyncio.Event())
    assert "done ended by itself" in str(caught.value.exceptions[0])
    assert ended == ["lasting"]


async def test_what_is_done_every_minute_outlives_an_absence() -> None:
    """A bus that is away is met again; the stop does not wait for the minute to pass."""
    clock, stop, calls = ManualClock(), asyncio.Event(), []

    async def act() -> None:
        calls.append(clock.monotonic())
        raise Retry("away")

    async with asyncio.timeout(240), asyncio.TaskGroup() as tasks:
        tasks.create_task(_every(60, act, clock, stop))
        for count in (1, 2, 3):
            await eventually(partial(_has, calls, count))
            await eventually(partial(bool, clock._sleepers))
            clock.advance(60)
        stop.set()
    assert calls[:3] == [0, 60, 120]


def _has(items: list[float], count: int) -> bool:
    return len(items) == count
