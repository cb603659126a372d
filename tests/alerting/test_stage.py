"""The whole room at once: cases in; alerts, mail, webhooks and the National SOC's messages out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from alerting.group import GROUP
from alerting.mock.server import Mock, running
from alerting.stage import AlertStage
from alerting.told import message_id
from soc.alerts import AlertChange, Level
from soc.bus.base import ALERTS, CASES, NATIONAL, Bus
from soc.errors import Lost
from soc.metrics import Metrics
from soc.settings import NationalSettings, Settings, WebhookReceiver
from soc.store.base import Store
from tests.alerting.conftest import FactoryClock, caught_up, values_of
from tests.alerting.nationals import received, settings_for
from tests.alerting.receivers import Hook, hooked
from tests.alerting.test_group import match, message

GROUPS = {"group": CASES, "notify-chat": ALERTS, "report": ALERTS, "push": NATIONAL}


@asynccontextmanager
async def outside() -> AsyncIterator[tuple[Settings, Hook, Mock]]:
    """A webhook, a National SOC, and the settings that lead there."""
    async with hooked() as hook, running("127.0.0.1", 0) as (url, mock):
        receivers = (WebhookReceiver(name="chat", url=hook.url, min_level="high"),)
        yield Settings(receivers=receivers, national=settings_for(url)), hook, mock


@asynccontextmanager
async def staged(settings: Settings, bus: Bus, store: Store) -> AsyncIterator[AlertStage]:
    """Run the stage, and stop it as the service does."""
    stage = AlertStage(settings, bus, store, Metrics(), FactoryClock())
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.run(stop), name="stage")
        yield stage
        stop.set()


async def settled(bus: Bus) -> None:
    """Wait until nothing is under way."""
    for group, topic in GROUPS.items():
        await caught_up(bus, group, topic)


async def test_a_critical_match_reaches_everybody_once(bus: Bus, store: Store) -> None:
    """One alert, one webhook under its id, one urgent message; the stage says when it is ready."""
    async with outside() as (settings, hook, mock):
        async with staged(settings, bus, store) as stage:
            assert stage.unready() == "not reading yet: group, notify-chat, push, report"
            await bus.publish(CASES, [message(match(each, level=Level.CRITICAL)) for each in range(5)])
            await settled(bus)
            assert stage.unready() is None
        changes = [AlertChange.from_document(value) for value in await values_of(bus, ALERTS)]
        opened = next(each for each in changes if each.kind == "opened")
        assert hook.taken == [message_id(opened)]
        assert len(received(mock)) == 1


async def test_stopped_again_and_again_everybody_is_told_once(bus: Bus, store: Store) -> None:
    """Twelve stops at odd moments: each opening and rise is told under one id, counts are exact, numbers have no gap."""
    keys = 6
    async with outside() as (settings, hook, mock):
        for round_ in range(12):
            async with staged(settings, bus, store):
                level = Level.HIGH if round_ < 6 else Level.CRITICAL
                offsets = range(round_ * 30, round_ * 30 + 30)
                await bus.publish(CASES, [message(match(each, f"k{each % keys}", level=level)) for each in offsets])
                await asyncio.sleep(0.02 * (round_ % 5))
        async with staged(settings, bus, store):
            await settled(bus)
        counts: dict[str, int] = {}
        told: set[str] = set()
        for value in await values_of(bus, ALERTS):
            change = AlertChange.from_document(value)
            counts[change.alert_id] = max(change.alert.count, counts.get(change.alert_id, 0))
            told |= {message_id(change)} if change.kind in {"opened", "raised"} else set()
        assert sorted(counts.values()) == [60] * keys
        assert set(hook.taken) == told
        assert len(told) == 2 * keys
        numbers = [seq for seq, _ in received(mock)]
        assert numbers == list(range(1, keys + 1))
        assert mock.ledger.counters()["conflicts"] == 0


async def test_without_a_url_nothing_is_reported_or_pushed(bus: Bus, store: Store) -> None:
    """Alerts are grouped all the same."""
    async with staged(Settings(national=NationalSettings()), bus, store) as stage:
        await bus.publish(CASES, [message(match(0, level=Level.CRITICAL))])
        await caught_up(bus, GROUP, CASES)
        assert stage.unready() is None
    assert await values_of(bus, NATIONAL) == []


async def test_a_lost_position_ends_the_stage(bus: Bus, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot go on is raised, not swallowed."""
    consumer = bus.consumer("probe", [CASES])

    async def lost(*_arguments: object) -> None:
        raise Lost(CASES, 0, 0, 5)

    monkeypatch.setattr(type(consumer), "poll", lost)
    stage = AlertStage(Settings(), bus, store, Metrics(), FactoryClock())
    with pytest.raises(ExceptionGroup) as group:
        await stage.run(asyncio.Event())
    assert group.value.subgroup(Lost) is not None
