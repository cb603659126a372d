"""What must be true for a rule to fire: for each field, atoms of which at least one has to hold of its value.

Sound, not complete: an event that lacks them cannot fire the rule; one that has them may not fire it either.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from correlator.engine.tree import Both, Negated, Tree


class Clause(NamedTuple):
    """Atoms of which at least one holds whenever the condition does, and a guess at how often one of them does."""

    atoms: frozenset[int]
    frequency: float


class Cover(NamedTuple):
    """A clause a field, where there is one, and the rarest of all, which may look at several fields."""

    fields: Mapping[str | None, Clause]
    rarest: Clause | None


class Known(NamedTuple):
    """What is known of an atom: the field that it looks at (None: any), and how often it may hold."""

    field: str | None
    frequency: float


NOTHING: Final = Cover({}, None)


def cover(tree: Tree, atoms: Mapping[int, Known], known: dict[int, Cover]) -> Cover:
    """Return the clauses that a condition implies. Of an atom that is not in `atoms` nothing can be asked beforehand.

    `known`: as in `tree`.
    """
    if isinstance(tree, Negated):
        return NOTHING
    if isinstance(tree, int):
        return _cover(tree, atoms)
    if id(tree) not in known:
        parts = [cover(part, atoms, known) for part in tree.parts]
        known[id(tree)] = _both(parts) if isinstance(tree, Both) else _either(parts)
    return known[id(tree)]


def _cover(number: int, atoms: Mapping[int, Known]) -> Cover:
    if number not in atoms:
        return NOTHING
    field, frequency = atoms[number]
    clause = Clause(frozenset((number,)), frequency)
    return Cover({field: clause}, clause)


def _both(inner: list[Cover]) -> Cover:
    fields: dict[str | None, Clause] = {}
    for each in inner:
        for field, clause in each.fields.items():
            if field not in fields or clause.frequency < fields[field].frequency:
                fields[field] = clause
    rarest = [each.rarest for each in inner if each.rarest is not None]
    return Cover(fields, min(rarest, key=lambda clause: clause.frequency, default=None))


def _either(inner: list[Cover]) -> Cover:
    shared = set(inner[0].fields).intersection(*(each.fields for each in inner[1:]))
    fields = {field: _union([each.fields[field] for each in inner]) for field in shared}
    rarest = [each.rarest for each in inner if each.rarest is not None]
    return Cover(fields, _union(rarest) if len(rarest) == len(inner) else None)


def _union(clauses: list[Clause]) -> Clause:
    atoms: frozenset[int] = frozenset()
    return Clause(atoms.union(*(c.atoms for c in clauses)), sum(c.frequency for c in clauses))
