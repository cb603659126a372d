"""Replay: everything arrives once, at the pace asked for, and what cannot is a dead letter."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from collectors.publish import Publisher
from collectors.replay import BATCH, PATIENCE, Progress, replay
from collectors.sources import Options
from soc.bus.base import EVENTS
from soc.bus.deadletters import Letter
from soc.clock import SECOND
from soc.errors import DeadLetter, Retry, SlowDown, Stop
from soc.events import Event
from soc.metrics import Metrics
from soc.testing import NOW, ManualClock
from tests.collectors.fakes import FakeBus, counted

OPTIONS = Options(site="s", now=lambda: NOW)


def recording(folder: Path, count: int, step: float = 1.0, name: str = "a.jsonl") -> Path:
    """Events `step` seconds apart."""
    path = folder / name
    path.write_text("".join(json.dumps({"ts": 1_600_000_000 + n * step, "n": n}) + "\n" for n in range(count)))
    return path


async def test_everything_arrives_once(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """Several files, in order, in batches; progress goes up to the end."""
    files = [recording(tmp_path, 1200), recording(tmp_path, 10, name="b.jsonl")]
    steps: list[Progress] = []
    send = Publisher(bus, metrics, "replay").send
    last = await replay(files, send, options=OPTIONS, clock=ManualClock(), progress=steps.append)
    assert [event.fields["n"] for event in bus.events()] == [*range(1200), *range(10)]
    assert (last.events, last.bad, last.position, last.file) == (1210, 0, last.size, files[1])
    assert [step.events for step in steps] == [BATCH, 2 * BATCH, 1200, 1210]
    assert counted(metrics, "events_published_total", transport="replay") == 1210
    assert {message.headers for message in bus.topics[EVENTS]} == {(("schema", b"1"),)}


async def test_bad_records_are_dead_letters(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """Broken lines and events that are too large or refused are buried, each with file, number and reason."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"n": 1}\nbroken\n{"n": "poison"}\n{"n": "' + "x" * 5000 + '"}\n{"n": 2}\n')
    bus.refused = b"poison"
    send = Publisher(bus, metrics, "replay").send
    last = await replay([path], send, options=OPTIONS, clock=ManualClock(), max_value_bytes=4000)
    assert [event.fields["n"] for event in bus.events()] == [1, 2]
    letters = {letter.source["record"]: letter.reason for letter in bus.letters()}
    assert letters == {2: "malformed_json", 3: "too_large", 4: "too_large"}
    assert (last.events, last.bad) == (2, 3)
    assert {letter.source["file"] for letter in bus.letters()} == {"a.jsonl"}


async def test_the_recorded_pace(tmp_path: Path) -> None:
    """Each event comes as long after the first as it was recorded, divided by the speed."""
    clock, arrived = ManualClock(), list[tuple[int, float]]()

    async def send(events: Sequence[Event], letters: Sequence[Letter]) -> None:
        assert not letters
        arrived.extend((event.fields["n"], clock.monotonic()) for event in events)

    path = recording(tmp_path, 6, step=10.0)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(replay([path], send, options=OPTIONS, clock=clock, speed=2.0))
        while not running.done():
            await asyncio.sleep(0)
            clock.advance(1.0)
    assert [number for number, _ in arrived] == list(range(6))
    for number, at in arrived:
        assert number * 5.0 <= at + 0.1 <= number * 5.0 + 6.0


async def test_records_out_of_order_do_not_wait(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """A record from before the first one comes at once: the manual clock never moves."""
    path = tmp_path / "a.jsonl"
    path.write_text('{"ts": 1600000100}\n{"ts": 1600000000}\n{"ts": 1600000100}\n')
    await replay([path], Publisher(bus, metrics, "replay").send, options=OPTIONS, clock=ManualClock(), speed=1.0)
    assert [event.time // SECOND for event in bus.events()] == [1600000100, 1600000000, 1600000100]


async def test_a_bus_that_is_away_is_waited_for(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """A batch is sent again until it is taken; after PATIENCE the replay gives up with the reason."""
    clock = ManualClock()
    bus.trouble = [Retry("away"), SlowDown("full", 20)]
    send = Publisher(bus, metrics, "replay").send

    async def run() -> Progress:
        async with asyncio.TaskGroup() as tasks:
            running = tasks.create_task(replay([recording(tmp_path, 3)], send, options=OPTIONS, clock=clock))
            while not running.done():
                await asyncio.sleep(0)
                clock.advance(1.0)
        return running.result()

    assert (await run()).events == 3
    bus.away = True
    begun = clock.monotonic()
    with pytest.raises(ExceptionGroup) as failure:
        await run()
    assert isinstance(failure.value.exceptions[0], Retry)
    assert PATIENCE < clock.monotonic() - begun < PATIENCE + 20


async def test_nothing_is_sent_where_a_file_is_missing(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """A wrong name among several is told before anything is published."""
    files = [recording(tmp_path, 3), tmp_path / "none"]
    with pytest.raises(Stop, match="none"):
        await replay(files, Publisher(bus, metrics, "replay").send, options=OPTIONS, clock=ManualClock())
    assert bus.calls == 0


async def test_a_refused_letter_ends_the_replay(tmp_path: Path) -> None:
    """What can be neither published nor buried is not dropped in silence."""

    async def send(_events: Sequence[Event], _letters: Sequence[Letter]) -> None:
        raise DeadLetter("too_large", "whatever it is")

    with pytest.raises(DeadLetter):
        await replay([recording(tmp_path, 1)], send, options=OPTIONS, clock=ManualClock())
