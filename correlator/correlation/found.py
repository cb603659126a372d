"""What a correlation found becomes a match, which says on its own what was counted."""

from collections.abc import Mapping
from typing import Final

import orjson

from correlator.correlation.hits import EVENT, HOST, SITE, Value
from correlator.correlation.plan import Linked, Plan
from correlator.correlation.rule import Bound, Either, Every, Expression, Kind, Refers
from correlator.correlation.state import ARRIVAL, CARRIED, ID, NUMBER, ORIGIN, TIME, VALUE, Entry, Found
from correlator.keys import joined
from soc.alerts import Contribution, Evidence, Match
from soc.clock import SECOND
from soc.events import digest
from soc.evidence import MAX_INCOMPLETE, reasons_of

MAX_VALUE: Final = 200
"""Characters of a value that a match shows."""

_SIGNS: Final = {
    Bound.GT: ">",
    Bound.GTE: ">=",
    Bound.LT: "<",
    Bound.LTE: "<=",
    Bound.EQ: "=",
    Bound.NEQ: "!=",
}


def match(found: Found, plan: Plan) -> Match:
    """Return the match: its id depends on rule, group and bucket alone."""
    correlation = found.linked.correlation
    group = group_of(found)
    asked, counted = condition_of(found.linked, plan), number(found.counted)
    evidence = Evidence(
        kind=str(correlation.kind),
        group=group,
        start=found.start,
        end=found.end,
        bucket=found.bucket * correlation.timespan,
        condition=asked,
        counted=counted,
        hits=found.hits,
        contributions=tuple(_contribution(entry, found.linked, plan) for entry in found.entries),
        incomplete=tuple(plan.linked[each].correlation.ref.title for each in found.incomplete[:MAX_INCOMPLETE]),
    )
    return Match(
        id=digest(correlation.ref.id, found.group, found.bucket),
        rule=correlation.ref,
        time=found.at.time,
        received=max([found.at.arrival, *(entry[ARRIVAL] for entry in found.entries)]),
        site=found.at.origin[SITE],
        host=_host(found),
        alert_key=alert_key(found),
        event_id=(found.at.carried or {}).get(EVENT, found.at.id),
        reasons=reasons_of(evidence),
        correlation=evidence,
    )


def group_of(found: Found) -> tuple[tuple[str, str], ...]:
    """Return the group-by names and the group's values."""
    return tuple(zip(found.linked.correlation.group_by, orjson.loads(found.group), strict=True))


def alert_key(found: Found) -> str:
    """Return what groups the matches of a correlation: the rule and its group."""
    return joined(found.linked.correlation.ref.id, (value for _, value in group_of(found)))


def condition_of(linked: Linked, plan: Plan) -> str:
    """Return what is asked, for people: ">= 10 within 10 min"."""
    correlation = linked.correlation
    condition = correlation.condition
    titles = {each.number: plan.titles.get(each.rule, each.rule) for each in linked.inputs}
    parts = [f"{_SIGNS[bound]} {number(threshold)}" for bound, threshold in condition.bounds]
    if condition.expression is not None:
        parts.append(_said(condition.expression, titles))
    elif not parts:
        joint = ", then " if correlation.kind is Kind.TEMPORAL_ORDERED else " and "
        parts.append(joint.join(titles.get(each, "") for each in range(len(correlation.rules))))
    what = f"{correlation.kind}"
    if condition.percentile is not None:
        what += f" {number(condition.percentile)}"
    if condition.fields:
        what += f" of {', '.join(condition.fields)}"
    return f"{what}: {' and '.join(parts)} within {span(correlation.timespan)}"


def span(microseconds: int) -> str:
    """Return a length of time for people: "10 min", "1.5 h"."""
    seconds = microseconds / SECOND
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds:.4g} s"


def number(value: float) -> str:
    """Return a number as a person writes it."""
    return str(int(value)) if float(value).is_integer() else f"{value:.6g}"


def _said(expression: Expression, titles: Mapping[int, str]) -> str:
    if isinstance(expression, Refers):
        return titles.get(expression.number, "")
    if isinstance(expression, Every | Either):
        word = " and " if isinstance(expression, Every) else " or "
        return f"({word.join(_said(part, titles) for part in expression.parts)})"
    return f"not {_said(expression.part, titles)}"


def _host(found: Found) -> str:
    """Return the host that all of it happened on, "" where there are several."""
    origins = {found.at.origin, *(entry[ORIGIN] for entry in found.entries)}
    return found.at.origin[HOST] if len(origins) == 1 else ""


def _contribution(entry: Entry, linked: Linked, plan: Plan) -> Contribution:
    rules = {each.number: each.rule for each in linked.inputs}
    rule = rules.get(entry[NUMBER], "")
    return Contribution(
        event_id=(entry[CARRIED] or {}).get(EVENT, entry[ID]),
        time=entry[TIME],
        rule=plan.titles.get(rule, rule),
        site=entry[ORIGIN][SITE],
        host=entry[ORIGIN][HOST],
        value=_shown(entry[VALUE]),
    )


def _shown(value: Value) -> str:
    if value is None:
        return ""
    return (value if isinstance(value, str) else number(value))[:MAX_VALUE]
