"""The way from the Intake to the bus: order, retries, refusals, bounds."""

import asyncio
from pathlib import Path

import pytest

from collectors.framing import Bad
from collectors.ship import PENDING_BYTES, Intake, Shipper
from soc.bus.base import EVENTS
from soc.errors import Retry, SlowDown
from soc.metrics import Metrics
from soc.settings import BusSettings
from soc.testing import NOW, ManualClock
from tests.collectors.fakes import FakeBus, counted, eventually, make_settings


class Fixture:
    """A shipper on a manual clock, and what it works on."""

    def __init__(self, bus: FakeBus, folder: Path, max_message_bytes: int = 65_536) -> None:
        self.metrics = Metrics()
        self.clock = ManualClock()
        settings = make_settings(folder, batch_messages=10, pending_messages=100, batch_seconds=0.001)
        self.settings = settings.model_copy(update={"bus": BusSettings(max_message_bytes=max_message_bytes)})
        self.intake = Intake(100, self.metrics)
        self.shipper = Shipper(self.settings, bus, self.intake, self.metrics, self.clock)

    def put(self, *items: bytes | Bad) -> None:
        self.intake.put(items, NOW, "tcp", "192.0.2.1")

    async def run(self) -> None:
        """Ship everything, letting time pass."""
        self.intake.close()
        async with asyncio.TaskGroup() as tasks:
            shipping = tasks.create_task(self.shipper.run())
            while not shipping.done():
                await asyncio.sleep(0.001)
                self.clock.advance(0.5)


@pytest.fixture
def ship(bus: FakeBus, tmp_path: Path) -> Fixture:
    """A shipper on the fake bus."""
    return Fixture(bus, tmp_path)


async def test_batches_keep_order_and_ids_differ(ship: Fixture, bus: FakeBus) -> None:
    """Every message once, in order, in batches; each event has an id of its own."""
    ship.put(*(b"<13>%d" % number for number in range(95)))
    await ship.run()
    assert bus.messages() == [str(number) for number in range(95)]
    assert len({event.id for event in bus.events()}) == 95
    assert bus.calls == 10


async def test_two_processes_never_share_an_id(bus: FakeBus, tmp_path: Path) -> None:
    """The epoch is drawn at start, so a restarted collector's first message is another event."""
    for _ in range(2):
        ship = Fixture(bus, tmp_path)
        ship.put(b"<13>same")
        await ship.run()
    first, second = bus.events()
    assert first.id != second.id


async def test_a_batch_is_tried_until_it_is_taken(ship: Fixture, bus: FakeBus) -> None:
    """Retry and SlowDown keep the same batch; nothing is lost, nothing doubled, ids stay."""
    bus.trouble = [Retry("away"), SlowDown("full", 30), Retry("away")]
    ship.put(b"<13>a", b"<13>b")
    await ship.run()
    assert bus.messages() == ["a", "b"]
    assert counted(ship.metrics, "stage_retries_total", stage="collect") == 3
    assert ship.shipper.away == ""


async def test_letters_that_fail_do_not_repeat_the_events(ship: Fixture, bus: FakeBus) -> None:
    """When the dead letters of a batch must wait, its acknowledged events are not sent again."""
    ship.put(b"<13>a", b"")

    async def publish_once(topic: str, messages: object, publish: object = bus.publish) -> None:
        if topic != EVENTS and bus.calls == 1:
            bus.calls += 1
            raise Retry("away")
        await publish(topic, messages)  # type: ignore[operator]  # the bound method that it stands before

    bus.publish = publish_once  # type: ignore[method-assign, assignment]  # one failure between two topics
    await ship.run()
    assert bus.messages() == ["a"]
    assert [letter.reason for letter in bus.letters()] == ["empty"]


async def test_an_event_that_the_bus_refuses_is_buried_alone(ship: Fixture, bus: FakeBus) -> None:
    """The others of its batch arrive; the refused one is a dead letter with its raw bytes."""
    bus.refused = b"poison"
    ship.put(*(b"<13>%d" % number for number in range(5)), b"<13>poison", b"<13>6")
    await ship.run()
    assert bus.messages() == ["0", "1", "2", "3", "4", "6"]
    assert [(letter.reason, letter.input()) for letter in bus.letters()] == [("too_large", b"<13>poison")]


async def test_an_event_over_the_limit_is_buried(bus: FakeBus, tmp_path: Path) -> None:
    """A message whose event would be more than the bus takes never reaches publish."""
    ship = Fixture(bus, tmp_path, max_message_bytes=1024)
    raw = b'<13>Sep  2 03:04:05 h nginx: 1 - - [x] "GET /' + b"\1" * 900 + b' HTTP/1.1" 200 1'
    ship.put(raw, b"<13>fine")
    await ship.run()
    assert bus.messages() == ["fine"]
    assert [(letter.reason, letter.input()) for letter in bus.letters()] == [("too_large", raw)]


async def test_bad_frames_keep_their_size(ship: Fixture, bus: FakeBus) -> None:
    """A dead letter tells how much there was, though only the first bytes are kept."""
    ship.put(Bad("oversized", b"<13>xxx", 70_000))
    await ship.run()
    (letter,) = bus.letters()
    assert (letter.size, letter.retriable, letter.source["address"]) == (70_000, False, "192.0.2.1")


async def test_clock_replacements_are_counted(ship: Fixture) -> None:
    """Each event whose time was replaced is counted with the cause."""
    ship.put(b"<13>none", b"<13>1 9999-01-01T00:00:00Z h p - - - m", b"<13>1 2026-09-01T00:00:00Z h p - - - m")
    await ship.run()
    assert counted(ship.metrics, "event_times_replaced_total", cause="missing") == 1
    assert counted(ship.metrics, "event_times_replaced_total", cause="future") == 1


@pytest.mark.parametrize("name", ["Nowhere/City", "", "../etc/passwd"])
def test_a_zone_that_is_none_is_refused_at_the_start(tmp_path: Path, name: str) -> None:
    """The zone of RFC 3164 times is checked with the settings, not at the first message."""
    with pytest.raises(ValueError, match="no time zone is called"):
        make_settings(tmp_path, timezone=name)


async def test_the_intake_is_bounded_by_messages_and_bytes(metrics: Metrics) -> None:
    """It says full at either bound, and that there is room when half is gone."""
    calls: list[str] = []
    intake = Intake(10, metrics)
    intake.watch(lambda: calls.append("full"), lambda: calls.append("room"))
    intake.put([b"x"] * 10, NOW, "tcp", "a")
    assert calls == ["full"]
    intake.settle(await intake.take(4, 0))
    assert intake.full
    intake.settle(await intake.take(1, 0))
    assert calls == ["full", "room"]
    intake.put([bytes(PENDING_BYTES // 4)] * 4, NOW, "tcp", "a")
    assert calls == ["full", "room", "full"]


async def test_a_message_does_not_wait_for_company(metrics: Metrics) -> None:
    """A lone message is handed out after the batch's time, a whole batch at once."""
    intake = Intake(1000, metrics)
    intake.put([b"x"] * 7, NOW, "tcp", "a")
    assert len(await asyncio.wait_for(intake.take(5, 600), 60)) == 5
    assert len(await asyncio.wait_for(intake.take(5, 0.01), 60)) == 2
    waiting = asyncio.ensure_future(intake.take(5, 0.01))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    intake.put([b"x"], NOW, "tcp", "a")
    assert len(await asyncio.wait_for(waiting, 60)) == 1
    intake.close()
    await eventually(lambda: intake.closed)
    assert await intake.take(5, 60) == []
