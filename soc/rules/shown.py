"""How matches are shown: as a table, as JSON lines, or as one JSON document. All of it is data, never markup."""

import heapq
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal, NamedTuple, Protocol

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from correlator.correlation.rule import Correlation
from correlator.source import Rule
from soc import printing
from soc.alerts import Evidence, Level, told_apart
from soc.errors import Stop
from soc.rules.scan import Found

if TYPE_CHECKING:
    from soc.rules.match import Summary

Format = Literal["table", "jsonl", "json"]
Sort = Literal["level", "time"]

MOST_ROWS: Final = 100_000
"""Rows of a table that are kept until it is printed; matches of further ones are counted."""


class Hit(NamedTuple):
    """A match: the recording, the rule, and what was found; its number is the record's in the file.

    `evidence`: what a correlation's match was made of; it is of no one record of a recording.
    """

    path: Path
    rule: Rule | Correlation
    found: Found
    evidence: Evidence | None = None

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-ready form."""
        ref, found = self.rule.ref, self.found
        document: dict[str, Any] = {
            "time": None if found.time is None else printing.timestamp(found.time),
            "level": ref.level.label,
            "title": ref.title,
            "rule": ref.id,
            "tags": ref.tags,
            "host": found.host,
            "file": None if self.evidence else str(self.path),
            "record": None if self.evidence else found.number,
            "reasons": [reason._asdict() for reason in found.reasons],
        }
        if self.evidence:
            document["correlation"] = _evidence(self.evidence)
        return document if found.fields is None else {**document, "fields": found.fields}


def _evidence(evidence: Evidence) -> dict[str, Any]:
    return {
        "kind": evidence.kind,
        "group": dict(evidence.group),
        "start": printing.timestamp(evidence.start),
        "end": printing.timestamp(evidence.end),
        "condition": evidence.condition,
        "counted": evidence.counted,
        "hits": evidence.hits,
        "contributions": [
            {
                "time": printing.timestamp(each.time),
                "rule": each.rule,
                "host": each.host,
                "value": each.value,
                "record": each.event_id,
            }
            for each in evidence.contributions
        ],
        "incomplete": evidence.incomplete,
    }


class Sink(Protocol):
    """Where matches go."""

    def take(self, hit: Hit) -> None:
        """Take one match; they come in the order of the files."""

    def finish(self) -> None:
        """Show what was kept."""


@contextmanager
def opened(kind: Format, output: Path | None, sort: Sort, *, each: bool, limit: int) -> Iterator[Sink]:
    """Give what shows matches on standard output or in a file, and finish it unless something was raised."""
    with writing(output) as out:
        sink: Sink = Rows(out, sort, each=each, limit=limit) if kind == "table" else Documents(out, limit, kind)
        yield sink
        sink.finish()


@contextmanager
def writing(output: Path | None) -> Iterator[IO[bytes]]:
    """Give a file that is written anew, or standard output, which somebody may close who has seen enough."""
    try:
        out: IO[bytes] = output.open("wb") if output else sys.stdout.buffer
    except OSError as error:
        raise Stop(f"{output}: cannot be written: {error.strerror}") from None
    try:
        yield out
        out.flush()
    except BrokenPipeError:  # `| head` has seen enough
        raise SystemExit(0) from None
    finally:
        if output:
            out.close()


class Documents:
    """JSON: an object a line, or one array."""

    def __init__(self, out: IO[bytes], limit: int, kind: Format) -> None:
        """Write at most `limit` matches, or all for 0."""
        self._out = out
        self._limit = limit
        self._written = 0
        self._between, self._end = (b"", b"") if kind == "jsonl" else (b",\n", b"\n]\n")
        self._after = b"\n" if kind == "jsonl" else b""
        if kind == "json":
            out.write(b"[\n")

    def take(self, hit: Hit) -> None:
        """Write one match."""
        if self._limit and self._written >= self._limit:
            return
        self._out.write((self._between if self._written else b"") + encoded(hit.to_document()) + self._after)
        self._written += 1

    def finish(self) -> None:
        """Close the array."""
        self._out.write(self._end)


class _Row:
    """Matches of one rule on one host, or one match."""

    __slots__ = ("count", "hit", "last")

    def __init__(self, hit: Hit) -> None:
        self.hit = hit
        self.count = 0
        self.last: int | None = None


class Rows:
    """A table: a row for each rule and host, of a correlation each group, with the first match; or for each match."""

    def __init__(self, out: IO[bytes], sort: Sort, *, each: bool, limit: int) -> None:
        """Show at most `limit` rows, or all for 0."""
        self._out = out
        self._sort = sort
        self._each = each
        self._limit = limit
        self._rows: dict[object, _Row] = {}
        self._left_out = 0

    def take(self, hit: Hit) -> None:
        """Put one match with those of its row."""
        about = hit.evidence.group if hit.evidence else hit.found.host
        key: object = len(self._rows) if self._each else (hit.rule.ref.id, about)
        row = self._rows.get(key)
        if row is None:
            if len(self._rows) >= MOST_ROWS:
                self._left_out += 1
                return
            row = self._rows[key] = _Row(hit)
        row.count += 1
        if (time := hit.found.time) is not None:
            if row.hit.found.time is None or time < row.hit.found.time:
                row.hit = hit
            row.last = time if row.last is None else max(row.last, time)

    def finish(self) -> None:
        """Print the table."""
        key = _by_level if self._sort == "level" else _by_time
        rows = heapq.nsmallest(self._limit or len(self._rows), self._rows.values(), key=key)
        console = console_of(self._out)
        if rows:
            console.print(_table(rows, each=self._each))
        if hidden := len(self._rows) - len(rows):
            console.print(Text(f"{hidden:,} more rows: --limit 0 shows all, --min-level fewer", style="dim"))
        if self._left_out:
            console.print(Text(f"{self._left_out:,} more matches than a table holds: take --format jsonl"))


def console_of(out: IO[bytes]) -> Console:
    """Return a console that writes there: the terminal, or a file of wide lines."""
    if out is sys.stdout.buffer:
        return Console()
    return Console(file=_Encoded(out), width=200)  # type: ignore[arg-type] # it writes and flushes


class _Encoded:
    """Text into a file of bytes."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out

    def write(self, text: str) -> int:
        return self._out.write(text.encode("utf-8", "replace"))

    def flush(self) -> None:
        self._out.flush()


def _table(rows: list[_Row], *, each: bool) -> Table:
    table = Table(expand=True, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Level", no_wrap=True)
    table.add_column("Time (UTC)" if each else "First (UTC)", no_wrap=True)
    if not each:
        table.add_column("Count", justify="right", no_wrap=True)
    table.add_column("Host", no_wrap=True, overflow="ellipsis", ratio=2, max_width=32)
    table.add_column("Rule, and why it fired", ratio=9, no_wrap=True, overflow="ellipsis")
    for row in rows:
        rule, found = row.hit.rule.ref, row.hit.found
        cells = [
            Text("info" if rule.level is Level.INFORMATIONAL else rule.level.label, style=printing.COLOURS[rule.level]),
            Text("-" if found.time is None else printing.moment(found.time).removesuffix("Z")),
            *([] if each else [Text(f"{row.count:,}")]),
            Text(printing.visible(found.host or "-", 60)),
            Text(printing.visible(rule.title, 150), style="bold").append_text(_why(row.hit)),
        ]
        table.add_row(*cells)
    return table


def _why(hit: Hit) -> Text:
    reasons = _of_correlation(hit.evidence) if hit.evidence else _of_rule(hit.found)
    why = Text("\n" if reasons else "", style="not bold")
    for name, value in reasons:
        why.append(printing.visible(f"{name}=" if name else "", 60), style="not bold dim")
        why.append(f"{printing.visible(value, 100)}  ", style="not bold")
    return why


def _of_rule(found: Found) -> list[tuple[str, str]]:
    return [(each.field or "keyword", each.excerpt(100)) for each in told_apart(found.reasons)[:4]]


def _of_correlation(evidence: Evidence) -> list[tuple[str, str]]:
    """Return the group, then what was counted of how many events, and what was asked."""
    events = "1 event" if evidence.hits == 1 else f"{evidence.hits:,} events"
    return [*evidence.group[:3], ("", events), (evidence.condition.partition(":")[0], evidence.counted)]


def _by_level(row: _Row) -> tuple[int, float]:
    return -row.hit.rule.ref.level, _when(row)


def _by_time(row: _Row) -> tuple[float, int]:
    return _when(row), -row.hit.rule.ref.level


def _when(row: _Row) -> float:
    time = row.hit.found.time
    return float("inf") if time is None else time


def encoded(document: dict[str, Any]) -> bytes:
    """Return the JSON; what JSON can be read as but not written is left out, and the match stands."""
    try:
        return orjson.dumps(document)
    except TypeError:  # an integer of thousands of digits, a lone surrogate
        return orjson.dumps({**document, "fields": None, "reasons": []})


def note(text: str) -> None:
    """Say something beside the matches, on standard error."""
    Console(stderr=True, highlight=False).print(Text(printing.visible(text, 1000)))


def summary(told: "Summary") -> None:
    """Say what became of the recordings, on standard error."""
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for line in told.told:
        console.print(Text(printing.visible(line, 300), style="yellow"))
    if told.unreadable:
        reasons = ", ".join(
            f"{count:,} {printing.visible(reason, 40)}" for reason, count in told.unreadable.most_common(8)
        )
        console.print(
            Text(f"{_number(told.unreadable.total(), 'record')} could not be read: {reasons}", style="yellow")
        )
    for title, count in told.failed.most_common(8):
        console.print(Text(printing.visible(f"rule failed on {count:,} events: {title}", 300), style="yellow"))
    for remark in told.remarks:
        console.print(Text(printing.visible(remark, 300), style="yellow"))
    if told.passed_over:
        console.print(Text(f"{told.passed_over:,} files in the folders are no recordings by their names", style="dim"))
    rate = told.events / told.seconds if told.seconds else 0
    what = f"{_number(told.files, 'file')}, {_number(told.events, 'event')}"
    console.print(Text(f"{what} in {told.seconds:.1f} s ({rate:,.0f} events/s)"))
    console.print(_levels(told))


def _levels(told: "Summary") -> Text:
    if not told.matches:
        return Text("no match")
    matches = "1 match" if told.matches == 1 else f"{told.matches:,} matches"
    line = Text(f"{matches} of {_number(len(told.rules), 'rule')}: ")
    parts = [(level, told.levels[level]) for level in sorted(Level, reverse=True) if told.levels[level]]
    for place, (level, count) in enumerate(parts):
        line.append(", " if place else "").append(f"{count:,} {level.label}", style=printing.COLOURS[level])
    return line


def _number(count: int, what: str) -> str:
    return f"{count:,} {what}" if count == 1 else f"{count:,} {what}s"
