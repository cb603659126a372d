"""The rules that see one kind of event (a logsource and perhaps an EventID), and which of them fire on it.

Each field's value becomes a Verdict (`column`). The tuple of verdicts decides which rules fire, and is remembered with
the answer. A tuple that is new is decided in two steps: bit masks rule out nearly every rule, then the conditions of
those that are left are evaluated over the atoms that hold.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import and_, attrgetter, itemgetter, or_
from time import perf_counter
from typing import Any, Final, NamedTuple

from correlator.engine.atlas import Atlas
from correlator.engine.column import Column, Verdict
from correlator.engine.decision import Decision, decision
from correlator.engine.memory import Memory
from correlator.engine.tree import Tree, leaves
from correlator.engine.whole import Whole
from correlator.statistics import Cost

MAX_SHAPES: Final = 1024
"""Sets of field names that are remembered a route; an event with others is as well evaluated, slower."""

MAX_NAMES: Final = 8192
"""Characters of the names of an event's fields, if they are to be remembered."""

_value_of = dict.__getitem__
_must = attrgetter("must")
_may = attrgetter("may")


class _Shape(NamedTuple):
    """Events with the same of a route's fields: how to read them, what the others' absence means, what was decided."""

    all_names: tuple[str, ...]
    read: Any
    columns: tuple[Column, ...]
    names: tuple[str, ...]
    must: int
    may: int
    atoms: frozenset[int]
    decided: dict[tuple[Verdict, ...], tuple[int, ...]]


_NO_SHAPE: Final = _Shape(("",) * 2, None, (), (), 0, 0, frozenset(), {})
"""No event's: names do not repeat."""


class Route:
    """Conditions by number, evaluated together."""

    def __init__(self, conditions: Sequence[Tree], atlas: Atlas, memory: Memory) -> None:
        """Build the columns. `atlas` numbered the conditions' tests."""
        masks, self._sure = atlas.masks(conditions)
        self._memory = memory
        self._decisions: list[Decision] = [decision(each) for each in conditions]
        self._evaluations = [0] * len(conditions)
        self._seconds = [0.0] * len(conditions)
        self._columns = {field: Column(atoms, masks[field], memory) for field, atoms in atlas.columns().items()}
        self._whole = Whole(whole, masks[None], memory) if (whole := atlas.whole()) else None
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        costly = frozenset(atom for column in self._columns.values() for atom in column.costly)
        self._looked_at = [costly.intersection(leaves(each)) for each in conditions]
        self._last = _NO_SHAPE
        memory.register(self)

    def fired(self, fields: dict[str, Any], wire: bytes | None = None) -> tuple[int, ...]:
        """Return the numbers of the conditions that hold of an event. `wire`: the JSON that holds the fields."""
        names = tuple(fields)
        shape = self._last
        if names != shape.all_names:  # events of one kind mostly have the same fields as the one before
            shape = self._last = self._shapes.get(names) or self._shape(names)
        try:
            verdicts = tuple(map(_value_of, shape.columns, shape.read(fields)))
        except TypeError:  # a list, or what is nested
            verdicts = self._verdicts(shape, fields)
        if self._whole is not None:
            verdicts += (self._whole.verdict(fields, wire),)
        try:
            return shape.decided[verdicts]
        except KeyError:
            return self._decide(shape, verdicts)

    def forget(self) -> None:
        """Drop everything that was remembered."""
        self._shapes.clear()
        for column in self._columns.values():
            column.forget()
        if self._whole is not None:
            self._whole.forget()
        self._last = _NO_SHAPE

    def _shape(self, names: tuple[str, ...]) -> _Shape:
        have = tuple(name for name in names if name in self._columns)
        lack = [column.absent() for name, column in self._columns.items() if name not in set(have)]
        shape = _Shape(
            names,
            _reader(have),
            tuple(self._columns[name] for name in have),
            have,
            reduce(and_, map(_must, lack), -1),
            reduce(or_, map(_may, lack), self._sure),
            frozenset().union(*(verdict.atoms for verdict in lack)),
            {},
        )
        size = sum(map(len, names))
        if size <= MAX_NAMES:
            if len(self._shapes) >= MAX_SHAPES:
                self._shapes.clear()
            self._shapes[names] = shape
            self._memory.took(500 + 100 * len(names) + size)
        return shape

    def _verdicts(self, shape: _Shape, fields: Mapping[str, Any]) -> tuple[Verdict, ...]:
        values = ((column, fields[name]) for column, name in zip(shape.columns, shape.names, strict=True))
        return tuple(
            column.several(value) if value.__class__ in (list, dict, tuple) else column[value]
            for column, value in values
        )

    def _decide(self, shape: _Shape, verdicts: tuple[Verdict, ...]) -> tuple[int, ...]:
        self._memory.undecided += 1
        left = reduce(and_, map(_must, verdicts), shape.must)
        if left:
            left &= reduce(or_, map(_may, verdicts), shape.may)
        fired: tuple[int, ...] = ()
        if left:
            atoms = shape.atoms.union(*[verdict.atoms for verdict in verdicts])
            fired = tuple(number for number in _bits(left) if self._holds(number, atoms))
        shape.decided[verdicts] = fired
        self._memory.took(100 + 8 * len(verdicts))
        return fired

    def _holds(self, number: int, atoms: frozenset[int]) -> bool:
        begun = perf_counter()
        held = self._decisions[number](atoms)
        self._evaluations[number] += 1
        self._seconds[number] += perf_counter() - begun
        return held

    def costs(self) -> Iterator[tuple[int, Cost]]:
        """Yield what conditions took, by number, of those that were evaluated: with a second look at their values."""
        looks = {n: seconds for column in self._columns.values() for n, seconds in column.seconds.items()}
        for number, evaluations in enumerate(self._evaluations):
            own = sum(looks.get(atom, 0.0) for atom in self._looked_at[number])
            if evaluations or own:
                yield number, Cost(evaluations, self._seconds[number] + own)


def _reader(names: tuple[str, ...]) -> Any:
    """Return what reads an event's fields in order, as a sequence whatever their number."""
    if not names:
        return lambda _fields: ()
    if len(names) == 1:
        name = names[0]
        return lambda fields: (fields[name],)
    return itemgetter(*names)


def _bits(mask: int) -> Iterator[int]:
    while mask:
        lowest = mask & -mask
        yield lowest.bit_length() - 1
        mask ^= lowest
