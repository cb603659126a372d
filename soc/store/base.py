"""The store port: what every backend promises. tests/soc/store/contract.py holds each promise as a test."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import TracebackType
from typing import Final, Generic, NamedTuple, Self, TypeVar

from soc.alerts import Alert, AlertKey, Level, Match, Place, Status
from soc.clock import DAY, SECOND

T = TypeVar("T")

OLD: Final = "old"
"""The index of matches that were past the retention already when they were received."""

INT64: Final = range(-(2**63), 2**63)
"""The whole numbers that a store can hold and compare."""

MAX_PAGE: Final = 500
"""Items of a page; a larger limit is taken as this one, one below 1 as 1."""

MAX_EVENTS: Final = 2000
"""Events that `known_events` is asked for at once; those behind are taken as unknown."""

MAX_TEXT: Final = 200
"""Characters of AlertQuery.text; searches refuse a longer one with ValueError."""


class Answer(StrEnum):
    """What became of one write."""

    CREATED = "created"
    EXISTS = "exists"
    UPDATED = "updated"
    CONFLICT = "conflict"
    RETRY = "retry"
    REJECTED = "rejected"


class Written(NamedTuple):
    """The answer to one item of a batch. `reason` says why it was rejected or is to be tried again."""

    answer: Answer
    reason: str = ""


class Version(NamedTuple):
    """Optimistic concurrency: what a document was when it was read. Opaque to callers."""

    number: int
    term: int = 0


class MatchRef(NamedTuple):
    """Where a match is found without a search."""

    id: str
    month: str


class AlertRef(NamedTuple):
    """Where an alert is found without a search."""

    id: str
    month: str


class Stored(NamedTuple, Generic[T]):
    """A document and the version that a later write must name."""

    document: T
    version: Version


class AlertSort(StrEnum):
    """What a list of alerts is ordered by; ties by id."""

    LAST_SEEN = "last_seen"
    OPENED = "opened"
    LEVEL = "level"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class AlertQuery:
    """Which alerts to list. Empty filters take everything; `text` is found, any case, in title, host, site and key.

    `since` <= last_seen < `until`, microseconds. `cursor`: where the page before ended, "" for the first page.
    """

    levels: tuple[Level, ...] = ()
    sites: tuple[str, ...] = ()
    statuses: tuple[Status, ...] = ()
    text: str = ""
    since: int | None = None
    until: int | None = None
    sort: AlertSort = AlertSort.LAST_SEEN
    descending: bool = True
    limit: int = 50
    cursor: str = ""


@dataclass(frozen=True, slots=True)
class MatchQuery:
    """Which matches to list, newest first. `places`: of one alert, its first and last place in soc.matches.

    `event_id`: those of that event, and of the correlations that name it.
    """

    alert_key: str = ""
    first_place: Place | None = None
    last_place: Place | None = None
    limit: int = 50
    cursor: str = ""
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a search. `cursor` asks for the next one; "" where this is the last. `total`: of all pages."""

    items: tuple[T, ...]
    cursor: str
    total: int


class Tally(NamedTuple):
    """How many, a level, rule and site."""

    level: Level
    rule_id: str
    rule_title: str
    site: str
    number: int


def month_of(time: int) -> str:
    """Return "2026.11" for a time in microseconds since the epoch, UTC. Times outside years 1-9999 give OLD."""
    try:
        return f"{datetime.fromtimestamp(time / SECOND, UTC):%Y.%m}"
    except (ValueError, OverflowError, OSError):
        return OLD


def match_month(time: int, received: int, retention_days: int) -> str:
    """Return the index of a match: the month of its time, or OLD where that was past the retention on receipt.

    `time`: of a correlation's match the first instant of its bucket, as its id is of the bucket and not of the event
    that completed it.

    A function of the document, never of the day of writing: so one id cannot land in two indices, and a wild clock
    cannot open hundreds (collectors bound the future).
    """
    return OLD if time < received - retention_days * DAY else month_of(time)


class Store(ABC):
    """Matches (append-only), alerts and alert keys (mutable). An async context manager: entering makes the indices.

    Writes speak in batches and answer item by item, in the order given. Every method but the writes raises Retry
    while the store is away.
    """

    @abstractmethod
    async def open(self) -> None:
        """Connect and create templates or tables. Raises Retry while the store is away, SettingsError."""

    @abstractmethod
    async def add_matches(self, matches: Sequence[Match]) -> list[Written]:
        """Create each match in the index of match_month: CREATED, EXISTS (already there, nothing changed), RETRY, or
        REJECTED with the reason. An id must not stand twice in one call. Durable when answered.
        """

    @abstractmethod
    async def match_places(self, matches: Sequence[Match]) -> list[Place | None]:
        """Return the place that is stored with each of these matches, None where there is no such match."""

    @abstractmethod
    async def find_matches(self, query: MatchQuery) -> Page[Match]:
        """Return one page of the matches of an alert, newest first. Sees a write after at most two seconds.

        Raises ValueError on a cursor of another alert key or event.
        """

    @abstractmethod
    async def known_events(self, event_ids: Sequence[str]) -> frozenset[str]:
        """Return which of these events a detection's match is stored of. Sees a write after at most two seconds."""

    @abstractmethod
    async def get_alerts(self, refs: Sequence[AlertRef]) -> list[Stored[Alert] | None]:
        """Return each alert with its version, None where there is none. Sees every acknowledged write at once."""

    @abstractmethod
    async def put_alerts(self, writes: Sequence[tuple[Alert, Version | None]]) -> list[Written]:
        """Create (version None) or replace each alert: CREATED, UPDATED, CONFLICT, RETRY or REJECTED.

        Durable when answered. An id must not stand twice in one call.
        """

    @abstractmethod
    async def get_keys(self, keys: Sequence[str]) -> list[Stored[AlertKey] | None]:
        """Return what is known of each alert key, None where it is new. Sees every acknowledged write at once."""

    @abstractmethod
    async def put_keys(self, writes: Sequence[tuple[AlertKey, Version | None]]) -> list[Written]:
        """Create or replace, as put_alerts."""

    @abstractmethod
    async def find_alert(self, alert_id: str) -> Alert | None:
        """Return the alert with this id from whichever month holds it."""

    @abstractmethod
    async def find_alerts(self, query: AlertQuery) -> Page[Alert]:
        """Return one page. Sees a write after at most two seconds.

        Raises ValueError on a cursor of another query (`since` and `until` may move between pages), and on a text
        of more than MAX_TEXT characters.
        """

    @abstractmethod
    async def tally_alerts(self, since: int, until: int) -> list[Tally]:
        """Return how many alerts were opened in `since` <= opened < `until`, by level, rule and site."""

    @abstractmethod
    async def tally_matches(self, since: int, until: int) -> list[Tally]:
        """Return how many matches were received in `since` <= received < `until`, by level, rule and site."""

    @abstractmethod
    async def count_alerts(self) -> Mapping[tuple[Status, Level], int]:
        """Return how many alerts there are, by status and level; none is left out of the sum."""

    @abstractmethod
    async def refresh(self) -> None:
        """Make every acknowledged write visible to searches now (for tests and reports)."""

    @abstractmethod
    async def expire(self, now: int) -> list[str]:
        """Remove each month's matches and alerts that are past the retention as a whole; return the indices removed.

        "matches-2026.07" is one. OLD is not removed as a whole: its matches go one by one, when they were received
        more than the retention ago.
        """

    @abstractmethod
    async def ping(self) -> None:
        """Return where the store answers. Raises Retry."""

    @abstractmethod
    async def aclose(self) -> None:
        """Close connections."""

    async def __aenter__(self) -> Self:
        """Open."""
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.aclose()
