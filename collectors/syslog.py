"""One syslog message in, one Event out: which format it has, its time, its fields. Sans-IO."""

import re
from collections.abc import Mapping
from datetime import UTC, tzinfo
from typing import Any, Final

from collectors import fields as programs
from collectors import rfc3164, rfc5424
from collectors.header import PRIORITIES, Header
from soc.clock import SECOND
from soc.errors import DeadLetter
from soc.events import BASE64, Event, digest, text_of

_CLAIMS_RFC5424 = re.compile(r"<[0-9]{1,3}>1 ")
_BLANK: Final = " \t\r\n\0\ufeff"
_MAX_PID: Final = 10

_NO_SOURCE: Final[Mapping[str, Any]] = {"type": "syslog"}


def parse(
    raw: bytes,
    *,
    received: int,
    site: str,
    source: Mapping[str, Any] = _NO_SOURCE,
    id: str = "",  # noqa: A002 - Event's own word
    zone: tzinfo = UTC,
    max_future: int = 3600,
) -> Event:
    """Return the event of a message without its framing. `received`: microseconds since the epoch.

    `source` is what is known about where it came from; its "address" stands in where the message names no host. `zone`
    is that of times without one. A time that is missing, unreadable or more than `max_future` seconds ahead of
    `received` is replaced by `received`, and source["clock"] says which. `id` defaults to a digest of the bytes.

    Content never raises: what is not even RFC 3164 has its whole text as `message`. DeadLetter("empty") where there is
    nothing but blanks, DeadLetter("malformed_header") where RFC 5424 is claimed and its header is broken or cut short.
    """
    raw_text, charset = text_of(raw)
    text = raw.decode("utf-8", "replace") if charset == BASE64 else raw_text
    header = _header(text.lstrip("\ufeff"), zone, received)
    fields, logsource = programs.extract(header)
    notes = {**source, "format": header.format}
    time = header.time
    clock = header.clock
    if time is None:
        time = received
    elif time > received + max_future * SECOND:
        time, clock = received, "future"
    if clock:
        notes["clock"] = clock
    host = header.host or str(source.get("address", ""))
    return Event(id or digest(raw), time, received, site, host, logsource, fields, raw_text, charset, notes)


def _header(text: str, zone: tzinfo, received: int) -> Header:
    header = rfc5424.parse(text, zone)
    if header is None or header.priority not in PRIORITIES:
        if header is None and _CLAIMS_RFC5424.match(text):
            raise DeadLetter("malformed_header", f"RFC 5424 is claimed, but the header is not whole: {text[:200]!r}")
        header = rfc3164.parse(text, zone, received)
    if header.format == "text" and not header.message.strip(_BLANK) and not header.program:
        raise DeadLetter("empty", "no content")
    return header
