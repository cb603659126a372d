"""Match and Alert: what the correlator finds and what an analyst sees, with their wire forms.

Every class here is a frozen dataclass whose `to_document`/`from_document` pair is its only wire form, used both on
the bus (as JSON) and at the store's door. Times are microseconds since the epoch.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, Final, NamedTuple, Self

from soc.events import digest

_LITERAL: Final = re.compile(r"""[\w %.:;,='"-]{3,}""")
"""What stands in a pattern, a glob or a regular expression, as it would in the value."""

_literals: Final = lru_cache(1024)(lambda pattern: sorted(_LITERAL.findall(pattern.lower()), key=len, reverse=True))


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _document(value)
    if isinstance(value, Level):
        return value.label
    if isinstance(value, Reason | Contribution):
        return value._asdict()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value


def _document(record: Any) -> dict[str, Any]:
    """Return the JSON-ready form of one of this module's dataclasses; an event's dict is taken as it is."""
    return {each.name: _plain(getattr(record, each.name)) for each in fields(record)}


def _place(document: list[Any] | None) -> "Place | None":
    return None if document is None else Place(*document)


class Level(IntEnum):
    """Sigma's rule levels, ordered. Sigma rules specification 2.1, "Level"."""

    INFORMATIONAL = 1
    LOW = 2
    MEDIUM = 3
    HIGH = 4
    CRITICAL = 5

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the level of that name, any case. Raises ValueError naming the levels there are."""
        try:
            return cls[text.upper()]
        except KeyError:
            raise ValueError(f"{text!r} is no level; levels are {[level.label for level in cls]}") from None

    @property
    def label(self) -> str:
        """The Sigma name: "informational" to "critical"."""
        return self.name.lower()


class Status(StrEnum):
    """Where an alert stands with the analysts."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CLOSED = "closed"


class Act(StrEnum):
    """What an analyst can do to an alert."""

    ACKNOWLEDGE = "acknowledge"
    CLOSE = "close"


class Place(NamedTuple):
    """Where a record stands: the log's identity (a new log of the same name differs), partition and offset."""

    log: str
    partition: int
    offset: int

    def not_later_than(self, other: "Place | None") -> bool:
        """Tell whether this place was already taken in by a reader that stands at `other`.

        Places in another log or partition are new.
        """
        return (
            other is not None
            and self.log == other.log
            and self.partition == other.partition
            and self.offset <= other.offset
        )


@dataclass(frozen=True, slots=True)
class RuleRef:
    """What a match and an alert keep of the Sigma rule that fired."""

    id: str
    title: str
    level: Level
    tags: tuple[str, ...] = ()
    description: str = ""
    falsepositives: tuple[str, ...] = ()

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the rule of a decoded document. Raises KeyError, TypeError or ValueError where it is none."""
        return cls(
            document["id"],
            document["title"],
            Level.parse(document["level"]),
            tuple(document.get("tags", ())),
            document.get("description", ""),
            tuple(document.get("falsepositives", ())),
        )


class Reason(NamedTuple):
    """Which selection of the rule matched, on which field (None: a keyword), by which value of the event."""

    selection: str
    field: str | None
    value: str
    pattern: str = ""

    def excerpt(self, limit: int, lowered: str | None = None) -> str:
        """Return up to `limit` characters: the beginning, or what the pattern is about. `lowered`: the value so, if at hand."""
        if len(self.value) <= limit:
            return self.value
        value = self.value.lower() if lowered is None else lowered
        literals = _literals(self.pattern)  # longest first
        at, length = next(((found, len(each)) for each in literals if (found := value.find(each)) >= 0), (0, 0))
        start = 0 if at + length < limit else min(at, len(value) - limit + 1)
        head, rest = ("…" if start else ""), self.value[start:]
        kept = limit - len(head)
        return head + (rest if len(rest) <= kept else rest[: kept - 1] + "…")


def told_apart(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return the first reason for each field and value: a list is not to say one thing once a pattern."""
    return tuple({(each.field, each.value): each for each in reversed(tuple(reasons))}.values())[::-1]


class Contribution(NamedTuple):
    """One event that a correlation counted, or what a correlation below it found.

    `rule`: the title of the rule that it met. `value`: what was looked at, "" where only the hit counts.
    """

    event_id: str
    time: int
    rule: str
    site: str
    host: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a correlation's match was made of, as it was first published.

    `kind`: Sigma's correlation type. `group`: group-by fields and their values. `start`, `end`: the window, microseconds
    since the epoch, the end included. `bucket`: the first instant of the bucket that the match's id is of. `condition`
    and `counted`: what was asked and what was found, for people. `hits`: how many there were; `contributions` are the
    latest of them. `incomplete`: titles of correlations that had to leave something out before.
    """

    kind: str
    group: tuple[tuple[str, str], ...]
    start: int
    end: int
    bucket: int
    condition: str
    counted: str
    hits: int
    contributions: tuple[Contribution, ...] = ()
    incomplete: tuple[str, ...] = ()

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the evidence of a decoded document. Raises KeyError, TypeError or ValueError where it is none."""
        parsed = {
            "group": tuple((name, value) for name, value in document["group"]),
            "contributions": tuple(Contribution(**each) for each in document.get("contributions", ())),
            "incomplete": tuple(document.get("incomplete", ())),
        }
        return cls(**{**document, **parsed})


@dataclass(frozen=True, slots=True)
class Match:
    """One rule fired on one event, or a correlation on several. `id` = hash(rule, event id), or hash(rule, group, bucket).

    `event` is the event's wire document, None for the bare matches of a flooding rule and for correlations, which have
    `correlation` instead; `event_id`, `time`, `site` and `host` are then those of the event that completed it. `place` is
    where the record that created the stored match stands in soc.matches; None until `forward` writes it.
    """

    id: str
    rule: RuleRef
    time: int
    received: int
    site: str
    host: str
    alert_key: str
    event_id: str
    reasons: tuple[Reason, ...] = ()
    event: dict[str, Any] | None = None
    place: Place | None = None
    correlation: Evidence | None = None

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-ready form."""
        return _document(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the match. Raises KeyError, TypeError or ValueError where the document is none."""
        return cls(
            id=document["id"],
            rule=RuleRef.from_document(document["rule"]),
            time=document["time"],
            received=document["received"],
            site=document["site"],
            host=document["host"],
            alert_key=document["alert_key"],
            event_id=document["event_id"],
            reasons=tuple(Reason(**reason) for reason in document.get("reasons", ())),
            event=document.get("event"),
            place=_place(document.get("place")),
            correlation=Evidence.from_document(found) if (found := document.get("correlation")) else None,
        )


@dataclass(frozen=True, slots=True)
class Action:
    """An analyst's act on one alert. `id` is made by the page, so that a repeated form is applied once."""

    id: str
    alert_id: str
    alert_key: str
    generation: int
    month: str
    act: Act
    analyst: str
    reason: str
    time: int

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-ready form."""
        return _document(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the action. Raises KeyError, TypeError or ValueError where the document is none."""
        return cls(**{**document, "act": Act(document["act"])})


@dataclass(frozen=True, slots=True)
class Milestone:
    """A revision of which operators are told. `kind`: opened, raised or closed.

    `cause` identifies the soc.cases record: "log/partition/offset" of a match's place, or the action's id.
    """

    revision: int
    kind: str
    level: Level
    cause: str
    time: int

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the milestone of a decoded document."""
        return cls(**{**document, "level": Level.parse(document["level"])})


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One analyst's action as it was applied; the history only grows."""

    action_id: str
    act: Act
    analyst: str
    reason: str
    time: int
    revision: int

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the entry of a decoded document."""
        return cls(**{**document, "act": Act(document["act"])})


@dataclass(frozen=True, slots=True)
class Alert:
    """Matches of one alert key within a window, as an analyst triages them.

    `id` = hash(alert key, generation). `month` ("2026.11") is that of the opening match's receipt: the index that holds
    the alert. `first_place` and `place` are the places in soc.matches of the first and the last match taken in.
    `count` is the exact number of distinct matches. Each change raises `revision`.
    """

    id: str
    key: str
    generation: int
    month: str
    rule: RuleRef
    level: Level
    status: Status
    site: str
    host: str
    count: int
    opened: int
    first_seen: int
    last_seen: int
    first_place: Place
    place: Place
    revision: int = 1
    reasons: tuple[Reason, ...] = ()
    milestones: tuple[Milestone, ...] = ()
    history: tuple[HistoryEntry, ...] = ()

    @property
    def title(self) -> str:
        """The rule's title: what the alert is called everywhere."""
        return self.rule.title

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-ready form."""
        return _document(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the alert. Raises KeyError, TypeError or ValueError where the document is none."""
        parsed = {
            "rule": RuleRef.from_document(document["rule"]),
            "level": Level.parse(document["level"]),
            "status": Status(document["status"]),
            "first_place": Place(*document["first_place"]),
            "place": Place(*document["place"]),
            "reasons": tuple(Reason(**reason) for reason in document.get("reasons", ())),
            "milestones": tuple(Milestone.from_document(each) for each in document.get("milestones", ())),
            "history": tuple(HistoryEntry.from_document(each) for each in document.get("history", ())),
        }
        return cls(**{**document, **parsed})


@dataclass(frozen=True, slots=True)
class AlertKey:
    """What outlives an alert: the generation that its key has reached, and which month's index holds it.

    It is written before the alert that it announces. `previous` is the month of the generation before ("" for the
    first): who finds an announced alert missing takes up the one before it, which tells what was taken in already.
    """

    key: str
    generation: int
    month: str
    previous: str = ""

    @property
    def id(self) -> str:
        """The document's id in the store."""
        return digest("alert key", self.key)


@dataclass(frozen=True, slots=True)
class AlertChange:
    """One record of soc.alerts: an alert and the revision that it reached.

    `kind`: opened, raised, closed, acknowledged or counted. `alert` is the whole alert at that revision or later.
    """

    alert_id: str
    revision: int
    kind: str
    level: Level
    time: int
    alert: Alert

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-ready form."""
        return _document(self)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Return the change. Raises KeyError, TypeError or ValueError where the document is none."""
        parsed = {"level": Level.parse(document["level"]), "alert": Alert.from_document(document["alert"])}
        return cls(**{**document, **parsed})
