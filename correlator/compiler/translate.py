"""pySigma's detections and values to neutral syntax."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any as Anything
from typing import Final

import orjson
from sigma.conditions import ConditionAND
from sigma.exceptions import SigmaValueError
from sigma.modifiers import SigmaEndswithModifier, SigmaExpandModifier, SigmaStartswithModifier
from sigma.rule import SigmaDetection, SigmaDetectionItem
from sigma.types import (
    CompareOperators,
    Placeholder,
    SigmaBool,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from correlator.compiler.expression import quoted, regex
from correlator.compiler.modifiers import (
    Base64,
    Base64Offset,
    Cased,
    Network,
    Utf16,
    Utf16Be,
    Utf16Le,
    WindowsDash,
)
from correlator.syntax import (
    All,
    Anchor,
    Any,
    Atom,
    Cidr,
    Compare,
    Exists,
    FieldRef,
    Glob,
    Node,
    Not,
    Null,
    Part,
    Relation,
    Test,
    TimePart,
    TimeUnit,
    Wildcard,
)

Placeholders = Mapping[str, Sequence[str | int]]
"""What `expand` puts in place of %name%: one of these values."""

_TEXT_MODIFIERS: Final = frozenset(
    {"contains", "startswith", "endswith", "re", "cased", "windash", "base64", "base64offset"}
    | {"utf16", "utf16le", "utf16be", "wide", "expand", "cidr", "fieldref"}
)
_WILDCARDS: Final = {SpecialChars.WILDCARD_MULTI: Wildcard.ANY, SpecialChars.WILDCARD_SINGLE: Wildcard.ONE}
_RELATIONS: Final = {
    CompareOperators.LT: Relation.LT,
    CompareOperators.LTE: Relation.LTE,
    CompareOperators.GT: Relation.GT,
    CompareOperators.GTE: Relation.GTE,
}
_ANCHORS: Final = {
    (False, False): Anchor.IS,
    (True, False): Anchor.STARTS,
    (False, True): Anchor.ENDS,
    (True, True): Anchor.CONTAINS,
}

_LIMITS: Final = {
    TimeUnit.MINUTE: (0, 59),
    TimeUnit.HOUR: (0, 23),
    TimeUnit.DAY: (1, 31),
    TimeUnit.WEEK: (1, 53),
    TimeUnit.MONTH: (1, 12),
    TimeUnit.YEAR: (1, 9999),
}
_ENCODINGS: Final = {Base64, Base64Offset, Utf16, Utf16Be, Utf16Le}


def texts(definition: Anything) -> Anything:
    """Write the numbers and booleans under a modifier of text as text: YAML made them, Sigma knows only strings.

    Names of fields are text, too. Raises SigmaValueError where `re` is given no text.
    """
    if isinstance(definition, list):
        return [texts(each) for each in definition]
    if not isinstance(definition, dict):
        return definition
    return {_as_text(key): _under(str(key).split("|")[1:], value) for key, value in definition.items()}


def _under(modifiers: Sequence[str], value: Anything) -> Anything:
    if not _TEXT_MODIFIERS.intersection(modifiers):
        return texts(value)
    made = [_as_text(each) for each in value] if isinstance(value, list) else _as_text(value)
    if "re" in modifiers and not all(isinstance(each, str) for each in (made if isinstance(made, list) else [made])):
        raise SigmaValueError("re needs a text")
    return made


def _as_text(value: Anything) -> Anything:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text_of(value) if isinstance(value, int | float) else value


def _text_of(number: float) -> str:
    """Return a number's text, as an event's numbers are written."""
    return str(number) if isinstance(number, int) else orjson.dumps(number).decode()


def detection(definition: SigmaDetection, placeholders: Placeholders) -> Node:
    """Return a selection's tree. Raises SigmaValueError where a value cannot be evaluated."""
    nodes = tuple(
        item(each, placeholders) if isinstance(each, SigmaDetectionItem) else detection(each, placeholders)
        for each in definition.detection_items
    )
    return _linked(nodes, conjunction=definition.item_linking is ConditionAND)


def item(definition: SigmaDetectionItem, placeholders: Placeholders) -> Node:
    """Return one field's tree, or one list of keywords'. Raises SigmaValueError."""
    if not definition.value:
        raise SigmaValueError("an empty list of values; write null or '' if that is meant")
    _check_placeholders(definition.modifiers)
    translated = partial(_value, definition, placeholders)
    node = _linked(tuple(map(translated, definition.value)), conjunction=definition.value_linking is ConditionAND)
    return Not(node) if definition.negated else node


def _check_placeholders(modifiers: Sequence[type]) -> None:
    """Refuse what would leave a placeholder's values as they are: they are put in after all other modifiers."""
    if SigmaExpandModifier not in modifiers:
        return
    later = modifiers[modifiers.index(SigmaExpandModifier) :]
    if _ENCODINGS.intersection(modifiers) or WindowsDash in later:
        raise SigmaValueError("a placeholder's values cannot be encoded, nor their dashes changed; write them out")


def _linked(nodes: tuple[Node, ...], *, conjunction: bool) -> Node:
    if len(nodes) == 1:
        return nodes[0]
    return All(nodes) if conjunction else Any(nodes)


def _value(definition: SigmaDetectionItem, placeholders: Placeholders, value: SigmaType) -> Node:
    if isinstance(value, SigmaExpansion):  # what a modifier made of one value: any of them
        return _linked(tuple(_value(definition, placeholders, each) for each in value.values), conjunction=False)
    resolved = _resolved(value, placeholders)
    return _linked(tuple(Test(definition.field, _atom(definition, each)) for each in resolved), conjunction=False)


def _resolved(value: SigmaType, placeholders: Placeholders) -> Sequence[SigmaType]:
    """Return the alternatives that one value stands for: texts of a number or boolean, values of its placeholders."""
    match value:
        case SigmaBool():
            return [SigmaString.from_str(_as_text(value.boolean))]
        case SigmaNumber() if not isinstance(value, SigmaTimestampPart):
            return [SigmaString.from_str(text) for text in _texts_of(value.number)]
        case SigmaString():
            return value.replace_placeholders(partial(_replacements, placeholders))
        case SigmaRegularExpression():
            return value.replace_placeholders(lambda name: map(quoted, _replacements(placeholders, name)))
    return [value]


def _texts_of(number: float) -> Sequence[str]:
    """Return how a number may be written in an event: 6.0 is 6, too."""
    whole = isinstance(number, float) and number.is_integer()
    return (str(int(number)), _text_of(number)) if whole else (_text_of(number),)


def _replacements(placeholders: Placeholders, placeholder: Placeholder) -> Iterator[SigmaString]:
    """Yield a placeholder's values; each keeps the wildcards that its text has."""
    if not placeholders.get(placeholder.name):
        raise SigmaValueError(f"placeholder %{placeholder.name}% has no value; give it one in the settings")
    yield from (SigmaString(str(each)) for each in placeholders[placeholder.name])


def _atom(definition: SigmaDetectionItem, value: SigmaType) -> Atom:
    if isinstance(value, SigmaString) and Network in definition.modifiers:  # its placeholders are resolved now
        value = SigmaCIDRExpression(str(value))
    if isinstance(value, SigmaString):
        return _glob(definition, value)
    if isinstance(value, SigmaRegularExpression):
        return regex(value, definition.modifiers)
    if isinstance(value, SigmaCIDRExpression):
        return Cidr(str(value.network))
    if definition.field is None:
        raise SigmaValueError(f"{type(value).__name__.removeprefix('Sigma')} must be bound to a field")
    return _bound(definition, value)


def _glob(definition: SigmaDetectionItem, value: SigmaString) -> Glob:
    parts = _parts(value)
    anchored = SigmaStartswithModifier in definition.modifiers or SigmaEndswithModifier in definition.modifiers
    if definition.field is None and not anchored:  # a keyword stands anywhere
        parts = (Wildcard.ANY, *parts, Wildcard.ANY)
    return Glob(parts, Cased in definition.modifiers)


def _parts(value: SigmaString) -> tuple[Part, ...]:
    return tuple(_WILDCARDS[part] if isinstance(part, SpecialChars) else str(part) for part in value.s)


def _bound(definition: SigmaDetectionItem, value: SigmaType) -> Atom:
    match value:
        case SigmaNull():
            return Null()
        case SigmaExists():
            return Exists(bool(value))
        case SigmaFieldReference():
            anchor = _ANCHORS[value.starts_with, value.ends_with]
            return FieldRef(value.field, anchor, Cased in definition.modifiers)
        case SigmaTimestampPart():
            return _time_part(definition, value, Relation.EQ)
        case SigmaCompareExpression(number=SigmaTimestampPart() as part):
            return _time_part(definition, part, _RELATIONS[value.op])
        case SigmaCompareExpression():
            return Compare(_RELATIONS[value.op], value.number.number)
    raise SigmaValueError(f"values of the type {type(value).__name__} are not evaluated")


def _time_part(definition: SigmaDetectionItem, part: SigmaTimestampPart, relation: Relation) -> TimePart:
    unit = TimeUnit[part.timestamp_part.name]
    written = [each.number for each in definition.original_value or () if isinstance(each, SigmaNumber)]
    if not all(float(number).is_integer() for number in written):  # pySigma cut the fraction off
        raise SigmaValueError(f"{unit.value}: a whole number is expected")
    least, greatest = _LIMITS[unit]
    if relation is Relation.EQ and not least <= part.number <= greatest:
        raise SigmaValueError(f"{unit.value} is never {part.number}; it is {least} to {greatest}")
    return TimePart(unit, relation, part.number)
