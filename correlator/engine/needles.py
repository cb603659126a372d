"""Finding many texts in one: Aho-Corasick for short values, hyperscan for long ones where it is installed."""

from collections.abc import Mapping
from functools import cached_property
from operator import itemgetter
from typing import Final
from weakref import WeakValueDictionary

import ahocorasick

from correlator.engine.hyper import AVAILABLE, Scanner, literal
from correlator.limit import Timer

LONG: Final = 400
"""Characters from which hyperscan is quicker."""

_place = itemgetter(1)


class Needles:
    """Texts, each known by its number, found wherever they stand in a value."""

    def __init__(self, needles: Mapping[str, int], timer: Timer | None = None) -> None:
        """Build the automaton of at least one needle, none of them empty. `timer`: may run when one is searched for."""
        self._timer = timer
        texts = tuple(sorted(needles))
        self._numbers = tuple(map(needles.__getitem__, texts))
        self._search = _search(texts)
        self._iter = self._search.automaton.iter

    def found(self, text: str) -> frozenset[int]:
        """Return the numbers of the needles that stand in the text."""
        if len(text) > LONG and AVAILABLE:
            data = text.encode("utf-8", "surrogatepass")
            return frozenset(map(self._numbers.__getitem__, self._scanner.found(data)))
        return frozenset(map(self._numbers.__getitem__, map(_place, self._iter(text))))

    @cached_property
    def _scanner(self) -> Scanner:
        """What searches long values; made when the first comes, and not at the expense of that event's time."""
        if self._timer is not None:
            self._timer.disarm()
        return self._search.scanner


class _Search:
    """What finds texts, each known by its place; one object for the columns that look for the same."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        self._texts = texts
        self.automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        for place, text in enumerate(texts):
            self.automaton.add_word(text, place)
        self.automaton.make_automaton()

    @cached_property
    def scanner(self) -> Scanner:
        expressions = [literal(text.encode("utf-8", "surrogatepass")) for text in self._texts]
        return Scanner(expressions, [""] * len(expressions))


_searches: Final = WeakValueDictionary[tuple[str, ...], _Search]()


def _search(texts: tuple[str, ...]) -> _Search:
    if (known := _searches.get(texts)) is None:
        known = _searches[texts] = _Search(texts)
    return known
