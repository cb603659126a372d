"""The door: one process publishes for another, and says when it is done."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.door import Door, DoorClient, largest_frame
from soc.bus.deadletters import Letter, of_input
from soc.errors import AlreadyRunning, DeadLetter, Retry, SettingsError, Stop
from soc.metrics import Metrics
from soc.testing import NOW, make_event
from tests.collectors.fakes import FakeBus, counted, make_settings


@pytest.fixture
async def door(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> AsyncIterator[Path]:
    """An open door; its path."""
    opened = Door(make_settings(tmp_path), bus, metrics)
    await opened.open()
    yield tmp_path / "door.sock"
    opened.close()


def letter() -> Letter:
    return of_input("replay", b"junk", DeadLetter("malformed_json", "x"), NOW, {"file": "f"})


async def test_events_and_letters_pass(door: Path, bus: FakeBus, metrics: Metrics) -> None:
    """Both are on the bus when send returns, exactly as they were."""
    events = [make_event(number) for number in range(500)]
    async with DoorClient(door) as client:
        await client.send(events, [letter()])
        await client.send([make_event(500)])
        assert bus.events() == [*events, make_event(500)]
        assert bus.letters() == [letter()]
    assert counted(metrics, "events_published_total", transport="door") == 501
    assert counted(metrics, "deadletters_total", stage="replay", reason="malformed_json") == 1


async def test_the_bus_answers_through_the_door(door: Path, bus: FakeBus) -> None:
    """Retry stays Retry and a refusal a DeadLetter; the connection is still good afterwards."""
    bus.trouble = [Retry("bus away"), DeadLetter("too_large", "n")]
    async with DoorClient(door) as client:
        with pytest.raises(Retry, match="bus away"):
            await client.send([make_event()])
        with pytest.raises(DeadLetter, match="too_large"):
            await client.send([make_event()])
        await client.send([make_event()])
    assert len(bus.events()) == 1


async def test_nobody_behind_the_door(tmp_path: Path) -> None:
    """Without a collector the error says what to start."""
    with pytest.raises(Stop, match="soc up"):
        await DoorClient(tmp_path / "none.sock").send([make_event()])


async def test_a_collector_that_restarts_is_met_again(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """After a connection that worked, a missing collector is Retry, and the next send connects anew."""
    config = make_settings(tmp_path)
    first = Door(config, bus, metrics)
    await first.open()
    async with DoorClient(tmp_path / "door.sock") as client:
        await client.send([make_event(0)])
        first.close()
        await asyncio.sleep(0.05)
        for _ in range(2):
            with pytest.raises(Retry):
                await client.send([make_event(1)])
        second = Door(config, bus, metrics)
        await second.open()
        await client.send([make_event(1)])
        second.close()
    assert len(bus.events()) == 2


async def test_a_stale_socket_is_removed(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """What a killed collector left does not stop the next one."""
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "door.sock"))
    opened = Door(make_settings(tmp_path), bus, metrics)
    await opened.open()
    opened.close()
    assert not (tmp_path / "door.sock").exists()


async def test_nothing_else_is_removed(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """A file in the way and a link to one are refused, and stay; a living door is another collector's."""
    (tmp_path / "door.sock").write_text("mine")
    with pytest.raises(SettingsError, match="no socket"):
        await Door(make_settings(tmp_path), bus, metrics).open()
    assert (tmp_path / "door.sock").read_text() == "mine"
    (tmp_path / "door.sock").rename(tmp_path / "other")
    (tmp_path / "door.sock").symlink_to(tmp_path / "other")
    with pytest.raises(SettingsError, match="no socket"):
        await Door(make_settings(tmp_path), bus, metrics).open()
    assert (tmp_path / "other").exists()
    with socket.socket(socket.AF_UNIX) as alive:
        (tmp_path / "door.sock").unlink()
        alive.bind(str(tmp_path / "door.sock"))
        alive.listen()
        with pytest.raises(AlreadyRunning):
            await Door(make_settings(tmp_path), bus, metrics).open()


async def exchange(path: Path, data: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(str(path))
    writer.write(data)
    writer.write_eof()
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    return answer


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b'{"events": []}',
        b'{"events": [1], "letters": []}',
        b'{"events": [{"id": "x"}], "letters": []}',
        b'{"events": [], "letters": [{"stage": 1}]}',
    ],
)
async def test_malformed_requests_are_answered(door: Path, bus: FakeBus, body: bytes) -> None:
    """Each gets an error with the reason; the door stays open."""
    answer = await exchange(door, len(body).to_bytes(4, "big") + body)
    assert b'"answer":"error"' in answer
    async with DoorClient(door) as client:
        await client.send([make_event()])
    assert len(bus.events()) == 1


async def test_a_frame_that_is_too_long_is_refused(door: Path, tmp_path: Path) -> None:
    """Nobody makes the collector hold more than a frame; the client does not send one."""
    limit = largest_frame(make_settings(tmp_path))
    assert b"oversized" in await exchange(door, (limit + 1).to_bytes(4, "big") + b"x")
    with pytest.raises(DeadLetter, match="too_large"):
        await DoorClient(door, limit=1000).send([make_event(raw="x" * 2000)])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
@given(st.binary(max_size=100))
async def test_any_bytes_leave_the_door_open(door: Path, data: bytes) -> None:
    """Whatever is sent, the door answers the next visitor."""
    await exchange(door, data)
    async with DoorClient(door) as client:
        await client.send([])
