"""Correlations of correlations: what one that holds gives to another above it."""

import orjson

from correlator.correlation.feed import group_of, value_of
from correlator.correlation.hits import EVENT, Hit
from correlator.correlation.plan import Input, Linked


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
