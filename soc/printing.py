"""What the commands print: tables whose cells are data, never terminal control or markup."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from rich import box
from rich.console import Console, JustifyMethod
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from soc import logs
from soc.alerts import Alert, Level, told_apart
from soc.bus.base import Record
from soc.bus.deadletters import Letter
from soc.clock import SECOND

COLOURS = {
    Level.INFORMATIONAL: "dim",
    Level.LOW: "cyan",
    Level.MEDIUM: "yellow",
    Level.HIGH: "red",
    Level.CRITICAL: "bold white on red",
}


def visible(text: str, limit: int = 200) -> str:
    """Return the text bounded, on one line, with each control or other unprintable character spelled out."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return logs.visible(cut).replace("\n", "\\n")


def moment(time: int) -> str:
    """Return a time in microseconds as "2026-11-22 08:15:00Z"; one that no calendar holds as its number."""
    try:
        return f"{datetime.fromtimestamp(time / SECOND, UTC):%Y-%m-%d %H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return str(time)


def timestamp(time: int) -> str:
    """Return a time in microseconds as ISO 8601 to the millisecond; one that no calendar holds as its number."""
    seconds = moment(time)
    return f"{seconds[:10]}T{seconds[11:-1]}.{time // 1000 % 1000:03}Z" if seconds.endswith("Z") else seconds


def progress() -> Progress:
    """Return a progress bar on standard error: bytes of each file read, speed and time left."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True))


def alerts(items: Iterable[Alert], console: Console | None = None) -> None:
    """Print alerts as a table, in the order given, a line each; what does not fit the terminal is cut."""
    table = Table(title="Alerts", title_justify="left", expand=True, box=box.SIMPLE_HEAD)
    for heading, share in (("Level", 0), ("Count", 0), ("Seen (UTC)", 0), ("Host", 0), ("Rule", 3), ("Why", 4)):
        justify: JustifyMethod = "right" if heading == "Count" else "left"
        table.add_column(heading, justify=justify, no_wrap=True, overflow="ellipsis", ratio=share or None)
    for alert in items:
        why = " ".join(f"{reason.field or 'keyword'}={reason.excerpt(60)}" for reason in told_apart(alert.reasons)[:2])
        table.add_row(
            Text(alert.level.label, style=COLOURS[alert.level]),
            Text(str(alert.count)),
            Text(moment(alert.last_seen)[5:16]),
            Text(visible(alert.host, 20)),
            Text(visible(alert.title, 80)),
            Text(visible(why, 120)),
        )
    (console or Console()).print(table)


def letters(items: Sequence[tuple[Record, Letter]], console: Console | None = None) -> None:
    """Print dead letters as a table; the number is what `show` and `retry` take."""
    table = Table(title="Dead letters", title_justify="left", box=box.SIMPLE_HEAD)
    for heading in ("Number", "Time", "Stage", "Reason", "Detail", "Bytes"):
        table.add_column(heading, overflow="fold", justify="right" if heading in {"Number", "Bytes"} else "left")
    for record, letter in items:
        cells = (str(record.offset), moment(letter.time), letter.stage, letter.reason, letter.detail, str(letter.size))
        table.add_row(*(Text(visible(cell, 100)) for cell in cells))
    (console or Console()).print(table)
