"""Which month a document belongs to, and when a month is past the retention."""

import re
from datetime import UTC, datetime
from typing import Final

from soc.alerts import Match
from soc.clock import DAY, SECOND
from soc.store.base import OLD, match_month

MATCHES: Final = "matches"
ALERTS: Final = "alerts"
KEYS: Final = "keys"

_MONTH: Final = re.compile(r"(?:19[7-9]\d|2[01]\d\d)\.(?:0[1-9]|1[0-2])")
_AHEAD: Final = 366 * DAY
_DECEMBER: Final = 12


def is_month(text: str) -> bool:
    """Tell whether `text` is OLD or a month from 1970 to 2199: what may become part of a file's or an index's name."""
    return text == OLD or _MONTH.fullmatch(text) is not None


def month_for(match: Match, retention_days: int) -> str:
    """Return the month of `match`. Raises ValueError where its time is far ahead of its receipt or before 1970.

    So however wild a clock, the months that there are lie between the retention and a year from now. A correlation's
    match has the time of its bucket here: whichever event completes it, its id stands in one index.
    """
    time = match.time if match.correlation is None else match.correlation.bucket
    month = match_month(time, match.received, retention_days)
    if month == OLD:
        return month
    if time > match.received + _AHEAD:
        raise ValueError("time is more than a year ahead of receipt")
    if not is_month(month):
        raise ValueError(f"no month to store: {month}")
    return month


def month_end(month: str) -> int:
    """Return the first microsecond behind `month`, as in "2026.11"."""
    year, number = map(int, month.split("."))
    following = (year + 1, 1) if number == _DECEMBER else (year, number + 1)
    return round(datetime(*following, 1, tzinfo=UTC).timestamp()) * SECOND


def is_past(month: str, now: int, retention_days: int) -> bool:
    """Tell whether `month` ended more than the retention ago; OLD never does."""
    return month != OLD and month_end(month) + retention_days * DAY <= now
