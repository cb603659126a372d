"""The group stage on the embedded bus and store."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import orjson
import pytest

from alerting.cases import Case, alert_id
from alerting.group import GROUP, Group
from soc.alerts import Act, Action, Alert, Level, Match, Place, Status
from soc.bus.base import ALERTS, CASES, DEADLETTER, Bus, Message
from soc.bus.work import work
from soc.clock import DAY, SECOND, SystemClock
from soc.errors import Conflict, Retry
from soc.metrics import Metrics
from soc.settings import AlertSettings, Settings
from soc.store.base import AlertRef, Answer, Store, Written
from soc.testing import NOW, ManualClock, make_match
from tests.alerting.conftest import beside, caught_up, records_of, values_of

SETTINGS = Settings(alert=AlertSettings(window_seconds=60))


def match(number: int, key: str = "k", *, at: float | None = None, level: Level = Level.LOW) -> Match:
    """Return the match at offset `number`, seen `at` seconds after NOW."""
    time = NOW + round((number if at is None else at) * SECOND)
    place = Place("log", 0, number)
    return make_match(number, level=level, time=time, received=time, alert_key=key, place=place, event=None)


def message(case: Case) -> Message:
    """Return the case as a message for soc.cases."""
    kind = "match" if isinstance(case, Match) else "action"
    return Message(case.alert_key.encode(), orjson.dumps({"kind": kind, kind: case.to_document()}))


@pytest.fixture
def group(bus: Bus, store: Store, metrics: Metrics, clock: ManualClock) -> Group:
    """A stage that is driven by hand."""
    return Group(SETTINGS, bus, store, metrics, clock)


@pytest.fixture
async def running(group: Group, bus: Bus, metrics: Metrics) -> AsyncIterator[None]:
    """The stage, consuming."""
    async with bus.consumer(GROUP, [CASES]) as consumer:
        run = work(consumer, group.handle, bus=bus, metrics=metrics, clock=SystemClock(), name=GROUP, idle=0.05)
        async with beside(run):
            yield


async def feed(bus: Bus, cases: Sequence[Case]) -> None:
    """Publish the cases and wait until they are taken in."""
    await bus.publish(CASES, [message(case) for case in cases])
    await caught_up(bus, GROUP, CASES)


async def get(store: Store, key: str, generation: int = 0, month: str = "2026.09") -> Alert:
    """Return the alert."""
    (stored,) = await store.get_alerts([AlertRef(alert_id(key, generation), month)])
    assert stored is not None
    return stored.document


async def told(bus: Bus) -> list[tuple[str, int]]:
    """Return each published change's kind and revision."""
    return [(value["kind"], value["revision"]) for value in await values_of(bus, ALERTS)]


@pytest.mark.usefixtures("running")
async def test_matches_of_many_keys_become_alerts_with_exact_counts(bus: Bus, store: Store) -> None:
    """Each key has its alert, each alert its count, and every opening is on soc.alerts under the alert's id."""
    cases = [match(number, f"k{number % 40}") for number in range(400)]
    await feed(bus, cases)
    alerts = [await get(store, f"k{each}") for each in range(40)]
    assert [alert.count for alert in alerts] == [10] * 40
    records = await records_of(bus, ALERTS)
    assert {record.key.decode() for record in records} == {alert.id for alert in alerts}
    assert sum(orjson.loads(record.value)["kind"] == "opened" for record in records) == 40


@pytest.mark.usefixtures("running")
async def test_pauses_open_generations_in_order(bus: Bus, store: Store) -> None:
    """Three bursts in one batch are three alerts, each published before the next begins."""
    await feed(bus, [match(0), match(1), match(2, at=500), match(3, at=1000), match(4, at=1001)])
    assert [(await get(store, "k", each)).count for each in range(3)] == [2, 1, 2]
    values = [(value["alert"]["generation"], value["kind"]) for value in await values_of(bus, ALERTS)]
    assert sorted(values) == [(0, "counted"), (0, "opened"), (1, "opened"), (2, "counted"), (2, "opened")]


@pytest.mark.usefixtures("running")
async def test_a_repeated_append_changes_no_count(bus: Bus, store: Store) -> None:
    """The same records again, as after a failed publish: the opening is told again, nothing else."""
    cases = [match(0), match(1), match(2)]
    await feed(bus, cases)
    await feed(bus, cases)
    assert (await get(store, "k")).count == 3
    assert await told(bus) == [("opened", 1), ("counted", 3), ("opened", 1)]


@pytest.mark.usefixtures("running")
async def test_actions_are_applied_and_orphans_become_dead_letters(bus: Bus, store: Store) -> None:
    """Closing works through soc.cases; an action on no alert is kept with the reason."""
    await feed(bus, [match(0)])
    alert = await get(store, "k")
    close = Action("a1", alert.id, "k", 0, alert.month, Act.CLOSE, "lan", "checked", NOW)
    lost = replace(close, id="a2", alert_id=alert_id("k", 7), generation=7)
    await feed(bus, [close, lost])
    assert (await get(store, "k")).status is Status.CLOSED
    assert [letter["reason"] for letter in await values_of(bus, DEADLETTER)] == ["no_such_alert"]


@pytest.mark.usefixtures("running")
async def test_malformed_cases_become_dead_letters_and_the_others_go_on(bus: Bus, store: Store) -> None:
    """Broken JSON, another kind, a match without its place: each is kept, none stops the stage."""
    broken = [b"{", b'{"kind":"other"}', b"[]", message(replace(match(1), place=None)).value]
    await bus.publish(CASES, [Message(b"k", value) for value in broken])
    await feed(bus, [match(0)])
    assert (await get(store, "k")).count == 1
    assert [letter["reason"] for letter in await values_of(bus, DEADLETTER)] == ["malformed_case"] * 4


async def test_a_conflict_starts_the_fold_afresh(
    bus: Bus, store: Store, group: Group, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another member writes between our read and our write: the batch is done again and counts once."""
    await bus.publish(CASES, [message(match(each)) for each in range(3)])
    partition = bus.partition_of(CASES, b"k")
    records = [record for record in await records_of(bus, CASES) if record.partition == partition]
    await group.handle(records[:1])
    read = store.get_alerts
    other = Group(SETTINGS, bus, store, Metrics(), clock)

    async def overtaken(refs: Sequence[AlertRef]) -> object:
        found = await read(refs)
        monkeypatch.setattr(store, "get_alerts", read)
        await other.handle(records[:2])
        return found

    monkeypatch.setattr(store, "get_alerts", overtaken)
    with pytest.raises(Conflict):
        await group.handle(records)
    await group.handle(records)
    assert (await get(store, "k")).count == 3


async def test_a_store_that_asks_to_wait_is_asked_again(
    bus: Bus, store: Store, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RETRY on the alert leaves the announced key; the next try creates exactly that generation."""
    await bus.publish(CASES, [message(match(0))])
    records = await records_of(bus, CASES)

    async def away(writes: Sequence[object]) -> list[Written]:
        return [Written(Answer.RETRY, "busy") for _ in writes]

    with monkeypatch.context() as patch:
        patch.setattr(store, "put_alerts", away)
        with pytest.raises(Retry, match="busy"):
            await group.handle(records)
    await group.handle(records)
    assert (await get(store, "k")).count == 1
    assert await told(bus) == [("opened", 1)]


async def test_an_alert_that_the_store_rejects_is_a_dead_letter(
    bus: Bus, store: Store, group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cases are kept with the store's reason, and the batch is done."""
    await bus.publish(CASES, [message(match(0))])

    async def reject(writes: Sequence[object]) -> list[Written]:
        return [Written(Answer.REJECTED, "mapping") for _ in writes]

    monkeypatch.setattr(store, "put_alerts", reject)
    await group.handle(await records_of(bus, CASES))
    letters = await values_of(bus, DEADLETTER)
    assert [(letter["reason"], letter["detail"]) for letter in letters] == [("store_rejected", "mapping")]
    assert await told(bus) == []


async def test_an_alert_too_large_for_the_bus_is_told_without_its_history(bus: Bus, store: Store, group: Group) -> None:
    """An analyst's megabytes never stop the stage; the store has them all."""
    await bus.publish(CASES, [message(match(0))])
    await group.handle(await records_of(bus, CASES))
    alert = await get(store, "k")
    acts = [
        Action(f"a{each}", alert.id, "k", 0, alert.month, Act.ACKNOWLEDGE, "lan", "x" * 500_000, NOW)
        for each in range(4)
    ]
    await bus.publish(CASES, [message(each) for each in acts])
    await group.handle(await records_of(bus, CASES))
    assert len((await get(store, "k")).history) == 4
    assert [len(value["alert"]["history"]) for value in await values_of(bus, ALERTS)][-1] == 0


async def test_generations_go_on_after_retention_removed_the_alerts(
    bus: Bus, store: Store, group: Group, clock: ManualClock
) -> None:
    """A year later the key's next alert has the next generation, so no id ever comes twice."""
    later = replace(match(1), time=NOW + 365 * DAY, received=NOW + 365 * DAY)
    await bus.publish(CASES, [message(match(0)), message(later)])
    first, second = await records_of(bus, CASES)
    await group.handle([first])
    clock.advance(365 * 86_400)
    await store.expire(clock.now())
    await group.handle([second])
    assert (await get(store, "k", 1, "2027.09")).count == 1
