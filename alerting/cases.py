"""What soc.cases carries: matches as they are stored (without their events) and analysts' actions.

{"kind": "match", "match": Match.to_document()} or {"kind": "action", "action": Action.to_document()}; key: alert key.
"""

from itertools import chain
from typing import Any, TypeAlias

import orjson

from soc.alerts import Action, Alert, Match
from soc.errors import DeadLetter
from soc.events import digest
from soc.store.base import OLD, month_of
from soc.store.months import is_month

Case: TypeAlias = Match | Action


def alert_id(key: str, generation: int) -> str:
    """Return the id of the alert that is the `generation`th (from 0) of its alert key."""
    return digest("alert", key, generation)


def case_of(value: bytes) -> Case:
    """Return the match or action of a record's value. Raises DeadLetter("malformed_case") where it is neither."""
    try:
        document = orjson.loads(value)
        if document["kind"] == "match":
            return _match(document["match"])
        if document["kind"] == "action":
            return _action(document["action"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DeadLetter("malformed_case", f"not a case: {error!r}"[:500]) from None
    raise DeadLetter("malformed_case", f"kind is {str(document['kind'])[:50]!r}; want match or action")


def _match(document: dict[str, Any]) -> Match:
    match = Match.from_document(document)
    place = match.place
    if place is None:
        raise ValueError("a match without its place")
    check(match, str, "id", "alert_key", "site", "host")
    check(match, int, "time", "received")
    check(place, str, "log")
    check(place, int, "partition", "offset")
    check_told(match)
    if month_of(match.received) == OLD or not is_month(month_of(match.received)):
        raise ValueError(f"received at {match.received}, in no month that there can be")
    return match


def _action(document: dict[str, Any]) -> Action:
    action = Action.from_document(document)
    check(action, str, "id", "alert_id", "alert_key", "month", "analyst", "reason")
    check(action, int, "generation", "time")
    if action.alert_id != alert_id(action.alert_key, action.generation):
        raise ValueError("alert_id is not that of alert_key and generation")
    if not is_month(action.month):
        raise ValueError(f"{action.month[:20]!r} is no month")
    return action


def check_told(record: Match | Alert) -> None:
    """Raise TypeError where the rule or the reasons, which people are told, are not made of text."""
    check(record.rule, str, "id", "title", "description")
    reasons = (each._replace(field=each.field or "") for each in record.reasons)  # a keyword's reason has no field
    if not all(isinstance(text, str) for text in (*record.rule.tags, *chain.from_iterable(reasons))):
        raise TypeError("tags and reasons are not all text")


def check(record: object, kind: type, *names: str) -> None:
    """Raise TypeError where one of the record's fields is of another type."""
    for name in names:
        if type(getattr(record, name)) is not kind:
            raise TypeError(f"{name} is no {kind.__name__}")
