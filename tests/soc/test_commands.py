"""Dead letters from the command line: listed, shown and published again, hostile content and all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from collectors.stage import CollectStage
from soc import bus as buses
from soc.bus.base import DEADLETTER, EVENTS, MATCHES, Bus, Message, Record, TopicPartition
from soc.bus.deadletters import KEPT_BYTES, Letter, bury, of_input, of_record
from soc.clock import SystemClock
from soc.commands import alerts, deadletter_ls, deadletter_retry, deadletter_show
from soc.errors import DeadLetter, Stop
from soc.events import SCHEMA, to_wire
from soc.metrics import Metrics
from soc.settings import Settings
from soc.testing import NOW, make_event

HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e[red]x[/red]"
ERROR = DeadLetter("rule_failed", HOSTILE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The embedded backends in a folder."""
    return Settings.model_validate(
        {
            "bus": {"url": f"sqlite:///{tmp_path}/bus"},
            "store": {"url": f"sqlite:///{tmp_path}/store"},
            "collect": {"udp": [], "tcp": [], "door": f"{tmp_path}/door.sock"},
        }
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Bus]:
    """The bus of the settings."""
    async with buses.connect(settings.bus, Metrics(), SystemClock()) as bus:
        yield bus


async def put(settings: Settings, *letters: Letter) -> None:
    """Put letters onto the bus."""
    async with opened(settings) as bus:
        await bury(bus, Metrics(), letters)


async def published(bus: Bus, topic: str) -> list[bytes]:
    """All values of a topic."""
    ends = await bus.ends(topic)
    pages = [await bus.read(TopicPartition(topic, number), end.low, 100) for number, end in ends.items()]
    return [record.value for page in pages for record in page]


def failed(topic: str, value: bytes, headers: tuple[tuple[str, bytes], ...] = ()) -> Letter:
    """The letter of a record that a stage could not process."""
    return of_record("detect", Record(topic, 0, 5, NOW, b"k", value, headers), ERROR, NOW)


async def test_letters_are_listed_and_shown_without_control(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Latest last, bounded by the limit; what came from outside neither drives the terminal nor is markup."""
    letter = of_input("collect", HOSTILE.encode() + b"\n\xff\x80", ERROR, NOW, {"address": HOSTILE})
    await put(settings, failed(EVENTS, b"first"), letter)
    await deadletter_ls(settings, 1)
    await deadletter_show(settings, 1)
    output = capsys.readouterr().out
    assert "1 of 2 dead letters" in output
    assert "first" not in output
    assert "[red]x[/red]" in output
    assert not {"\x1b", "\x07", "\u202e"} & set(output)


async def test_a_letter_is_published_again_where_it_came_from(settings: Settings) -> None:
    """Key, value and headers as they were."""
    await put(settings, failed(MATCHES, b"\x00\xff", (("schema", b"1"),)))
    await deadletter_retry(settings, [0])
    async with opened(settings) as bus:
        assert await published(bus, MATCHES) == [b"\x00\xff"]


async def test_nothing_is_published_where_one_cannot_be(settings: Settings) -> None:
    """One that never was on the bus, one that was cut, one that is not there: each is named."""
    good, cut = failed(MATCHES, b"good"), failed(MATCHES, b"x" * (KEPT_BYTES + 1))
    await put(settings, good, of_input("collect", b"x", ERROR, NOW, {}), cut)
    for numbers, message in (([0, 1], "dead letter 1 never"), ([0, 2], "dead letter 2 "), ([0, 9], "no dead letter 9")):
        with pytest.raises(Stop, match=message):
            await deadletter_retry(settings, numbers)
    async with opened(settings) as bus:
        assert await published(bus, MATCHES) == []


async def test_a_record_that_is_no_letter_does_not_hide_the_others(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    """Somebody else wrote on the topic."""
    async with opened(settings) as bus:
        await bus.publish(DEADLETTER, [Message(b"", b"{}"), Message(b"", b"[1]"), Message(b"", b"\xff")])
    await put(settings, failed(EVENTS, b"x"))
    await deadletter_ls(settings, 10)
    output = capsys.readouterr().out
    assert "4 of 4 dead letters" in output
    assert "rule_failed" in output
    await deadletter_show(settings, 2)
    assert "malformed_letter" in capsys.readouterr().out
    with pytest.raises(Stop, match=r"dead letter 2 .*malformed_letter"):
        await deadletter_retry(settings, [2])


async def test_an_event_is_published_again_through_the_running_collector(settings: Settings) -> None:
    """The embedded bus has one writer of events: whoever retries hands it the event."""
    event = make_event()
    async with opened(settings) as bus, asyncio.TaskGroup() as tasks:
        await bus.publish(EVENTS, [Message(b"k", to_wire(event), (("schema", SCHEMA),))])
        stop = asyncio.Event()
        stage = CollectStage(settings, bus, Metrics(), SystemClock())
        tasks.create_task(stage.run(stop))
        try:
            async with asyncio.timeout(20):
                while stage.unready():  # noqa: ASYNC110 - the stage has no event for this
                    await asyncio.sleep(0.01)
                schema = (("schema", SCHEMA),)
                await put(settings, failed(EVENTS, to_wire(event), schema), failed(EVENTS, b"no event", schema))
                await deadletter_retry(settings, [0])
                with pytest.raises(Stop, match=r"dead letter 1 is still no event: .*not JSON"):
                    await deadletter_retry(settings, [0, 1])
                assert await published(bus, EVENTS) == [to_wire(event)] * 2
        finally:
            stop.set()


async def test_no_alerts_are_no_error(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the first one."""
    await alerts(settings, 20)
    assert "0 of 0 alerts" in capsys.readouterr().out
