"""Texts that need not be looked for at first: they matter only where a rarer text of the same field stands too.

Short and common texts are what a search takes its time for, and rules ask for nearly all of them beside longer ones.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from correlator.engine.cover import Clause, Cover, Known, cover
from correlator.engine.tree import Both, Negated, Tree, among

RARE: Final = 1 / 11
"""How often a clause may hold, as is guessed, that spares looking for others: that of one text has ten characters."""

MAX_OPEN: Final = 64
"""Texts of one part of a condition that are followed to what may spare them; the others are always looked for."""

NONE: Final[frozenset[int]] = frozenset()


class Guarded(NamedTuple):
    """Atoms of a field that no condition needs where none of `by` holds of its value."""

    by: frozenset[int]
    atoms: frozenset[int]


UNGUARDED: Final = Guarded(NONE, NONE)


def guarded(
    trees: Iterable[Tree], texts: frozenset[int], atoms: Mapping[int, Known], covers: dict[int, Cover]
) -> dict[str | None, Guarded]:
    """Return those of the atoms `texts` that can wait, by field. `atoms`, `covers`: as in `cover`.

    Where none of `by` holds a condition is what it would be if none of `atoms` did: each stands in parts that need a
    clause that is rarer, and so do the clause's own atoms if they wait.
    """
    reading = _Reading(texts, atoms, covers)
    for tree in trees:
        reading.always |= reading.open(tree)
    return reading.guarded()


class _Reading:
    """Conditions being read. `always`: atoms that stand where nothing spares them."""

    def __init__(self, texts: frozenset[int], atoms: Mapping[int, Known], covers: dict[int, Cover]) -> None:
        self.always: set[int] = set()
        self._texts = texts
        self._atoms = atoms
        self._covers = covers
        self._clauses: defaultdict[int, set[frozenset[int]]] = defaultdict(set)
        self._open: dict[int, frozenset[int]] = {}
        self._among: dict[int, frozenset[int]] = {}

    def open(self, tree: Tree) -> frozenset[int]:
        """Return the texts of a part that nothing within the part spares."""
        if isinstance(tree, int):
            return self._texts.intersection((tree,))
        if id(tree) not in self._open:
            self._open[id(tree)] = self._bounded(tree)
        return self._open[id(tree)]

    def _bounded(self, tree: Tree) -> frozenset[int]:
        found = self._left(tree)
        if len(found) <= MAX_OPEN:
            return found
        self.always |= found
        return NONE

    def _left(self, tree: Tree) -> frozenset[int]:
        if isinstance(tree, int | Negated):  # what is negated is a filter, nearly always: long, and of many rules
            self.always |= among(tree, self._texts, self._among)
            return NONE
        found = NONE.union(*map(self.open, tree.parts))
        if not isinstance(tree, Both):
            return found
        clauses = cover(tree, self._atoms, self._covers).fields
        return frozenset(atom for atom in found if not self._spared(atom, clauses))

    def _spared(self, atom: int, clauses: Mapping[str | None, Clause]) -> bool:
        field, frequency = self._atoms[atom]
        clause = clauses.get(field)
        if (
            clause is None
            or clause.frequency > RARE
            or clause.frequency >= frequency
            or not clause.atoms <= self._texts
        ):
            return False
        self._clauses[atom].add(clause.atoms)
        return True

    def guarded(self) -> dict[str | None, Guarded]:
        waiting = frozenset(self._clauses).difference(self.always)
        fields: defaultdict[str | None, Guarded] = defaultdict(lambda: UNGUARDED)
        for atom in waiting:
            field = self._atoms[atom].field
            by, atoms = fields[field]
            fields[field] = Guarded(by.union(*self._clauses[atom]) - waiting, atoms | {atom})
        return fields
