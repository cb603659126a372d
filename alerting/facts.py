"""What people outside are told of an alert: inert, bounded, and the same however often one revision is told.

So counts and the last match are left out: they go on changing after the revision.
"""

from typing import Any, Final

from alerting.visible import iso, visible
from soc.alerts import AlertChange, told_apart

MAX_TAGS: Final = 50
MAX_REASONS: Final = 8


def facts_of(change: AlertChange) -> dict[str, Any]:
    """Return the facts as JSON-ready values; mock/schema/urgent.json states their bounds."""
    alert = change.alert
    return {
        "id": alert.id,
        "revision": change.revision,
        "kind": change.kind,
        "level": change.level.label,
        "time": iso(change.time),
        "opened": iso(alert.opened),
        "rule": visible(alert.rule.id, 200),
        "title": visible(alert.title, 300),
        "tags": [visible(tag, 100) for tag in alert.rule.tags[:MAX_TAGS]],
        "site": visible(alert.site, 200),
        "host": visible(alert.host, 300),
        "reasons": [_reason(*reason) for reason in told_apart(alert.reasons)[:MAX_REASONS]],
    }


def headline_of(change: AlertChange) -> str:
    """Return one line that says what happened where, at most 150 characters."""
    alert = change.alert
    where = f"{visible(alert.host, 60)} ({visible(alert.site, 60)})"
    return visible(f"[{change.level.label}] {visible(alert.title, 90)}: {where}", 150)


def _reason(selection: str, field: str | None, value: str, _pattern: str = "") -> dict[str, str]:
    return {"selection": visible(selection, 60), "field": visible(field or "keyword", 60), "value": visible(value, 300)}
