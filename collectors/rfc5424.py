"""The syslog protocol, RFC 5424 section 6: header, structured data, message."""

import re
from datetime import datetime, tzinfo
from typing import Any, Final

from collectors.header import Header

MAX_PARAMETERS: Final = 128
"""Parameters of structured data that become fields; what is beyond stays in raw."""

_MESSAGE = re.compile(
    r"<([0-9]{1,3})>1 ++"
    r"(\S++) ++(\S++) ++(\S++) ++(\S++) ++(\S++)"  # TIMESTAMP HOSTNAME APP-NAME PROCID MSGID
    r"(?: ++(-|(?:\[[^ =\]\"]++(?: ++[^ =\]\"]++=\"(?:[^\"\\]++|\\.)*+\")*+ *+\])++)(?= |\Z))?+"  # STRUCTURED-DATA
    r"(?: (.*))?+\Z",
    re.DOTALL,
)
_ELEMENT = re.compile(r"\[([^ =\]\"]++)((?: ++[^ =\]\"]++=\"(?:[^\"\\]++|\\.)*+\")*+) *+\]", re.DOTALL)
_PARAMETER = re.compile(r" ++([^ =\]\"]++)=\"((?:[^\"\\]++|\\.)*+)\"", re.DOTALL)
_ESCAPE = re.compile(r"\\([\"\\\]])")
_TIMESTAMP = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(?:[.,][0-9]++)?+")

_BOM: Final = "\ufeff"
_NIL: Final = "-"


def parse(text: str, zone: tzinfo) -> Header | None:
    """Return the parts, or None where the header is not RFC 5424's. Broken structured data stays in the message.

    `zone` is for timestamps that lack the offset, against section 6.2.3. Runs in time linear in the length.
    """
    found = _MESSAGE.match(text)
    if not found:
        return None
    priority, timestamp, host, program, procid, msgid, data, message = found.groups()
    time, clock = instant(timestamp, zone)
    fields = _structured(data) if data and data != _NIL else {}
    if msgid != _NIL:
        fields["msgid"] = msgid
    return Header(
        "rfc5424",
        priority,
        time,
        clock,
        "" if host == _NIL else host,
        "" if program == _NIL else program,
        "" if procid == _NIL else procid,
        (message or "").removeprefix(_BOM),
        fields,
    )


def instant(timestamp: str, zone: tzinfo) -> tuple[int | None, str]:
    """Return (microseconds since the epoch, ""), or (None, why not): "missing" or "unreadable".

    A time before 1970 is unreadable: no log was written then.
    """
    if timestamp == _NIL:
        return None, "missing"
    if not _TIMESTAMP.match(timestamp):
        return None, "unreadable"
    try:
        moment = datetime.fromisoformat(timestamp)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        time = round(moment.timestamp() * 1_000_000)
    except (ValueError, OverflowError):
        return None, "unreadable"
    return (time, "") if time >= 0 else (None, "unreadable")


def _structured(data: str) -> dict[str, Any]:
    """Return sd.<SD-ID>.<PARAM> fields; a parameter that comes again makes a list (section 6.3.3 allows it)."""
    fields: dict[str, Any] = {}
    room = MAX_PARAMETERS
    for element in _ELEMENT.finditer(data):
        for parameter in _PARAMETER.finditer(element[2]):
            if not room:
                return fields
            room -= 1
            name, value = f"sd.{element[1]}.{parameter[1]}", _ESCAPE.sub(r"\1", parameter[2])
            fields[name] = _more(fields[name], value) if name in fields else value
    return fields


def _more(have: Any, value: str) -> list[str]:
    return [*have, value] if isinstance(have, list) else [have, value]
