"""Conditions rewritten: fields under the names that an event gives them; tests decided beforehand or numbered.

A filter's condition is one object in the conditions of all its rules, of which there may be thousands. So what is said
of a part is remembered by the part's identity (`known`, one a question) as long as the conditions are at hand.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
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


def tests(*conditions: Node) -> Iterator[Test]:
    """Yield every test of the conditions, those of a part that they share once."""
    left = list(conditions)
    seen: set[int] = set()
    while left:
        node = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        match node:
            case Test():
                yield node
            case Not(inner) | Named(_, inner):
                left.append(inner)
            case All(nodes) | Any(nodes):
                left += nodes


def among(tree: Tree, wanted: frozenset[int], known: dict[int, frozenset[int]]) -> frozenset[int]:
    """Return those of the wanted atoms that are in a condition."""
    if not wanted:
        return wanted
    if isinstance(tree, int):
        return wanted.intersection((tree,))
    if id(tree) not in known:
        parts = (tree.part,) if isinstance(tree, Negated) else tree.parts
        numbers = wanted.intersection([part for part in parts if isinstance(part, int)])
        rest = [among(part, wanted, known) for part in parts if not isinstance(part, int)]
        known[id(tree)] = numbers.union(*rest)
    return known[id(tree)]


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


def numbered(node: Node, leaf: Leaf, known: dict[int, Tree | bool]) -> Tree | bool:
    """Return the condition over numbers, or a verdict where what `leaf` decides decides it."""
    if isinstance(node, Test):
        return leaf(node)
    if id(node) not in known:
        known[id(node)] = _numbered(node, leaf, known)
    return known[id(node)]


def _numbered(node: Not | Named | All | Any, leaf: Leaf, known: dict[int, Tree | bool]) -> Tree | bool:
    match node:
        case Named(_, inner):
            return numbered(inner, leaf, known)
        case Not(inner):
            rest = numbered(inner, leaf, known)
            return not rest if isinstance(rest, bool) else Negated(rest)
        case All(nodes):
            return _joined((numbered(each, leaf, known) for each in nodes), Both, unit=True)
        case Any(nodes):
            return _joined((numbered(each, leaf, known) for each in nodes), Either, unit=False)


def _joined(parts: Iterable[Tree | bool], kind: type[Both] | type[Either], *, unit: bool) -> Tree | bool:
    """Join parts, up to one that decides: atoms of what follows it are not numbered, and so cost no column."""
    rest: list[Tree] = []
    for part in parts:
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
