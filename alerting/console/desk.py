"""What every page and every call of the API works with."""

from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alerting.console.actions import Actions
from alerting.console.filters import BadFilter, Filters
from alerting.console.guard import Tokens
from alerting.console.rules import RuleSources
from alerting.console.timeline import Timeline, latest, timeline
from soc.alerts import Alert, Match
from soc.clock import DAY, Clock
from soc.store.base import MatchQuery, Page, Store

SITES_SECONDS = 30.0
"""How long the list of sites is kept."""

MAX_SITES = 500


class Sites:
    """The sites that a list can be narrowed to: those with alerts within the retention."""

    def __init__(self, store: Store, clock: Clock, retention_days: int) -> None:
        """Know none yet."""
        self._store = store
        self._clock = clock
        self._span = retention_days * DAY
        self._names: tuple[str, ...] = ()
        self._read: float | None = None

    async def names(self) -> tuple[str, ...]:
        """Return at most MAX_SITES names in order. Raises Retry."""
        if self._read is None or self._clock.monotonic() - self._read > SITES_SECONDS:
            now = self._clock.now()
            tallies = await self._store.tally_alerts(now - self._span, now + DAY)
            self._names = tuple(sorted({tally.site for tally in tallies if tally.site})[:MAX_SITES])
            self._read = self._clock.monotonic()
        return self._names


@dataclass(frozen=True, slots=True)
class Desk:
    """The store to read, the acts to take, and how to show what is found. `zone`: the province's."""

    store: Store
    clock: Clock
    zone: ZoneInfo
    actions: Actions
    rules: RuleSources
    sites: Sites
    tokens: Tokens

    async def alerts(self, filters: Filters) -> Page[Alert]:
        """Return one page of alerts. Raises BadFilter, Retry."""
        query = filters.query(self.zone, self.clock.now())
        try:
            return await self.store.find_alerts(query)
        except ValueError:
            raise BadFilter("cursor: it belongs to another list; begin with the first page") from None

    async def of_event(self, event_id: str, limit: int, cursor: str) -> Page[Match]:
        """Return one page of the matches that name an event, newest first. Raises BadFilter, Retry."""
        return await self._find(MatchQuery(event_id=event_id, limit=limit, cursor=cursor))

    async def matches(self, alert: Alert, limit: int, cursor: str) -> Page[Match]:
        """Return one page of an alert's matches, newest first. Raises BadFilter, Retry."""
        return await self._find(MatchQuery(alert.key, alert.first_place, alert.place, limit, cursor))

    async def timelines(self, matches: Iterable[Match], full: str = "") -> dict[str, Timeline]:
        """Return the timeline of each correlation's match, by its id; that of `full` whole. Raises Retry."""
        found = {each.id: each for each in matches if each.correlation}
        events = [step.event_id for each in found.values() for step in latest(each, whole=each.id == full)]
        known = await self.store.known_events(events) if events else frozenset[str]()
        return {id_: timeline(each, self.zone, known, whole=id_ == full) for id_, each in found.items()}

    async def _find(self, query: MatchQuery) -> Page[Match]:
        try:
            return await self.store.find_matches(query)
        except ValueError:
            raise BadFilter("cursor: it belongs to another list; begin with the first page") from None
