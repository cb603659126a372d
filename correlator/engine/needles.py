"""Finding many texts in one: Aho-Corasick for short values, hyperscan for long ones where it is installed."""

from collections.abc import Mapping
from functools import cached_property
from operator import itemgetter
from typing import Final
from weakref import WeakValueDictionary

import ahocorasick

from correlator.engine.guard import UNGUARDED, Guarded
from correlator.engine.hyper import Scanner, literal
from correlator.limit import Timer

_place = itemgetter(1)


class Needles:
    """Texts, folded, each known by its number, found wherever they stand in a value."""

    def __init__(self, needles: Mapping[str, int], timer: Timer | None = None, guarded: Guarded = UNGUARDED) -> None:
        """Build the automaton of at least one needle, none of them empty. `timer`: may run when one is searched for."""
        texts = tuple(sorted(needles))
        self._numbers = tuple(map(needles.__getitem__, texts))
        self._search = _search(texts)
        self._iter = self._search.automaton.iter
        self._guards = guarded.by
        self._first = _Scan({text: n for text, n in needles.items() if n not in guarded.atoms}, timer)
        self._waiting = _Scan({text: n for text, n in needles.items() if n in guarded.atoms}, timer)

    def found(self, folded: str) -> frozenset[int]:
        """Return the numbers of the needles that stand in a folded text."""
        return frozenset(map(self._numbers.__getitem__, map(_place, self._iter(folded))))

    def scanned(self, text: str, *, alone: bool = True) -> frozenset[int]:
        """Do the same by hyperscan in a text that is folded or ASCII; guarded needles may be left out where no guard is.

        `alone`: the text is the whole value; beside others it is searched for all, as a guard may stand in another.
        """
        data = text.encode("utf-8", "surrogatepass")
        found = self._first.found(data)
        return found if alone and self._guards.isdisjoint(found) else found | self._waiting.found(data)


class _Search:
    """What finds texts, each known by its place; one object for the columns that look for the same."""

    def __init__(self, texts: tuple[str, ...]) -> None:
        self.automaton = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        for place, text in enumerate(texts):
            self.automaton.add_word(text, place)
        self.automaton.make_automaton()


class _Scan:
    """Some of the needles, for long values."""

    def __init__(self, needles: Mapping[str, int], timer: Timer | None) -> None:
        self._timer = timer
        self._texts = tuple(sorted(needles))
        self._numbers = tuple(map(needles.__getitem__, self._texts))

    def found(self, data: bytes) -> frozenset[int]:
        return frozenset(map(self._numbers.__getitem__, self._scanner.found(data))) if self._texts else frozenset()

    @cached_property
    def _scanner(self) -> Scanner:
        """What scans without regard to ASCII's case; made when the first long value comes, not at the cost of its time."""
        if self._timer is not None:
            self._timer.disarm()
        if (known := _scanners.get(self._texts)) is None:
            expressions = [literal(text.encode("utf-8", "surrogatepass")) for text in self._texts]
            known = _scanners[self._texts] = Scanner(expressions, ["i"] * len(expressions))
        return known


_searches: Final = WeakValueDictionary[tuple[str, ...], _Search]()
_scanners: Final = WeakValueDictionary[tuple[str, ...], Scanner]()


def _search(texts: tuple[str, ...]) -> _Search:
    if (known := _searches.get(texts)) is None:
        known = _searches[texts] = _Search(texts)
    return known
