"""Many regular expressions on one value: hyperscan says which may be found, `re` says which are."""

import re
from collections.abc import Mapping, Sequence
from typing import Final

from correlator.engine.atoms import check_of
from correlator.engine.hyper import AVAILABLE, Scanner
from correlator.engine.required import DOTLESS, required
from correlator.engine.text import Check
from correlator.syntax import Regex

_SEPARATORS: Final = Regex(r"[\x1c-\x1f]")
"""Characters that `re` alone takes for space: with one of them in the text hyperscan's word counts for nothing."""

LONG: Final = 2048
"""Characters from which `re` is not asked about what hyperscan has found in ASCII text: it may take milliseconds."""

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
        self.needed = [required(atom.pattern, atom.flags) for atom in atoms]
        self.numbers = frozenset(atoms.values())
        self._scanner, self._scanned = _scanner(list(atoms)) if AVAILABLE else (None, [])
        self._unscanned = frozenset(range(len(self._searches))).difference(self._scanned)

    def candidates(self, text: str, folded: str, places: Sequence[int]) -> list[tuple[int, Check]]:
        """Return those at `places` that may be found in the text: the number of each, and what has the last word on it.

        `places` has all of which the needed text is there. The last word has `re`, but in long ASCII text hyperscan,
        which reads it alike and in linear time.
        """
        if not text.isascii() and any(letter in folded for letter in DOTLESS):
            return self._searches
        if self._scanner is None or not text.isascii():  # beyond ASCII hyperscan reads otherwise than `re`
            return [self._searches[place] for place in places if self.needed[place] in folded]
        found = self._scanner.found(text.encode())
        if len(self._scanned) in found:
            return [self._searches[place] for place in places]
        likely = self._unscanned.union(map(self._scanned.__getitem__, found))
        last_word = self._by_hyperscan if len(text) > LONG else self._searches.__getitem__
        return [last_word(place) for place in places if place in likely]

    def _by_hyperscan(self, place: int) -> tuple[int, Check]:
        """Return what it has found as found; what it does not know `re` still judges."""
        return self._searches[place] if place in self._unscanned else (self._searches[place][0], _is_found)


def _is_found(_text: str) -> bool:
    return True


def _scanner(atoms: Sequence[Regex]) -> tuple[Scanner | None, list[int]]:
    """Return what scans for the expressions that hyperscan knows, and their places."""
    alike = [place for place, atom in enumerate(atoms) if _is_alike(atom)]
    for places in (alike, [place for place in alike if _compiled([atoms[place]])]):  # all of them, nearly always
        if places and (scanner := _compiled([*(atoms[place] for place in places), _SEPARATORS])):
            return scanner, places
    return None, []


def _is_alike(atom: Regex) -> bool:
    """Tell whether hyperscan, where it knows the expression, finds it in ASCII text wherever `re` does."""
    if not _PLAIN.fullmatch(atom.pattern) or _FOREIGN.search(atom.pattern):
        return False
    several_lines = atom.flags & re.MULTILINE or _SEVERAL_LINES.search(atom.pattern)
    return not atom.flags & ~_KNOWN and not (several_lines and "^" in atom.pattern)


def _compiled(atoms: Sequence[Regex]) -> Scanner | None:
    try:
        return Scanner([atom.pattern.encode() for atom in atoms], [_letters(atom) for atom in atoms])
    except ValueError:
        return None


def _letters(atom: Regex) -> str:
    return "".join(letter for flag, letter in _LETTERS.items() if atom.flags & flag)
