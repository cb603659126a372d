"""Finding many texts in one: Aho-Corasick for short values, hyperscan for long ones where it is installed."""

from collections.abc import Mapping
from functools import cached_property
from operator import itemgetter
from typing import Final

import ahocorasick

from correlator.engine.hyper import AVAILABLE, Scanner, literal

LONG: Final = 400
"""Characters from which hyperscan is quicker."""

_number = itemgetter(1)


class Needles:
    """Texts, each known by its number, found wherever they stand in a value."""

    def __init__(self, needles: Mapping[str, int]) -> None:
        """Build the automaton of at least one needle, none of them empty."""
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
        """What searches long values; made when the first comes."""
        expressions = [literal(needle.encode("utf-8", "surrogatepass")) for needle in self._needles]
        return Scanner(expressions, [""] * len(expressions))
