"""What is written for the National SOC: urgent alerts, and a summary of each interval."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from alerting.group import message_of
from alerting.mock.server import schema
from alerting.national import Content, Number, numbered, tombstone
from alerting.report import FIRST, GROUP, MAX_TALLIES, Report, summary, urgent
from soc.alerts import AlertChange, Level, Reason
from soc.bus.base import ALERTS, DEADLETTER, NATIONAL, Bus, Message
from soc.bus.work import work
from soc.clock import SECOND, SystemClock
from soc.errors import Retry
from soc.evidence import reasons_of
from soc.metrics import Metrics
from soc.settings import NationalSettings
from soc.store.base import Store, Tally
from soc.testing import NOW, ManualClock, make_alert, make_evidence, make_match
from tests.alerting.conftest import beside, caught_up, records_of, values_of

HOUR = 3600
START = NOW // (HOUR * SECOND) * HOUR * SECOND
"""The start of the interval in which the manual clock stands."""


def change(number: int, kind: str = "opened", level: Level = Level.CRITICAL) -> AlertChange:
    """Return a change of alert `number`."""
    alert = make_alert(number, level=level)
    return AlertChange(alert.id, 1, kind, level, NOW, alert)


def test_a_correlation_over_several_hosts_is_as_the_schema_says() -> None:
    """Its host is empty; its reasons are what was counted and the group; a tally may lack the site too."""
    alert = make_alert(0, host="", site="", reasons=reasons_of(make_evidence()))
    told = urgent(AlertChange(alert.id, 1, "opened", Level.CRITICAL, NOW, alert), "Hà Giang")
    Draft202012Validator(schema("urgent")).validate(numbered(told, Number("urgent", "log", 1), "Hà Giang"))
    assert [each["field"] for each in told.body["alert"]["reasons"]] == ["event_count", "SourceIp", "User"]
    tallies = [Tally(Level.HIGH, alert.rule.id, alert.title, "", 3)]
    made = summary("Hà Giang", START, START + HOUR * SECOND, tallies, tallies)
    Draft202012Validator(schema("summary")).validate(numbered(made, Number("regular", "log", 1), "Hà Giang"))


@pytest.fixture
async def reporting(bus: Bus, store: Store, metrics: Metrics, clock: ManualClock) -> AsyncIterator[None]:
    """The stage, consuming."""
    async with bus.consumer(GROUP, [ALERTS]) as consumer:
        report = Report(NationalSettings(province="P"), bus, store, consumer, metrics=metrics, clock=clock)
        async with beside(
            work(consumer, report.handle, bus=bus, metrics=metrics, clock=SystemClock(), name=GROUP, idle=0.02)
        ):
            await begun(bus)
            yield


async def begun(bus: Bus) -> None:
    """Wait until the stage has committed where its summaries begin."""
    consumer = bus.consumer(GROUP, [ALERTS])
    async with asyncio.timeout(100):
        while not await consumer.committed(FIRST):  # noqa: ASYNC110 - the bus knows nothing of events
            await asyncio.sleep(0.01)


async def national(bus: Bus, count: int) -> list[dict[str, Any]]:
    """Wait for so many contents, and return them with their partition."""
    async with asyncio.timeout(100):
        while len(found := await values_of(bus, NATIONAL)) < count:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    return found


def valid(content: Content, stream: str) -> dict[str, Any]:
    """Return the content as it is sent, after the published schema has passed it."""
    message = numbered(content, Number(stream, "epoch", 1), "Quảng Trị")
    Draft202012Validator(schema(content.type)).validate(message)
    return message


def test_an_urgent_message_is_as_the_schema_says() -> None:
    """Also where an attacker filled every field with a megabyte of escapes."""
    valid(urgent(change(0), "P"), "urgent")
    huge = "\x1b[2J<script>" * 100_000
    alert = make_alert(0, host=huge, site=huge, reasons=tuple(Reason(huge, None, huge) for _ in range(99)))
    alert = replace(alert, rule=replace(alert.rule, id=huge, title=huge, tags=(huge,) * 99))
    message = valid(urgent(replace(change(0), alert=alert), "P"), "urgent")
    assert "\x1b" not in str(message)


def test_a_summary_is_as_the_schema_says_and_bounded() -> None:
    """Totals are exact even where the list is cut to its largest."""
    tallies = [Tally(Level.HIGH, f"r{each}", "title\x1b", "site", each + 1) for each in range(MAX_TALLIES + 500)]
    message = valid(summary("P", START, START + HOUR * SECOND, tallies, []), "regular")
    assert len(message["alerts"]["items"]) == MAX_TALLIES
    assert message["alerts"]["total"] == sum(each.number for each in tallies)
    assert message["alerts"]["items"][0]["count"] == MAX_TALLIES + 500
    assert message["matches"] == {"total": 0, "items": []}


def test_a_tombstone_is_as_the_schema_says() -> None:
    """It has an id of its own and names what it replaces."""
    message = valid(tombstone("content-1", Number("urgent", "epoch", 1)), "urgent")
    assert message["replaces"] == "content-1" != message["id"]


def test_ids_depend_on_the_content_and_the_province_alone() -> None:
    """The same revision has the same id whatever the alert has become; another province's has another."""
    early, late = change(0), replace(change(0), alert=make_alert(0, level=Level.CRITICAL, count=50, revision=9))
    assert urgent(early, "P") == urgent(late, "P")
    assert urgent(early, "P").id != urgent(early, "Q").id
    assert summary("P", 0, 1, [], []).id != summary("Q", 0, 1, [], []).id


@pytest.mark.usefixtures("reporting")
async def test_urgent_openings_and_rises_are_written_without_a_number(bus: Bus) -> None:
    """To the first partition; everything else is left out."""
    changes = [change(0), change(1, "raised"), change(2, level=Level.HIGH), change(3, "closed"), change(4, "counted")]
    await bus.publish(ALERTS, [message_of(each) for each in changes])
    await caught_up(bus, GROUP, ALERTS)
    records = await records_of(bus, NATIONAL)
    assert {record.partition for record in records} == {0}
    assert {value["id"] for value in await values_of(bus, NATIONAL)} == {urgent(each, "P").id for each in changes[:2]}
    assert all(value.keys() == {"id", "type", "body"} for value in await values_of(bus, NATIONAL))


@pytest.mark.usefixtures("reporting")
async def test_an_interval_is_summed_up_when_it_has_ended(bus: Bus, store: Store, clock: ManualClock) -> None:
    """Alerts opened and matches received in it, by level, rule and site; the interval is aligned to the epoch."""
    await store.put_alerts([(make_alert(each, level=Level.HIGH), None) for each in range(3)])
    await store.add_matches([make_match(each) for each in range(5)])
    clock.advance(HOUR + 10)
    (content,) = await national(bus, 1)
    body = content["body"]
    assert body["interval"] == {"start": "2026-09-21T14:00:00Z", "end": "2026-09-21T15:00:00Z"}
    assert (body["alerts"]["total"], body["matches"]["total"]) == (3, 5)
    assert body["matches"]["items"][0]["count"] == 5
    assert (await records_of(bus, NATIONAL))[0].partition == 1


async def run_for(bus: Bus, store: Store, clock: ManualClock, contents: int) -> list[dict[str, Any]]:
    """Run a new stage until so many contents are there."""
    metrics = Metrics()
    async with bus.consumer(GROUP, [ALERTS]) as consumer:
        report = Report(NationalSettings(province="P"), bus, store, consumer, metrics=metrics, clock=clock)
        run = work(consumer, report.handle, bus=bus, metrics=metrics, clock=SystemClock(), name=GROUP, idle=0.02)
        async with beside(run):
            await begun(bus)
            return await national(bus, contents)


async def test_after_an_absence_each_missed_interval_is_summed_up_once(
    bus: Bus, store: Store, clock: ManualClock
) -> None:
    """The last interval done stands in the commit, so a restart neither repeats nor skips."""
    await run_for(bus, store, clock, 0)
    clock.advance(3 * HOUR)
    contents = await run_for(bus, store, clock, 3)
    await run_for(bus, store, clock, 3)
    starts = [content["body"]["interval"]["start"] for content in contents]
    assert starts == [f"2026-09-21T{hour}:00:00Z" for hour in (14, 15, 16)]
    assert len(await values_of(bus, NATIONAL)) == 3


@pytest.mark.usefixtures("reporting")
async def test_urgent_messages_do_not_wait_for_a_store_that_is_away(
    bus: Bus, store: Store, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The summary waits, the alert goes out."""

    async def away(_since: int, _until: int) -> list[Tally]:
        raise Retry("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(store, "tally_alerts", away)
        clock.advance(2 * HOUR)
        await bus.publish(ALERTS, [message_of(change(0))])
        await caught_up(bus, GROUP, ALERTS)
        assert [value["type"] for value in await values_of(bus, NATIONAL)] == ["urgent"]
    assert [value["type"] for value in await national(bus, 3)] == ["urgent", "summary", "summary"]


@pytest.mark.usefixtures("reporting")
async def test_malformed_changes_become_dead_letters(bus: Bus) -> None:
    """And the next change is reported."""
    await bus.publish(ALERTS, [Message(change(0).alert_id.encode(), b"{"), message_of(change(0))])
    await caught_up(bus, GROUP, ALERTS)
    assert len(await values_of(bus, NATIONAL)) == 1
    assert [letter["reason"] for letter in await values_of(bus, DEADLETTER)] == ["malformed_change"]
