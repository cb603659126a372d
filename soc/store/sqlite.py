"""The embedded store: SQLite files in one folder, used by several processes at once.

Matches and alerts lie in one file a month (matches-2026.11.db, alerts-2026.11.db), so retention removes whole files;
matches-old.db holds what was past the retention on receipt, and keys.db outlives them all.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import orjson

from soc.alerts import Alert, AlertKey, Level, Match, Place, Status
from soc.clock import DAY, Clock
from soc.errors import SettingsError
from soc.metrics import Metrics
from soc.settings import StoreSettings
from soc.store import cursors, queries, tables
from soc.store.base import MAX_EVENTS, AlertQuery, AlertRef, MatchQuery, Page, Store, Stored, Tally, Version, Written
from soc.store.cursors import Position
from soc.store.files import Files, Lane
from soc.store.months import ALERTS, KEYS, MATCHES, is_month, is_past, month_for

T = TypeVar("T")

_SCHEME = "sqlite:///"


class SqliteStore(Store):
    """Three threads: one for matches, one for alerts and keys, one for searches; none waits for another."""

    def __init__(self, settings: StoreSettings, metrics: Metrics, clock: Clock) -> None:
        """Nothing is touched before `open`."""
        self._url = settings.url
        self._retention_days = settings.retention_days
        self._metrics = metrics
        self._folder = Path(settings.url.removeprefix(_SCHEME))
        self._matches, self._alerts, self._searches = (
            Lane(self._folder, tables.SCHEMAS, settings.timeout, clock) for _ in range(3)
        )

    async def open(self) -> None:
        """Make the folder and the file of keys."""
        if not self._url.startswith(_SCHEME) or not self._folder.name:
            raise SettingsError(f"store.url = {self._url!r}: want sqlite:///FOLDER")
        try:
            await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        except OSError as error:
            raise SettingsError(f"store.url: cannot make the folder {self._folder}: {error.strerror}") from None
        await self._alerts.run(_make_keys)
        self._metrics.store_up.set(1)

    async def add_matches(self, matches: Sequence[Match]) -> list[Written]:
        """Create each in its month's file, one transaction a file."""
        return await self._write(
            self._matches, MATCHES, matches, lambda each: tables.add_match(each, self._retention_days)
        )

    async def match_places(self, matches: Sequence[Match]) -> list[Place | None]:
        """Read each by its id."""
        return await self._matches.run(lambda files: [self._match_place(files, match) for match in matches])

    async def find_matches(self, query: MatchQuery) -> Page[Match]:
        """Search every month's file."""
        scope = cursors.match_scope(query)
        where, values = tables.match_filter(query)
        search = queries.Search(MATCHES, "time", where, values, cursors.decode(scope, query.cursor), query.limit)
        return await self._page(search, scope, Match.from_document)

    async def get_alerts(self, refs: Sequence[AlertRef]) -> list[Stored[Alert] | None]:
        """Read each by its id."""
        places = [(f"{ALERTS}-{ref.month}" if is_month(ref.month) else None, ref.id) for ref in refs]
        return await self._get(places, Alert.from_document)

    async def put_alerts(self, writes: Sequence[tuple[Alert, Version | None]]) -> list[Written]:
        """Create or replace each, one transaction a file."""
        return await self._write(self._alerts, ALERTS, writes, lambda each: tables.put_alert(*each))

    async def get_keys(self, keys: Sequence[str]) -> list[Stored[AlertKey] | None]:
        """Read each by its id."""
        return await self._get([(KEYS, AlertKey(key, 0, "").id) for key in keys], lambda each: AlertKey(**each))

    async def put_keys(self, writes: Sequence[tuple[AlertKey, Version | None]]) -> list[Written]:
        """Create or replace each, in one transaction."""
        return await self._write(self._alerts, KEYS, writes, lambda each: tables.put_key(*each))

    async def find_alert(self, alert_id: str) -> Alert | None:
        """Look in each month's file, the newest first."""
        row = await self._searches.run(lambda files: queries.read_anywhere(files, ALERTS, "document", alert_id))
        return Alert.from_document(orjson.loads(row[0])) if row else None

    async def find_alerts(self, query: AlertQuery) -> Page[Alert]:
        """Search every month's file."""
        scope = cursors.alert_scope(query)
        where, values = tables.alert_filter(query)
        after = cursors.decode(scope, query.cursor)
        column = tables.SORTED_BY[query.sort]
        search = queries.Search(ALERTS, column, where, values, after, query.limit, query.descending)
        return await self._page(search, scope, Alert.from_document)

    async def tally_alerts(self, since: int, until: int) -> list[Tally]:
        """Add up every month's file."""
        return await self._searches.run(lambda files: queries.tally(files, ALERTS, "opened", since, until))

    async def known_events(self, event_ids: Sequence[str]) -> frozenset[str]:
        """Look in every month's file."""
        wanted = list(dict.fromkeys(event_ids))[:MAX_EVENTS]
        return await self._searches.run(lambda files: queries.known_events(files, wanted))

    async def tally_matches(self, since: int, until: int) -> list[Tally]:
        """Add up every month's file."""
        return await self._searches.run(lambda files: queries.tally(files, MATCHES, "received", since, until))

    async def count_alerts(self) -> Mapping[tuple[Status, Level], int]:
        """Add up every month's file; what there is none of is left out."""
        select = "SELECT status, level, count(*) FROM alerts GROUP BY status, level"
        sums = await self._searches.run(lambda files: queries.sum_up(files, ALERTS, select, ()))
        return {(Status(status), Level(level)): number for (status, level), number in sums.items()}

    async def refresh(self) -> None:
        """Nothing to do: every acknowledged write is visible."""

    async def expire(self, now: int) -> list[str]:
        """Remove whole files. In matches-old.db, remove what was received more than the retention ago, row by row."""
        removed = await self._matches.run(lambda files: self._remove_past(files, now))
        before = now - self._retention_days * DAY
        while await self._matches.run(lambda files: queries.remove_old(files, before)):
            pass
        return removed

    async def ping(self) -> None:
        """Read the file of keys."""
        await self._searches.run(lambda files: queries.read(files, KEYS, "version", ""))

    async def aclose(self) -> None:
        """Close the files and end the threads."""
        for lane in (self._searches, self._alerts, self._matches):
            await lane.aclose()

    async def _write(
        self, lane: Lane, kind: str, items: Sequence[T], plan: Callable[[T], tables.Write]
    ) -> list[Written]:
        answers = await lane.run(lambda files: queries.write(files, items, plan))
        for answer, number in Counter(written.answer for written in answers).items():
            self._metrics.store_writes.labels(kind, answer).inc(number)
        return answers

    async def _get(
        self, places: Sequence[tuple[str | None, str]], build: Callable[[dict[str, Any]], T]
    ) -> list[Stored[T] | None]:
        def look(files: Files) -> list[Stored[T] | None]:
            rows = [file and queries.read(files, file, "version, document", each) for file, each in places]
            return [Stored(build(orjson.loads(row[1])), Version(row[0])) if row else None for row in rows]

        return await self._alerts.run(look)

    async def _page(self, search: queries.Search, scope: str, build: Callable[[dict[str, Any]], T]) -> Page[T]:
        rows, total = await self._searches.run(search.run)
        items = tuple(build(orjson.loads(row[2])) for row in rows[: search.size])
        more = len(rows) > search.size
        return Page(items, cursors.encode(scope, Position(*rows[search.size - 1][:2])) if more else "", total)

    def _match_place(self, files: Files, match: Match) -> Place | None:
        try:
            file = f"{MATCHES}-{month_for(match, self._retention_days)}"
        except ValueError:
            return None
        row = queries.read(files, file, 'log, partition, "offset"', match.id)
        return Place(*row) if row and row[0] is not None else None

    def _remove_past(self, files: Files, now: int) -> list[str]:
        past = [
            name
            for kind in (MATCHES, ALERTS)
            for name in files.names(kind)
            if is_month(month := name.removeprefix(f"{kind}-")) and is_past(month, now, self._retention_days)
        ]
        for name in past:
            files.remove(name)
        return past


def _make_keys(files: Files) -> None:
    with files.writing(KEYS):
        pass
