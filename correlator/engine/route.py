"""The rules that see one kind of event (a logsource and perhaps an EventID), and which of them fire on it.

Each field's value becomes a Verdict (`column`). The tuple of verdicts decides which rules fire, and is remembered with
the answer. A tuple that is new is decided in two steps: bit masks rule out nearly every rule, then the conditions of
those that are left are evaluated over the atoms that hold.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import combinations
from operator import and_, attrgetter, or_
from time import perf_counter
from typing import Any, Final

from correlator.engine.atlas import Atlas
from correlator.engine.column import MAX_MEMORISED, MISSING, Column, Verdict
from correlator.engine.decision import Decision, decision
from correlator.engine.guard import UNGUARDED
from correlator.engine.judge import NONE
from correlator.engine.memory import Memory
from correlator.engine.tree import Tree, among
from correlator.engine.whole import Whole
from correlator.statistics import Cost

MAX_DOUBTFUL: Final = 4
"""Atoms that are not known to hold or not with which a condition is tried in all combinations."""

LONG: Final = 2 * MAX_MEMORISED
"""Bytes of an event's JSON from which it is worth while to look for values that no column remembers."""

_NESTED: Final = frozenset({list, dict, tuple})
_verdict_of = dict.__getitem__
_must = attrgetter("must")
_may = attrgetter("may")


class Unsure(Exception):
    """Some conditions could not be told of an event, for this reason; of the others these hold."""

    def __init__(self, fired: Sequence[int], failed: Sequence[int], reason: Exception) -> None:
        """Take all three, conditions by number."""
        super().__init__(str(reason))
        self.fired = fired
        self.failed = failed
        self.reason = reason


class Route:
    """Conditions by number, evaluated together."""

    def __init__(self, conditions: Sequence[Tree], atlas: Atlas, memory: Memory) -> None:
        """Build the columns. `atlas` numbered the conditions' tests."""
        masks, self._sure = atlas.masks(conditions)
        self._memory = memory
        self._conditions = tuple(conditions)
        self._decisions: dict[int, Decision] = {}
        self._decided_parts: dict[int, Decision] = {}
        self._evaluations = [0] * len(conditions)
        self._seconds = [0.0] * len(conditions)
        guarded = atlas.guarded(conditions)
        columns = {
            field: Column(atoms, masks[field], memory, guarded.get(field, UNGUARDED))
            for field, atoms in atlas.columns().items()
        }
        self._names = tuple(columns)
        self._columns = tuple(columns.values())
        self._missing = (MISSING,) * len(columns)
        self._whole = Whole(keywords, masks[None], memory) if (keywords := atlas.keywords()) else None
        self._judges = [column.judge for column in self._columns] + ([self._whole.judge] if self._whole else [])
        looked_at = NONE.union(*(judge.seconds for judge in self._judges))
        self._looked_at = _among(conditions, looked_at)
        self._referring = _among(conditions, atlas.references())
        self._decided: dict[tuple[Verdict, ...], tuple[int, ...]] = {}
        memory.register(self)

    def fired(self, fields: dict[str, Any], wire: bytes | None = None) -> tuple[int, ...]:
        """Return the numbers of the conditions that hold of an event. `wire`: the JSON that the fields were read from.

        ~number instead, where a reference from field to field decides, which is left to the caller. Raises Unsure where some could not be told. What `wire` leaves out or writes otherwise than orjson does is not searched for keywords.
        """
        values = map(fields.get, self._names, self._missing)
        if wire is not None and len(wire) > LONG:
            verdicts = tuple(map(self._verdict, self._columns, values))
        else:
            try:
                verdicts = tuple(map(_verdict_of, self._columns, values))
            except TypeError:  # a list, or what is nested
                verdicts = tuple(map(self._verdict, self._columns, map(fields.get, self._names, self._missing)))
        if self._whole is not None and (said := self._whole.verdict(fields, wire)) is not None:
            verdicts += (said,)
        if self._memory.troubled:
            raise self._unsure(verdicts)
        try:
            return self._decided[verdicts]
        except KeyError:
            return self._decide(verdicts)

    def forget(self) -> None:
        """Drop everything that was remembered."""
        self._decided.clear()
        for column in self._columns:
            column.forget()
        if self._whole is not None:
            self._whole.forget()

    def costs(self) -> Iterator[tuple[int, Cost]]:
        """Yield what conditions took, by number, of those that were evaluated: with the second looks at values."""
        looks = {atom: seconds for judge in self._judges for atom, seconds in judge.seconds.items()}
        for number, evaluations in enumerate(self._evaluations):
            own = sum(looks[atom] for atom in self._looked_at[number])
            if evaluations or own:
                yield number, Cost(evaluations, self._seconds[number] + own)

    def _verdict(self, column: Column, value: Any) -> Verdict:
        """Return a column's verdict without looking up what it does not remember: that reads all of a long text."""
        if value.__class__ in _NESTED:
            self._memory.timer.arm()
            return column.several(value)
        if value.__class__ is str and len(value) > MAX_MEMORISED:
            return column.several(value)
        return column[value]

    def _unsure(self, verdicts: tuple[Verdict, ...]) -> "Unsure":
        """Tell what the atoms that could not be judged leave open: what both answers agree on is sure."""
        troubled = dict(self._memory.troubled)
        self._memory.troubled.clear()
        atoms = NONE.union(*(verdict.atoms for verdict in verdicts))
        fired = {n for n in self._decide(verdicts) if self._looked_at[max(n, ~n)].isdisjoint(troubled)}
        failed = set()
        for number, looked_at in enumerate(self._looked_at):
            if doubtful := looked_at.intersection(troubled):
                outcome = self._outcome(number, atoms, doubtful | self._referring[number])
                if outcome is None:
                    failed.add(number)
                elif outcome:
                    fired.add(number)
        return Unsure(sorted(fired, key=lambda n: max(n, ~n)), sorted(failed), next(iter(troubled.values())))

    def _outcome(self, number: int, atoms: frozenset[int], doubtful: frozenset[int]) -> bool | None:
        """Return whether a condition holds whatever the doubtful atoms do; None where it depends on them."""
        if len(doubtful) > MAX_DOUBTFUL:
            return None
        several = (held for size in range(len(doubtful) + 1) for held in combinations(doubtful, size))
        outcomes = {self._holds(number, atoms.union(held)) for held in several}
        return outcomes.pop() if len(outcomes) == 1 else None

    def _decide(self, key: tuple[Verdict, ...]) -> tuple[int, ...]:
        """Decide and remember what `key`, the verdicts of the columns and of the event as a whole, means."""
        self._memory.undecided += 1
        verdicts = key
        if self._whole is not None and len(key) == len(self._columns):
            verdicts = (*key, self._whole.nothing)
        left = reduce(and_, map(_must, verdicts), -1)
        if left:
            left &= reduce(or_, map(_may, verdicts), self._sure)
        fired: tuple[int, ...] = ()
        if left:
            atoms = NONE.union(*[verdict.atoms for verdict in verdicts])
            fired = tuple(self._firing(_bits(left), atoms))
        self._decided[key] = fired
        self._memory.took(100 + 8 * len(verdicts))
        return fired

    def _firing(self, numbers: Iterable[int], atoms: frozenset[int]) -> Iterator[int]:
        for number in numbers:
            if not self._referring[number]:
                if self._holds(number, atoms):
                    yield number
            elif (outcome := self._outcome(number, atoms, self._referring[number])) is not False:
                yield number if outcome else ~number

    def _holds(self, number: int, atoms: frozenset[int]) -> bool:
        begun = perf_counter()
        if (holds := self._decisions.get(number)) is None:  # most conditions are never evaluated
            holds = self._decisions[number] = decision(self._conditions[number], self._decided_parts)
        held = holds(atoms)
        self._evaluations[number] += 1
        self._seconds[number] += perf_counter() - begun
        return held


def _among(conditions: Sequence[Tree], wanted: frozenset[int]) -> list[frozenset[int]]:
    """Return those of the wanted atoms that are in each condition."""
    known: dict[int, frozenset[int]] = {}
    return [among(each, wanted, known) for each in conditions]


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
