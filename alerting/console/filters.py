"""Which alerts a page, the API or an export asks for: the one form that all three read from the URL."""

import re
from datetime import datetime
from typing import Annotated, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from soc.alerts import Level, Status
from soc.clock import SECOND
from soc.store.base import MAX_PAGE, AlertQuery, AlertSort

LevelName = Literal["informational", "low", "medium", "high", "critical"]
StatusName = Literal["open", "acknowledged", "closed"]
SortName = Literal["last_seen", "opened", "level", "count"]

_AGO = re.compile(r"([1-9][0-9]{0,3})([mhd])")
_UNITS = {"m": 60, "h": 3600, "d": 86_400}


class BadFilter(ValueError):
    """A filter that no alert list can be made of; the message names it and the remedy."""


class Filters(BaseModel):
    """The filters of a list of alerts, as they stand in the URL."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    level: tuple[LevelName, ...] = ()
    """Levels to take; none: all."""
    status: tuple[StatusName, ...] = ()
    """Statuses to take; none: all."""
    site: tuple[Annotated[str, Field(max_length=200)], ...] = Field((), max_length=50)
    """Sites to take; none: all."""
    text: Annotated[str, Field(max_length=200)] = ""
    """Found, any case, in title, host, site and alert key."""
    since: Annotated[str, Field(max_length=40)] = ""
    """Last seen at or after: an ISO 8601 time (the province's zone where it names none), or an age as 30m, 24h, 7d."""
    until: Annotated[str, Field(max_length=40)] = ""
    """Last seen before; written as `since`."""
    sort: SortName = "last_seen"
    """What the list is ordered by."""
    order: Literal["desc", "asc"] = "desc"
    """Greatest first, or least first."""
    limit: Annotated[int, Field(ge=1, le=MAX_PAGE)] = 50
    """Alerts a page."""
    cursor: Annotated[str, Field(max_length=2000)] = ""
    """Where the page before ended; empty for the first."""

    def query(self, zone: ZoneInfo, now: int) -> AlertQuery:
        """Return what to ask the store. Raises BadFilter where `since` or `until` is no time."""
        return AlertQuery(
            levels=tuple(Level.parse(each) for each in self.level),
            sites=tuple(each for each in self.site if each),
            statuses=tuple(Status(each) for each in self.status),
            text=self.text.strip(),
            since=_moment("since", self.since, zone, now),
            until=_moment("until", self.until, zone, now),
            sort=AlertSort(self.sort),
            descending=self.order == "desc",
            limit=self.limit,
            cursor=self.cursor,
        )

    def encoded(self, **changes: object) -> str:
        """Return the query string of these filters with changes; what is empty or default is left out."""
        values = {name: value for name, value in self.model_copy(update=changes) if value != _DEFAULTS[name]}
        return urlencode(values, doseq=True)

    @property
    def narrowed(self) -> bool:
        """Tell whether anything is filtered out."""
        return bool(self.level or self.status or any(self.site) or self.text.strip() or self.since or self.until)


_DEFAULTS = dict(Filters(site=()))


def _moment(name: str, text: str, zone: ZoneInfo, now: int) -> int | None:
    """Return microseconds since the epoch, None for an empty text."""
    if not text.strip():
        return None
    ago = _AGO.fullmatch(text.strip())
    if ago:
        return now - int(ago[1]) * _UNITS[ago[2]] * SECOND
    try:
        time = datetime.fromisoformat(text.strip())
        return round((time if time.tzinfo else time.replace(tzinfo=zone)).timestamp() * SECOND)
    except (ValueError, OverflowError):
        raise BadFilter(f"{name} is no time: write 2026-11-22T08:00, with +07:00 or Z, or an age as 24h") from None
