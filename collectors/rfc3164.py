"""BSD syslog, RFC 3164 section 4, as it is really sent: also with RFC 3339 times, years, and without a host name."""

import re
from datetime import datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Final

from collectors.header import DEFAULT_PRIORITY, Header
from collectors.rfc5424 import instant
from soc.clock import DAY, SECOND

_PRIORITY = re.compile(r"<(0|[1-9][0-9]?|1[0-8][0-9]|19[01])>")
_BSD_TIME = re.compile(
    r"(?:[0-9]{1,10}: )?[*.]?"  # Cisco: a sequence number, and a mark for a clock that is not set
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) ++([0-9]{1,2}) (?:([0-9]{4}) )?"
    r"([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,6})[0-9]*+)?+:?+ "
)
_ISO_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.,]{8,24}+(?:Z|[+-][0-9]{2}:?[0-9]{2})?+) ")
_HOST = re.compile(r"([^\s\[\]=\"'<>(){}]{1,255}+) ")
_TAG = re.compile(r"([^\s\[\]:\"<>]{1,128}+)(?:\[([^\]\s]{0,64}+)\])?+:(?: |\Z)")
_TIGHT_TAG = re.compile(r"([^\s\[\]:\"<>]{1,128}+)(?:\[([^\]\s]{0,64}+)\])?+: ?+")

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MONTHS: Final = {name: number for number, name in enumerate(_NAMES, 1)}
_AHEAD: Final = timedelta(days=7)
"""How far ahead of us a sender's clock is believed to be when its year is guessed."""
_LEAP_CYCLE: Final = 9
"""29 February may be eight years back (1896 and 1904, 2096 and 2104)."""


def parse(text: str, zone: tzinfo, received: int) -> Header:
    """Return the parts; whatever is missing is left empty, down to the whole text as the message.

    Without a valid PRI the message is user.notice and its whole text content (section 4.3.3). `zone` is that of times
    without one, `received` tells the year of those without one.
    """
    found = _PRIORITY.match(text)
    priority, content = (found[1], text[found.end() :]) if found else (str(DEFAULT_PRIORITY), text)
    time, clock, rest = _timed(content, zone, received)
    if clock == "missing":
        return Header("text", priority, None, clock, "", *_tagged(rest, _TAG), {})
    host = None if _TAG.match(rest) else _HOST.match(rest)
    if not host:
        return Header("rfc3164", priority, time, clock, "", *_tagged(rest, _TAG), {})
    return Header("rfc3164", priority, time, clock, host[1], *_tagged(rest[host.end() :], _TIGHT_TAG), {})


def _timed(content: str, zone: tzinfo, received: int) -> tuple[int | None, str, str]:
    """Return the time, or why there is none, and what follows it."""
    bsd = _BSD_TIME.match(content)
    if bsd:
        time = _bsd_instant(bsd.groups(), zone, received // DAY)
        return time, "" if time is not None else "unreadable", content[bsd.end() :]
    if iso := _ISO_TIME.match(content):
        return *instant(iso[1], zone), content[iso.end() :]
    return None, "missing", content


def _tagged(content: str, pattern: re.Pattern[str]) -> tuple[str, str, str]:
    """Return program, process id and message of `program[pid]: message`; without a tag no program."""
    tag = pattern.match(content)
    return (tag[1], tag[2] or "", content[tag.end() :]) if tag else ("", "", content)


@lru_cache(maxsize=4096)
def _bsd_instant(parts: tuple[str | None, ...], zone: tzinfo, today: int) -> int | None:
    """Return microseconds since the epoch of (month, day, year, hour, minute, second, fraction), or None.

    `today`: days since the epoch on receipt. Without a year it is the latest such date that is not more than a week
    ahead: 31 December read on 1 January was last year, 1 January read on 31 December is the next one.
    """
    month, day, year, hour, minute, second, fraction = parts
    numbers = (_MONTHS[month or ""], int(day or 0), int(hour or 0), int(minute or 0), int(second or 0))
    micro = int((fraction or "").ljust(6, "0"))
    if year:
        return _instant(int(year), numbers, micro, zone)
    latest = datetime.fromtimestamp(today * DAY / SECOND, zone) + timedelta(days=1) + _AHEAD
    bound = round(latest.timestamp() * SECOND)
    guesses = (_instant(guess, numbers, micro, zone) for guess in range(latest.year, latest.year - _LEAP_CYCLE, -1))
    return next((time for time in guesses if time is not None and time <= bound), None)


def _instant(year: int, numbers: tuple[int, int, int, int, int], micro: int, zone: tzinfo) -> int | None:
    month, day, hour, minute, second = numbers
    try:
        time = round(datetime(year, month, day, hour, minute, second, micro, zone).timestamp() * SECOND)
    except (ValueError, OverflowError):
        return None
    return time if time >= 0 else None
