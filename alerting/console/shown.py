"""How data is shown: text that attackers wrote, made visible and bounded; times in the province's zone.

Nothing here makes markup: templates escape every piece.
"""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from soc.clock import SECOND
from soc.errors import SettingsError

CELL = 200
"""Characters of one value that a table shows."""

_FILLERS = "\u034f\u115f\u1160\u3164\uffa0\u2800"
"""Letters that Unicode calls printable and nobody sees."""

_UNITS = (("d", 86_400), ("h", 3600), ("min", 60))

_LAYOUT = frozenset("\n\t")
_TECHNIQUE = re.compile(r"attack\.(t[0-9]{4})(?:\.([0-9]{3}))?", re.IGNORECASE)


class Piece(NamedTuple):
    """A part of a text. `hidden`: it stands for characters that would not be seen, or would move others."""

    hidden: bool
    text: str


def pieces(text: object, limit: int = CELL, keep: frozenset[str] = frozenset()) -> list[Piece]:
    """Return the text's first `limit` characters; controls, bidi overrides and invisible ones are spelled out.

    `keep`: characters to leave as they are, as the line breaks of a raw record.
    """
    cut = str(text)[:limit]
    if cut.isprintable() and not any(filler in cut for filler in _FILLERS):
        return [Piece(hidden=False, text=cut)] if cut else []
    return list(_split(cut, keep))


def _split(text: str, keep: frozenset[str]) -> Iterator[Piece]:
    for hidden, run in groupby(text, key=lambda char: char not in keep and _is_hidden(char)):
        part = "".join(run)
        yield Piece(hidden=hidden, text="".join(ascii(char)[1:-1] for char in part) if hidden else part)


def _is_hidden(char: str) -> bool:
    return not char.isprintable() or char in _FILLERS


def lines(text: object, limit: int) -> list[Piece]:
    """Return pieces of a text of many lines: its line breaks and tabs stay."""
    return pieces(text, limit, _LAYOUT)


class Moment(NamedTuple):
    """One time, three ways: for people here, for people elsewhere, for machines."""

    local: str
    utc: str
    iso: str


def zone_of(name: str) -> ZoneInfo:
    """Return the zone. Raises SettingsError where this machine does not know it."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise SettingsError(f"collect.timezone: no time zone {name!r} here; install tzdata or name another") from None


def moment(time: int, zone: ZoneInfo) -> Moment:
    """Return a time in microseconds since the epoch; one that no calendar holds as its number."""
    try:
        at = datetime.fromtimestamp(time // SECOND, UTC)
        return Moment(f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}", f"{at:%Y-%m-%d %H:%M:%S} UTC", at.isoformat())
    except (ValueError, OverflowError, OSError):
        return Moment(str(time), f"{time} microseconds since 1970", "")


def instant(time: int, zone: ZoneInfo) -> tuple[str, str]:
    """Return a time's day and, to the millisecond, its time of day in `zone`; its number where no calendar holds it."""
    found = moment(time, zone)
    day, _, clock = found.local.partition(" ")
    return (day, f"{clock}.{time % SECOND // 1000:03}") if clock else ("", found.local)


def gap(microseconds: int) -> str:
    """Return a length of time in at most two units: "412 ms", "3.2 s", "4 min 7 s", "2 h 5 min", "3 d 4 h"."""
    seconds = abs(microseconds) / SECOND
    if seconds < 1:
        return f"{abs(microseconds) // 1000} ms"
    if seconds < _UNITS[-1][1]:
        return f"{int(seconds * 10) / 10:g} s"
    whole = int(seconds)
    sizes = [(name, size) for name, size in (*_UNITS, ("s", 1)) if whole >= size][:2]
    parts = [(whole // sizes[0][1], sizes[0][0])]
    if len(sizes) > 1:
        parts.append((whole % sizes[0][1] // sizes[1][1], sizes[1][0]))
    return " ".join(f"{number} {name}" for number, name in parts if number)


def technique(tag: str) -> str:
    """Return where ATT&CK describes the technique that a tag names; "" for other tags."""
    found = _TECHNIQUE.fullmatch(tag)
    if not found:
        return ""
    return "https://attack.mitre.org/techniques/" + "/".join(part.upper() for part in found.groups() if part) + "/"
