"""Elasticsearch's bulk requests without I/O: writes in, bodies out; answers in, Written out."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from soc.store.base import Answer, Version, Written

MOST_BYTES: Final = 1_000_000
"""A body is not made longer than this, unless by one document. Five times as much was no faster, and aiohttp warns of
bodies over 2**20 bytes: it hands them to the socket in one piece.
"""

_ACTION_BYTES: Final = 200

_LONGEST_REASON: Final = 500
_CONFLICT, _BAD = 409, 400
_GOOD: Final = range(200, 300)


class Write(NamedTuple):
    """One document to create, or to replace where it still has `version`; and what a conflict means."""

    into: str
    id: str
    source: bytes
    version: Version | None
    refused: Answer


def body(writes: Sequence[Write]) -> list[Any]:
    """Return the encoded lines of a request: an action and a source for each."""
    return [line for write in writes for line in (_action(write), write.source)]


def chunks(writes: Sequence[Write]) -> Iterator[Sequence[Write]]:
    """Yield the writes in order, in runs of at most MOST_BYTES."""
    start, size = 0, 0
    for number, write in enumerate(writes):
        length = len(write.source) + _ACTION_BYTES
        if size + length > MOST_BYTES and number > start:
            yield writes[start:number]
            start, size = number, 0
        size += length
    if start < len(writes):
        yield writes[start:]


def answer(write: Write, item: Mapping[str, Mapping[str, Any]]) -> Written:
    """Return what an item of the response means: EXISTS or CONFLICT, REJECTED for a document that cannot be indexed.

    Everything else (the node is full, has too many shards, is being moved, denies us) may go away: RETRY.
    """
    (outcome,) = item.values()
    status, error = outcome["status"], outcome.get("error", {})
    if status in _GOOD:
        return Written(Answer.CREATED if write.version is None else Answer.UPDATED)
    if status == _CONFLICT:
        return Written(write.refused)
    reason = _reason(error)
    if status == _BAD and error.get("type") != "validation_exception":  # that one: no room for another shard
        return Written(Answer.REJECTED, reason)
    return Written(Answer.RETRY, reason)


def _action(write: Write) -> bytes:
    place: dict[str, Any] = {"_index": write.into, "_id": write.id}
    if write.version is None:
        return orjson.dumps({"create": place})
    return orjson.dumps({"index": {**place, "if_seq_no": write.version.number, "if_primary_term": write.version.term}})


def _reason(error: Mapping[str, Any]) -> str:
    cause = (error.get("caused_by") or {}).get("reason")
    parts = (error.get("type"), error.get("reason"), cause)
    return ": ".join(part for part in parts if part)[:_LONGEST_REASON]
