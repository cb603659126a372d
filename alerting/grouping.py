"""Grouping as a fold, without I/O: what the store knows of an alert key, and cases in order, to writes and changes.

Whoever folds the same cases from the same state gets the same writes, so that a redelivery, a repeated append or a
replaced member that still acts changes nothing: a match is taken in once by its place, an action once by its id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from alerting.cases import Case, alert_id
from soc.alerts import Act, Action, Alert, AlertChange, AlertKey, HistoryEntry, Match, Milestone, Place, Reason, Status
from soc.clock import SECOND
from soc.store.base import Stored, Version, month_of

OPENED: Final = "opened"
RAISED: Final = "raised"
CLOSED: Final = "closed"
ACKNOWLEDGED: Final = "acknowledged"
COUNTED: Final = "counted"

MAX_REASONS: Final = 16
MAX_REASON_TEXT: Final = 512


@dataclass(frozen=True, slots=True)
class Standing:
    """What the store knows of one alert key.

    `known` names the generation reached. `current` is the latest alert that there is, None where there is none or
    retention has removed it. `announced`: the generation in `known` was never created; `current` is then the one before.
    `older` holds, by id, alerts of past generations that the cases' actions name.
    """

    key: str
    known: Stored[AlertKey] | None = None
    current: Stored[Alert] | None = None
    announced: bool = False
    older: Mapping[str, Stored[Alert]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is to be done for one alert key: `announce`, then `alerts`, then `changes`, each only after the one before.

    `taken`: how many of the cases this covers; the others are folded from a new read, after all this is done.
    `orphans`: positions of actions whose alert does not exist.
    """

    key: str
    announce: tuple[AlertKey, Version | None] | None
    alerts: tuple[tuple[Alert, Version | None], ...]
    changes: tuple[AlertChange, ...]
    taken: int
    orphans: tuple[int, ...]


def fold(standing: Standing, cases: Sequence[Case], window: int) -> Outcome:
    """Return what the cases do to the alert key. `window`: seconds without a match that end an alert.

    Stops before a case that opens the next generation when anything before it is still to be written or published: a
    redelivery looks at the latest generation alone, so whatever went before must be complete by then.
    """
    work = _Fold(standing, window * SECOND)
    taken = 0
    for position, case in enumerate(cases):
        if isinstance(case, Action):
            work.act(case, position)
        elif not work.take(case):
            break
        taken += 1
    return work.outcome(taken)


def cause_of(place: Place) -> str:
    """Return how a milestone names the match that caused it."""
    return f"{place.log}/{place.partition}/{place.offset}"


class _Fold:
    """The state of one fold."""

    def __init__(self, standing: Standing, window: int) -> None:
        self._standing = standing
        self._window = window
        self._alerts: dict[str, Alert] = {id_: stored.document for id_, stored in standing.older.items()}
        self._versions: dict[str, Version | None] = {id_: stored.version for id_, stored in standing.older.items()}
        self._current: str | None = None
        if standing.current is not None:
            self._current = standing.current.document.id
            self._alerts[self._current] = standing.current.document
            self._versions[self._current] = standing.current.version
        self._announce: tuple[AlertKey, Version | None] | None = None
        self._dirty: dict[str, None] = {}
        self._changes: dict[tuple[str, int], AlertChange] = {}
        self._counted: dict[str, AlertChange] = {}
        self._orphans: list[int] = []

    def outcome(self, taken: int) -> Outcome:
        return Outcome(
            self._standing.key,
            self._announce,
            tuple((self._alerts[id_], self._versions[id_]) for id_ in self._dirty),
            (*self._changes.values(), *self._counted.values()),
            taken,
            tuple(self._orphans),
        )

    def take(self, match: Match) -> bool:
        """Take the match in; False where the writes and changes so far must be completed first."""
        current = None if self._current is None else self._alerts[self._current]
        if current is not None and _place(match).not_later_than(current.place):
            self._again(current, cause_of(_place(match)))
        elif current is not None and self._joins(match, current):
            self._join(match, current)
        elif self._dirty or self._changes:
            return False
        else:
            self._open(match, current)
        return True

    def act(self, action: Action, position: int) -> None:
        """Apply the action, once by its id."""
        alert = self._alerts.get(action.alert_id)
        if alert is None:
            self._orphans.append(position)
        elif any(entry.action_id == action.id for entry in alert.history):
            self._again(alert, action.id)
        else:
            self._apply(action, alert)

    def _joins(self, match: Match, alert: Alert) -> bool:
        return alert.status is not Status.CLOSED and match.time - alert.last_seen <= self._window

    def _open(self, match: Match, before: Alert | None) -> None:
        known, version = self._next_key(match, before)
        if not self._standing.announced:
            self._announce = (known, version)
        place = _place(match)
        alert = Alert(
            id=alert_id(known.key, known.generation),
            key=known.key,
            generation=known.generation,
            month=known.month,
            rule=match.rule,
            level=match.rule.level,
            status=Status.OPEN,
            site=match.site,
            host=match.host,
            count=1,
            opened=match.received,
            first_seen=match.time,
            last_seen=match.time,
            first_place=place,
            place=place,
            reasons=_bounded(match.reasons),
            milestones=(Milestone(1, OPENED, match.rule.level, cause_of(place), match.received),),
        )
        self._versions[alert.id] = None
        self._current = alert.id
        self._put(alert, OPENED, match.received)

    def _next_key(self, match: Match, before: Alert | None) -> tuple[AlertKey, Version | None]:
        """Return the key's document as it stands once the next generation is announced, and what it replaces."""
        known = self._standing.known
        if known is None:
            return AlertKey(self._standing.key, 0, month_of(match.received)), None
        if self._standing.announced:
            return known.document, known.version
        previous = known.document.month if before is None else before.month
        generation = known.document.generation + 1
        return AlertKey(self._standing.key, generation, month_of(match.received), previous), known.version

    def _join(self, match: Match, alert: Alert) -> None:
        level = max(alert.level, match.rule.level)
        revision = alert.revision + 1
        milestones = alert.milestones
        if level > alert.level:
            cause = cause_of(_place(match))
            milestones = (*milestones, Milestone(revision, RAISED, level, cause, match.received))
        joined = replace(
            alert,
            level=level,
            count=alert.count + 1,
            first_seen=min(alert.first_seen, match.time),
            last_seen=max(alert.last_seen, match.time),
            place=_place(match),
            revision=revision,
            milestones=milestones,
        )
        self._put(joined, RAISED if level > alert.level else COUNTED, match.received)

    def _apply(self, action: Action, alert: Alert) -> None:
        revision = alert.revision + 1
        closes = action.act is Act.CLOSE
        status = Status.CLOSED if closes or alert.status is Status.CLOSED else Status.ACKNOWLEDGED
        milestones = alert.milestones
        if closes and alert.status is not Status.CLOSED:
            milestones = (*milestones, Milestone(revision, CLOSED, alert.level, action.id, action.time))
        entry = HistoryEntry(action.id, action.act, action.analyst, action.reason, action.time, revision)
        applied = replace(
            alert, status=status, revision=revision, milestones=milestones, history=(*alert.history, entry)
        )
        self._put(applied, CLOSED if closes else ACKNOWLEDGED, action.time)

    def _put(self, alert: Alert, kind: str, time: int) -> None:
        """Keep the changed alert. Of changes that only count, the last one of a fold is published."""
        self._alerts[alert.id] = alert
        self._dirty[alert.id] = None
        change = AlertChange(alert.id, alert.revision, kind, alert.level, time, alert)
        if kind == COUNTED:
            self._counted[alert.id] = change
        else:
            self._counted.pop(alert.id, None)
            self._changes[alert.id, alert.revision] = change

    def _again(self, alert: Alert, cause: str) -> None:
        """Publish again exactly the milestones that a redelivered case caused: they may never have got out."""
        for each in alert.milestones:
            if each.cause == cause:
                change = AlertChange(alert.id, each.revision, each.kind, each.level, each.time, alert)
                self._changes.setdefault((alert.id, each.revision), change)


def _place(match: Match) -> Place:
    if match.place is None:
        raise ValueError("a match without its place")  # `case_of` lets none through
    return match.place


def _bounded(reasons: tuple[Reason, ...]) -> tuple[Reason, ...]:
    """Return what an alert keeps of its first match's reasons; the match itself has them whole."""
    return tuple(
        Reason(*(text if text is None else text[:MAX_REASON_TEXT] for text in reason))  # type: ignore[arg-type] # only `field` may be None, and stays it
        for reason in reasons[:MAX_REASONS]
    )
