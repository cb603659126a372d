"""Elasticsearch's query language without I/O: our queries in, request bodies out."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from soc.alerts import Level, Place
from soc.store import ecs, hits
from soc.store.base import MAX_EVENTS, MAX_PAGE, AlertQuery, AlertSort, MatchQuery, Tally
from soc.store.cursors import Position, clamp

Body = dict[str, Any]

BUCKETS: Final = 1000
"""Of one page of a composite aggregation."""

SORTED_BY: Final[Mapping[AlertSort, str]] = {
    AlertSort.LAST_SEEN: "vonggac.last_seen",
    AlertSort.OPENED: "vonggac.opened",
    AlertSort.LEVEL: "vonggac.level",
    AlertSort.COUNT: "vonggac.count",
}
"""The field of each order."""

_TALLIED: Final = ("vonggac.level", "rule.id", "rule.name", "organization.name")


def size_of(limit: int) -> int:
    """Return how many items a page has at most."""
    return min(max(limit, 1), MAX_PAGE)


def find_alerts(query: AlertQuery, after: Position | None) -> Body:
    """Return the request for one page of alerts and the first item behind it."""
    filters = [
        _any_of("vonggac.level", [int(level) for level in query.levels]),
        _any_of("organization.name", query.sites),
        _any_of("vonggac.status", query.statuses),
        *_range("vonggac.last_seen", query.since, query.until),
        *([_contains(query.text)] if query.text else []),
    ]
    return _page(filters, SORTED_BY[query.sort], after, query.limit, descending=query.descending)


def find_matches(query: MatchQuery, after: Position | None) -> Body:
    """Return the request for one page of matches, newest first, and the first item behind it."""
    key = [_term("vonggac.key", ecs.key_id(query.alert_key))] if query.alert_key else []
    event = [_naming(query.event_id)] if query.event_id else []
    filters = [*key, *event, *_between(query.first_place, query.last_place)]
    return _page(filters, "vonggac.time", after, query.limit, descending=True)


def known_events(event_ids: Sequence[str]) -> Body:
    """Return the request for which of these events detections' matches are of, without the matches."""
    wanted = list(dict.fromkeys(event_ids))[:MAX_EVENTS]
    query = {
        "bool": {
            "filter": [{"terms": {"event.id": wanted}}],
            "must_not": [{"exists": {"field": "vonggac.correlation.kind"}}],
        }
    }
    return {
        "query": query,
        "size": 0,
        "aggs": {"events": {"terms": {"field": "event.id", "size": max(1, len(wanted))}}},
    }


def received_before(time: int, limit: int) -> Body:
    """Return the request for ids of matches that were received before then."""
    return {"query": {"range": {"vonggac.received": {"lt": time}}}, "size": limit, "source": False}


def tally(field: str, since: int, until: int, after: Mapping[str, Any] | None) -> Body:
    """Return the request for one page of counts by level, rule and site."""
    return _composite(_TALLIED, {"range": {field: {"gte": clamp(since), "lt": clamp(until)}}}, after)


def tallied(bucket: Mapping[str, Any]) -> Tally:
    """Return one bucket of `tally`."""
    level, *names = (bucket["key"][field] for field in _TALLIED)
    rule, title, site = (name or "" for name in names)
    return Tally(Level(level), rule, title, site, bucket["doc_count"])


def count_alerts(after: Mapping[str, Any] | None) -> Body:
    """Return the request for one page of counts by status and level."""
    return _composite(("vonggac.status", "vonggac.level"), {"match_all": {}}, after)


def _page(filters: Sequence[Body], field: str, after: Position | None, limit: int, *, descending: bool) -> Body:
    order = "desc" if descending else "asc"
    request: Body = {
        "query": {"bool": {"filter": [each for each in filters if each]}},
        "sort": [
            {field: {"order": order, "unmapped_type": "long"}},
            {"vonggac.id": {"order": order, "unmapped_type": "keyword"}},
        ],
        "size": size_of(limit) + 1,
        "track_total_hits": True,
        "source_includes": [hits.DOCUMENT],
    }
    return {**request, "search_after": list(after)} if after else request


def _composite(fields: Sequence[str], query: Body, after: Mapping[str, Any] | None) -> Body:
    sources = [{field: {"terms": {"field": field, "missing_bucket": True}}} for field in fields]
    composite: Body = {"size": BUCKETS, "sources": sources, **({"after": after} if after else {})}
    return {"query": query, "size": 0, "aggs": {"groups": {"composite": composite}}}


def _between(first: Place | None, last: Place | None) -> list[Body]:
    """Return the filter of an alert's matches.

    An alert lies in one partition of one log, or goes on in another log: then its matches are those from the first
    place on in the one, and up to the last place in the other.
    """
    bounds = [_bounded(place, side) for place, side in ((first, "gte"), (last, "lte")) if place is not None]
    if first is None or last is None or first[:2] == last[:2]:
        return bounds
    return [{"bool": {"should": bounds, "minimum_should_match": 1}}]


def _bounded(place: Place, side: str) -> Body:
    offset = {"range": {"vonggac.place.offset": {side: place.offset}}}
    log, partition = _term("vonggac.place.log", place.log), _term("vonggac.place.partition", place.partition)
    return {"bool": {"filter": [log, partition, offset]}}


def _term(field: str, value: Any) -> Body:
    return {"term": {field: value}}


def _naming(event_id: str) -> Body:
    of_it, counted = _term("event.id", event_id), _term("vonggac.correlation.events", event_id)
    return {"bool": {"should": [of_it, counted], "minimum_should_match": 1}}


def _any_of(field: str, values: Sequence[Any]) -> Body:
    return {"terms": {field: list(values)}} if values else {}


def _range(field: str, since: int | None, until: int | None) -> list[Body]:
    bounds = {name: clamp(value) for name, value in (("gte", since), ("lt", until)) if value is not None}
    return [{"range": {field: bounds}}] if bounds else []


def _contains(text: str) -> Body:
    escaped = "".join(f"\\{each}" if each in "*?\\" else each for each in text.casefold())
    return {"wildcard": {"vonggac.text": {"value": f"*{escaped}*"}}}
