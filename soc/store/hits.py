"""What Elasticsearch's answers hold, without I/O."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import orjson

from soc.alerts import Place
from soc.store.base import Stored, Version

T = TypeVar("T")

DOCUMENT: Final = "vonggac.document"
"""Where the exact document is."""

PLACE: Final = "vonggac.place"
"""Where a match's place is."""


def document(hit: Mapping[str, Any]) -> dict[str, Any]:
    """Return the exact document of a hit, or of an answer to a get."""
    found: dict[str, Any] = orjson.loads(hit["_source"]["vonggac"]["document"])
    return found


def stored(answer: Mapping[str, Any], build: Callable[[dict[str, Any]], T]) -> Stored[T]:
    """Return what a get found, with its version."""
    return Stored(build(document(answer)), Version(answer["_seq_no"], answer["_primary_term"]))


def place(answer: Mapping[str, Any]) -> Place | None:
    """Return the place of a match that a get found, None where it was stored without."""
    found = answer.get("_source", {}).get("vonggac", {}).get("place")
    return found and Place(found["log"], found["partition"], found["offset"])


def group(bucket: Mapping[str, Any]) -> tuple[str, int, int]:
    """Return status, level and number of one bucket of `searches.count_alerts`."""
    status, level = bucket["key"].values()
    return status, level, bucket["doc_count"]


def events(answer: Mapping[str, Any]) -> frozenset[str]:
    """Return the events of an answer to `searches.known_events`; none where there is no index yet."""
    buckets = answer.get("aggregations", {}).get("events", {"buckets": []})["buckets"]
    return frozenset(bucket["key"] for bucket in buckets)
