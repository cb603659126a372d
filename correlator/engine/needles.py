"""Finding many texts in one: Aho-Corasick for short values, hyperscan for long ones where it is installed."""

from collections.abc import Mapping
from functools import cached_property
from operator import itemgetter
from typing import Final

import ahocorasick

from correlator.engine.hyper import AVAILABLE, Scanner, literal
from correlator.limit import Timer

LONG: Final = 400
"""Characters from which hyperscan is quicker."""

_number = itemgetter(1)


class Needles:
    """Texts, each known by its number, found wherever they stand in a value."""

    def __init__(self, needles: Mapping[str, int], timer: Timer | None = None) -> None:
        """Build the automaton of at least one needle, none of them empty. `timer`: may run when one is searched for."""
        self._timer = timer
        self._needles = needles
        self._numbers = tuple(needles.values())
        self._automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        for needle, number in needles.items():
            self._automaton.add_word(needle, number)
        self._automaton.make_automaton()

    def found(self, text: str) -> frozenset[int]:
        """Return the numbers of the needles that stand in the text."""
        if len(text) > LONG and AVAILABLE:
            data = text.encode("utf-8", "surrogatepass")
            return frozenset(map(self._numbers.__getitem__, self._scanner.found(data)))
        return frozenset(map(_number, self._automaton.iter(text)))

    @cached_property
    def _scanner(self) -> Scanner:
        """What searches long values; made when the first comes, and not at the expense of that event's time."""
        if self._timer is not None:
            self._timer.disarm()
        expressions = [literal(needle.encode("utf-8", "surrogatepass")) for needle in self._needles]
        return Scanner(expressions, [""] * len(expressions))
