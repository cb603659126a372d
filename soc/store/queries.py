"""What the SQLite store does with its files. Everything here runs in a lane's thread and raises sqlite3.Error, Retry."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final, TypeVar

import orjson

from soc.alerts import Level, Match
from soc.errors import Retry
from soc.store.base import MAX_PAGE, OLD, Answer, Tally, Written
from soc.store.cursors import Position, clamp
from soc.store.files import Files
from soc.store.months import MATCHES
from soc.store.tables import Write, named

T = TypeVar("T")
Row = tuple[Any, ...]

_CHUNK: Final = 500
"""Rows removed in one transaction: no writer waits long behind it."""


def write(files: Files, items: Sequence[T], plan: Callable[[T], Write]) -> list[Written]:
    """Return the answer to each item, in order: one transaction a file; REJECTED where `plan` raises."""
    answers: dict[int, Written] = {}
    writes: defaultdict[str, list[tuple[int, Write]]] = defaultdict(list)
    for number, item in enumerate(items):
        try:
            planned = plan(item)
        except (ValueError, TypeError) as error:
            answers[number] = Written(Answer.REJECTED, str(error))
        else:
            writes[planned.file].append((number, planned))
    for file, numbered in writes.items():
        answers.update(zip((number for number, _ in numbered), _write_file(files, file, numbered), strict=True))
    return [answers[number] for number in range(len(items))]


def _write_file(files: Files, file: str, writes: Sequence[tuple[int, Write]]) -> list[Written]:
    create = any(planned.done is Answer.CREATED for _, planned in writes)
    try:
        with files.writing(file, create=create) as connection:
            answers = [_apply(connection, planned) for _, planned in writes]
            _follow(
                connection,
                [planned for (_, planned), each in zip(writes, answers, strict=True) if each is planned.done],
            )
            return [Written(each) for each in answers]
    except (sqlite3.Error, OSError, Retry) as error:
        return [Written(Answer.RETRY, f"{file}: {error}")] * len(writes)


def _apply(connection: sqlite3.Connection | None, planned: Write) -> Answer:
    changed = connection is not None and connection.execute(planned.statement, planned.values).rowcount == 1
    return planned.done if changed else planned.refused


def _follow(connection: sqlite3.Connection | None, done: Sequence[Write]) -> None:
    """Run what follows the writes that changed a row: a statement once, its rows in order, as the table has them."""
    runs: defaultdict[str, list[Row]] = defaultdict(list)
    for planned in done:
        statement, rows = planned.then
        runs[statement] += rows
    for statement, every in runs.items():
        if connection is not None and every:
            connection.executemany(statement, sorted(every))


def read(files: Files, file: str, columns: str, identity: str) -> Row | None:
    """Return the columns of the row with this id, None where there is no such row or file."""
    connection = files.reading(file)
    if connection is None:
        return None
    table = file.partition("-")[0]
    select = f"SELECT {columns} FROM {table} WHERE id = ?"  # noqa: S608 - both are our own words; values are bound
    row: Row | None = connection.execute(select, (identity,)).fetchone()
    return row


def read_anywhere(files: Files, kind: str, columns: str, identity: str) -> Row | None:
    """Return the columns of the row with this id from whichever month's file holds it."""
    return next((row for file in files.names(kind) if (row := read(files, file, columns, identity))), None)


@dataclass(frozen=True, slots=True)
class Search:
    """Which rows of every month's file to list; `where` is a condition on `values`, `after` where the last page ended."""

    kind: str
    column: str
    where: str
    values: Sequence[Any]
    after: Position | None
    limit: int
    descending: bool = True

    def run(self, files: Files) -> tuple[list[Row], int]:
        """Return up to limit + 1 rows (sort value, id, document) in order, and how many there are in all pages."""
        rows: list[Row] = []
        total = 0
        for connection in _each(files, self.kind):
            total += connection.execute(self.counting(), self.values).fetchone()[0]
            rows += connection.execute(self.selecting(), [*self.values, *(self.after or ()), self.size + 1])
        rows.sort(key=itemgetter(0, 1), reverse=self.descending)
        return rows[: self.size + 1], total

    @property
    def size(self) -> int:
        """How many rows a page has at most."""
        return min(max(self.limit, 1), MAX_PAGE)

    def counting(self) -> str:
        """Return the statement that counts the rows of all pages."""
        return f"SELECT count(*) FROM {self.kind} WHERE {self.where}"  # noqa: S608 - our own words; values are bound

    def selecting(self) -> str:
        """Return the statement that reads one page, in any order: only its rows' documents are touched."""
        order, sign = ("DESC", "<") if self.descending else ("ASC", ">")
        after = f" AND ({self.column}, id) {sign} (?, ?)" if self.after else ""
        chosen = (
            f"SELECT rowid FROM {self.kind} WHERE {self.where}{after} "  # noqa: S608 - as above
            f"ORDER BY {self.column} {order}, id {order} LIMIT ?"
        )
        return f"SELECT {self.column}, id, document FROM {self.kind} WHERE rowid IN ({chosen})"  # noqa: S608 - as above


def tally(files: Files, kind: str, column: str, since: int, until: int) -> list[Tally]:
    """Return how many rows have `since` <= column < `until`, by level, rule and site."""
    by = "level, rule_id, rule_title, site"
    where = f"{column} >= ? AND {column} < ?"
    select = f"SELECT {by}, count(*) FROM {kind} WHERE {where} GROUP BY {by}"  # noqa: S608 - our own words
    rows = sum_up(files, kind, select, (clamp(since), clamp(until)))
    return [Tally(Level(row[0]), row[1], row[2], row[3], number) for row, number in sorted(rows.items())]


def sum_up(files: Files, kind: str, select: str, values: Sequence[Any]) -> Counter[Row]:
    """Add up, over every month's file, the last column of each row by the others."""
    sums: Counter[Row] = Counter()
    for connection in _each(files, kind):
        for *key, number in connection.execute(select, values):
            sums[tuple(key)] += number
    return sums


def remove_old(files: Files, before: int) -> bool:
    """Remove a chunk of the old matches that were received before then; tell whether there may be more."""
    choose = f"SELECT document FROM matches WHERE received < ? LIMIT {_CHUNK}"  # noqa: S608 - a number
    with files.writing(f"{MATCHES}-{OLD}", create=False) as connection:
        if connection is None:
            return False
        removed = [Match.from_document(orjson.loads(row[0])) for row in connection.execute(choose, (before,))]
        names = [row[:2] for match in removed for row in named(match)]
        connection.executemany("DELETE FROM named WHERE event_id = ? AND match_id = ?", names)
        connection.executemany("DELETE FROM matches WHERE id = ?", [(match.id,) for match in removed])
        return len(removed) == _CHUNK


def known_events(files: Files, event_ids: Sequence[str]) -> frozenset[str]:
    """Return which of these events detections' matches are of."""
    select = (
        f"SELECT DISTINCT event_id FROM named WHERE event_id IN ({', '.join('?' * len(event_ids))}) AND NOT counted"  # noqa: S608 - marks
    )
    return frozenset(row[0] for connection in _each(files, MATCHES) for row in connection.execute(select, event_ids))


def _each(files: Files, kind: str) -> Iterable[sqlite3.Connection]:
    return (connection for file in files.names(kind) if (connection := files.reading(file)))
