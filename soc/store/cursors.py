"""Where a page ended, as an opaque text that only fits the query it came from."""

import base64
from typing import Final, NamedTuple

import orjson

from soc.events import digest
from soc.store.base import INT64, MAX_TEXT, AlertQuery, MatchQuery

_LONGEST: Final = 2000


class Position(NamedTuple):
    """The last item of a page: the value that it was sorted by, and its id."""

    value: int
    id: str


def alert_scope(query: AlertQuery) -> str:
    """Return what a cursor is bound to: filters, text and order. A window of time may move between two pages.

    Raises ValueError where the text is too long to search for.
    """
    if len(query.text) > MAX_TEXT:
        raise ValueError(f"a text of more than {MAX_TEXT} characters")
    return digest(
        "alerts", *map(repr, (query.levels, query.sites, query.statuses, query.text, query.sort)), query.descending
    )


def match_scope(query: MatchQuery) -> str:
    """Return what a cursor is bound to: alert key and event. The alert may grow between two pages."""
    return digest("matches", query.alert_key, query.event_id)


def encode(scope: str, position: Position) -> str:
    """Return the cursor of the page that follows `position`."""
    return base64.urlsafe_b64encode(orjson.dumps([scope, *position])).decode().rstrip("=")


def decode(scope: str, cursor: str) -> Position | None:
    """Return the position, None for the first page. Raises ValueError where `cursor` is none of this query's."""
    if not cursor:
        return None
    try:
        document = orjson.loads(base64.b64decode(cursor[:_LONGEST] + "===", altchars=b"-_"))
        found, value, identity = document
    except (ValueError, TypeError):
        raise ValueError("not a cursor") from None
    if found != scope:
        raise ValueError("a cursor of another query")
    if type(value) is not int or value not in INT64 or type(identity) is not str:
        raise ValueError("not a cursor")
    return Position(value, identity)


def clamp(number: int) -> int:
    """Return the nearest number that a store can compare with: a bound beyond it bounds as much."""
    return min(max(number, INT64.start), INT64.stop - 1)
