"""One field of a route: a value in, what it means for the route's rules out, remembered by the value."""

from collections.abc import Mapping
from typing import Any, Final

from correlator.engine.atlas import Masks
from correlator.engine.guard import UNGUARDED, Guarded
from correlator.engine.judge import Judge
from correlator.engine.memory import Memory
from correlator.engine.record import MAX_WHOLE
from correlator.syntax import Atom

MAX_MEMORISED: Final = 2048
"""Characters of the longest value that is remembered; longer ones seldom come twice."""


MISSING: Final = object()
"""What a column is asked for where an event lacks the field."""


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
    return value is None or (value.__class__ is int and abs(value) < MAX_WHOLE and value not in {0, 1})


class Column(dict[Any, Verdict]):
    """`column[value]` is the Verdict of a value. Raises TypeError for a list: `several` takes one."""

    def __init__(self, atoms: Mapping[Atom, int], masks: Masks, memory: Memory, guarded: Guarded = UNGUARDED) -> None:
        """Take the field's atoms, each with its number."""
        super().__init__()
        self.judge = Judge(atoms, memory, guarded)
        self._masks = masks
        self._memory = memory
        self._verdicts: dict[frozenset[int], Verdict] = {}

    def __missing__(self, value: Any) -> Verdict:
        """Judge a value and remember it."""
        if value is MISSING:
            verdict = self[value] = self.verdict(self.judge.absent)
            return verdict
        verdict = self.several(value)
        if is_key(value) and not self._memory.troubled:
            self[value] = verdict
            self._memory.took(100 + (len(value) if value.__class__ is str else 0))
        return verdict

    def several(self, value: Any) -> Verdict:
        """Return the Verdict of any value, without remembering it."""
        self._memory.judged += 1
        atoms = self.judge.of_value(value)
        return self._verdicts.get(atoms) or self.verdict(atoms)

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
