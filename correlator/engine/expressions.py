"""Many regular expressions on one value: hyperscan says which may be found, `re` says which are."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from correlator.engine.hyper import AVAILABLE, Scanner
from correlator.syntax import Regex

_ODD: Final = re.compile(r"[^\x00-\x1b\x20-\x7f]")
"""Where hyperscan's ASCII mode and `re` differ: other than ASCII, and separators that only `re` takes for space."""

_LETTERS: Final = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}


class Expressions:
    """A field's regular expressions, each known by its number."""

    def __init__(self, atoms: Mapping[Regex, int]) -> None:
        """Compile them."""
        self._search = [(number, re.compile(atom.pattern, atom.flags).search) for atom, number in atoms.items()]
        self._all = range(len(self._search))
        self._scanner, self._unscanned = _scanner(list(atoms)) if AVAILABLE and atoms else (None, [])

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self._search)

    def found(self, text: str) -> list[int]:
        """Return the numbers of the expressions that are found in the text."""
        candidates = map(self._search.__getitem__, self._candidates(text))
        return [number for number, search in candidates if search(text)]

    def _candidates(self, text: str) -> Sequence[int]:
        if self._scanner is None or _ODD.search(text):
            return self._all
        return [*self._scanner.found(text.encode()), *self._unscanned]


def _scanner(atoms: Sequence[Regex]) -> tuple[Scanner | None, list[int]]:
    """Return what scans for the expressions that hyperscan knows, in their places, and the places of the others."""
    try:
        return _scanner_of(atoms), []
    except ValueError:  # seldom: look for the one at fault
        unknown = [place for place, atom in enumerate(atoms) if not _known(atom)]
    nothing = Regex(r"[^\x00-\xff]")  # keeps the others' places
    return _scanner_of([nothing if place in unknown else atom for place, atom in enumerate(atoms)]), unknown


def _scanner_of(atoms: Sequence[Regex]) -> Scanner:
    return Scanner([atom.pattern.encode() for atom in atoms], [_letters(atom) for atom in atoms])


def _known(atom: Regex) -> bool:
    try:
        _scanner_of([atom])
    except ValueError:
        return False
    return True


def _letters(atom: Regex) -> str:
    return "".join(letter for flag, letter in _LETTERS.items() if atom.flags & flag)
