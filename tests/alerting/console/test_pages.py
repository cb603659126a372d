"""The pages: the list, one alert, and that nothing in the data becomes part of the page."""

from pathlib import Path
from typing import Any

import pytest

from alerting.console.pages import RAW
from soc.alerts import Act, HistoryEntry, Level, Milestone, Place, Reason, RuleRef, Status
from soc.clock import SECOND
from soc.events import to_document
from soc.testing import NOW, make_alert, make_event, make_match
from tests.alerting.console.world import Page, World, world

HOSTILE = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "\"><svg onload='alert(1)'>",
    "' autofocus onfocus=alert(1) x='",
    "</textarea></title></style><script src=//evil.example></script>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "\x1b]0;owned\x07\x1b[2J\x00",
    "\u202egpj.exe\u2066",
    "&lt;b&gt;&#x3c;",
)


async def test_the_list_is_newest_activity_first_with_count_times_and_words(console: World) -> None:
    """A row says level and status in words, count, host, site, title and both times here and in UTC."""
    older = make_alert(1, level=Level.HIGH, count=12, site="quan-1", host="máy-chủ")
    newer = make_alert(2, last_seen=NOW + 60 * SECOND, status=Status.ACKNOWLEDGED)
    await console.put(older, newer)
    answer = await console.client.get("/alerts")
    page = Page(answer.text)
    assert page.ids() == [newer.id, older.id]
    for text in ("high", "medium", "open", "acknowledged", "quan-1", "máy-chủ", "12", "Failed SSH login 1"):
        assert text in page.text
    assert "2026-09-21 20:33:21" not in page.text
    times = page.all("time", title="2026-09-21 14:14:20 UTC")
    assert times
    assert "2026-09-21 21:14:20" in page.text


async def test_the_front_page_leads_to_what_is_to_be_done(console: World) -> None:
    """The first page lists open and acknowledged alerts, and its URL says so."""
    done, todo = make_alert(1, status=Status.CLOSED), make_alert(2)
    await console.put(done, todo)
    answer = await console.client.get("/", follow_redirects=True)
    assert answer.url.query == b"status=open&status=acknowledged"
    assert Page(answer.text).ids() == [todo.id]


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ("level=critical", [3]),
        ("level=critical&level=low", [3, 1]),
        ("status=closed", [2]),
        ("site=quan-1", [1]),
        ("site=", [3, 2, 1]),
        ("text=LOGIN 2", [2]),
        ("text=quan", [1]),
        ("since=2026-09-21T21:13:22", [3, 2]),
        ("since=2026-09-21T14:13:22Z&until=2026-09-21T14:13:23Z", [2]),
        ("since=1h", [3, 2, 1]),
        ("sort=level", [3, 2, 1]),
        ("sort=last_seen&order=asc", [1, 2, 3]),
        ("status=open&level=critical&text=nothing", []),
    ],
)
async def test_filters_pick_the_same_alerts_on_the_page_and_in_the_api(
    console: World, query: str, wanted: list[int]
) -> None:
    """Level, status, site, text, since, until and sort; the page and the API answer alike."""
    alerts = {
        1: make_alert(1, level=Level.LOW, site="quan-1"),
        2: make_alert(2, level=Level.MEDIUM, status=Status.CLOSED),
        3: make_alert(3, level=Level.CRITICAL),
    }
    await console.put(*alerts.values())
    page = Page((await console.client.get(f"/alerts?{query}")).text)
    listed = (await console.client.get(f"/api/v1/alerts?{query}")).json()
    assert page.ids() == [alerts[number].id for number in wanted]
    assert [item["id"] for item in listed["items"]] == page.ids()
    assert listed["total"] == len(wanted)


async def test_pages_follow_each_other_by_cursor_and_keep_the_filter(console: World) -> None:
    """Each alert stands on exactly one page, and the link to the next page keeps what was asked for."""
    await console.put(*(make_alert(number) for number in range(7)), make_alert(8, status=Status.CLOSED))
    url: str | None = "/alerts?status=open&limit=3"
    seen = []
    while url:
        page = Page((await console.client.get(url)).text)
        seen.append(page.ids())
        url = next((tag.attributes["href"] for tag in page.all("a", rel="next")), None)
        assert url is None or "status=open" in url
    assert [len(ids) for ids in seen] == [3, 3, 1]
    assert len({each for ids in seen for each in ids}) == 7


async def test_the_list_refreshes_itself_with_its_filter(console: World) -> None:
    """Htmx fetches the page's own URL, filter included, and takes the part that it replaces."""
    await console.put(make_alert(1))
    page = Page((await console.client.get("/alerts?text=a%26b%22&level=high&site=quan-1")).text)
    wall = page.all("section", id="wall")[0].attributes
    assert wall["hx-get"] == "/alerts?level=high&site=quan-1&text=a%26b%22"
    assert wall["hx-select"] == "#wall"
    assert page.all("input", type="search")[0].attributes["value"] == 'a&b"'


async def test_the_filter_form_shows_what_is_chosen(console: World) -> None:
    """Chosen boxes are checked, a chosen site is listed even where it has no alerts."""
    page = Page((await console.client.get("/alerts?status=open&level=high&site=nowhere&since=24h")).text)
    checked = [tag.attributes["value"] for tag in page.all("input", type="checkbox") if "checked" in tag.attributes]
    selected = [tag.attributes["value"] for tag in page.all("option") if "selected" in tag.attributes]
    assert checked == ["open", "high"]
    assert selected == ["nowhere", "24h"]


async def test_empty_lists_say_what_to_do(console: World) -> None:
    """An empty store explains how to see that logs arrive; an empty filter how to widen it."""
    assert "soc replay FILE" in (await console.client.get("/alerts")).text
    assert "show all alerts" in (await console.client.get("/alerts?level=high")).text


async def test_counts_stand_at_the_top_as_links(console: World) -> None:
    """How many alerts there are, by status and level, whatever is filtered."""
    await console.put(make_alert(1), make_alert(2, level=Level.HIGH), make_alert(3, status=Status.CLOSED))
    page = Page((await console.client.get("/alerts?text=nothing")).text)
    assert page.all("a", id="count-open-high", href="/alerts?status=open&level=high")
    assert "1 high" in page.text
    assert "2 open" in " ".join(page.text.split())


async def test_wrong_filters_are_explained(console: World) -> None:
    """A wrong level, time or cursor is named, as a page and as JSON, and is no failure."""
    for query, word in (
        ("level=huge", "level"),
        ("since=soon", "since"),
        ("cursor=!!", "cursor"),
        ("limit=0", "limit"),
    ):
        answer = await console.client.get(f"/alerts?{query}")
        assert answer.status_code == 422
        assert word in Page(answer.text).text
        api = await console.client.get(f"/api/v1/alerts?{query}")
        assert (api.status_code, word in api.json()["detail"]) == (422, True)


async def test_an_alert_shows_why_history_matches_and_rule(tmp_path: Path) -> None:
    """Reasons, description, false positives, ATT&CK links, history, raw event, fields and the rule's source."""
    rule_file = tmp_path / "rules" / "ssh.yml"
    rule_file.parent.mkdir()
    rule_file.write_text(f"title: SSH\nid: {make_alert(0).rule.id}\nlevel: medium # <b>\n")
    async with world(tmp_path, rules=(rule_file.parent,)) as console:
        entry = HistoryEntry("a1", Act.ACKNOWLEDGE, "Bình", "đang xem", NOW + SECOND, 2)
        opened = Milestone(1, "opened", Level.MEDIUM, "log/0/0", NOW)
        alert = make_alert(
            0, status=Status.ACKNOWLEDGED, history=(entry,), milestones=(opened,), place=Place("log", 0, 1)
        )
        matches = [make_match(number, place=Place("log", 0, number)) for number in range(2)]
        await console.put(alert, matches=matches)
        page = Page((await console.client.get(f"/alerts/{alert.id}")).text)
    for text in (
        "selection", "login_failed", "Somebody guesses passwords.", "Forgotten password", "opened", "Bình", "đang xem",
        "port 51514 ssh2", "SourceIp", "203.0.113.7", '"charset": "utf-8"', "level: medium # <b>", "ssh.yml",
    ):  # fmt: skip
        assert text in page.text
    assert page.all("a", href="https://attack.mitre.org/techniques/T1110/")
    assert len(page.all("article")) == 2


async def test_matches_of_an_alert_are_paged(console: World) -> None:
    """Ten matches a page, newest first, and a link to the older ones."""
    alert = make_alert(0, place=Place("log", 0, 20))
    matches = [make_match(number, place=Place("log", 0, number)) for number in range(15)]
    await console.put(alert, matches=matches)
    first = Page((await console.client.get(f"/alerts/{alert.id}")).text)
    assert len(first.all("article")) == 10
    older = first.all("a", rel="next")[0].attributes["href"] or ""
    assert len(Page((await console.client.get(older)).text).all("article")) == 5


def _hostile_alert(text: str) -> tuple[RuleRef, dict[str, Any]]:
    rule = RuleRef(text, text, Level.HIGH, (text, f"attack.t1110{text}"), text, (text,))
    entry = HistoryEntry(text, Act.ACKNOWLEDGE, text, text, NOW, 2)
    reasons = (Reason(text, text, text, text), Reason(text, None, text * 300, text))
    return rule, {"site": text, "host": text, "reasons": reasons, "history": (entry,)}


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_content_never_becomes_markup(tmp_path: Path, text: str) -> None:
    """Whatever the data say, the pages have the tags and attribute names of harmless data, and no more."""
    async with world(tmp_path / "hostile") as console:
        hostile = await _pages_about(console, text)
    async with world(tmp_path / "harmless") as console:
        harmless = await _pages_about(console, "x" * len(text))
    assert [_shape(page) for page in hostile] == [_shape(page) for page in harmless]
    assert not any(hidden in page.text for page in hostile for hidden in "\x1b\x07\0\u202e\u2066")


async def _pages_about(console: World, text: str) -> list[Page]:
    """Return every page with the text wherever data can be."""
    rule, parts = _hostile_alert(text)
    event = to_document(make_event(0, host=text, raw=text, fields={text: text, "message": text}))
    alert = make_alert(0, rule=rule, **parts)
    match = make_match(0, rule=rule, place=Place("log", 0, 0), alert_key=alert.key, event=event, host=text)
    await console.put(alert, matches=[match])
    asked: list[tuple[str, dict[str, str]]] = [
        ("/alerts", {}),
        ("/alerts", {"text": text, "site": text}),
        ("/alerts", {"cursor": text}),
        ("/alerts", {"level": text}),
        ("/alerts", {"since": text}),
        (f"/alerts/{alert.id}", {}),
        (f"/alerts/{alert.id}", {"action": text, "full": match.id}),
    ]
    return [Page((await console.client.get(url, params=query)).text) for url, query in asked]


def _shape(page: Page) -> list[tuple[str, tuple[str, ...]]]:
    """Return tags and attribute names, but for the marks that stand for hidden characters."""
    tags = [tag for tag in page.tags if tag.attributes.get("class") not in {"ctl", "cut"}]
    return [(tag.name, tuple(sorted(tag.attributes))) for tag in tags]


async def test_control_and_bidi_characters_are_spelled_out(console: World) -> None:
    """An override that would turn the text around, and an escape, are shown as what they are."""
    await console.put(make_alert(0, host="a\u202eb\x1b[31m\u200bc"))
    page = Page((await console.client.get("/alerts")).text)
    assert "a\\u202eb\\x1b[31m\\u200bc" in page.text
    assert len(page.all("span", **{"class": "ctl"})) == 3


async def test_long_values_are_bounded_until_all_is_asked_for(console: World) -> None:
    """A long raw record is cut with a link that shows it whole."""
    event = make_event(0, raw="B" * 5000 + "END")
    await console.put(make_alert(0), matches=[make_match(0, event=to_document(event), place=Place("log", 0, 0))])
    page = Page((await console.client.get(f"/alerts/{make_alert(0).id}")).text)
    assert "B" * RAW in page.text
    assert "END" not in page.text
    whole = next(tag.attributes["href"] for tag in page.all("a") if "full=" in (tag.attributes["href"] or ""))
    assert "BEND" in Page((await console.client.get(whole or "")).text).text


async def test_an_unknown_alert_is_not_found(console: World) -> None:
    """A page and a document say so; neither repeats what was asked for."""
    for url in ("/alerts/<b>no</b>", "/api/v1/alerts/no", "/api/v1/alerts/no/matches", "/alerts/..%2f..%2fetc"):
        answer = await console.client.get(url)
        assert answer.status_code == 404
        assert "<b>no" not in answer.text


async def test_pages_have_language_labels_and_no_inline_code(console: World) -> None:
    """Every field has a label, pages name their language, and nothing is inline that the policy would stop."""
    await console.put(make_alert(0))
    for url in ("/alerts", f"/alerts/{make_alert(0).id}"):
        html = (await console.client.get(url)).text
        page = Page(html)
        assert page.all("html", lang="en")
        assert not page.all("style")
        assert all(tag.attributes.get("src", "").startswith("/static/") for tag in page.all("script"))  # type: ignore[union-attr] # a script has one
        assert not any(name == "style" or name.startswith("on") for tag in page.tags for name in tag.attributes)
        labelled = {tag.attributes.get("for") for tag in page.all("label")}
        assert all(tag.attributes.get("id") in labelled for tag in page.all("textarea"))


async def test_one_value_that_met_two_patterns_is_told_once(console: World) -> None:
    """The list says it once, and shows the part of a long line that the pattern is about; the alert lists both."""
    line = f"[12-1] {'2026-11-22 ' * 6}ERROR: must be superuser to COPY to a program"
    reasons = (Reason("s", "message", line, "*to COPY*"), Reason("s", "message", line, "*a program"))
    alert = make_alert(reasons=reasons)
    await console.put(alert)
    assert (await console.client.get("/alerts")).text.count("to COPY to a program") == 1
    page = (await console.client.get(f"/alerts/{alert.id}")).text
    assert page.count("to COPY to a program") == 1
    assert "*to COPY*" in page
    assert "*a program" in page
