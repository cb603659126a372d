"""Many regular expressions on one value: hyperscan says which may be found, `re` says which are."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from weakref import WeakValueDictionary

from correlator.engine.atoms import check_of
from correlator.engine.hyper import AVAILABLE, Scanner
from correlator.engine.required import DOTLESS, required
from correlator.engine.text import Check
from correlator.syntax import Regex

_SEPARATORS: Final = Regex(r"[\x1c-\x1f]")
"""Characters that `re` alone takes for space: with one of them in the text hyperscan's word counts for nothing."""

LONG: Final = 2048
"""Characters from which `re` is not asked about what hyperscan has found in ASCII text: it may take milliseconds."""

_FOUND: Final = [0]
"""What a scan gives where the expression is there, and no separator."""

_PLAIN: Final = re.compile(r"[ -~]*", re.ASCII)
_FOREIGN: Final = re.compile(r"\{,|\\[vN]|\[:")
"""What hyperscan and `re` both read, and differently: a quantifier, a character, a name, a class."""

_SEVERAL_LINES: Final = re.compile(r"\(\?[aiLmsux]*m")
"""The flag within the expression: `^` then holds behind a last newline for `re` alone."""

_LETTERS: Final = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}
_KNOWN: Final = re.IGNORECASE | re.MULTILINE | re.DOTALL


class Expressions:
    """A field's regular expressions, each known by its number; by its place in their sequence among themselves.

    `needed`: the text that stands in every value in which the expression is found, by place.
    """

    def __init__(self, atoms: Mapping[Regex, int]) -> None:
        """Compile them."""
        self._searches = [(number, check_of(atom)) for atom, number in atoms.items()]
        required_texts = [required(atom.pattern, atom.flags) for atom in atoms]
        self.needed = [texts[0] if texts else "" for texts in required_texts]
        self._needed_too = [texts[::-1] for texts in required_texts]
        """All that is needed; a single character is looked for quickest."""
        self.numbers = frozenset(atoms.values())
        self._scans = [_scan(atom) for atom in atoms]

    def candidates(self, text: str, folded: str, places: Sequence[int]) -> list[tuple[int, Check]]:
        """Return those at `places` that may be found in the text: the number of each, and what has the last word on it.

        `places` has all of which the needed text is there. The last word has `re`, but in long ASCII text hyperscan,
        which reads it alike and in linear time.
        """
        if not text.isascii() and any(letter in folded for letter in DOTLESS):
            return self._searches
        likely = [place for place in places if all(each in folded for each in self._needed_too[place])]
        if not likely or not text.isascii():  # beyond ASCII hyperscan reads otherwise than `re`
            return [self._searches[place] for place in likely]
        return list(self._scanned(text.encode(), likely))

    def _scanned(self, data: bytes, places: Sequence[int]) -> Iterator[tuple[int, Check]]:
        for place in places:
            number, search = self._searches[place]
            if (scan := self._scans[place]) is None:
                yield number, search
            elif found := scan.found(data):
                sure = len(data) > LONG and found == _FOUND
                yield number, _is_found if sure else search


def _is_found(_text: str) -> bool:
    return True


_scanners: Final = WeakValueDictionary[Regex, Scanner]()


def _scan(atom: Regex) -> Scanner | None:
    """Return what scans for the expression, and for separators; one object for all fields that ask for it."""
    if not AVAILABLE or not _is_alike(atom):
        return None
    try:
        if (known := _scanners.get(atom)) is None:
            sources = [each.pattern.encode() for each in (atom, _SEPARATORS)]
            known = _scanners[atom] = Scanner(sources, [_letters(atom), ""])
    except ValueError:  # beyond hyperscan
        return None
    return known


def _is_alike(atom: Regex) -> bool:
    """Tell whether hyperscan, where it knows the expression, finds it in ASCII text wherever `re` does."""
    if not _PLAIN.fullmatch(atom.pattern) or _FOREIGN.search(atom.pattern):
        return False
    several_lines = atom.flags & re.MULTILINE or _SEVERAL_LINES.search(atom.pattern)
    return not atom.flags & ~_KNOWN and not (several_lines and "^" in atom.pattern)


def _letters(atom: Regex) -> str:
    return "".join(letter for flag, letter in _LETTERS.items() if atom.flags & flag)
