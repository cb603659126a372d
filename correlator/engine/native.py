"""A rule's condition as one kind of event says it: that event's names, values, and devices for drives."""

import re
from collections.abc import Iterator
from typing import Final

from correlator.engine.tree import renamed
from correlator.syntax import All, Any, Glob, Named, Node, Not, Part, Test, Wildcard
from soc.taxonomy import Native
from soc.taxonomy.naming import DEVICES, SAME

_DRIVE: Final = re.compile(r"[A-Za-z]?:(?=\\)")
_ALWAYS: Final = All(())
_NEVER: Final = Any(())


def as_native(node: Node, how: Native, known: dict[tuple[int, int], Node]) -> Node:
    """Return the condition over the fields and values that such events have. `known`: as in `tree`, for each `how`."""
    if how == SAME:
        return node
    key = id(node), id(how)
    if key not in known:
        match node:
            case All(nodes):
                known[key] = All(tuple(as_native(each, how, known) for each in nodes))
            case _:
                known[key] = _native(node, how)
    return known[key]


def _native(node: Node, how: Native) -> Node:
    if how.values or how.devices or how.unknown:
        node = _said(node, how, excused=False)
    return renamed(node, how.names) if how.names else node


def _said(node: Node, how: Native, *, excused: bool) -> Node:
    """Return the node with the event's values. `excused`: it stands under an odd number of `not`."""
    match node:
        case Test():
            return _test(node, how, excused=excused)
        case Not(inner):
            return Not(_said(inner, how, excused=not excused))
        case Named(name, inner):
            return Named(name, _said(inner, how, excused=excused))
        case All(nodes):
            return All(tuple(_said(each, how, excused=excused) for each in nodes))
        case Any(nodes):
            return Any(tuple(_said(each, how, excused=excused) for each in nodes))


def _test(test: Test, how: Native, *, excused: bool) -> Node:
    if test.field in how.unknown:
        return _ALWAYS if excused else _NEVER
    match test:
        case Test(str(field), Glob() as pattern):
            patterns = tuple(_patterns(field, pattern, how))
            return test if patterns == (pattern,) else Any(tuple(Test(field, each) for each in patterns))
    return test


def _patterns(field: str, pattern: Glob, how: Native) -> Iterator[Glob]:
    match pattern.parts:
        case (str(value),) if natives := how.values.get(field, {}).get(value.lower()):
            for each in natives:
                yield Glob((each,))
        case (str(text), *rest) if field in how.devices and (drive := _DRIVE.match(text)):
            yield from _on_devices((), text[drive.end() :], rest, cased=pattern.cased)
        case (Wildcard.ANY, str(text), *rest) if field in how.devices and (drive := _DRIVE.match(text)):
            yield from _on_devices((Wildcard.ANY,), text[drive.end() :], rest, cased=pattern.cased)
        case _:
            yield pattern


def _on_devices(before: tuple[Part, ...], path: str, rest: list[Part], *, cased: bool) -> Iterator[Glob]:
    for device in DEVICES:
        name = device.rstrip("?")
        digits = (Wildcard.ONE,) * (len(device) - len(name))
        yield Glob((*before, name, *digits, path, *rest), cased)
