"""The reporting and pushing stages beside a mock of the National SOC."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from alerting.mock.server import Mock
from alerting.national import Content
from alerting.post import Poster
from alerting.push import GROUP, Push
from soc.bus.base import NATIONAL, Bus
from soc.bus.work import work
from soc.clock import Clock, SystemClock
from soc.metrics import Metrics
from soc.settings import NationalSettings
from tests.alerting.conftest import beside


def settings_for(url: str, **changes: object) -> NationalSettings:
    """Return settings that lead to the mock at `url`."""
    given = {"url": f"{url}/api/v1/messages", "province": "Quảng Trị", "timeout": 60.0, **changes}
    return NationalSettings.model_validate(given)


@asynccontextmanager
async def pushing(
    bus: Bus, settings: NationalSettings, metrics: Metrics, *, batch: int = 500, clock: Clock | None = None
) -> AsyncIterator[Push]:
    """Run the push stage."""
    async with Poster(settings.timeout) as poster, bus.consumer(GROUP, [NATIONAL]) as consumer:
        push = Push(settings, bus, consumer, poster, metrics=metrics, clock=clock or SystemClock())
        run = work(
            consumer,
            push.handle,
            bus=bus,
            metrics=metrics,
            clock=SystemClock(),
            name=GROUP,
            max_records=batch,
            idle=0.05,
        )
        async with beside(run):
            yield push


def urgent_content(number: int) -> Content:
    """Return a valid urgent content."""
    alert = {
        "id": f"alert-{number}",
        "revision": 1,
        "kind": "opened",
        "level": "critical",
        "time": "2026-11-22T08:00:00Z",
        "opened": "2026-11-22T08:00:00Z",
        "rule": "rule",
        "title": f"Thử {number}",
        "tags": [],
        "site": "site",
        "host": "host",
        "reasons": [],
    }
    return Content(f"content-{number}", "urgent", {"alert": alert})


async def write(bus: Bus, *numbers: int) -> None:
    """Append urgent contents to soc.national."""
    await bus.publish(NATIONAL, [urgent_content(each).to_message("urgent") for each in numbers])


def received(mock: Mock) -> list[tuple[int, str]]:
    """Return each received message's number and content, in the order received; a tombstone as "-content"."""
    entries = [entry["message"] for entry in mock.ledger.messages()]
    return [(each["seq"], f"-{each['replaces']}" if each["type"] == "tombstone" else each["id"]) for each in entries]
