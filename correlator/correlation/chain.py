"""Correlations of correlations: what one that holds gives to another above it."""

from collections.abc import Mapping

import orjson

from correlator.correlation.feed import group_of, value_of
from correlator.correlation.hits import EVENT, Hit
from correlator.correlation.plan import Input, Linked, Plan


def fed(parent: Linked, how: Input, child: Linked, hit: Hit) -> Hit | None:
    """Return the hit of a parent, or None where it cannot be grouped.

    `hit`: the one at which the child holds, in the child's group. Its fields are the child's group-by names, then what it
    carried.
    """
    group = dict(zip(child.correlation.group_by, orjson.loads(hit.group), strict=True))
    fields: dict[str, str] = {**(hit.carried or {}), **group}
    key = group_of(fields.get(name) for name in how.group)
    if key is None:
        return None
    value = value_of(parent.correlation.kind, (fields.get(name) for name in how.values))
    carried = {name: fields[name] for name in (EVENT, *parent.carried) if name in fields}
    return hit._replace(group=key, number=how.number, value=value, carried=carried or None)


def below_of(plan: Plan) -> dict[str, Mapping[str, int]]:
    """Return of each version those below it, and for how long (microseconds) what they leave out is missed at its hits."""
    versions = {linked.correlation.ref.id: version for version, linked in plan.linked.items()}
    below: dict[str, Mapping[str, int]] = {}
    for version, linked in plan.linked.items():  # lower levels first
        found: dict[str, int] = {}
        for child in sorted({versions[each.rule] for each in linked.inputs if each.rule in versions}):
            span = plan.linked[child].correlation.timespan
            for each, reach in {**below[child], child: 0}.items():
                found[each] = max(found.get(each, 0), reach + span)
        below[version] = found
    return below


def reach_of(plan: Plan, below: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    """Return of each version how long (microseconds) after it left something out a window, also one above, may lack it.

    `below`: what `below_of` says of the plan.
    """
    reach = {version: linked.correlation.timespan for version, linked in plan.linked.items()}
    for version, lower in below.items():
        for each, until in lower.items():
            reach[each] = max(reach[each], until + plan.linked[version].correlation.timespan)
    return reach
