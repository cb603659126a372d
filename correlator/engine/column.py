"""One field of a route: a value in, the atoms that hold of it out, remembered by the value."""

from collections.abc import Mapping
from time import perf_counter
from typing import Any, Final

from correlator.engine.atlas import Masks
from correlator.engine.atoms import check_of
from correlator.engine.expressions import Expressions
from correlator.engine.memory import Memory
from correlator.engine.needles import Needles
from correlator.engine.patterns import EDGE, Look, sort
from correlator.engine.record import MAX_WHOLE, text_of
from correlator.engine.text import Check, fold
from correlator.syntax import Atom, Cidr, Compare, Exists, Glob, Null, Regex, TimePart

MAX_MEMORISED: Final = 2048
"""Characters of the longest value that is remembered; longer ones seldom come twice."""

NONE: Final[frozenset[int]] = frozenset()


class Verdict:
    """What a value of one field means for the rules of its route; one object for each set of atoms.

    `must`: the rules that it does not rule out, `may`: those for which it satisfies the clause over several fields.
    """

    __slots__ = ("atoms", "may", "must")

    def __init__(self, atoms: frozenset[int], must: int, may: int) -> None:
        """Take the sets, rules as bits."""
        self.atoms = atoms
        self.must = must
        self.may = may


def is_key(value: Any, longest: int = MAX_MEMORISED) -> bool:
    """Tell whether a dictionary may have the value as a key, and take no value of another text for it.

    It takes True for 1 and 1e15 for the integer; bounded in length.
    """
    if value.__class__ is str:
        return len(value) <= longest
    return value is None or (value.__class__ is int and abs(value) < MAX_WHOLE and value not in (0, 1))


class Column(dict[Any, Verdict]):
    """`column[value]` is the Verdict of a value. Raises TypeError for a list: `several` takes one."""

    def __init__(self, atoms: Mapping[Atom, int], masks: Masks, memory: Memory) -> None:
        """Take the field's atoms, each with its number."""
        super().__init__()
        self._masks = masks
        self._memory = memory
        self._verdicts: dict[frozenset[int], Verdict] = {}
        present = frozenset(number for atom, number in atoms.items() if atom == Exists(True))
        self._present = present
        self._null = present | {number for atom, number in atoms.items() if isinstance(atom, Null)}
        self._absent = frozenset(number for atom, number in atoms.items() if atom == Exists(False))
        self._patterns = sort({atom: number for atom, number in atoms.items() if isinstance(atom, Glob)})
        self._needles = Needles(self._patterns.needles) if self._patterns.needles else None
        self._looked = frozenset(self._patterns.looks)
        self._only = frozenset(number for number in self._patterns.needles.values() if number < 0)
        self._expressions = Expressions({atom: number for atom, number in atoms.items() if isinstance(atom, Regex)})
        self._always = self._patterns.always + [
            Look(n, check_of(atom), cased=True)
            for atom, n in atoms.items()
            if isinstance(atom, Cidr | Compare | TimePart)
        ]

        looks = (look for each in self._patterns.looks.values() for look in each)
        self.costly = frozenset(look.number for look in (*looks, *self._always)) | self._expressions.numbers
        """The atoms that need a second look, and the seconds that it took so far."""
        self.seconds = dict.fromkeys(self.costly, 0.0)
        self._risky = bool(self._looked or self._always or self._expressions)

    def __missing__(self, value: Any) -> Verdict:
        """Judge a value and remember it."""
        verdict = self.several(value)
        self._memory.judged += 1
        if is_key(value):
            self[value] = verdict
            self._memory.took(100 + (len(value) if value.__class__ is str else 0))
        return verdict

    def several(self, value: Any) -> Verdict:
        """Return the Verdict of any value, without remembering it."""
        return self.verdict(self._hits(value))

    def absent(self) -> Verdict:
        """Return what it means that an event lacks the field."""
        return self.verdict(self._absent)

    def verdict(self, atoms: frozenset[int]) -> Verdict:
        """Return the one Verdict of a set of atoms."""
        known = self._verdicts.get(atoms)
        if known is None:
            must, may = self._masks.free, 0
            for atom in atoms:
                must |= self._masks.must.get(atom, 0)
                may |= self._masks.may.get(atom, 0)
            known = self._verdicts[atoms] = Verdict(atoms, must, may)
            self._memory.took(400 + 32 * len(atoms))
        return known

    def forget(self) -> None:
        """Drop everything that was remembered."""
        self.clear()
        self._verdicts.clear()

    def _hits(self, value: Any) -> frozenset[int]:
        text = text_of(value)
        if text is None:
            return self._null
        hits = self._hits_of(text) if text.__class__ is str else NONE.union(*map(self._hits_of, text))
        return hits | self._present if self._present else hits

    def _hits_of(self, text: str) -> frozenset[int]:
        folded = fold(text)
        hits = NONE if self._needles is None else self._needles.found(EDGE + folded + EDGE)
        exact = self._patterns.exact.get(folded)
        if exact is not None:
            hits |= {exact}
        if EDGE in folded:
            hits = self._edged(hits, folded)
        if self._risky:
            self._memory.timer.arm()
        if self._looked or self._always:
            hits = self._second_look(hits, text, folded)
        if self._expressions:
            searched = self._expressions.candidates(text)
            hits = hits.union(number for number, search in searched if self._timed(number, search, text))
        return hits

    def _second_look(self, hits: frozenset[int], text: str, folded: str) -> frozenset[int]:
        brought = hits & self._looked
        if not brought and not self._always:
            return hits
        looks = [*self._always, *(look for number in brought for look in self._patterns.looks[number])]
        sure = [look.number for look in looks if self._timed(look.number, look.check, text if look.cased else folded)]
        return (hits - self._only).union(sure)

    def _timed(self, number: int, check: Check, text: str) -> bool:
        begun = perf_counter()
        held = check(text)
        self.seconds[number] += perf_counter() - begun
        return held

    def _edged(self, hits: frozenset[int], folded: str) -> frozenset[int]:
        """Drop what was found only because the text itself has the character that marks its edges."""
        edged = self._patterns.edged
        return frozenset(n for n in hits if n not in edged or edged[n]()(folded))
