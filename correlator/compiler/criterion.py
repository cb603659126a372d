"""The condition of a correlation: what is written in, what must be true of a window out, by the correlation's type."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from correlator.compiler.locate import Refused
from correlator.compiler.relation import RelationError, parse
from correlator.correlation.rule import Bound, Condition, Kind

MAX_FIELDS: Final = 32
MAX_FIELD: Final = 256
"""Fields of one condition or group-by, and aliases; characters of a field's name."""

TEMPORAL: Final = frozenset({Kind.TEMPORAL, Kind.TEMPORAL_ORDERED})
_VALUES: Final = frozenset(Kind) - TEMPORAL - {Kind.EVENT_COUNT}

_PLACE: Final = ("correlation", "condition")
_KEYS: Final = (*(bound.value for bound in Bound), "field", "percentile")
_WHOLE: Final = 100
"""The highest percentile."""

_EXACT: Final = 2**53
"""Up to it a float holds every whole number."""

_NEEDED: Final = "a {} correlation needs a condition, for example 'condition: {{{}gte: 10}}'"
_NO_PERCENTILE: Final = (
    "value_percentile needs 'percentile' in its condition, a number from 0 to 100: which percentile of the field the"
    " comparison is about, for example 'percentile: 95'"
)


def condition(kind: Kind, written: Any, rules: Sequence[str]) -> tuple[Condition, tuple[str, ...]]:
    """Return the condition, and the rules that its numbers mean: `rules`, or where none are listed those that it names.

    Raises Refused with the key at fault.
    """
    if written is None and kind in TEMPORAL:
        return Condition(), tuple(rules)
    if isinstance(written, str):
        return _expression(kind, written, rules)
    if not isinstance(written, dict):
        field = "field: User, " if kind in _VALUES else ""
        raise Refused(_NEEDED.format(kind, field), *_place(written is not None))
    for key in written:
        if key not in _KEYS:
            raise Refused(f"{key!r} is no key of a condition; it has {', '.join(_KEYS)}", *_PLACE, str(key))
    read = Condition(_bounds(written), _fields(kind, written), _percentile(kind, written))
    return read, tuple(rules)


def field_names(written: Any, what: str, *path: str | int) -> tuple[str, ...]:
    """Return one field or a list of fields, none twice. Raises Refused with `path`, and the position in a list."""
    names: dict[str, None] = {}
    listed = written if isinstance(written, list) else [written]
    if len(listed) > MAX_FIELDS:
        raise Refused(f"{what} names more than {MAX_FIELDS} fields", *path)
    for number, each in enumerate(listed):
        place = (*path, number) if isinstance(written, list) else path
        if (name := field_name(each, what, *place)) in names:
            raise Refused(f"{what} names {name!r} twice; remove one", *place)
        names[name] = None
    return tuple(names)


def field_name(written: Any, what: str, *path: str | int) -> str:
    """Return a field's name; a number is one too. Raises Refused with `path` where it is none."""
    name = str(written) if isinstance(written, int) and not isinstance(written, bool) else written
    if not isinstance(name, str) or not name:
        raise Refused(f"{what} must be a field's name, or a list of such", *path)
    if len(name) > MAX_FIELD:
        raise Refused(f"{what} names a field of more than {MAX_FIELD} characters", *path)
    return name


def _place(there: bool) -> tuple[str, ...]:
    return _PLACE if there else _PLACE[:1]


def _expression(kind: Kind, written: str, rules: Sequence[str]) -> tuple[Condition, tuple[str, ...]]:
    if kind is not Kind.TEMPORAL:
        why = "an expression has no order" if kind is Kind.TEMPORAL_ORDERED else "the type compares a number"
        raise Refused(f"a condition of rules with and, or, not belongs to 'type: temporal': {why}", *_PLACE)
    try:
        expression, named = parse(written, rules)
    except RelationError as error:
        raise Refused(str(error), *_PLACE) from None
    return Condition(expression=expression), named


def _bounds(written: Mapping[str, Any]) -> tuple[tuple[Bound, int | float], ...]:
    found = tuple((bound, _number(written[bound], bound)) for bound in Bound if bound in written)
    if not found:
        raise Refused(f"the condition compares with nothing; add one of {', '.join(Bound)}", *_PLACE)
    return found


def _number(value: Any, key: str) -> int | float:
    """Return a number; a whole one is an int, however it is written: 10.0 is 10, and no other state.

    Raises Refused for what is none, is not finite, or no float can hold.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        hint = "; write it without quotes" if isinstance(value, str) else ""
        raise Refused(f"{key} must be a number{hint}", *_PLACE, key)
    try:
        finite = math.isfinite(value)
    except OverflowError:
        finite = False
    if not finite:
        raise Refused(f"{key} must be a finite number", *_PLACE, key)
    return int(value) if abs(value) <= _EXACT and value == int(value) else value


def _fields(kind: Kind, written: Mapping[str, Any]) -> tuple[str, ...]:
    if kind not in _VALUES:
        if "field" in written:
            raise Refused(f"{kind} looks at no field; leave it out, or use a value_ type", *_PLACE, "field")
        return ()
    if written.get("field") in (None, []):
        raise Refused(f"{kind} needs 'field' in its condition: which field's values are meant", *_PLACE)
    names = field_names(written["field"], "field", *_PLACE, "field")
    if len(names) > 1 and kind is not Kind.VALUE_COUNT:
        raise Refused(f"{kind} looks at one field; only value_count takes several", *_PLACE, "field")
    return names


def _percentile(kind: Kind, written: Mapping[str, Any]) -> float | None:
    if kind is not Kind.VALUE_PERCENTILE:
        if "percentile" in written:
            raise Refused(f"{kind} has no percentile; use 'type: value_percentile'", *_PLACE, "percentile")
        return None
    if written.get("percentile") is None:
        raise Refused(_NO_PERCENTILE, *_PLACE)
    value = _number(written["percentile"], "percentile")
    if not 0 <= value <= _WHOLE:
        raise Refused("percentile must be from 0 to 100", *_PLACE, "percentile")
    return float(value)
