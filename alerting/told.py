"""Which changes of alerts people are told of, and under which name, so that nobody is told twice of one thing."""

from typing import Final

import orjson

from alerting.cases import check, check_told
from alerting.grouping import OPENED, RAISED
from soc.alerts import AlertChange, Level
from soc.bus.base import Record
from soc.errors import DeadLetter

TOLD: Final = frozenset({OPENED, RAISED})


def change_of(record: Record) -> AlertChange:
    """Return the change that a record of soc.alerts carries. Raises DeadLetter("malformed_change")."""
    try:
        change = AlertChange.from_document(orjson.loads(record.value))
        check(change, str, "alert_id", "kind")
        check(change, int, "revision", "time")
        check(change.alert, str, "id", "site", "host")
        check(change.alert, int, "opened")
        check_told(change.alert)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DeadLetter("malformed_change", f"not a change of an alert: {error!r}"[:500]) from None
    return change


def is_told(change: AlertChange, lowest: Level) -> bool:
    """Tell whether receivers that begin at `lowest` are told of the change: an opening or a rise to that level."""
    return change.kind in TOLD and change.level >= lowest


def message_id(change: AlertChange) -> str:
    """Return the name of the notification: the same for the same revision of the same alert, whoever sends it."""
    return f"{change.alert_id}.{change.revision}@vonggac"


def id_in(record: Record) -> str | None:
    """Return the message id of a record of soc.alerts, None where it is malformed."""
    try:
        document = orjson.loads(record.value)
        return f"{document['alert_id']}.{document['revision']}@vonggac"
    except (KeyError, TypeError, ValueError):
        return None
