"""CSV: inert, bounded, filtered as the list."""

import csv
import gc
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.console import export
from soc.alerts import Alert, Level, Reason, RuleRef
from soc.store.base import AlertQuery, Page
from soc.testing import make_alert
from tests.alerting.console.world import World


async def test_the_filtered_list_comes_as_csv_in_the_provinces_time(console: World) -> None:
    """The same filters as the list; UTF-8 with its mark; a name to save it under."""
    await console.put(make_alert(1, level=Level.HIGH, host="máy-chủ"), make_alert(2))
    answer = await console.client.get("/alerts.csv?level=high")
    assert answer.headers["content-disposition"] == 'attachment; filename="alerts.csv"'
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["level"], row["host"], row["last_seen"]) for row in rows] == [
        ("high", "máy-chủ", "2026-09-21 21:13:21")
    ]


async def test_formulas_are_inert(console: World) -> None:
    """No cell begins as a formula, wherever the text came from."""
    evil = "=cmd|' /C calc'!A0"
    rule = RuleRef("r", evil, Level.HIGH)
    await console.put(make_alert(0, rule=rule, site="+1", host="@SUM(A1)", reasons=(Reason("s", evil, "\t=1"),)))
    rows = list(csv.reader(io.StringIO((await console.client.get("/alerts.csv")).text.removeprefix("\ufeff"))))
    assert f"'{evil}" in rows[1]
    assert "'+1" in rows[1]
    assert "'@SUM(A1)" in rows[1]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for row in rows for cell in row)


@given(st.text())
def test_no_text_begins_as_a_formula(text: str) -> None:
    """Property: inert cells never begin with what spreadsheets evaluate, and are bounded."""
    cell = export.inert(text)
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert len(cell) <= export.MAX_CELL + 1


async def test_an_export_is_bounded_and_says_so(console: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound the file's name says how many of how many it has."""
    await console.put(*(make_alert(number) for number in range(5)))
    original = export.sheet
    monkeypatch.setattr(export, "sheet", lambda store, query, zone: original(store, query, zone, 3))
    answer = await console.client.get("/alerts.csv")
    assert 'filename="alerts-first-3-of-5.csv"' in answer.headers["content-disposition"]
    assert len(answer.text.splitlines()) == 4


async def test_an_export_follows_every_page(console: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """More alerts than one page of the store are all there."""
    monkeypatch.setattr(export, "MAX_PAGE", 2)
    await console.put(*(make_alert(number) for number in range(5)))
    assert len((await console.client.get("/alerts.csv")).text.splitlines()) == 6


async def test_an_export_keeps_no_more_alerts_than_a_page(console: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand alerts full of hostile text must not be in memory at once."""
    monkeypatch.setattr(export, "MAX_PAGE", 2)
    await console.put(*(make_alert(number) for number in range(20)))
    find, alive = console.store.find_alerts, list[int]()

    async def counting(query: AlertQuery) -> Page[Alert]:
        alive.append(sum(type(each) is Alert for each in gc.get_objects()))
        return await find(query)

    monkeypatch.setattr(console.store, "find_alerts", counting)
    assert len((await console.client.get("/alerts.csv")).text.splitlines()) == 21
    assert max(alive) - alive[0] <= 2
