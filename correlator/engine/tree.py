"""Conditions rewritten: fields under the names that an event gives them; tests decided beforehand or numbered."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

from correlator.syntax import All, Any, FieldRef, Named, Node, Not, Test


class Both(NamedTuple):
    """Every part holds."""

    parts: tuple["Tree", ...]


class Either(NamedTuple):
    """At least one part holds."""

    parts: tuple["Tree", ...]


class Negated(NamedTuple):
    """The part does not hold."""

    part: "Tree"


Tree = int | Both | Either | Negated
"""A condition over numbered atoms."""

Leaf = Callable[[Test], int | bool]
"""A test's number, or whether it holds of every event of some kind (True) or of none (False)."""


def tests(node: Node) -> Iterator[Test]:
    """Yield every test of a condition."""
    match node:
        case Test():
            yield node
        case Not(inner) | Named(_, inner):
            yield from tests(inner)
        case All(nodes) | Any(nodes):
            for each in nodes:
                yield from tests(each)


def leaves(tree: Tree) -> Iterator[int]:
    """Yield every atom's number in a condition."""
    match tree:
        case int():
            yield tree
        case Negated(part):
            yield from leaves(part)
        case Both(parts) | Either(parts):
            for part in parts:
                yield from leaves(part)


def renamed(node: Node, names: Mapping[str, str]) -> Node:
    """Return the condition with each field that is a key of `names` under the name beside it."""
    match node:
        case Test(field, atom):
            if isinstance(atom, FieldRef):
                atom = replace(atom, other=names.get(atom.other, atom.other))
            return Test(field if field is None else names.get(field, field), atom)
        case Not(inner):
            return Not(renamed(inner, names))
        case Named(name, inner):
            return Named(name, renamed(inner, names))
        case All(nodes):
            return All(tuple(renamed(each, names) for each in nodes))
        case Any(nodes):
            return Any(tuple(renamed(each, names) for each in nodes))


def numbered(node: Node, leaf: Leaf) -> Tree | bool:
    """Return the condition over numbers, or a verdict where what `leaf` decides decides it."""
    match node:
        case Test():
            return leaf(node)
        case Named(_, inner):
            return numbered(inner, leaf)
        case Not(inner):
            rest = numbered(inner, leaf)
            return not rest if isinstance(rest, bool) else Negated(rest)
        case All(nodes):
            return _joined(nodes, leaf, Both, unit=True)
        case Any(nodes):
            return _joined(nodes, leaf, Either, unit=False)


def _joined(nodes: tuple[Node, ...], leaf: Leaf, kind: type[Both] | type[Either], *, unit: bool) -> Tree | bool:
    rest: list[Tree] = []
    for node in nodes:
        part = numbered(node, leaf)
        if isinstance(part, bool):
            if part is not unit:
                return part
        elif isinstance(part, kind):
            rest += part.parts
        else:
            rest.append(part)
    if not rest:
        return unit
    return rest[0] if len(rest) == 1 else kind(tuple(rest))
