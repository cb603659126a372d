"""What a condition's form alone decides: whether it can hold of any event, and whether it can fail.

Only what follows for certain is said: facts that must be so are carried through the tree until they contradict each
other or nothing is left to follow. No case is tried, so a contradiction that only trying would find is not found.
"""

from collections import defaultdict
from dataclasses import replace
from typing import Final

from correlator.engine.patterns import canonical
from correlator.syntax import All, Any, Exists, Glob, Named, Node, Not, Null, Test, Wildcard

MAX_COMPARED: Final = 24
"""Patterns of a field, known to hold or to fail, with which another one is compared."""


def decided(condition: Node) -> bool | None:
    """Return whether the condition holds of every event (True), of none (False), or neither can be told (None)."""
    node = _bare(condition)
    if _only_asks(node):
        return None
    if not _Facts().suppose(node, outcome=True):
        return False
    return None if _Facts().suppose(node, outcome=False) else True


def _only_asks(node: Node) -> bool:
    """Tell whether nothing in the tree excludes anything: then some event has it all, and an empty one nothing."""
    match node:
        case Test(_, atom):
            return atom not in (Null(), Exists(wanted=False))
        case All(nodes) | Any(nodes):
            return all(map(_only_asks, nodes))
    return False


def implies(stronger: Glob, weaker: Glob) -> bool:
    """Tell whether every text that one canonical pattern matches is matched by the other; False where unsure."""
    if stronger.cased is not weaker.cased or not stronger.parts:
        return stronger == weaker
    first, last = stronger.parts[0], stronger.parts[-1]
    match weaker.parts:
        case (Wildcard.ANY,):
            return True
        case (str(text), Wildcard.ANY):
            return isinstance(first, str) and first.startswith(text)
        case (Wildcard.ANY, str(text)):
            return isinstance(last, str) and last.endswith(text)
        case (Wildcard.ANY, str(text), Wildcard.ANY):
            return any(text in part for part in stronger.parts if isinstance(part, str))
    return stronger == weaker


def _bare(node: Node) -> Node:
    """Return the tree without selections' names, and what is one pattern written in one way."""
    match node:
        case Test(field, Glob() as glob):
            return Test(field, canonical(glob))
        case Named(_, inner):
            return _bare(inner)
        case Not(inner):
            return Not(_bare(inner))
        case All(nodes) | Any(nodes):
            return replace(node, nodes=tuple(map(_bare, nodes)))
    return node


class _Facts:
    """What must be so if the supposition is."""

    def __init__(self) -> None:
        self._known: dict[Node, bool] = {}
        self._globs: dict[str | None, list[tuple[Glob, bool]]] = defaultdict(list)
        self._open: list[tuple[All | Any, bool]] = []

    def suppose(self, node: Node, *, outcome: bool) -> bool:
        """Take in that the node has this outcome, and what follows; return whether it may be so."""
        return self._take(node, outcome=outcome) and self._settle()

    def _settle(self) -> bool:
        """Go over what is open until nothing more follows."""
        before = -1
        while before != len(self._known):
            before = len(self._known)
            for node, outcome in self._open:
                value = self._follows(node)
                left = [each for each in node.nodes if self._value(each) is None]
                if value is (not outcome):
                    return False
                if len(left) == 1 and value is None and not self._take(left[0], outcome=outcome):
                    return False
        return True

    def _take(self, node: Node, *, outcome: bool) -> bool:
        known = self._value(node)
        if known is (not outcome):
            return False
        self._known[node] = outcome
        match node:
            case Test():
                return self._take_test(node, outcome=outcome)
            case Not(inner):
                return self._take(inner, outcome=not outcome)
            case All(nodes) | Any(nodes):
                if isinstance(node, All) is outcome:
                    return all(self._take(each, outcome=outcome) for each in nodes)
                self._open.append((node, outcome))
        return True

    def _take_test(self, test: Test, *, outcome: bool) -> bool:
        field, atom = test.field, test.atom
        if isinstance(atom, Glob) and len(self._globs[field]) < MAX_COMPARED:
            self._globs[field].append((atom, outcome))
        if field is None or isinstance(atom, Exists) or not outcome:
            return not isinstance(atom, Exists) or self._take_presence(field, there=atom.wanted is outcome)
        held = {type(other) for other, held in self._globs[field] if held}
        if held and (isinstance(atom, Null) or self._known.get(Test(field, Null()))):
            return False  # null has no text
        return self._take_presence(field, there=True)

    def _take_presence(self, field: str | None, *, there: bool) -> bool:
        exists, absent = Test(field, Exists(wanted=True)), Test(field, Exists(wanted=False))
        if self._known.get(exists, there) is not there or self._known.get(absent, not there) is there:
            return False
        self._known[exists], self._known[absent] = there, not there
        return True

    def _value(self, node: Node) -> bool | None:
        """Return what is known of the node, or follows."""
        return self._known[node] if node in self._known else self._follows(node)

    def _follows(self, node: Node) -> bool | None:
        """Return what follows of the node from what is known of its parts."""
        match node:
            case Test():
                return self._value_of(node)
            case Not(inner):
                return None if (value := self._value(inner)) is None else not value
            case All(nodes):
                return _least([self._value(each) for each in nodes])
            case Any(nodes):
                return _most([self._value(each) for each in nodes])
        return None

    def _value_of(self, test: Test) -> bool | None:
        atom = test.atom
        if self._known.get(Test(test.field, Exists(wanted=False))):
            return False
        if not isinstance(atom, Glob):
            return None
        if self._known.get(Test(test.field, Null())):
            return False
        for other, held in self._globs[test.field]:
            if held and implies(other, atom):
                return True
            if not held and implies(atom, other):
                return False
        return None


def _least(values: list[bool | None]) -> bool | None:
    return False if False in values else None if None in values else True


def _most(values: list[bool | None]) -> bool | None:
    return True if True in values else None if None in values else False
