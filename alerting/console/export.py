"""A list of alerts as CSV that a spreadsheet opens without running anything in it."""

import asyncio
import csv
import io
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from alerting.console.shown import moment
from soc.alerts import Alert, told_apart
from soc.store.base import MAX_PAGE, AlertQuery, Store

if TYPE_CHECKING:
    from _csv import Writer as _Writer

MAX_ROWS = 10_000
"""Alerts at most in one export."""

MAX_CELL = 1000
"""Characters at most in one cell."""

MAX_VALUE = 200
"""Characters at most of one value in the cell that says why."""

HEADINGS = (
    "level", "status", "count", "first_seen", "last_seen", "opened", "site", "host", "rule", "rule_id", "why", "alert_id",
)  # fmt: skip

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - spreadsheets take these too
BOM = "\ufeff"
"""Tells spreadsheets that this is UTF-8."""


class Sheet(NamedTuple):
    """A CSV text (RFC 4180), how many alerts it has, and how many there are in all."""

    text: str
    rows: int
    total: int


async def sheet(store: Store, query: AlertQuery, zone: ZoneInfo, most: int = MAX_ROWS) -> Sheet:
    """Return the first `most` alerts of the query, times in `zone`, each cell inert and bounded. Raises Retry.

    One page of alerts is in memory at a time, and made into text in a thread.
    """
    text = io.StringIO()
    text.write(BOM)
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(HEADINGS)
    rows, cursor = 0, ""
    while True:
        page = await store.find_alerts(replace(query, cursor=cursor, limit=min(most - rows, MAX_PAGE)))
        await asyncio.to_thread(_write, writer, page.items, zone)
        rows, cursor = rows + len(page.items), page.cursor
        if not cursor or rows >= most:
            return Sheet(text.getvalue(), rows, page.total)


def _write(writer: "_Writer", alerts: Iterable[Alert], zone: ZoneInfo) -> None:
    writer.writerows([inert(cell) for cell in _cells(alert, zone)] for alert in alerts)


def inert(cell: str) -> str:
    """Return the cell so that no spreadsheet takes it for a formula. OWASP, "CSV Injection"."""
    bounded = cell[:MAX_CELL].replace("\0", "")
    return f"'{bounded}" if bounded.startswith(_FORMULA) else bounded


def _cells(alert: Alert, zone: ZoneInfo) -> tuple[str, ...]:
    why = "; ".join(f"{reason.field or 'keyword'}={reason.excerpt(MAX_VALUE)}" for reason in told_apart(alert.reasons))
    times = (moment(time, zone).local for time in (alert.first_seen, alert.last_seen, alert.opened))
    about = (alert.site, alert.host, alert.title, alert.rule.id, why, alert.id)
    return (alert.level.label, alert.status.value, str(alert.count), *times, *about)
