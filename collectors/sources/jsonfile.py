"""JSON recordings: one object a line, or whole documents (an array, or objects one after another)."""

import json
import re
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any, Final

import orjson

from collectors.framing import Bad
from collectors.sources import moments, windows
from collectors.sources.files import lines
from collectors.sources.flat import flatten
from collectors.sources.record import BadRecord, Origin
from soc import taxonomy
from soc.errors import DeadLetter
from soc.events import Event, LogSource, from_document

DOCUMENT_BYTES: Final = 32 * 1024 * 1024
"""The largest file that is read as whole documents; JSON lines may be of any size."""

BOM: Final = b"\xef\xbb\xbf"
"""What some programs begin UTF-8 text with."""

_WIRE: Final = frozenset({"id", "time", "received", "site", "host", "logsource", "fields", "source"})
_TIMES: Final = tuple(
    (name, False)
    for name in ("@timestamp", "timestamp", "time", "Timestamp", "eventTime", "event.created", "TimeGenerated", "ts")
)
_HOSTS: Final = ("host.name", "hostname", "Hostname", "host", "Computer", "agent.hostname", "agent.name")
_BEGIN: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:\{|\[\s*[\{\]])")
_SPACE: Final = re.compile(r"[\s,]*")
_PROBED: Final = 20


def is_json(head: bytes) -> bool:
    """Tell whether a file that begins with `head` is meant as JSON records."""
    return _BEGIN.match(head) is not None


def is_lines(head: bytes) -> bool:
    """Tell whether the beginning of a file has JSON objects a line each: one of the first lines is whole by itself."""
    for line in head.split(b"\n")[:_PROBED]:
        try:
            if isinstance(orjson.loads(line), dict):
                return True
        except orjson.JSONDecodeError:
            continue
    return False


def read(head: bytes, rest: Iterator[bytes], origin: Origin) -> Iterator[Event | BadRecord]:
    """Yield each record of a file that begins with `head`; a broken one as BadRecord."""
    if is_lines(head):
        yield from _lines(chain((head,), rest), origin)
    else:
        yield from _documents(head, rest, origin)


def _lines(chunks: Iterator[bytes], origin: Origin) -> Iterator[Event | BadRecord]:
    for number, line in enumerate(lines(chunks, origin.options.limit), 1):
        if isinstance(line, Bad):
            yield BadRecord(line.reason, f"a line of {line.size} bytes", line.raw, number, line.size)
        elif line.strip():
            yield record_of(line.removeprefix(BOM), number, origin)


def record_of(line: bytes, number: int, origin: Origin) -> Event | BadRecord:
    """Return the event of a line, or why there is none."""
    try:
        return event_of(orjson.loads(line), line, number, origin)
    except orjson.JSONDecodeError as error:
        return BadRecord("malformed_json", str(error), line, number, len(line))
    except DeadLetter as error:
        return BadRecord(error.reason, error.detail, line, number, len(line))


def _documents(head: bytes, rest: Iterator[bytes], origin: Origin) -> Iterator[Event | BadRecord]:
    content = head
    for chunk in rest:
        content += chunk
        if len(content) > DOCUMENT_BYTES:
            remedy = f"over {DOCUMENT_BYTES} bytes as one document; make it JSON lines: jq -c '.[]'"
            yield BadRecord("oversized", remedy, head[:1000], 1, len(content))
            return
    text = content.decode("utf-8-sig", "replace")
    number = 0
    for value in _values(text):
        for each in value if isinstance(value, list) else [value]:
            number += 1
            if isinstance(each, BadRecord):
                yield each._replace(number=number)
            else:
                yield _element(each, number, origin)


def _element(value: Any, number: int, origin: Origin) -> Event | BadRecord:
    try:
        raw = orjson.dumps(value)
    except (TypeError, ValueError) as error:
        return BadRecord("unencodable", str(error), repr(value)[:1000].encode("utf-8", "replace"), number, 0)
    if len(raw) > origin.options.limit:
        return BadRecord("oversized", f"a record of {len(raw)} bytes", raw[: origin.options.limit], number, len(raw))
    return record_of(raw, number, origin)


def _values(text: str) -> Iterator[Any]:
    """Yield each JSON value of a text; where one is broken a BadRecord, and on at the next line that begins one."""
    decoder, at = json.JSONDecoder(), 0
    while True:
        at = _SPACE.match(text, at).end()  # type: ignore[union-attr]  # the pattern matches anywhere
        if at >= len(text):
            return
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            broken, at = at, text.find("\n{", at + 1)
            at = len(text) if at < 0 else at
            raw = text[broken : min(at, broken + 1000)].encode("utf-8", "replace")
            yield BadRecord("malformed_json", str(error), raw, 0, at - broken)
            continue
        yield value


def event_of(document: Any, raw: bytes, number: int, origin: Origin) -> Event:
    """Return the event of one record. Raises DeadLetter where it is no object, or claims to be an event and is not."""
    if not isinstance(document, dict):
        raise DeadLetter("malformed_json", "not an object")
    if is_event(document):
        return from_document(document)
    kept = None if all(_is_flat(value) for value in document.values()) else raw
    fields = windows.fields_of(document)
    if fields is not None:
        time = windows.time_of(fields, origin.options.zone)
        host, logsource = windows.host_of(fields), taxonomy.windows(fields)
        return origin.event(number, time, host=host, logsource=logsource, fields=fields, raw=kept)
    fields = flatten(document)
    time = moments.first(fields, _TIMES, origin.options.zone)
    return origin.event(number, time, host=_host(fields), logsource=LogSource(), fields=fields, raw=kept)


def is_event(document: Mapping[str, Any]) -> bool:
    """Tell whether a document is the wire form of an event of ours."""
    return document.keys() >= _WIRE and isinstance(document["logsource"], dict)


def _is_flat(value: Any) -> bool:
    if isinstance(value, list):
        return not any(isinstance(each, dict | list) for each in value)
    return not isinstance(value, dict)


def _host(fields: Mapping[str, Any]) -> str:
    return next((value for name in _HOSTS if isinstance(value := fields.get(name), str) and value), "")
