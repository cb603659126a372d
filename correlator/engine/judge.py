"""One field's atoms, and which of them hold of a value: nothing is remembered here."""

from collections.abc import Mapping
from functools import cached_property
from time import perf_counter
from typing import Any, Final

from correlator.engine.atoms import TooLong, check_of
from correlator.engine.expressions import Expressions
from correlator.engine.guard import UNGUARDED, Guarded
from correlator.engine.hyper import AVAILABLE
from correlator.engine.memory import Memory
from correlator.engine.needles import Needles
from correlator.engine.patterns import EDGE, Look, is_edged, sort
from correlator.engine.record import text_of
from correlator.engine.text import Check, fold
from correlator.limit import Overtime
from correlator.syntax import Atom, Cidr, Compare, Exists, Glob, Null, Regex, TimePart

LONG: Final = 400
"""Characters from which hyperscan is quicker, where it is."""

MIN_NEEDED: Final = 3
"""Characters of the shortest text that an expression needs which is looked for beforehand; others are everywhere."""

NONE: Final[frozenset[int]] = frozenset()


class Judge:
    """The atoms of a field, by number.

    `absent`: those that hold where the field is missing. `seconds`: by regular expression, what its
    searches took so far. The timer is armed before `re` searches: what that takes depends on more than length.
    An atom that could not be judged is the memory's trouble, and taken not to hold.
    """

    def __init__(self, atoms: Mapping[Atom, int], memory: Memory, guarded: Guarded = UNGUARDED) -> None:
        """Build the automata."""
        self._memory = memory
        self._present = frozenset(number for atom, number in atoms.items() if atom == Exists(True))
        self._null = self._present | {number for atom, number in atoms.items() if isinstance(atom, Null)}
        self.absent = frozenset(number for atom, number in atoms.items() if atom == Exists(False))
        patterns = sort({atom: number for atom, number in atoms.items() if isinstance(atom, Glob)})
        self._patterns = patterns
        self._longest = max(map(len, patterns.exact), default=-1)
        expressions = {atom: number for atom, number in atoms.items() if isinstance(atom, Regex)}
        self._expressions = Expressions(expressions, memory.timer)
        self._always_tried, self._tried = self._gated()
        self._brings = frozenset((*patterns.looks, *self._tried))
        waiting = Guarded(guarded.by, guarded.atoms - self._brings)
        self._needles = Needles(patterns.needles, memory.timer, waiting) if patterns.needles else None
        self._auxiliary = frozenset(number for number in patterns.needles.values() if number < 0)
        self._always = patterns.always + [
            Look(n, check_of(a), cased=True) for a, n in atoms.items() if isinstance(a, Cidr | Compare | TimePart)
        ]
        self._decides_at_once = not (self._brings or self._always or self._expressions.numbers)
        self.seconds = dict.fromkeys(self._expressions.numbers, 0.0)

    def _gated(self) -> tuple[list[int], dict[int, list[int]]]:
        """Make needles of what expressions need; return the places of those without, and of the others by needle."""
        texts, free, tried = self._patterns.needles, list[int](), dict[int, list[int]]()
        for place, needed in enumerate(self._expressions.needed):
            if len(needed) < MIN_NEEDED or EDGE in needed:
                free.append(place)
            else:
                tried.setdefault(texts.setdefault(needed, -1 - len(texts)), []).append(place)
        return free, tried

    def of_value(self, value: Any) -> frozenset[int]:
        """Return the atoms that hold of a value; of a list, those that hold of an element."""
        text = value if value.__class__ is str else text_of(value)
        if text is None:
            return self._null
        held = self._of_text(text) if text.__class__ is str else NONE.union(*map(self._of_element, text))
        return held | self._present if self._present else held

    def _of_element(self, text: str) -> frozenset[int]:
        return self._of_text(text, alone=False)

    def _of_text(self, text: str, *, alone: bool = True) -> frozenset[int]:
        if len(text) > LONG and AVAILABLE:
            return self._of_long(text, alone=alone)
        folded = fold(text)
        held = NONE if self._needles is None else self._needles.found(f"\0{folded}\0")
        exact = self._patterns.exact.get(folded)
        if exact is not None:
            held |= {exact}
        if EDGE in folded:
            held = self._without_false_edges(held, folded)
        return held if self._decides_at_once else self._looked_twice(held, text)

    def _of_long(self, text: str, *, alone: bool) -> frozenset[int]:
        """Do the same without folding ASCII text, nor reading all of it, where nothing asks for that."""
        known = text if text.isascii() else fold(text)
        held = NONE if self._needles is None else self._needles.scanned(f"\0{known}\0", alone=alone)
        if len(text) <= self._longest and (exact := self._patterns.exact.get(fold(text))) is not None:
            held |= {exact}
        if EDGE in text:
            held = self._without_false_edges(held, fold(text))
        return held if self._decides_at_once else self._looked_twice(held, text)

    def _looked_twice(self, held: frozenset[int], text: str) -> frozenset[int]:
        brought = held & self._brings
        looks = [look for number in brought for look in self._patterns.looks.get(number, ())] if brought else []
        for look in (*looks, *self._always) if looks else self._always:
            if look.check(text if look.cased else fold(text)):
                held |= {look.number}
        places = [*self._always_tried, *(place for number in brought for place in self._tried.get(number, ()))]
        if (places or (self._tried and not text.isascii())) and (found := self._searched(text, places)):
            held = held.union(found)
        return held - self._auxiliary if brought else held

    def _searched(self, text: str, places: list[int]) -> list[int]:
        """Return the expressions that are found, of those at these places."""
        found = []
        for number, search in self._expressions.candidates(text, places):
            self._memory.timer.arm()  # here, for one that took too long stopped it
            if self._found(number, search, text):
                found.append(number)
        return found

    def _found(self, number: int, check: Check, text: str) -> bool:
        begun = perf_counter()
        try:
            return check(text)
        except (TooLong, Overtime) as error:  # the rules that ask for it fail, the others do not
            self._memory.trouble(number, error)
            return False
        finally:
            self.seconds[number] += perf_counter() - begun

    def _without_false_edges(self, held: frozenset[int], folded: str) -> frozenset[int]:
        """Drop what was found only because the text itself has the character that marks its edges."""
        return frozenset(n for n in held if n not in self._anchored or is_edged(self._anchored[n], folded))

    @cached_property
    def _anchored(self) -> dict[int, str]:
        """The needles with an edge, by number; hardly any event brings a text with that character."""
        return {number: needle for needle, number in self._patterns.needles.items() if EDGE in needle}
