"""What must be true for a rule to fire: for each field, atoms of which at least one has to hold of its value.

Sound, not complete: an event that lacks them cannot fire the rule; one that has them may not fire it either.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from correlator.engine.tree import Both, Either, Negated, Tree


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


def cover(tree: Tree, known: Mapping[int, Known]) -> Cover:
    """Return the clauses that a condition implies. Of an atom that is not `known` nothing can be asked beforehand."""
    match tree:
        case int():
            if tree not in known:
                return NOTHING
            field, frequency = known[tree]
            clause = Clause(frozenset((tree,)), frequency)
            return Cover({field: clause}, clause)
        case Both(parts):
            return _both([cover(part, known) for part in parts])
        case Either(parts):
            return _either([cover(part, known) for part in parts])
        case Negated():
            return NOTHING


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
