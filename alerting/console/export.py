"""A list of alerts as CSV that a spreadsheet opens without running anything in it."""

import csv
import io
from collections.abc import Iterable
from dataclasses import replace
from zoneinfo import ZoneInfo

from alerting.console.shown import moment
from soc.alerts import Alert, told_apart
from soc.store.base import MAX_PAGE, AlertQuery, Store

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


async def collect(store: Store, query: AlertQuery, rows: int = MAX_ROWS) -> tuple[list[Alert], int]:
    """Return the first `rows` alerts of the query, and how many there are in all. Raises Retry."""
    found: list[Alert] = []
    page = await store.find_alerts(replace(query, cursor="", limit=min(rows, MAX_PAGE)))
    total = page.total
    found.extend(page.items)
    while page.cursor and len(found) < rows:
        page = await store.find_alerts(replace(query, cursor=page.cursor, limit=min(rows, MAX_PAGE)))
        found.extend(page.items)
    return found[:rows], total


def table(alerts: Iterable[Alert], zone: ZoneInfo) -> str:
    """Return the CSV text (RFC 4180), times in `zone`, each cell inert and bounded."""
    text = io.StringIO()
    text.write(BOM)
    writer = csv.writer(text, quoting=csv.QUOTE_ALL)
    writer.writerow(HEADINGS)
    for alert in alerts:
        writer.writerow([inert(cell) for cell in _cells(alert, zone)])
    return text.getvalue()


def inert(cell: str) -> str:
    """Return the cell so that no spreadsheet takes it for a formula. OWASP, "CSV Injection"."""
    bounded = cell[:MAX_CELL].replace("\0", "")
    return f"'{bounded}" if bounded.startswith(_FORMULA) else bounded


def _cells(alert: Alert, zone: ZoneInfo) -> tuple[str, ...]:
    why = "; ".join(f"{reason.field or 'keyword'}={reason.excerpt(MAX_VALUE)}" for reason in told_apart(alert.reasons))
    times = (moment(time, zone).local for time in (alert.first_seen, alert.last_seen, alert.opened))
    about = (alert.site, alert.host, alert.title, alert.rule.id, why, alert.id)
    return (alert.level.label, alert.status.value, str(alert.count), *times, *about)
