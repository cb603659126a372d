"""The SQLite store's tables, and how a document becomes a row: the columns that searches need, and all of it as JSON."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import orjson

from soc.alerts import Alert, AlertKey, Match
from soc.store.base import INT64, AlertQuery, AlertSort, Answer, MatchQuery, Version
from soc.store.cursors import clamp
from soc.store.months import ALERTS, KEYS, MATCHES, is_month, month_for

SCHEMAS: Final = {
    MATCHES: """
        CREATE TABLE IF NOT EXISTS matches (
            id TEXT PRIMARY KEY, alert_key TEXT NOT NULL, time INTEGER NOT NULL, received INTEGER NOT NULL,
            level INTEGER NOT NULL, rule_id TEXT NOT NULL, rule_title TEXT NOT NULL, site TEXT NOT NULL,
            log TEXT, partition INTEGER, "offset" INTEGER, document BLOB NOT NULL
        );
        CREATE INDEX IF NOT EXISTS matches_of_alert ON matches (alert_key, time, id, log, partition, "offset");
        CREATE INDEX IF NOT EXISTS matches_received ON matches (received, level, rule_id, rule_title, site);
        CREATE TABLE IF NOT EXISTS named (event_id TEXT, match_id TEXT, counted INTEGER, PRIMARY KEY (event_id, match_id))
            WITHOUT ROWID""",
    ALERTS: """
        CREATE TABLE IF NOT EXISTS alerts (
            id TEXT PRIMARY KEY, version INTEGER NOT NULL, status TEXT NOT NULL, level INTEGER NOT NULL,
            rule_id TEXT NOT NULL, rule_title TEXT NOT NULL, site TEXT NOT NULL, count INTEGER NOT NULL,
            opened INTEGER NOT NULL, last_seen INTEGER NOT NULL, haystack TEXT NOT NULL, document BLOB NOT NULL
        );
        CREATE INDEX IF NOT EXISTS alerts_listed ON alerts (last_seen, id, status, level, site, count, opened);
        CREATE INDEX IF NOT EXISTS alerts_opened ON alerts (opened, id, status, level, site, last_seen, rule_id, rule_title);
        CREATE INDEX IF NOT EXISTS alerts_status ON alerts (status, level)""",
    KEYS: """
        CREATE TABLE IF NOT EXISTS keys (id TEXT PRIMARY KEY, version INTEGER NOT NULL, document BLOB NOT NULL) WITHOUT ROWID""",
}
"""What creates a file, by its kind. `named`: the events that a match is of, and those that a correlation's counted. The indices hold all that lists, counts and tallies ask for: a million documents are
not read for one page of them.
"""

_INSERT_MATCH: Final = "INSERT INTO matches VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING"
_INSERT_NAMED: Final = "INSERT OR IGNORE INTO named VALUES (?, ?, ?)"

_CREATE: Final = {
    ALERTS: "INSERT INTO alerts VALUES (?1, 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO NOTHING",
    KEYS: "INSERT INTO keys VALUES (?1, 1, ?2) ON CONFLICT (id) DO NOTHING",
}
_REPLACE: Final = {
    ALERTS: (
        "UPDATE alerts SET version = version + 1, status = ?2, level = ?3, rule_id = ?4, rule_title = ?5, site = ?6, "
        "count = ?7, opened = ?8, last_seen = ?9, haystack = ?10, document = ?11 WHERE id = ?1 AND version = ?12"
    ),
    KEYS: "UPDATE keys SET version = version + 1, document = ?2 WHERE id = ?1 AND version = ?3",
}

SORTED_BY: Final = {
    AlertSort.LAST_SEEN: "last_seen",
    AlertSort.OPENED: "opened",
    AlertSort.LEVEL: "level",
    AlertSort.COUNT: "count",
}
"""The column of each order."""


class Write(NamedTuple):
    """One statement on one file, and its answer where it changed a row (`done`) or none (`refused`).

    `then`: a statement that follows where it changed one, and the values of each of its runs.
    """

    file: str
    statement: str
    values: tuple[Any, ...]
    done: Answer
    refused: Answer
    then: tuple[str, Sequence[tuple[Any, ...]]] = ("", ())


def add_match(match: Match, retention_days: int) -> Write:
    """Return what creates a match. Raises ValueError or TypeError where JSON, 64 bits or a month cannot hold it."""
    file = f"{MATCHES}-{month_for(match, retention_days)}"
    place = match.place or (None, None, None)
    _check_numbers(match.time, match.received, *place[1:])
    rule = match.rule
    columns = (match.time, match.received, int(rule.level), rule.id, rule.title, match.site)
    values = (match.id, match.alert_key, *columns, *place, orjson.dumps(match.to_document()))
    return Write(file, _INSERT_MATCH, values, Answer.CREATED, Answer.EXISTS, (_INSERT_NAMED, named(match)))


def named(match: Match) -> list[tuple[str, str, bool]]:
    """Return the rows of `named` for a match: event, match, and whether a correlation counted it."""
    found = match.correlation
    if found is None:
        return [(match.event_id, match.id, False)]
    _check_numbers(found.start, found.end, found.bucket, found.hits)
    return [(event, match.id, True) for event in (match.event_id, *(each.event_id for each in found.contributions))]


def put_alert(alert: Alert, version: Version | None) -> Write:
    """Return what creates or replaces an alert. Raises as add_match."""
    if not is_month(alert.month):
        raise ValueError(f"no month to store: {alert.month!r:.40}")
    _check_numbers(alert.count, alert.opened, alert.last_seen)
    columns = (alert.status, int(alert.level), alert.rule.id, alert.rule.title, alert.site)
    numbers = (alert.count, alert.opened, alert.last_seen)
    values = (alert.id, *columns, *numbers, _haystack(alert), orjson.dumps(alert.to_document()))
    return _put(f"{ALERTS}-{alert.month}", ALERTS, values, version)


def put_key(key: AlertKey, version: Version | None) -> Write:
    """Return what creates or replaces a key. Raises as add_match."""
    return _put(KEYS, KEYS, (key.id, orjson.dumps(key)), version)


def _put(file: str, kind: str, values: tuple[Any, ...], version: Version | None) -> Write:
    if version is None:
        return Write(file, _CREATE[kind], values, Answer.CREATED, Answer.CONFLICT)
    return Write(file, _REPLACE[kind], (*values, version.number), Answer.UPDATED, Answer.CONFLICT)


def alert_filter(query: AlertQuery) -> tuple[str, list[Any]]:
    """Return the condition that takes the query's alerts, and its parameters."""
    parts, values = ["1"], list[Any]()
    for column, wanted in (("level", query.levels), ("site", query.sites), ("status", query.statuses)):
        if wanted:
            parts.append(f"+{column} IN ({', '.join('?' * len(wanted))})")  # +: by alerts_listed, which has the order
            values += [int(each) if column == "level" else str(each) for each in wanted]
    for text, value in (("last_seen >= ?", query.since), ("last_seen < ?", query.until)):
        if value is not None:
            parts.append(text)
            values.append(clamp(value))
    if query.text:
        parts.append("instr(haystack, ?) > 0")  # LIKE folds the case of ASCII alone and ends at a NUL
        values.append(query.text.casefold())
    return " AND ".join(parts), values


def match_filter(query: MatchQuery) -> tuple[str, list[Any]]:
    """Return the condition that takes the query's matches, and its parameters.

    An alert lies in one partition of one log, or goes on in another log: then its matches are those from the first
    place on in the one, and up to the last place in the other.
    """
    parts, values = ["1"], list[Any]()
    first, last = query.first_place, query.last_place
    if query.alert_key:
        parts.append("alert_key = ?")
        values.append(query.alert_key)
    if query.event_id:
        parts.append("id IN (SELECT match_id FROM named WHERE event_id = ?)")
        values.append(query.event_id)
    bounds = [(place, sign) for place, sign in ((first, ">="), (last, "<=")) if place is not None]
    if bounds:
        one_log = first is None or last is None or first[:2] == last[:2]
        tests = [f'(log = ? AND partition = ? AND "offset" {sign} ?)' for _, sign in bounds]
        parts.append("(" + (" AND " if one_log else " OR ").join(tests) + ")")
        values += [part for place, _ in bounds for part in place]
    return " AND ".join(parts), values


def _haystack(alert: Alert) -> str:
    return f"{alert.title}\n{alert.host}\n{alert.site}\n{alert.key}".casefold()


def _check_numbers(*numbers: int | str | None) -> None:
    for number in numbers:
        if number is not None and (type(number) is not int or number not in INT64):
            raise ValueError(f"not a whole number of 64 bits: {number!r:.40}")
