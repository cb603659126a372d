"""Every promise of soc/store/base.py as a test; each backend's module runs them all on itself."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from soc.alerts import Act, Alert, AlertKey, Contribution, HistoryEntry, Level, Match, Milestone, Place, Reason, Status
from soc.clock import DAY, SECOND
from soc.events import to_document
from soc.metrics import Metrics
from soc.store.base import (
    MAX_EVENTS,
    MAX_PAGE,
    OLD,
    AlertQuery,
    AlertRef,
    AlertSort,
    Answer,
    MatchQuery,
    Store,
    Version,
    Written,
    match_month,
)
from soc.store.months import month_end
from soc.testing import (
    NOW,
    ManualClock,
    make_alert,
    make_correlated,
    make_event,
    make_evidence,
    make_match,
    make_rule,
)

CREATED, EXISTS = Written(Answer.CREATED), Written(Answer.EXISTS)
UPDATED, CONFLICT = Written(Answer.UPDATED), Written(Answer.CONFLICT)
TOO_LARGE = 2**63


def placed(number: int, log: str = "log", partition: int = 0, **changes: Any) -> Match:
    """Return a match that stands at offset `number`."""
    return make_match(number, **{"place": Place(log, partition, number), **changes})


def with_fields(number: int, fields: dict[str, Any], raw: str = "raw") -> Match:
    """Return a match on an event with these fields."""
    return placed(number, event=to_document(make_event(number, fields=fields, raw=raw)))


def nested(depth: int) -> dict[str, Any]:
    """Return an object that goes so deep."""
    value: dict[str, Any] = {"end": [1, {"x": None}]}
    for level in range(depth):
        value = {f"level{level}": value}
    return value


def ref(alert: Alert) -> AlertRef:
    """Return where the alert is."""
    return AlertRef(alert.id, alert.month)


async def only(store: Store, match: Match) -> Match:
    """Return the one stored match of that match's alert key."""
    await store.refresh()
    page = await store.find_matches(MatchQuery(match.alert_key))
    assert page.total == 1
    return page.items[0]


async def every_alert(store: Store, query: AlertQuery) -> list[Alert]:
    """Return all pages of a query, one after the other."""
    found: list[Alert] = []
    while True:
        page = await store.find_alerts(query)
        found += page.items
        if not page.cursor:
            return found
        query = replace(query, cursor=page.cursor)


async def versions(store: Store, alerts: Sequence[Alert]) -> list[Version]:
    """Return the version of each alert, all of which are there."""
    stored = await store.get_alerts([ref(alert) for alert in alerts])
    return [each.version for each in stored if each]


class MatchesContract:
    """Matches are created once and found again exactly."""

    async def test_answers_stand_in_the_order_of_the_matches(self, store: Store) -> None:
        """Created, there already, and unstorable, each at its own position."""
        await store.add_matches([placed(1)])
        batch = [placed(0), placed(1), placed(2, time=TOO_LARGE), placed(3)]
        answers = await store.add_matches(batch)
        assert [each.answer for each in answers] == [Answer.CREATED, Answer.EXISTS, Answer.REJECTED, Answer.CREATED]
        assert answers[2].reason

    async def test_an_empty_batch_has_no_answers(self, store: Store) -> None:
        """Nothing in, nothing out, for every call that takes a batch."""
        assert await store.add_matches([]) == []
        assert await store.match_places([]) == []
        assert await store.put_alerts([]) == []
        assert await store.get_alerts([]) == []
        assert await store.put_keys([]) == []
        assert await store.get_keys([]) == []

    async def test_a_redelivery_changes_nothing(self, store: Store) -> None:
        """The first writer's document stays."""
        first = placed(7)
        assert await store.add_matches([first]) == [CREATED]
        assert await store.add_matches([replace(first, host="other", place=Place("log", 0, 99))]) == [EXISTS]
        assert await only(store, first) == first

    async def test_a_redelivery_next_month_finds_the_same_index(self, store: Store, clock: ManualClock) -> None:
        """The index follows from the document and not from the day of writing."""
        match = placed(0)
        assert await store.add_matches([match]) == [CREATED]
        clock.advance(40 * 86_400)
        assert await store.add_matches([match]) == [EXISTS]
        assert await only(store, match) == match

    async def test_a_match_past_the_retention_goes_to_old_once(self, store: Store) -> None:
        """A record that is years late is stored, and stored once."""
        match = placed(0, time=NOW - 4000 * DAY)
        assert match_month(match.time, match.received, 90) == OLD
        assert [*await store.add_matches([match]), *await store.add_matches([match])] == [CREATED, EXISTS]
        assert await store.match_places([match]) == [match.place]
        assert await only(store, match) == match

    async def test_a_clock_far_ahead_opens_no_index(self, store: Store) -> None:
        """Times a year and more behind their receipt's future are rejected with the reason, before any index is made."""
        far = [placed(number, time=NOW + (367 + 31 * number) * DAY) for number in range(30)]
        assert {each.answer for each in await store.add_matches(far)} == {Answer.REJECTED}
        assert await store.match_places(far) == [None] * 30
        assert await store.expire(NOW + 100_000 * DAY) == []

    async def test_places_are_those_of_the_stored_matches(self, store: Store) -> None:
        """A redelivery learns where the record stands that created the match."""
        await store.add_matches([placed(1), placed(2, log="another")])
        asked = [placed(2), placed(3), placed(1, log="another")]
        assert await store.match_places(asked) == [Place("another", 0, 2), None, Place("log", 0, 1)]

    async def test_a_match_without_an_event_is_stored(self, store: Store) -> None:
        """A flooding rule's matches are bare."""
        match = placed(0, event=None, reasons=())
        assert await store.add_matches([match]) == [CREATED]
        assert await only(store, match) == match

    @pytest.mark.parametrize(
        "raw",
        [
            "x" * 65_536,
            "\x00" * 50_000,
            "<script>alert('Đăng nhập')</script>\x00\x1b[31m\r\n\u2028\ufeff",
            "\U0001f40d" * 9000,
        ],
        ids=["64 KiB", "300 kB once escaped", "markup and control characters", "astral"],
    )
    async def test_whatever_a_log_says_is_read_back_exactly(self, store: Store, raw: str) -> None:
        """In the record itself, in fields, keywords and message, host and rule."""
        fields = {
            "message": raw,
            "CommandLine": raw,
            "SourceIp": raw,
            "SourcePort": raw,
            "other": raw,
            raw[:2000]: "key",
        }
        match = replace(with_fields(0, fields, raw), host=raw, reasons=(Reason("s", "message", raw, raw),))
        assert await store.add_matches([match]) == [CREATED]
        assert await only(store, match) == match

    @pytest.mark.parametrize(
        "fields",
        [
            nested(40),
            {"": "no name", ".": 1, "a..b": 2, "a.": 3, " ": 4, "\x00": 5, "a": {"b": 1}, "a.b": "both"},
            {"EventID": True, "pid": 2**63 - 1, "sc-status": -1.5e300, "SourcePort": {"x": []}, "User": [None, 1, "a"]},
            {"SourceIp": "999.1.1.1", "c-ip": "fe80::1%eth0", "message": 7, "Image": None, "CommandLine": [[[]]]},
            {"IpAddress": "::ffff:203.0.113.7", "ProcessId": "٣", "sc-bytes": "9" * 400, "huge": 2**64 - 1},
            {f"field{number}": number for number in range(3000)},
        ],
        ids=["40 levels", "odd names", "odd types", "no address", "odd numbers", "3,000 fields"],
    )
    async def test_fields_of_any_shape_are_read_back_exactly(self, store: Store, fields: dict[str, Any]) -> None:
        """No shape of an event refuses its match or changes in the store."""
        match = with_fields(0, fields)
        assert await store.add_matches([match]) == [CREATED]
        assert await only(store, match) == match

    async def test_what_json_cannot_hold_is_rejected_alone(self, store: Store) -> None:
        """Half a character or an integer beyond 64 bits rejects its match; the others of the batch are stored."""
        batch = [with_fields(0, {"x": "\ud800"}), with_fields(1, {"x": 2**70}), with_fields(2, {"x": 1})]
        answers = await store.add_matches(batch)
        assert [each.answer for each in answers] == [Answer.REJECTED, Answer.REJECTED, Answer.CREATED]

    async def test_a_large_batch_is_answered_whole(self, store: Store) -> None:
        """Twelve megabytes, three thousand matches, in one call."""
        batch = [with_fields(number, {"message": "x" * 2000}, "y" * 1000) for number in range(3000)]
        assert await store.add_matches(batch) == [CREATED] * 3000
        assert await store.match_places(batch) == [match.place for match in batch]

    async def test_writers_at_once_create_a_match_once(self, store: Store, second: Store) -> None:
        """Of two processes that write the same matches, one creates each."""
        batch = [placed(number) for number in range(200)]
        one, two = await asyncio.gather(store.add_matches(batch), second.add_matches(batch[::-1]))
        for mine, yours in zip(one, two[::-1], strict=True):
            assert sorted((mine, yours)) == [CREATED, EXISTS]

    async def test_writes_are_counted(self, store: Store, metrics: Metrics) -> None:
        """store_writes counts answers, store_up says that the store answers."""
        await store.add_matches([placed(0), placed(1)])
        await store.add_matches([placed(0)])
        samples = {
            (sample.labels["kind"], sample.labels["answer"]): sample.value
            for metric in metrics.store_writes.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        }
        assert samples == {("matches", "created"): 2, ("matches", "exists"): 1}
        assert [sample.value for metric in metrics.store_up.collect() for sample in metric.samples] == [1]

    @pytest.mark.parametrize("text", ["root", "x" * 40_000, "<b>\x00\x1b[31m\u2028Đăng", "\U0001f40d" * 9000, ""])
    async def test_a_correlations_match_is_read_back_exactly(self, store: Store, text: str) -> None:
        """Whatever the group's names and values, the contributions and the rules' titles say."""
        contributions = tuple(
            Contribution(f"{n}{text}", NOW + n, text, text, text, text) for n in range(12 if len(text) < 9 else 2)
        )
        evidence = make_evidence(
            group=((text, text), ("a.b", text), (".", text)), contributions=contributions, incomplete=(text,)
        )
        match = make_correlated(evidence=evidence, host=text, place=Place("log", 0, 1), event_id=text or "e")
        assert await store.add_matches([match]) == [CREATED]
        assert await only(store, match) == match

    async def test_a_bucket_has_one_index_whatever_completes_it(self, store: Store) -> None:
        """The same id with another event of the same bucket, in the next month, is there already."""
        edge = month_end("2026.08")
        evidence = make_evidence(bucket=edge - 60 * SECOND, start=edge - 60 * SECOND, end=edge - SECOND)
        first = make_correlated(evidence=evidence, time=edge - SECOND, place=Place("log", 0, 1))
        later = replace(first, time=edge + SECOND, event_id="other", place=Place("log", 0, 2))
        assert await store.add_matches([first]) == [CREATED]
        assert await store.add_matches([later]) == [EXISTS]
        assert await store.match_places([later]) == [first.place]
        assert await only(store, first) == first

    @pytest.mark.parametrize("wrong", [{"bucket": 2**63}, {"start": -(2**63) - 1}, {"hits": 2**64}])
    async def test_evidence_beyond_64_bits_is_rejected_alone(self, store: Store, wrong: dict[str, int]) -> None:
        """As any number of a match."""
        batch = [make_correlated(1, evidence=make_evidence(**wrong)), make_correlated(2)]
        answers = await store.add_matches(batch)
        assert [each.answer for each in answers] == [Answer.REJECTED, Answer.CREATED]


class MatchSearchContract:
    """An alert's matches are found by key and places, newest first."""

    async def test_matches_come_newest_first_over_months(self, store: Store) -> None:
        """Three months and `old`, ties by id, nothing twice and nothing missing over the pages."""
        key = "one alert"
        times = [NOW, NOW - 20 * DAY, NOW - 45 * DAY, NOW - 900 * DAY, NOW]
        batch = [placed(number, time=time, received=NOW, alert_key=key) for number, time in enumerate(times * 4)]
        await store.add_matches([*batch, placed(99, alert_key="another")])
        await store.refresh()
        found: list[Match] = []
        cursor = ""
        for _ in range(20):
            page = await store.find_matches(MatchQuery(key, limit=3, cursor=cursor))
            assert page.total == 20
            found += page.items
            if not (cursor := page.cursor):
                break
        assert found == sorted(batch, key=lambda match: (match.time, match.id), reverse=True)

    async def test_an_alert_has_the_matches_between_its_places(self, store: Store) -> None:
        """What came before its first and after its last match is another alert's."""
        await store.add_matches([placed(number) for number in range(10)])
        await store.refresh()
        page = await store.find_matches(MatchQuery(placed(0).alert_key, Place("log", 0, 3), Place("log", 0, 6)))
        assert [match.place and match.place.offset for match in page.items] == [6, 5, 4, 3]

    async def test_an_alert_goes_on_in_a_new_log(self, store: Store) -> None:
        """Places in two logs: from the first on in the one, up to the last in the other, nothing of a third."""
        old = [placed(number, log="old") for number in range(5)]
        new = [placed(100 + number, log="new", place=Place("new", 1, number)) for number in range(5)]
        third = [placed(200 + number, log="third") for number in range(3)]
        await store.add_matches([*old, *new, *third])
        await store.refresh()
        page = await store.find_matches(MatchQuery(old[0].alert_key, Place("old", 0, 3), Place("new", 1, 1)))
        assert list(page.items) == [new[1], new[0], old[4], old[3]]

    async def test_an_event_leads_to_its_matches_and_to_the_correlations_that_counted_it(self, store: Store) -> None:
        """Newest first, over months; a correlation that did not count it is not among them."""
        evidence = make_evidence(3)
        event = evidence.contributions[0].event_id
        own = placed(0)
        counted = make_correlated(1, evidence=evidence, time=NOW + 40 * DAY, received=NOW + 40 * DAY)
        other = make_correlated(2, evidence=make_evidence(contributions=evidence.contributions[1:]))
        await store.add_matches([own, counted, other, placed(1), placed(2)])
        await store.refresh()
        page = await store.find_matches(MatchQuery(event_id=event))
        assert (list(page.items), page.total) == ([counted, own], 2)
        first = await store.find_matches(MatchQuery(event_id=event, limit=1))
        rest = await store.find_matches(MatchQuery(event_id=event, limit=1, cursor=first.cursor))
        assert [*first.items, *rest.items] == [counted, own]
        with pytest.raises(ValueError, match="cursor"):
            await store.find_matches(MatchQuery(event_id="another", cursor=first.cursor))

    async def test_events_are_known_where_a_detection_matched(self, store: Store) -> None:
        """A correlation counts an event, and has none to show."""
        evidence = make_evidence(4)
        ids = [each.event_id for each in evidence.contributions]
        assert await store.known_events(ids) == frozenset()
        await store.add_matches([placed(0), placed(2, time=NOW - 40 * DAY), make_correlated(evidence=evidence)])
        await store.refresh()
        assert await store.known_events([*ids, "", "\x00*", ids[0]]) == {ids[0], ids[2]}
        assert await store.known_events([]) == frozenset()
        assert await store.known_events([f"{n}" for n in range(MAX_EVENTS)] + ids) == frozenset()

    async def test_a_cursor_of_another_alert_is_refused(self, store: Store) -> None:
        """A cursor fits the alert key that it came from."""
        await store.add_matches([placed(number) for number in range(3)])
        await store.refresh()
        page = await store.find_matches(MatchQuery(placed(0).alert_key, limit=1))
        with pytest.raises(ValueError, match="cursor"):
            await store.find_matches(MatchQuery("another", cursor=page.cursor))

    async def test_an_empty_store_finds_nothing(self, store: Store) -> None:
        """Searches before the first write answer with nothing."""
        assert (await store.find_matches(MatchQuery("key"))).items == ()
        assert (await store.find_alerts(AlertQuery())).items == ()
        assert await store.find_alert("0" * 32) is None
        assert await store.tally_matches(0, NOW) == await store.tally_alerts(0, NOW) == []
        assert await store.count_alerts() == {}
        assert await store.expire(NOW) == []
        await store.ping()


class AlertsContract:
    """Alerts and keys change under optimistic concurrency."""

    async def test_an_alert_is_read_back_exactly_and_at_once(self, store: Store, second: Store) -> None:
        """With history, milestones, reasons and odd texts; by another process, without a refresh."""
        alert = make_alert(
            1,
            host="<b>\x00\u2028" + "h" * 40_000,
            level=Level.CRITICAL,
            status=Status.ACKNOWLEDGED,
            reasons=(Reason("keywords", None, "\x1b", "*"),),
            milestones=(Milestone(1, "opened", Level.HIGH, "log/0/1", NOW),),
            history=(HistoryEntry("a1", Act.ACKNOWLEDGE, "Lan", "đang xem", NOW, 2),),
        )
        assert await store.put_alerts([(alert, None)]) == [CREATED]
        (stored,) = await second.get_alerts([ref(alert)])
        assert stored
        assert stored.document == alert
        assert await second.find_alert(alert.id) == alert

    async def test_creating_twice_is_a_conflict(self, store: Store) -> None:
        """And the first stays."""
        alert = make_alert(1)
        assert await store.put_alerts([(alert, None)]) == [CREATED]
        assert await store.put_alerts([(replace(alert, count=2), None)]) == [CONFLICT]
        (stored,) = await store.get_alerts([ref(alert)])
        assert stored
        assert stored.document == alert

    async def test_a_stale_version_is_a_conflict(self, store: Store) -> None:
        """The version read before the last write changes nothing any more."""
        alert = make_alert(1)
        await store.put_alerts([(alert, None)])
        (version,) = await versions(store, [alert])
        assert await store.put_alerts([(replace(alert, count=2), version)]) == [UPDATED]
        assert await store.put_alerts([(replace(alert, count=3), version)]) == [CONFLICT]
        (stored,) = await store.get_alerts([ref(alert)])
        assert stored
        assert stored.document.count == 2
        assert stored.version != version

    async def test_a_version_of_what_is_not_there_is_a_conflict(self, store: Store) -> None:
        """Replacing an alert that retention took makes none."""
        alert, other = make_alert(1), make_alert(2)
        await store.put_alerts([(other, None)])
        (version,) = await versions(store, [other])
        assert await store.put_alerts([(alert, version)]) == [CONFLICT]
        assert await store.put_alerts([(replace(alert, month="2026.01"), version)]) == [CONFLICT]
        assert await store.get_alerts([ref(alert), AlertRef(alert.id, "2026.01")]) == [None, None]

    async def test_one_of_many_writers_wins(self, store: Store, second: Store) -> None:
        """Twenty writers with the same version: one update, nineteen conflicts."""
        alert = make_alert(1)
        await store.put_alerts([(alert, None)])
        (version,) = await versions(store, [alert])
        writers = [(store, second)[number % 2] for number in range(20)]
        writes = [each.put_alerts([(replace(alert, count=n), version)]) for n, each in enumerate(writers)]
        answers = [answer for (answer,) in await asyncio.gather(*writes)]
        assert sorted(answers) == [CONFLICT] * 19 + [UPDATED]
        (stored,) = await second.get_alerts([ref(alert)])
        assert stored
        assert stored.document.count == answers.index(UPDATED)

    async def test_answers_of_a_mixed_batch_stand_in_order(self, store: Store) -> None:
        """Updated, conflict, rejected and created, over two months."""
        alerts = [make_alert(number) for number in range(4)]
        await store.put_alerts([(alerts[0], None), (alerts[1], None)])
        (version,) = await versions(store, alerts[:1])
        batch: list[tuple[Alert, Version | None]] = [
            (replace(alerts[0], count=2), version),
            (alerts[1], None),
            (replace(alerts[2], month="../../etc"), None),
            (replace(alerts[3], month="2026.10"), None),
        ]
        answers = await store.put_alerts(batch)
        assert [each.answer for each in answers] == ["updated", "conflict", "rejected", "created"]

    async def test_strange_references_find_nothing(self, store: Store) -> None:
        """What a browser may send as id and month is never a path, a pattern or an error."""
        await store.put_alerts([(make_alert(1), None)])
        ids = ("", "*", "_all", "../keys", "x" * 5000, "\x00", "%2e")
        months = ("", "*", "../../etc/passwd", "2026.13", "9999.99", "2026.09/_doc", "2026.09\n")
        refs = [*(AlertRef(each, "2026.09") for each in ids), *(AlertRef("x", month) for month in months)]
        assert await store.get_alerts(refs) == [None] * len(refs)
        assert [await store.find_alert(each) for each in ids] == [None] * len(ids)

    async def test_an_alert_is_found_in_any_month(self, store: Store) -> None:
        """By its id alone."""
        alerts = [make_alert(number, month=f"2026.{number:02}") for number in range(7, 12)]
        assert await store.put_alerts([(alert, None) for alert in alerts]) == [CREATED] * 5
        assert [await store.find_alert(alert.id) for alert in alerts] == alerts

    async def test_keys_are_created_replaced_and_read(self, store: Store, second: Store) -> None:
        """As alerts are, whatever the key says and however long it is."""
        keys = [AlertKey("k" * 70_000, 0, "2026.09"), AlertKey("\x00<b>*", 3, "2026.10", "2026.09")]
        assert await store.put_keys([(key, None) for key in keys]) == [CREATED, CREATED]
        assert await second.put_keys([(keys[0], None)]) == [CONFLICT]
        first, other, missing = await second.get_keys([keys[0].key, keys[1].key, "unknown"])
        assert first
        assert other
        assert [first.document, other.document, missing] == [*keys, None]
        assert await store.put_keys([(replace(keys[0], generation=1), first.version)]) == [UPDATED]
        assert await store.put_keys([(replace(keys[0], generation=2), first.version)]) == [CONFLICT]


def population() -> list[Alert]:
    """Return alerts that differ in everything that can be filtered and sorted."""
    return [
        make_alert(
            number,
            level=Level(1 + number % 5),
            status=list(Status)[number % 3],
            site=f"district-{number % 4}",
            host=("web01", "DB*02", "Máy_Chủ", "a\\b?")[number % 4],
            month=f"2026.{7 + number % 3:02}",
            count=number // 3,
            opened=NOW + (number * 7 % 20) * SECOND,
            last_seen=NOW + (number * 3 % 17) * DAY,
        )
        for number in range(40)
    ]


_SORT_VALUES: dict[AlertSort, Any] = {
    AlertSort.LAST_SEEN: lambda alert: alert.last_seen,
    AlertSort.OPENED: lambda alert: alert.opened,
    AlertSort.LEVEL: lambda alert: alert.level,
    AlertSort.COUNT: lambda alert: alert.count,
}


class AlertSearchContract:
    """Alerts are filtered, sorted, paged and counted over every month."""

    @pytest.mark.parametrize("descending", [True, False], ids=["descending", "ascending"])
    @pytest.mark.parametrize("sort", list(AlertSort))
    async def test_every_order_pages_through_everything(self, store: Store, sort: AlertSort, descending: bool) -> None:
        """Ties by id, no alert twice, none missing, and the page size does not matter."""
        alerts = population()
        await store.put_alerts([(alert, None) for alert in alerts])
        await store.refresh()
        expected = sorted(alerts, key=lambda alert: (_SORT_VALUES[sort](alert), alert.id), reverse=descending)
        for limit in (7, MAX_PAGE + 7):
            assert await every_alert(store, AlertQuery(sort=sort, descending=descending, limit=limit)) == expected

    @pytest.mark.parametrize(
        ("query", "takes"),
        [
            (AlertQuery(levels=(Level.HIGH, Level.LOW)), lambda a: a.level in {Level.HIGH, Level.LOW}),
            (AlertQuery(sites=("district-1",)), lambda a: a.site == "district-1"),
            (AlertQuery(sites=("district",)), lambda _: False),
            (AlertQuery(statuses=(Status.OPEN, Status.CLOSED)), lambda a: a.status != Status.ACKNOWLEDGED),
            (
                AlertQuery(since=NOW + 3 * DAY, until=NOW + 6 * DAY),
                lambda a: NOW + 3 * DAY <= a.last_seen < NOW + 6 * DAY,
            ),
            (AlertQuery(levels=(Level.LOW,), sites=("district-1",)), lambda a: a.level == 2 and a.site == "district-1"),
            (AlertQuery(text="SSH LOGIN 3"), lambda a: "SSH login 3" in a.title),
            (AlertQuery(text="MÁY_CHỦ"), lambda a: a.host == "Máy_Chủ"),
            (AlertQuery(text="b*0"), lambda a: a.host == "DB*02"),
            (AlertQuery(text="A\\B?"), lambda a: a.host == "a\\b?"),
            (AlertQuery(text="%"), lambda _: False),
            (AlertQuery(text="t-1"), lambda a: a.site == "district-1" or "t-1" in a.key),
            (AlertQuery(text="-000000000007|"), lambda a: a.rule.id.endswith("07")),
        ],
        ids=lambda value: str(value.text or value.sites or value.levels) if isinstance(value, AlertQuery) else "",
    )
    async def test_filters_take_what_they_say(self, store: Store, query: AlertQuery, takes: Any) -> None:
        """Each filter alone and together; text without regard to case, its signs without a meaning; total is exact."""
        alerts = [replace(alert, key=f"{alert.rule.id}|x|y") for alert in population()]
        await store.put_alerts([(alert, None) for alert in alerts])
        await store.refresh()
        page = await store.find_alerts(replace(query, limit=MAX_PAGE))
        assert {alert.id for alert in page.items} == {alert.id for alert in alerts if takes(alert)}
        assert page.total == len(page.items)

    async def test_pages_stay_stable_while_alerts_arrive(self, store: Store) -> None:
        """What was there when reading began comes exactly once, whatever is written meanwhile."""
        alerts = population()
        await store.put_alerts([(alert, None) for alert in alerts])
        await store.refresh()
        found: list[Alert] = []
        query = AlertQuery(limit=6)
        for number in range(100, 200):
            page = await store.find_alerts(query)
            found += page.items
            if not page.cursor:
                break
            query = replace(query, cursor=page.cursor)
            newer = make_alert(number, last_seen=NOW + number * DAY)
            await store.put_alerts(
                [(newer, None), (make_alert(number + 500, last_seen=page.items[-1].last_seen), None)]
            )
            await store.refresh()
        ids = [alert.id for alert in found]
        assert len(set(ids)) == len(ids)
        assert {alert.id for alert in alerts} <= set(ids)

    async def test_cursors_of_other_queries_are_refused(self, store: Store) -> None:
        """Another order, another filter, or a text that somebody made up."""
        await store.put_alerts([(make_alert(number), None) for number in range(3)])
        await store.refresh()
        cursor = (await store.find_alerts(AlertQuery(limit=1))).cursor
        others = [
            AlertQuery(sort=AlertSort.COUNT, cursor=cursor),
            AlertQuery(descending=False, cursor=cursor),
            AlertQuery(text="x", cursor=cursor),
            AlertQuery(levels=(Level.LOW,), cursor=cursor),
            *(AlertQuery(cursor=text) for text in ("x", "é", "W10", "bnVsbA", "A" * 90_000, cursor[:-4], cursor[::-1])),
        ]
        for query in others:
            with pytest.raises(ValueError, match="cursor"):
                await store.find_alerts(query)

    async def test_searches_see_a_write_without_being_told(self, store: Store) -> None:
        """A write becomes visible by itself: within two seconds on a machine with time to spare."""
        await store.add_matches([placed(0)])
        await store.put_alerts([(make_alert(1), None)])
        for _ in range(1200):
            found = await store.find_matches(MatchQuery(placed(0).alert_key)), await store.find_alerts(AlertQuery())
            if all(page.total == 1 for page in found):
                return
            await asyncio.sleep(0.05)
        raise AssertionError("not seen after a minute")

    async def test_times_beyond_any_calendar_bound_nothing(self, store: Store) -> None:
        """A browser may ask for any time."""
        await store.put_alerts([(make_alert(1), None)])
        await store.refresh()
        assert (await store.find_alerts(AlertQuery(since=-(2**80), until=2**80))).total == 1
        assert (await store.find_alerts(AlertQuery(since=2**80))).total == 0
        assert len(await store.tally_alerts(-(2**80), 2**80)) == 1

    async def test_limits_are_held_within_bounds(self, store: Store) -> None:
        """A page has at least one item and at most MAX_PAGE."""
        await store.put_alerts([(make_alert(number), None) for number in range(MAX_PAGE + 5)])
        await store.refresh()
        assert [len((await store.find_alerts(AlertQuery(limit=n))).items) for n in (-3, 0, 9999)] == [1, 1, MAX_PAGE]

    async def test_a_long_text_is_refused_or_finds_nothing(self, store: Store) -> None:
        """A text of hundreds of characters is a query like any other; one beyond MAX_TEXT is refused."""
        await store.put_alerts([(make_alert(1), None)])
        await store.refresh()
        for text in ("x" * 200, "ab" * 100, "*" * 200, "\\" * 200, "Đ" * 200):
            assert (await store.find_alerts(AlertQuery(text=text))).total == 0
        with pytest.raises(ValueError, match="text"):
            await store.find_alerts(AlertQuery(text="x" * 201))

    async def test_alerts_are_counted_by_status_and_level(self, store: Store) -> None:
        """Over all months, and none is left out."""
        alerts = population()
        await store.put_alerts([(alert, None) for alert in alerts])
        await store.refresh()
        counts = await store.count_alerts()
        assert sum(counts.values()) == len(alerts)
        for (status, level), number in counts.items():
            assert number == sum(alert.status == status and alert.level == level for alert in alerts) > 0

    async def test_tallies_are_exhaustive(self, store: Store) -> None:
        """More groups than a page of buckets has, by level, rule and site; the interval is half open."""
        matches = [
            placed(n, rule=make_rule(n % 601, Level(1 + n % 5)), site=f"s{n % 3}", received=NOW + n, time=NOW)
            for n in range(2000)
        ]
        await store.add_matches(matches)
        alerts = [make_alert(n, site=f"s{n % 2}", opened=NOW + n) for n in range(30)]
        await store.put_alerts([(alert, None) for alert in alerts])
        await store.refresh()
        tallies = await store.tally_matches(NOW + 10, NOW + 1990)
        assert sum(each.number for each in tallies) == 1980
        groups = {(m.rule.level, m.rule.id, m.rule.title, m.site) for m in matches[10:1990]}
        assert {each[:4] for each in tallies} == groups
        assert len(tallies) == len(groups) > 1000
        of_alerts = await store.tally_alerts(NOW + 5, NOW + 25)
        assert {(each.rule_id, each.site, each.number) for each in of_alerts} == {
            (alert.rule.id, alert.site, 1) for alert in alerts[5:25]
        }


class RetentionContract:
    """Whole months go; keys stay."""

    async def test_months_go_when_they_ended_longer_ago_than_the_retention(self, store: Store, second: Store) -> None:
        """Not a day earlier; matches and alerts go, keys stay, and what is written afterwards is found."""
        match, alert, key = placed(0), make_alert(1), AlertKey("key", 1, "2026.09")
        await store.add_matches([match])
        await store.put_alerts([(alert, None)])
        await store.put_keys([(key, None)])
        await second.match_places([match])
        end = 1_790_812_800 * SECOND  # 2026-10-01
        assert await store.expire(end + 90 * DAY - 1) == []
        assert sorted(await store.expire(end + 90 * DAY)) == ["alerts-2026.09", "matches-2026.09"]
        assert await second.match_places([match]) == [None]
        assert await second.get_alerts([ref(alert)]) == [None]
        assert await second.find_alert(alert.id) is None
        (kept,) = await second.get_keys(["key"])
        assert kept
        assert kept.document == key
        assert await second.add_matches([match]) == [CREATED]
        assert await store.match_places([match]) == [match.place]
        assert await only(store, match) == match

    async def test_old_matches_stay_for_the_retention_from_their_receipt(self, store: Store) -> None:
        """What was received longer ago goes, one by one, however many; what came later stays."""
        past = [placed(n, time=NOW - 900 * DAY, received=NOW) for n in range(1100)]
        later = [placed(2000, time=NOW - 900 * DAY, received=NOW + 60 * DAY)]
        await store.add_matches([*past, *later])
        await store.refresh()
        await store.expire(NOW + 90 * DAY)
        assert (await store.match_places([*past, *later])).count(None) == 0
        await store.expire(NOW + 100 * DAY)
        await store.refresh()
        assert await store.match_places([*past, *later]) == [None] * 1100 + [later[0].place]


class StoreContract(MatchesContract, MatchSearchContract, AlertsContract, AlertSearchContract, RetentionContract):
    """All of it."""
