"""The numbered atoms of a route: which column each belongs to, and what the rules' conditions need of it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import or_
from typing import NamedTuple

from correlator.engine.cover import Cover, Known, cover
from correlator.engine.guard import Guarded, guarded
from correlator.engine.patterns import canonical, is_text
from correlator.engine.tree import Tree
from correlator.syntax import Atom, FieldRef, Glob, Test


class Masks(NamedTuple):
    """Rules as bits. `free`: without a clause on this field; `must`, `may`: atom to the rules of whose clause it is."""

    free: int
    must: Mapping[int, int]
    may: Mapping[int, int]


class Atlas:
    """Numbers tests while conditions are read, and tells what each column has to know."""

    def __init__(self) -> None:
        """Begin without atoms."""
        self._numbers: dict[Test, int] = {}
        self._known: dict[int, Known] = {}
        self._covers: dict[int, Cover] = {}

    def number(self, test: Test) -> int:
        """Return the number of a test; tests that are the same but for case have one."""
        atom = test.atom
        same = Test(test.field, canonical(atom)) if isinstance(atom, Glob) else test
        number = self._numbers.setdefault(same, len(self._numbers))
        if number not in self._known and not isinstance(atom, FieldRef):
            self._known[number] = Known(test.field, _frequency(same.atom))
        return number

    def columns(self) -> dict[str, dict[Atom, int]]:
        """Return the atoms of each field."""
        columns: dict[str, dict[Atom, int]] = {}
        for test, number in self._numbers.items():
            if test.field is not None and not isinstance(test.atom, FieldRef):
                columns.setdefault(test.field, {})[test.atom] = number
        return columns

    def keywords(self) -> dict[Atom, int]:
        """Return the atoms that any value of an event may satisfy."""
        return {test.atom: number for test, number in self._numbers.items() if test.field is None}

    def references(self) -> frozenset[int]:
        """Return the atoms that look from one field to another: no value decides them."""
        return frozenset(number for test, number in self._numbers.items() if isinstance(test.atom, FieldRef))

    def masks(self, trees: Sequence[Tree]) -> tuple[dict[str | None, Masks], int]:
        """Return the masks of each column (None: keywords), and the rules without a clause over several."""
        every = (1 << len(trees)) - 1
        sure = every
        columns = {known.field: _Drawn() for known in self._known.values()}
        for position, tree in enumerate(trees):
            bit = 1 << position
            implied = cover(tree, self._known, self._covers)
            for field, clause in implied.fields.items():
                columns[field].must[clause.atoms] |= bit
            if implied.rarest is None:
                continue
            if len(fields := {self._known[atom].field for atom in implied.rarest.atoms}) > 1:
                sure ^= bit
                for field in fields:
                    columns[field].may[implied.rarest.atoms] |= bit
        return {field: drawn.masks(every) for field, drawn in columns.items()}, sure

    def guarded(self, trees: Sequence[Tree]) -> Mapping[str | None, Guarded]:
        """Return the atoms of each field that need not be looked for at first."""
        texts = (number for test, number in self._numbers.items() if test.field is not None and is_text(test.atom))
        return guarded(trees, frozenset(texts), self._known, self._covers)


class _Drawn:
    """The rules of each clause: many have one with the same atoms, if a filter brings it."""

    def __init__(self) -> None:
        self.must: defaultdict[frozenset[int], int] = defaultdict(int)
        self.may: defaultdict[frozenset[int], int] = defaultdict(int)

    def masks(self, every: int) -> Masks:
        bound = reduce(or_, self.must.values(), 0)
        return Masks(every ^ bound, _by_atom(self.must), _by_atom(self.may))


def _by_atom(clauses: Mapping[frozenset[int], int]) -> dict[int, int]:
    masks: dict[int, int] = {}
    for atoms, rules in clauses.items():
        for atom in atoms:
            masks[atom] = masks[atom] | rules if atom in masks else rules  # most have one clause, and share its object
    return masks


def _frequency(atom: Atom) -> float:
    """Return a guess at how often an atom holds: the longer its text, the rarer."""
    if not isinstance(atom, Glob):
        return 0.2
    return 1.0 / (1 + max((len(part) for part in atom.parts if isinstance(part, str)), default=0))
