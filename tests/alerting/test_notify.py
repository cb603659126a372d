"""The notifying stage: who is told what, once, and who waits for whom."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from alerting.group import message_of
from alerting.notify import Notify, group_of, sender_of
from alerting.post import Poster
from alerting.told import message_id
from soc.alerts import AlertChange, Level
from soc.bus.base import ALERTS, DEADLETTER, Bus, Message
from soc.bus.work import work
from soc.clock import SystemClock
from soc.metrics import Metrics
from soc.settings import WebhookReceiver
from soc.testing import NOW, make_alert
from tests.alerting.conftest import beside, caught_up, until, values_of
from tests.alerting.receivers import Hook, hooked


def change(number: int, kind: str = "opened", revision: int = 1, level: Level = Level.HIGH) -> AlertChange:
    """Return a change of alert `number`."""
    alert = make_alert(number, level=level)
    return AlertChange(alert.id, revision, kind, level, NOW, alert)


@asynccontextmanager
async def notifying(bus: Bus, metrics: Metrics, hook: Hook, name: str = "hook") -> AsyncIterator[str]:
    """Run a notifier of the hook; give its group."""
    receiver = WebhookReceiver(name=name, url=hook.url, min_level="high")
    group = group_of(receiver)
    async with Poster(60) as poster, bus.consumer(group, [ALERTS]) as consumer:
        clock = SystemClock()
        notify = Notify(receiver, sender_of(receiver, poster), bus, consumer, metrics=metrics, clock=clock)
        async with beside(work(consumer, notify.handle, bus=bus, metrics=metrics, clock=clock, name=group, idle=0.05)):
            yield group


async def publish(bus: Bus, changes: Sequence[AlertChange]) -> None:
    """Append the changes to soc.alerts."""
    await bus.publish(ALERTS, [message_of(each) for each in changes])


async def test_openings_and_rises_from_the_lowest_level_are_told(bus: Bus, metrics: Metrics) -> None:
    """Counts, acknowledgements, closings and lower levels are not."""
    told = [change(0), change(0, "raised", 4, Level.CRITICAL)]
    quiet = [
        change(1, level=Level.MEDIUM),
        change(0, "counted", 5),
        change(0, "closed", 6),
        change(0, "acknowledged", 7),
    ]
    await publish(bus, told + quiet)
    async with hooked() as hook, notifying(bus, metrics, hook) as group:
        await caught_up(bus, group, ALERTS)
        assert hook.taken == [message_id(each) for each in told]


async def test_a_change_that_is_published_again_is_not_told_again(bus: Bus, metrics: Metrics) -> None:
    """Not while the process lives, and not after a restart: what stood before the committed position is known."""
    await publish(bus, [change(0), change(0)])
    async with hooked() as hook:
        async with notifying(bus, metrics, hook) as group:
            await caught_up(bus, group, ALERTS)
        await publish(bus, [change(0), change(1)])
        async with notifying(bus, metrics, hook) as group:
            await caught_up(bus, group, ALERTS)
        assert hook.taken == [message_id(change(0)), message_id(change(1))]


async def test_an_older_revision_after_a_newer_one_is_still_told(bus: Bus, metrics: Metrics) -> None:
    """The memory is a set of revisions, not the highest one."""
    await publish(bus, [change(0, "raised", 3), change(0, "opened", 1)])
    async with hooked() as hook, notifying(bus, metrics, hook) as group:
        await caught_up(bus, group, ALERTS)
        assert hook.taken == [message_id(change(0, revision=3)), message_id(change(0))]


async def test_a_receiver_that_fails_is_tried_again_in_order_and_once(bus: Bus, metrics: Metrics) -> None:
    """The message under way is repeated with the same key; those before it are not, those behind it wait."""
    changes = [change(0, "opened", 1), change(0, "raised", 2), change(0, "raised", 3)]
    await publish(bus, changes)
    async with hooked() as hook:
        hook.script = [200, 503, 500, 200]
        async with notifying(bus, metrics, hook) as group:
            await caught_up(bus, group, ALERTS)
        names = [message_id(each) for each in changes]
        assert hook.taken == names
        assert [key for key, _ in hook.got] == [names[0], names[1], names[1], names[1], names[2]]


async def test_a_receipt_is_committed_at_once(bus: Bus, metrics: Metrics) -> None:
    """Who ends in the middle of a batch has nothing told again that was acknowledged."""
    changes = [change(0, "opened", 1), change(0, "raised", 2), change(0, "raised", 3)]
    await publish(bus, changes)
    async with hooked() as hook:
        hook.script = [200, 200] + [503] * 1000
        async with notifying(bus, metrics, hook):
            await until(lambda: len(hook.got) > 3)
        hook.script = []
        async with notifying(bus, metrics, hook) as group:
            await caught_up(bus, group, ALERTS)
        assert hook.taken == [message_id(each) for each in changes]


async def test_a_receipt_outlasts_a_rebalance(bus: Bus, metrics: Metrics) -> None:
    """Partitions that change hands and come back before the commit have nothing told again."""
    told: list[str] = []
    group = "notify-hook"

    class Busy:
        async def tell(self, change: AlertChange) -> None:
            """Take the message while another member joins and leaves."""
            told.append(message_id(change))
            async with bus.consumer(group, [ALERTS]) as other:
                await other.poll(timeout=0.01)

    await publish(bus, [change(0), change(1)])
    receiver, clock = WebhookReceiver(name="hook", url="http://127.0.0.1", min_level="high"), SystemClock()
    async with bus.consumer(group, [ALERTS]) as consumer:
        notify = Notify(receiver, Busy(), bus, consumer, metrics=metrics, clock=clock)
        async with beside(work(consumer, notify.handle, bus=bus, metrics=metrics, clock=clock, name=group, idle=0.05)):
            await caught_up(bus, group, ALERTS)
    assert told == [message_id(change(0)), message_id(change(1))]


async def test_a_message_refused_for_good_is_kept_and_the_others_go_on(bus: Bus, metrics: Metrics) -> None:
    """One dead letter with the answer, even where a later message has to be tried again."""
    changes = [change(0, "opened", 1), change(0, "raised", 2)]
    await publish(bus, changes)
    async with hooked() as hook:
        hook.script = [422, 503, 503]
        async with notifying(bus, metrics, hook) as group:
            await caught_up(bus, group, ALERTS)
        assert hook.taken == [message_id(changes[1])]
    letters = await values_of(bus, DEADLETTER)
    assert [(letter["stage"], letter["reason"]) for letter in letters] == [("notify-hook", "refused")]


async def test_a_receiver_that_is_away_waits_alone(bus: Bus, metrics: Metrics) -> None:
    """The other receiver is told at once."""
    await publish(bus, [change(0)])
    async with hooked() as well, hooked() as away:
        away.script = [503] * 1000
        async with notifying(bus, metrics, away, "away") as waiting, notifying(bus, metrics, well, "well") as group:
            await caught_up(bus, group, ALERTS)
            await until(lambda: len(away.got) > 1)
            assert sum((await bus.lag(waiting, ALERTS)).values()) == 1
            away.script = []
            await caught_up(bus, waiting, ALERTS)
    assert well.taken == away.taken == [message_id(change(0))]


@pytest.mark.parametrize("value", [b"{", b"[]", b'{"alert_id": 1}', b"null"])
async def test_malformed_changes_become_dead_letters(bus: Bus, metrics: Metrics, value: bytes) -> None:
    """They are kept with the reason, and the next change is told."""
    await bus.publish(ALERTS, [Message(change(0).alert_id.encode(), value)])
    await publish(bus, [change(0)])
    async with hooked() as hook, notifying(bus, metrics, hook) as group:
        await caught_up(bus, group, ALERTS)
        assert len(hook.taken) == 1
    assert [letter["reason"] for letter in await values_of(bus, DEADLETTER)] == ["malformed_change"]
