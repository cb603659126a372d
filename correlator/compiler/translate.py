"""pySigma's detections and values to neutral syntax."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any as Anything
from typing import Final

from sigma.conditions import ConditionAND
from sigma.exceptions import SigmaValueError
from sigma.modifiers import SigmaEndswithModifier, SigmaStartswithModifier
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
    SigmaRegularExpressionFlag,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
)

from correlator.compiler.modifiers import Cased
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
    Regex,
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
    | {"utf16", "utf16le", "utf16be", "wide", "expand", "cidr"}
)
_WILDCARDS: Final = {SpecialChars.WILDCARD_MULTI: Wildcard.ANY, SpecialChars.WILDCARD_SINGLE: Wildcard.ONE}
_RELATIONS: Final = {
    CompareOperators.LT: Relation.LT,
    CompareOperators.LTE: Relation.LTE,
    CompareOperators.GT: Relation.GT,
    CompareOperators.GTE: Relation.GTE,
}
_FLAGS: Final = {
    SigmaRegularExpressionFlag.IGNORECASE: re.IGNORECASE,
    SigmaRegularExpressionFlag.MULTILINE: re.MULTILINE,
    SigmaRegularExpressionFlag.DOTALL: re.DOTALL,
}
_ANCHORS: Final = {
    (False, False): Anchor.IS,
    (True, False): Anchor.STARTS,
    (False, True): Anchor.ENDS,
    (True, True): Anchor.CONTAINS,
}

_FOREIGN: Final = re.compile(r"\[:\^?[a-z]+:\]|(?<!\\)(?:\\\\)*\\Z")
"""What PCRE and Python both read, and differently: POSIX classes, and \\Z before a last newline."""


def texts(definition: Anything) -> Anything:
    """Write the numbers under a modifier of text as text: YAML made numbers of them, Sigma knows only strings."""
    if isinstance(definition, list):
        return [texts(each) for each in definition]
    if not isinstance(definition, dict):
        return definition
    return {
        key: _as_text(value) if _TEXT_MODIFIERS.intersection(str(key).split("|")[1:]) else texts(value)
        for key, value in definition.items()
    }


def _as_text(value: Anything) -> Anything:
    if isinstance(value, list):
        return [_as_text(each) for each in value]
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


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
    translated = partial(_value, definition, placeholders)
    node = _linked(tuple(map(translated, definition.value)), conjunction=definition.value_linking is ConditionAND)
    return Not(node) if definition.negated else node


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
    """Return the values that the placeholders make of one; each keeps the wildcards that its text has."""

    def replacements(placeholder: Placeholder) -> Iterator[SigmaString]:
        if not placeholders.get(placeholder.name):
            raise SigmaValueError(f"placeholder %{placeholder.name}% has no value; give it one in the settings")
        yield from (SigmaString(str(each)) for each in placeholders[placeholder.name])

    if isinstance(value, SigmaString):
        return value.replace_placeholders(replacements)
    if isinstance(value, SigmaRegularExpression):
        return value.replace_placeholders(replacements)
    return [value]


def _atom(definition: SigmaDetectionItem, value: SigmaType) -> Atom:
    if isinstance(value, SigmaString | SigmaBool) or type(value) is SigmaNumber:
        return _glob(definition, value)
    if isinstance(value, SigmaRegularExpression):
        return _regex(value)
    if isinstance(value, SigmaCIDRExpression):
        return Cidr(str(value.network))
    if definition.field is None:
        raise SigmaValueError(f"{type(value).__name__.removeprefix('Sigma')} must be bound to a field")
    return _bound(definition, value)


def _glob(definition: SigmaDetectionItem, value: SigmaString | SigmaBool | SigmaNumber) -> Glob:
    parts = _parts(value) if isinstance(value, SigmaString) else (str(value).lower(),)
    anchored = SigmaStartswithModifier in definition.modifiers or SigmaEndswithModifier in definition.modifiers
    if definition.field is None and not anchored:  # a keyword stands anywhere
        parts = (Wildcard.ANY, *parts, Wildcard.ANY)
    return Glob(parts, Cased in definition.modifiers)


def _parts(value: SigmaString) -> tuple[Part, ...]:
    return tuple(_WILDCARDS[part] if isinstance(part, SpecialChars) else str(part) for part in value.s)


def _regex(value: SigmaRegularExpression) -> Regex:
    flags = 0
    for flag in value.flags:
        flags |= _FLAGS[flag]
    pattern = value.regexp.to_plain_regex()
    if found := _FOREIGN.search(pattern):
        raise SigmaValueError(f"{found[0]} is not evaluated as PCRE means it; write a class like [a-z], or $")
    re.compile(pattern, flags)  # with its flags, and after its placeholders: pySigma checked it before them
    return Regex(pattern, flags)


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
            return TimePart(TimeUnit[value.timestamp_part.name], Relation.EQ, value.number)
        case SigmaCompareExpression(number=SigmaTimestampPart() as part):
            return TimePart(TimeUnit[part.timestamp_part.name], _RELATIONS[value.op], part.number)
        case SigmaCompareExpression():
            return Compare(_RELATIONS[value.op], value.number.number)
    raise SigmaValueError(f"values of the type {type(value).__name__} are not evaluated")
