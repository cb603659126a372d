"""A condition over numbered atoms as a closure."""

from collections.abc import Callable

from correlator.engine.tree import Both, Either, Negated, Tree

Decision = Callable[[frozenset[int]], bool]
"""Whether the condition holds of an event of which just these atoms hold."""


def decision(tree: Tree, known: dict[int, Decision]) -> Decision:
    """Compile one part, and so its tree. `known`: as in `tree`."""
    if isinstance(tree, int):
        return lambda atoms: tree in atoms
    if id(tree) not in known:
        known[id(tree)] = _decision(tree, known)
    return known[id(tree)]


def _decision(tree: Negated | Either | Both, known: dict[int, Decision]) -> Decision:
    match tree:
        case Negated(part):
            holds = decision(part, known)
            return lambda atoms: not holds(atoms)
        case Either(parts):
            return _either(parts, known)
        case Both(parts):
            return _both(parts, known)


def _either(parts: tuple[Tree, ...], known: dict[int, Decision]) -> Decision:
    several = frozenset(part for part in parts if isinstance(part, int))
    rest = [decision(part, known) for part in parts if not isinstance(part, int)]

    def holds(atoms: frozenset[int]) -> bool:
        if not several.isdisjoint(atoms):
            return True
        for each in rest:  # noqa: SIM110 - any() with a generator costs twice as much here
            if each(atoms):
                return True
        return False

    return holds if rest else lambda atoms: not several.isdisjoint(atoms)


def _both(parts: tuple[Tree, ...], known: dict[int, Decision]) -> Decision:
    several = frozenset(part for part in parts if isinstance(part, int))
    rest = [decision(part, known) for part in parts if not isinstance(part, int)]

    def holds(atoms: frozenset[int]) -> bool:
        if not several <= atoms:
            return False
        for each in rest:  # noqa: SIM110 - as above
            if not each(atoms):
                return False
        return True

    return holds if rest else several.issubset
