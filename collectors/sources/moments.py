"""A record's own time, out of the many ways in which JSON states one."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from soc.clock import SECOND

_UNITS: Final = ((10**17, 1000), (10**14, 1), (10**11, -1000))  # nanoseconds, microseconds, milliseconds


def micros_of(value: Any, zone: tzinfo | None) -> int | None:
    """Return microseconds since the epoch of an ISO 8601 text or a number since the epoch, or None.

    `zone` is for texts without one; None refuses them. A number's unit is told by its size. A time before 1970 is None.
    """
    try:
        if isinstance(value, str):
            moment = datetime.fromisoformat(_trimmed(value))
            if moment.tzinfo is None:
                if zone is None:
                    return None
                moment = moment.replace(tzinfo=zone)
            time = round(moment.timestamp() * SECOND)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            time = _from_number(value)
        else:
            return None
    except (ValueError, OverflowError):
        return None
    return time if 0 <= time < 1 << 60 else None


def _trimmed(text: str) -> str:
    """Cut fractions that are finer than Python reads: Windows writes seven digits."""
    head, point, tail = text.strip().removesuffix(" UTC").partition(".")
    if not point:
        return head
    digits = len(tail) - len(tail.lstrip("0123456789"))
    return f"{head}.{tail[: min(digits, 6)].ljust(6, '0')}{tail[digits:]}"


def _from_number(value: float) -> int:
    for least, factor in _UNITS:
        if value >= least:
            return round(value / factor if factor > 0 else value * -factor)
    return round(value * SECOND)


def first(fields: Mapping[str, Any], names: tuple[tuple[str, bool], ...], zone: tzinfo) -> tuple[int | None, str]:
    """Return the time of the first field that states one, or (None, "missing" or "unreadable").

    Each name comes with whether it is UTC where the text names no zone. Texts that name theirs go before those that
    leave it to `zone`.
    """
    for name, utc in names:
        time = micros_of(fields.get(name), UTC if utc else None)
        if time is not None:
            return time, ""
    for name, _ in names:
        time = micros_of(fields.get(name), zone)
        if time is not None:
            return time, ""
    return None, "unreadable" if any(fields.get(name) is not None for name, _ in names) else "missing"
