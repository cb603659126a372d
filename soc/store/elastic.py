"""The store in Elasticsearch 9: monthly indices behind one alias each, and one index of alert keys.

Only what every distribution has is asked for: no scripts, no lifecycle policies, no update or delete by query.
With security on, our user or API key needs `monitor` and `manage_index_templates` on the cluster, and `auto_configure`,
`read`, `write`, `view_index_metadata`, `maintenance` and `delete_index` on PREFIX-*.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar

import orjson
import structlog
from elastic_transport import TlsError, TransportError
from elasticsearch import ApiError, AsyncElasticsearch, UnsupportedProductError

from soc.alerts import Alert, AlertKey, Level, Match, Place, Status
from soc.clock import DAY, Clock
from soc.errors import Retry, SettingsError
from soc.metrics import Metrics
from soc.settings import StoreSettings
from soc.store import access, bulk, cursors, ecs, hits, indices, searches
from soc.store.base import (
    MAX_PAGE,
    OLD,
    AlertQuery,
    AlertRef,
    Answer,
    MatchQuery,
    Page,
    Store,
    Stored,
    Tally,
    Version,
    Written,
)
from soc.store.cursors import Position
from soc.store.months import ALERTS, KEYS, MATCHES, is_month, is_past, month_for

T = TypeVar("T")
log = structlog.get_logger()

_LONGEST_ID: Final = 512
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND, _TOO_LARGE = 401, 403, 404, 413
_OUTAGES: Final = frozenset({_UNAUTHORIZED, _FORBIDDEN, 408, 429})
_SERVER_ERROR: Final = 500


class ElasticStore(Store):
    """See the port for what is promised.

    While it runs, refused credentials (401, 403) are Retry like an outage, with a log line: they can be put right
    without losing a match. `open` takes them for a wrong setting.
    """

    def __init__(self, settings: StoreSettings, metrics: Metrics, clock: Clock) -> None:
        """Nothing is connected before `open`."""
        self._settings = settings
        self._prefix = settings.prefix
        self._metrics = metrics
        self._clock = clock
        self._away_since: float | None = None
        self._connection: AsyncElasticsearch | None = None

    # Connection ---------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Connect and put the index templates."""
        self._connection = _connect(self._settings)
        try:
            for name, template in indices.templates(self._prefix, self._settings.replicas).items():
                await self._at_start(self._client.indices.put_index_template(name=name, **template))
        except BaseException:
            await self.aclose()
            raise

    async def ping(self) -> None:
        """Ask for the cluster's health."""
        await self._ask(self._client.cluster.health(timeout="1s"))

    async def aclose(self) -> None:
        """Close the connections."""
        if self._connection:
            await self._connection.close()
            self._connection = None

    @property
    def _client(self) -> AsyncElasticsearch:
        if self._connection is None:
            raise RuntimeError("the store is not open")
        return self._connection

    async def _at_start(self, request: Awaitable[Any]) -> None:
        try:
            await self._ask(request)
        except Retry as error:
            if wrong := _wrong_setting(error.__cause__):
                raise SettingsError(f"store.url = {self._settings.url!r}: {wrong}") from error
            raise

    async def _ask(self, request: Awaitable[T]) -> T:
        """Return the answer. Raises Retry whatever goes wrong, with the client's error as its cause."""
        try:
            answer = await request
        except (ApiError, TransportError) as error:
            reason = _explain(error)
            if _is_outage(error):
                self._is_away(reason)
            raise Retry(f"Elasticsearch: {reason}") from error
        if self._away_since is not None:
            log.info("Elasticsearch answers again", seconds=round(self._clock.monotonic() - self._away_since, 1))
        self._away_since = None
        self._metrics.store_up.set(1)
        return answer

    def _is_away(self, reason: str) -> None:
        if self._away_since is None:
            self._away_since = self._clock.monotonic()
            log.warning("Elasticsearch does not answer as it should", reason=reason)
        self._metrics.store_up.set(0)

    # Matches ------------------------------------------------------------------------------------------------------

    async def add_matches(self, matches: Sequence[Match]) -> list[Written]:
        """Create each in its month's index."""

        def plan(match: Match) -> bulk.Write:
            source = orjson.dumps(ecs.match_source(match))
            return bulk.Write(self._index_of(match), match.id, source, None, Answer.EXISTS)

        return await self._write(MATCHES, matches, plan)

    async def match_places(self, matches: Sequence[Match]) -> list[Place | None]:
        """Read each by its id."""
        found = await self._get([self._address_of(match) for match in matches], hits.PLACE)
        return [hits.place(each) if each else None for each in found]

    async def find_matches(self, query: MatchQuery) -> Page[Match]:
        """Search by the alias."""
        scope = cursors.match_scope(query)
        request = searches.find_matches(query, cursors.decode(scope, query.cursor))
        return await self._page(MATCHES, request, scope, Match.from_document)

    async def known_events(self, event_ids: Sequence[str]) -> frozenset[str]:
        """Ask for the terms that there are of `event.id`."""
        return hits.events(await self._search(f"{self._prefix}-{MATCHES}", searches.known_events(event_ids)))

    async def tally_matches(self, since: int, until: int) -> list[Tally]:
        """Read every bucket of a composite aggregation."""
        buckets = await self._buckets(MATCHES, lambda after: searches.tally("vonggac.received", since, until, after))
        return sorted(map(searches.tallied, buckets))

    # Alerts and keys ----------------------------------------------------------------------------------------------

    async def get_alerts(self, refs: Sequence[AlertRef]) -> list[Stored[Alert] | None]:
        """Read each by its id."""
        places = [(self._index(ALERTS, ref.month), ref.id) if is_month(ref.month) else None for ref in refs]
        return [
            hits.stored(each, Alert.from_document) if each else None for each in await self._get(places, hits.DOCUMENT)
        ]

    async def put_alerts(self, writes: Sequence[tuple[Alert, Version | None]]) -> list[Written]:
        """Create or replace each."""

        def plan(item: tuple[Alert, Version | None]) -> bulk.Write:
            alert, version = item
            if not is_month(alert.month):
                raise ValueError(f"no month to store: {alert.month!r:.40}")
            source = orjson.dumps(ecs.alert_source(alert))
            return bulk.Write(self._index(ALERTS, alert.month), alert.id, source, version, Answer.CONFLICT)

        return await self._write(ALERTS, writes, plan)

    async def get_keys(self, keys: Sequence[str]) -> list[Stored[AlertKey] | None]:
        """Read each by its id."""
        found = await self._get([(self._keys, ecs.key_id(key)) for key in keys], hits.DOCUMENT)
        return [hits.stored(each, lambda document: AlertKey(**document)) if each else None for each in found]

    async def put_keys(self, writes: Sequence[tuple[AlertKey, Version | None]]) -> list[Written]:
        """Create or replace each."""

        def plan(item: tuple[AlertKey, Version | None]) -> bulk.Write:
            key, version = item
            return bulk.Write(self._keys, key.id, orjson.dumps(ecs.key_source(key)), version, Answer.CONFLICT)

        return await self._write(KEYS, writes, plan)

    async def find_alert(self, alert_id: str) -> Alert | None:
        """Ask each month's index for the id: unlike a search, this sees every acknowledged write."""
        months = await self._months(ALERTS)
        found = await self._get([(self._index(ALERTS, month), alert_id) for month in months], hits.DOCUMENT)
        return next((hits.stored(each, Alert.from_document).document for each in found if each), None)

    async def find_alerts(self, query: AlertQuery) -> Page[Alert]:
        """Search by the alias."""
        scope = cursors.alert_scope(query)
        request = searches.find_alerts(query, cursors.decode(scope, query.cursor))
        return await self._page(ALERTS, request, scope, Alert.from_document)

    async def tally_alerts(self, since: int, until: int) -> list[Tally]:
        """Read every bucket of a composite aggregation."""
        buckets = await self._buckets(ALERTS, lambda after: searches.tally("vonggac.opened", since, until, after))
        return sorted(map(searches.tallied, buckets))

    async def count_alerts(self) -> Mapping[tuple[Status, Level], int]:
        """Read every bucket of a composite aggregation; what there is none of is left out."""
        buckets = await self._buckets(ALERTS, searches.count_alerts)
        groups = ((Status(status), Level(level), number) for status, level, number in map(hits.group, buckets))
        return {(status, level): number for status, level, number in groups}

    # Housekeeping -------------------------------------------------------------------------------------------------

    async def refresh(self) -> None:
        """Refresh every index."""
        names = [f"{self._prefix}-{MATCHES}-*", f"{self._prefix}-{ALERTS}-*", self._keys]
        await self._ask(self._client.indices.refresh(index=names, ignore_unavailable=True))

    async def expire(self, now: int) -> list[str]:
        """Delete whole indices. In `old`, delete what was received more than the retention ago, one by one.

        `old` is never deleted as a whole: a match that is written while it goes would be lost though acknowledged.
        """
        days = self._settings.retention_days
        removed = []
        for kind in (MATCHES, ALERTS):
            for month in await self._months(kind):
                if is_past(month, now, days):
                    name = self._index(kind, month)
                    await self._ask(self._client.indices.delete(index=name, ignore_unavailable=True))
                    removed.append(f"{kind}-{month}")
        while await self._remove_old(now - days * DAY):
            pass
        return removed

    async def _remove_old(self, before: int) -> bool:
        index = self._index(MATCHES, OLD)
        request = searches.received_before(before, MAX_PAGE)
        found = await self._search(index, request)
        lines = [{"delete": {"_index": index, "_id": hit["_id"]}} for hit in found["hits"]["hits"]]
        if lines and (await self._ask(self._client.bulk(operations=lines, refresh=True)))["errors"]:
            raise Retry(f"Elasticsearch: {index} takes no deletions")
        return len(lines) == MAX_PAGE

    async def _months(self, kind: str) -> list[str]:
        pattern = f"{self._prefix}-{kind}-*"
        found = await self._ask(self._client.indices.get_alias(index=pattern, allow_no_indices=True))
        return indices.months_of(self._prefix, kind, found)

    # Requests -----------------------------------------------------------------------------------------------------

    async def _write(self, kind: str, items: Sequence[T], plan: Callable[[T], bulk.Write]) -> list[Written]:
        """Return the answer to each item, in order; REJECTED where `plan` raises."""
        plans = [_planned(plan, item) for item in items]
        done = iter(await self._send([each for each in plans if isinstance(each, bulk.Write)]))
        answers = [next(done) if isinstance(each, bulk.Write) else each for each in plans]
        for answer, number in Counter(written.answer for written in answers).items():
            self._metrics.store_writes.labels(kind, answer).inc(number)
        return answers

    async def _send(self, writes: Sequence[bulk.Write]) -> list[Written]:
        """Send request after request; what comes behind one that was not answered is not sent."""
        answers: list[Written] = []
        for chunk in bulk.chunks(writes):
            answers += await self._bulk(chunk)
            if self._away_since is not None:
                break
        return answers + [Written(Answer.RETRY, "not sent: Elasticsearch is away")] * (len(writes) - len(answers))

    async def _bulk(self, writes: Sequence[bulk.Write]) -> list[Written]:
        try:
            response = await self._ask(self._client.bulk(operations=bulk.body(writes), timeout=self._patience))
        except Retry as error:
            if _status(error.__cause__) != _TOO_LARGE:
                return [Written(Answer.RETRY, str(error))] * len(writes)
            return await self._halved(writes)
        return [bulk.answer(write, item) for write, item in zip(writes, response["items"], strict=True)]

    async def _halved(self, writes: Sequence[bulk.Write]) -> list[Written]:
        """Send a body that was too large for whatever stands between in two halves; one document is not halved."""
        if len(writes) == 1:
            return [Written(Answer.REJECTED, "larger than a request may be (413)")]
        middle = len(writes) // 2
        return [*await self._bulk(writes[:middle]), *await self._bulk(writes[middle:])]

    async def _get(self, places: Sequence[tuple[str, str] | None], field: str) -> list[Mapping[str, Any] | None]:
        """Return each document's answer, with that field of it; None where there is no such document."""
        wanted = [place for place in places if _can_be(place)]
        found: list[Mapping[str, Any]] = []
        for start in range(0, len(wanted), MAX_PAGE):
            found += await self._get_some(wanted[start : start + MAX_PAGE], field)
        answers = iter(found)
        each = [next(answers) if _can_be(place) else None for place in places]
        return [answer if answer and answer.get("found") else None for answer in each]

    async def _get_some(self, places: Iterable[Any], field: str) -> list[Mapping[str, Any]]:
        docs = [{"_index": index, "_id": identity} for index, identity in places]
        response = await self._ask(self._client.mget(docs=docs, source_includes=[field]))
        for each in response["docs"]:
            if each.get("error", {}).get("type", "index_not_found_exception") != "index_not_found_exception":
                raise Retry(f"Elasticsearch: {each['error']['type']}: {each['error'].get('reason')}")
        found: list[Mapping[str, Any]] = response["docs"]
        return found

    async def _search(self, index: str, request: dict[str, Any]) -> Mapping[str, Any]:
        """Search everything there is; a part that does not answer is an error, never a hole in the result."""
        options: dict[str, Any] = {"ignore_unavailable": True, "allow_partial_search_results": False}
        response = await self._ask(self._client.search(index=index, **request, **options))
        found: Mapping[str, Any] = response.body
        return found

    async def _page(
        self, kind: str, request: dict[str, Any], scope: str, build: Callable[[dict[str, Any]], T]
    ) -> Page[T]:
        found = (await self._search(f"{self._prefix}-{kind}", request))["hits"]
        size = request["size"] - 1
        all_hits = found["hits"]
        items = tuple(build(hits.document(hit)) for hit in all_hits[:size])
        cursor = cursors.encode(scope, Position(*all_hits[size - 1]["sort"])) if len(all_hits) > size else ""
        return Page(items, cursor, found["total"]["value"])

    async def _buckets(self, kind: str, request: Callable[[Any], dict[str, Any]]) -> list[dict[str, Any]]:
        buckets: list[dict[str, Any]] = []
        after = None
        while True:
            response = await self._search(f"{self._prefix}-{kind}", request(after))
            groups = response.get("aggregations", {}).get("groups", {"buckets": []})
            buckets += groups["buckets"]
            if (after := groups.get("after_key")) is None:
                return buckets

    def _index(self, kind: str, month: str) -> str:
        return indices.index_name(self._prefix, kind, month)

    def _index_of(self, match: Match) -> str:
        return self._index(MATCHES, month_for(match, self._settings.retention_days))

    def _address_of(self, match: Match) -> tuple[str, str] | None:
        try:
            return self._index_of(match), match.id
        except ValueError:
            return None

    @property
    def _keys(self) -> str:
        return f"{self._prefix}-{KEYS}"

    @property
    def _patience(self) -> str:
        """How long the server may wait for a shard: a little less than we wait for the server."""
        return f"{round(self._settings.timeout * 900)}ms"


def _connect(settings: StoreSettings) -> AsyncElasticsearch:
    options = access.options(settings)
    try:
        return AsyncElasticsearch(settings.url, **options)
    except ValueError as error:
        raise SettingsError(f"store.url = {settings.url!r}: want http(s)://HOST:9200 ({error})") from None


def _wrong_setting(error: BaseException | None) -> str:
    """Return what is wrong, where an error at the start will not go away by itself; else nothing."""
    if isinstance(error, UnsupportedProductError):
        return "what answers there is not Elasticsearch"
    if _status(error) == _UNAUTHORIZED:
        return "the credentials are refused; set store.api_key, or store.username and store.password"
    if _status(error) == _FORBIDDEN:
        return f"the credentials lack a privilege: {_explain(error)}"
    if isinstance(error, TlsError) and "certificate" in _explain(error).lower():
        return f"its certificate is not trusted; set store.ca_file ({_explain(error)})"
    return ""


def _status(error: BaseException | None) -> int | None:
    return error.meta.status if isinstance(error, ApiError) else None


def _is_outage(error: BaseException) -> bool:
    """Tell an outage from a single request that was refused."""
    status = _status(error)
    return status is None or status in _OUTAGES or status >= _SERVER_ERROR


def _explain(error: BaseException | None) -> str:
    if isinstance(error, ApiError):
        detail = error.body.get("error") if isinstance(error.body, dict) else None
        reason = detail.get("reason") if isinstance(detail, dict) else None
        return f"{error.meta.status} {error.message}: {reason}"[:500]
    return f"{type(error).__name__}: {getattr(error, 'message', error)}"[:500]


def _planned(plan: Callable[[T], bulk.Write], item: T) -> bulk.Write | Written:
    try:
        return plan(item)
    except (ValueError, TypeError) as error:
        return Written(Answer.REJECTED, str(error))


def _can_be(place: tuple[str, str] | None) -> bool:
    return place is not None and 0 < len(place[1].encode("utf-8", "replace")) <= _LONGEST_ID
