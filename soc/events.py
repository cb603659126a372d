"""Event: one log record, and its wire form on soc.events.

The wire form is one JSON object (schemas/event.v1.json); its version travels in the record header `schema`.
Readers accept their own version and the one before.
"""

import base64
import hashlib
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from soc.errors import DeadLetter

SCHEMA: Final = b"1"
"""The version that is written, as the value of the header `schema`."""

READABLE: Final = frozenset({b"1"})
"""Versions that are read: this one and the one before (there is none before 1)."""

BASE64: Final = "base64"

_BINARY: Final = frozenset({0, *range(0x80, 0xA0)})


class LogSource(NamedTuple):
    """Sigma's logsource. None: not stated. Sigma rules specification 2.1, "Log source"."""

    product: str | None = None
    category: str | None = None
    service: str | None = None


_LOGSOURCE: Final = LogSource._fields
_TYPED: Final[dict[str, type]] = {
    "id": str,
    "time": int,
    "received": int,
    "site": str,
    "host": str,
    "logsource": dict,
    "fields": dict,
    "source": dict,
}
_TYPES: Final = tuple(_TYPED.values())
_required = itemgetter(*_TYPED)


class Event(NamedTuple):
    """One log record: immutable and cheap.

    `time`, `received`: microseconds since the epoch. `host`: the host that the record is about; the sender is in
    `source`. `fields`: Sigma's taxonomy names, flat. `raw`: what was received, as text in `charset`
    ("utf-8", "latin-1", or "base64" where it is no text), None where `fields` is all there was.
    `source["clock"]` says why `received` stands in for `time`: "missing", "unreadable" or "future".
    """

    id: str
    time: int
    received: int
    site: str
    host: str
    logsource: LogSource
    fields: dict[str, Any]
    raw: str | None
    charset: str
    source: Mapping[str, Any]

    def raw_bytes(self) -> bytes | None:
        """Return exactly the bytes that were received, or None where `fields` is all there was."""
        if self.raw is None:
            return None
        return base64.b64decode(self.raw) if self.charset == BASE64 else self.raw.encode(self.charset)


def digest(*parts: str | bytes | int) -> str:
    """Return a 128-bit id in hex that depends on each part and on where each ends."""
    state = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode("utf-8", "surrogatepass")
        state.update(b"%d:" % len(data))
        state.update(data)
    return state.hexdigest()


def text_of(raw: bytes) -> tuple[str, str]:
    """Return (text, charset) from which `raw` can be recovered exactly: UTF-8, else Latin-1, else base64.

    Latin-1 maps every byte, so it is taken only where it gives no C1 control characters.
    """
    try:
        return raw.decode(), "utf-8"
    except UnicodeDecodeError:
        if not _BINARY.isdisjoint(raw):
            return base64.b64encode(raw).decode("ascii"), BASE64
        return raw.decode("latin-1"), "latin-1"


def to_document(event: Event) -> dict[str, Any]:
    """Return the wire form as a JSON-ready dict."""
    identifier, time, received, site, host, logsource, fields, raw, charset, source = event
    document = {
        "id": identifier,
        "time": time,
        "received": received,
        "site": site,
        "host": host,
        "logsource": {name: value for name, value in zip(_LOGSOURCE, logsource, strict=True) if value is not None},
        "fields": fields,
    }
    if raw is not None:
        document["raw"] = raw
        document["charset"] = charset
    document["source"] = source
    return document


def to_wire(event: Event) -> bytes:
    """Return the wire form. Raises DeadLetter where the fields hold what JSON cannot."""
    try:
        return orjson.dumps(to_document(event))
    except (TypeError, ValueError) as error:  # orjson.JSONEncodeError is a TypeError: lone surrogates, huge integers
        raise DeadLetter("unencodable", str(error)) from None


def from_document(document: Mapping[str, Any]) -> Event:
    """Return the event of a decoded wire form. Raises DeadLetter("malformed_event") naming what is wrong."""
    check(document)
    logsource = document["logsource"]
    return Event(
        document["id"],
        document["time"],
        document["received"],
        document["site"],
        document["host"],
        LogSource(logsource.get("product"), logsource.get("category"), logsource.get("service")),
        document["fields"],
        document.get("raw"),
        document.get("charset", "utf-8"),
        document["source"],
    )


def check(document: Mapping[str, Any]) -> None:
    """Raise DeadLetter("malformed_event") where a decoded wire form is no event."""
    try:
        found = tuple(map(type, _required(document)))
    except KeyError as error:
        raise DeadLetter("malformed_event", f"not an event: {error} is missing") from None
    if found != _TYPES:
        wrong = next(name for name, kind, want in zip(_TYPED, found, _TYPES, strict=True) if kind is not want)
        want = {str: "a string", int: "an integer", dict: "an object"}[_TYPED[wrong]]
        raise DeadLetter("malformed_event", f"{wrong} must be {want}")


def decode(value: bytes, version: bytes = SCHEMA) -> dict[str, Any]:
    """Return the checked document of a wire form. Raises DeadLetter on another schema version or what is no event."""
    if version not in READABLE:
        raise DeadLetter("schema_version", f"version {version!r}; this release reads {sorted(READABLE)}")
    try:
        document = orjson.loads(value)
        if tuple(map(type, _required(document))) == _TYPES:
            return document  # type: ignore[no-any-return]  # an object: it has the keys
    except orjson.JSONDecodeError as error:
        raise DeadLetter("malformed_event", f"not JSON: {error}") from None
    except (KeyError, TypeError):
        pass
    if not isinstance(document, dict):
        raise DeadLetter("malformed_event", "not a JSON object")
    check(document)
    return document


def from_wire(value: bytes, version: bytes = SCHEMA) -> Event:
    """Return the event. Raises DeadLetter on another schema version or a value that is no event."""
    return from_document(decode(value, version))
