"""The API's documents, as OpenAPI describes them. Times are microseconds since the epoch, UTC."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from alerting.console.filters import LevelName, StatusName

MAX_REASON = 1000

ActName = Literal["acknowledge", "close"]


class _Document(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class RuleDocument(_Document):
    """The Sigma rule that fired."""

    id: str
    title: str
    level: LevelName
    tags: list[str]
    description: str
    falsepositives: list[str]


class ReasonDocument(_Document):
    """Which selection matched, on which field (null: a keyword), by which value."""

    selection: str
    field: str | None
    value: str
    pattern: str


class HistoryDocument(_Document):
    """One analyst's act as it was applied."""

    action_id: str
    act: ActName
    analyst: str
    reason: str
    time: int
    revision: int


class MilestoneDocument(_Document):
    """A revision of which operators are told."""

    revision: int
    kind: str
    level: LevelName
    cause: str
    time: int


class AlertDocument(_Document):
    """An alert."""

    id: str
    key: str
    generation: int
    month: str
    rule: RuleDocument
    level: LevelName
    status: StatusName
    site: str
    host: str
    count: int
    """Distinct matches, exact."""
    opened: int
    first_seen: int
    last_seen: int
    first_place: list[str | int]
    place: list[str | int]
    revision: int
    reasons: list[ReasonDocument]
    milestones: list[MilestoneDocument]
    history: list[HistoryDocument]


class ContributionDocument(_Document):
    """One event that a correlation counted, or what a correlation below it found."""

    event_id: str
    time: int
    rule: str
    """The title of the rule that it met."""
    site: str
    host: str
    value: str
    """What was looked at; empty where only the hit counts."""


class EvidenceDocument(_Document):
    """What a correlation's match was made of, as it was first published."""

    kind: str
    """Sigma's correlation type."""
    group: list[tuple[str, str]]
    """Group-by fields and their values."""
    start: int
    """Where the window begins."""
    end: int
    """Where it ends; the end is part of it."""
    bucket: int
    """The first instant of the bucket that the match's id is of."""
    condition: str
    """What was asked."""
    counted: str
    """What was found."""
    hits: int
    """How many events there were; `contributions` are the latest of them."""
    contributions: list[ContributionDocument]
    incomplete: list[str]
    """Titles of correlations that had to leave something out before."""


class MatchDocument(_Document):
    """One rule fired on one event, or one correlation on several: then those of the event that completed it."""

    id: str
    rule: RuleDocument
    time: int
    received: int
    site: str
    host: str
    alert_key: str
    event_id: str
    reasons: list[ReasonDocument]
    event: dict[str, Any] | None
    """The event with its raw record; null for the bare matches of a flooding rule and for correlations."""
    place: list[str | int] | None
    correlation: EvidenceDocument | None
    """What a correlation was made of; null for detections."""


class AlertList(_Document):
    """One page of alerts."""

    items: list[AlertDocument]
    cursor: str
    """Asks for the next page; empty on the last."""
    total: int
    """Of all pages."""


class MatchList(_Document):
    """One page of matches, newest first."""

    items: list[MatchDocument]
    cursor: str
    """Asks for the next page; empty on the last."""
    total: int
    """Of all pages."""


class Count(_Document):
    """How many alerts there are of one status and level."""

    status: StatusName
    level: LevelName
    number: int


class Problem(_Document):
    """What was wrong, for a person."""

    detail: str


class OrderDocument(_Document):
    """An act to take. Sent again with the same id, it is applied once."""

    model_config = ConfigDict(extra="forbid")

    id: UUID
    """Made by the sender, a new one for each act."""
    act: ActName
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=MAX_REASON)] = ""
    """Required to close."""

    @model_validator(mode="after")
    def _close_says_why(self) -> "OrderDocument":
        if self.act == "close" and not self.reason:
            raise ValueError("closing an alert needs a reason")
        return self


class OutcomeDocument(_Document):
    """What became of an act: applied, or still pending (it is not lost: ask for the alert again later)."""

    outcome: Literal["applied", "pending"]
    alert: AlertDocument
    entry: Annotated[HistoryDocument | None, Field(description="The history's entry; null while pending.")]
