"""A correlation's match as a timeline: order, gaps, bounds, and a page in which nothing that it names acts."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.console import shown
from alerting.console.timeline import MARKED, SHOWN, WIDTH, latest, timeline
from soc.alerts import Alert, Contribution, Match, Place
from soc.clock import DAY, SECOND
from soc.evidence import MAX_CONTRIBUTIONS
from soc.testing import NOW, make_alert, make_correlated, make_evidence, make_match
from tests.alerting.console.test_pages import HOSTILE
from tests.alerting.console.world import Page, World, world

SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")


def counted(number: int, **changes: Any) -> Contribution:
    """Return an event of a correlation, `number` seconds after NOW."""
    return Contribution(f"e{number}", NOW + number * SECOND, "Failed login", "district-1", "web01")._replace(**changes)


def correlated(*events: Contribution, **changes: Any) -> Match:
    """Return the match of a correlation that counted these."""
    found = make_evidence(contributions=events, hits=len(events), start=NOW - 100 * SECOND, end=NOW + 100 * SECOND)
    return make_correlated(evidence=replace(found, **changes), place=Place("log", 0, 0))


def alert_of(match: Match) -> Alert:
    """Return the alert that the match opens."""
    return make_alert(
        0, rule=match.rule, key=match.alert_key, site=match.site, host=match.host, reasons=match.reasons,
        first_place=match.place, place=match.place,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (0, "0 ms"), (412_900, "412 ms"), (-5_000, "5 ms"), (3_249_000, "3.2 s"), (10 * SECOND, "10 s"),
        (60 * SECOND, "1 min"), (247 * SECOND, "4 min 7 s"), (7_500 * SECOND, "2 h 5 min"), (7_205 * SECOND, "2 h"),
        (DAY * 3 + 4 * 3600 * SECOND, "3 d 4 h"), (2**63, "106751991 d 4 h"),
    ],
)  # fmt: skip
def test_a_gap_has_two_units_at_most(length: int, text: str) -> None:
    """As long as it is, or as short."""
    assert shown.gap(length) == text


def test_an_instant_is_to_the_millisecond_in_the_provinces_zone() -> None:
    """Its day, and its time of day; a number where no calendar has it."""
    assert shown.instant(NOW + 7_009, SAIGON) == ("2026-09-21", "21:13:20.007")
    assert shown.instant(-1, SAIGON) == ("1970-01-01", "07:59:59.999")  # the zone was an hour ahead then
    assert shown.instant(2**63, SAIGON) == ("", str(2**63))


def test_steps_stand_in_order_with_their_gaps_and_days() -> None:
    """Whatever order they came in; a new day is named once."""
    match = correlated(counted(9_999), counted(0), counted(2, rule="Login"), end=NOW + 9_999 * SECOND)
    steps = timeline(match, SAIGON, {"e2"}).steps
    assert [(each.event_id, each.clock, each.after) for each in steps] == [
        ("e0", "21:13:20.000", ""),
        ("e2", "21:13:22.000", "2 s"),
        ("e9999", "23:59:59.000", "2 h 46 min"),
    ]
    assert [each.mark for each in steps] == [1, 2, 1]
    assert [each.known for each in steps] == [False, True, False]
    night = timeline(correlated(counted(9_999), counted(10_001), counted(10_002)), SAIGON, ()).steps
    assert [each.day for each in night] == ["", "2026-09-22", ""]


def test_the_event_that_completed_it_is_named() -> None:
    """Where it is the last one; the same event counted before is not."""
    match = replace(correlated(counted(0), counted(1)), event_id="e1")
    assert [each.last for each in timeline(match, SAIGON, ()).steps] == [False, True]
    assert not any(each.last for each in timeline(replace(match, event_id="e0"), SAIGON, ()).steps)


def test_a_page_shows_the_latest_until_all_are_asked_for() -> None:
    """And says how many there were; the axis has every event that was kept."""
    match = correlated(*(counted(number) for number in range(50)), hits=80)
    short, whole = timeline(match, SAIGON, ()), timeline(match, SAIGON, (), whole=True)
    assert [each.event_id for each in short.steps] == [f"e{number}" for number in range(50 - SHOWN, 50)]
    assert len(whole.steps) == short.kept == 50
    assert short.hits == 80
    assert len(short.ticks) == 50
    assert 0 < short.blank == short.ticks[0][0] <= WIDTH
    assert timeline(correlated(counted(0)), SAIGON, ()).blank == 0


def test_a_detections_match_has_no_timeline() -> None:
    """There is nothing to show."""
    with pytest.raises(ValueError, match="not a correlation"):
        timeline(make_match(), SAIGON, ())
    assert latest(make_match(), whole=True) == []


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=40), st.integers(-(2**63), 2**63 - 1), st.integers(0, 2**62))
def test_any_times_give_a_timeline_within_its_axis(times: list[int], start: int, length: int) -> None:
    """Property: positions, marks and the number of steps are bounded, and no time is an error."""
    events = tuple(counted(number, time=time, rule=f"r{number}") for number, time in enumerate(times))
    found = timeline(correlated(*events, start=start, end=start + length), SAIGON, (), whole=True)
    assert len(found.steps) == len(times)
    assert all(0 <= x <= WIDTH and 1 <= mark <= MARKED for x, mark in found.ticks)
    assert len(found.rules) <= MARKED
    assert [each.time for each in found.steps] == sorted(times)


async def test_the_alert_page_tells_what_was_counted(console: World) -> None:
    """What was asked and counted, the group, the window, each event, and which were left out."""
    events = (counted(0), counted(3, host="db02", value="lan"), counted(4, rule="Đăng nhập"))
    match = correlated(*events, incomplete=("Many logins",), condition="at least 3 within 200 s", hits=5)
    match = replace(match, host="")
    await console.put(alert_of(match), matches=[match, make_match(3, event_id="e3")])
    page = Page((await console.client.get(f"/alerts/{alert_of(match).id}")).text)
    text = " ".join(page.text.split())
    for part in (
        "10 events asked: at least 3 within 200 s", "SourceIp203.0.113.7", "21:13:23.000", "+3 s", "+1 s",
        "Failed login", "db02", "lan", "Đăng nhập", "Many logins", "The latest 3 of 5 events; 2 were not kept",
        "window begins, 2026-09-21", "21:15:00.000 window ends, 3 min 20 s long · 2 hosts took part", "on several hosts",
    ):  # fmt: skip
        assert part in text, part
    assert page.all("ol", **{"class": "steps"})
    assert page.all("svg", **{"aria-hidden": "true"})
    assert [tag.attributes["href"] for tag in page.all("a") if "/events/" in (tag.attributes["href"] or "")] == [
        "/events/e3"
    ]
    assert [tag.attributes["data-copy"] for tag in page.all("button", **{"class": "copy"})] == ["e0", "e4"]
    assert "several" in Page((await console.client.get("/alerts")).text).text


async def test_only_the_newest_match_of_an_alert_is_unfolded(console: World) -> None:
    """Of the others the drawing is seen; their events are a click away."""
    first, second = correlated(counted(0)), correlated(counted(1))
    second = replace(second, id="2", time=first.time + 1, place=Place("log", 0, 1))
    await console.put(replace(alert_of(first), place=Place("log", 0, 1)), matches=[first, second])
    page = Page((await console.client.get(f"/alerts/{alert_of(first).id}")).text)
    assert len(page.all("svg")) == 2
    assert ["open" in tag.attributes for tag in page.all("details")] == [True, False]


async def test_all_events_of_a_match_are_one_click_away(console: World) -> None:
    """As the whole of a raw record is."""
    match = correlated(*(counted(number) for number in range(30)))
    await console.put(alert_of(match), matches=[match])
    page = Page((await console.client.get(f"/alerts/{alert_of(match).id}")).text)
    assert "Show all 30" in page.text
    assert len(page.all("button", **{"class": "copy"})) == SHOWN
    more = next(tag.attributes["href"] for tag in page.all("a") if "full=" in (tag.attributes["href"] or ""))
    assert len(Page((await console.client.get(more or "")).text).all("button", **{"class": "copy"})) == 30


async def test_an_event_has_a_page_with_its_matches_and_who_counted_it(console: World) -> None:
    """The record first, then the correlations; an event that nothing names is not found."""
    match, event = correlated(counted(0, event_id=make_match(0).event_id)), make_match(0, place=Place("log", 0, 1))
    await console.put(alert_of(match), matches=[match, event])
    answer = await console.client.get(f"/events/{event.event_id}")
    page = Page(answer.text)
    assert len(page.all("article")) == 2
    assert page.text.index("port 51514") < page.text.index("This correlation counted it")
    for link in (tag.attributes["href"] or "" for tag in page.all("a")):
        if link.startswith("/alerts?text="):
            assert (await console.client.get(link)).status_code == 200
    assert (await console.client.get("/events/unknown")).status_code == 404
    listed = (await console.client.get(f"/api/v1/events/{event.event_id}/matches")).json()
    assert (listed["total"], len(listed["items"])) == (2, 2)
    assert (await console.client.get(f"/events/{event.event_id}?cursor=no")).status_code == 422


async def test_the_apis_document_has_the_evidence_as_described(console: World) -> None:
    """Valid against its schema, and all of it there."""
    match = correlated(counted(0), incomplete=("Many logins",))
    await console.put(alert_of(match), matches=[match])
    answer = (await console.client.get(f"/api/v1/alerts/{alert_of(match).id}/matches")).json()
    document = (await console.client.get("/api/v1/openapi.json")).json()
    schema = {"$ref": "#/components/schemas/MatchList", "components": document["components"]}
    jsonschema.validate(answer, schema)
    assert answer["items"][0]["correlation"] == match.to_document()["correlation"]
    assert set(document["components"]["schemas"]["EvidenceDocument"]["required"]) == set(
        match.to_document()["correlation"]
    )


async def test_the_export_says_what_was_counted(console: World) -> None:
    """In the cell that says why."""
    await console.put(alert_of(correlated(counted(0))))
    assert "event_count=10; SourceIp=203.0.113.7; User=root" in (await console.client.get("/alerts.csv")).text


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_evidence_never_becomes_markup(tmp_path: Path, text: str) -> None:
    """Group, values, titles, hosts, ids and what was left out: the page has the tags of harmless data, and no more."""
    shapes = []
    for name, said in (("hostile", text), ("harmless", "x" * len(text))):
        async with world(tmp_path / name) as console:
            page = await _page_about(console, said)
        tags = [tag for tag in page.tags if tag.attributes.get("class") not in {"ctl", "cut"}]
        shapes.append([(tag.name, tuple(sorted(tag.attributes))) for tag in tags])
        assert not any(hidden in page.text for hidden in "\x1b\x07\0\u202e\u2066")
        assert not any(key == "style" or key.startswith("on") for tag in page.tags for key in tag.attributes)
    assert shapes[0] == shapes[1]


async def _page_about(console: World, text: str) -> Page:
    events = tuple(Contribution(f"{n}{text}", NOW + n, text, text, text, text) for n in range(2))
    match = correlated(
        *events, kind=text, group=((text, text),), condition=text, counted=text, incomplete=(text,), hits=9
    )
    match = replace(match, event_id=events[-1].event_id, host=text, site=text)
    await console.put(alert_of(match), matches=[match])
    return Page((await console.client.get(f"/alerts/{alert_of(match).id}")).text)


async def test_the_largest_evidence_gives_a_bounded_page(console: World) -> None:
    """A thousand events with endless texts, and whatever is asked for whole."""
    long = "A" * 900
    events = tuple(Contribution(f"{n}", NOW + n, f"{long}{n}", long, long, long) for n in range(MAX_CONTRIBUTIONS))
    match = correlated(*events, group=((long, long),) * 100, incomplete=(long,) * 100, counted=long)
    await console.put(alert_of(match), matches=[match])
    url = f"/alerts/{alert_of(match).id}"
    assert len((await console.client.get(url)).text) < 200_000
    assert len((await console.client.get(url, params={"full": match.id})).text) < 3_000_000
