"""What people outside are told of an alert: inert, bounded, and the same however often one revision is told.

So counts and the last match are left out: they go on changing after the revision.
"""

from typing import Any, Final

from alerting.visible import iso, visible
from soc.alerts import Alert, AlertChange, told_apart
from soc.evidence import is_correlation, told

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
    where = f"{_where(alert)} ({visible(alert.site, 60) or nameless(alert)})"
    return visible(f"[{change.level.label}] {visible(alert.title, 90)}: {where}", 150)


def nameless(alert: Alert) -> str:
    """Return what stands for a host or a site without a name: a correlation's events may have several."""
    return "several" if is_correlation(alert.reasons) else "none named"


def _where(alert: Alert) -> str:
    """Return the host, or else what the events of a correlation over several hosts have in common."""
    _, group = told(alert.reasons)
    shared = ", ".join(f"{each.field}={each.value}" for each in group)
    return visible(alert.host, 60) or visible(shared, 60) or nameless(alert)


def correlation_of(alert: Alert) -> dict[str, Any] | None:
    """Return what a correlation counted in which group, as JSON-ready values; None where a detection matched."""
    counted, group = told(alert.reasons)
    if counted is None:
        return None
    return {
        "type": visible(counted.field or "", 60),
        "counted": visible(counted.value, 300),
        "asked": visible(counted.pattern, 300),
        "group": [
            {"field": visible(each.field or "", 60), "value": visible(each.value, 300)} for each in group[:MAX_REASONS]
        ],
    }


def line_of(alert: Alert) -> str:
    """Return the same as one line of at most 500 characters, "" where a detection matched."""
    found = correlation_of(alert)
    if found is None:
        return ""
    group = ", ".join(f"{each['field']} = {each['value']}" for each in found["group"])
    line = f"counted {found['counted']} ({found['asked']})"
    return visible(f"{group}: {line}" if group else line)


def _reason(selection: str, field: str | None, value: str, _pattern: str = "") -> dict[str, str]:
    return {"selection": visible(selection, 60), "field": visible(field or "keyword", 60), "value": visible(value, 300)}
