"""Many regular expressions on one value: hyperscan says which may be found, `re` says which are."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

from correlator.engine.atoms import check_of
from correlator.engine.hyper import AVAILABLE, Scanner
from correlator.engine.required import DOTLESS, required
from correlator.engine.text import Check, fold
from correlator.limit import Timer
from correlator.syntax import Regex

_SEPARATORS: Final = Regex(r"[\x1c-\x1f]")
"""Characters that `re` alone takes for space: with one of them in the text hyperscan's word counts for nothing."""

LONG: Final = 2048
"""Characters from which `re` is not asked about what hyperscan has found in ASCII text: it may take milliseconds."""

MAX_SLOW: Final = 2
"""Characters of a text that takes longer to look for than hyperscan takes for an expression; single ones are quick."""

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

    def __init__(self, atoms: Mapping[Regex, int], timer: Timer | None = None) -> None:
        """Compile them. `timer`: may run when candidates are asked for."""
        self._timer = timer
        self._atoms = tuple(atoms)
        self._searches = [(number, check_of(atom)) for atom, number in atoms.items()]
        self._required = [required(atom.pattern, atom.flags) for atom in atoms]
        self.needed = [texts[0] if texts else "" for texts in self._required]
        self._telling = [_telling(texts) for texts in self._required]
        self.numbers = frozenset(atoms.values())
        self._scanner, self._scanned = _scanner(self._atoms) if AVAILABLE else (None, [])
        self._unscanned = frozenset(range(len(self._searches))).difference(self._scanned)
        self._alone: dict[int, Scanner] = {}

    def candidates(self, text: str, places: Sequence[int]) -> list[tuple[int, Check]]:
        """Return those at `places` that may be found in the text: the number of each, and what has the last word on it.

        `places` has all of which the needed text is there. The last word has `re`, but in long ASCII text hyperscan,
        which reads it alike and in linear time.
        """
        if not text.isascii():  # beyond ASCII hyperscan reads otherwise than `re`
            folded = fold(text)
            some = not any(letter in folded for letter in DOTLESS)
            return [self._searches[place] for place in self._likely(text, places)] if some else self._searches
        if self._scanner is None:
            return [self._searches[place] for place in self._likely(text, places)]
        if len(text) > LONG:
            return list(self._found(text.encode(), self._likely(text, places)))
        found = self._scanner.found(text.encode())
        if len(self._scanned) in found:
            return [self._searches[place] for place in places]
        likely = self._unscanned.union(map(self._scanned.__getitem__, found))
        return [self._searches[place] for place in places if place in likely]

    def _likely(self, text: str, places: Sequence[int]) -> list[int]:
        """Return the places of which what is needed is there: all that tells in long text."""
        if len(text) <= LONG:
            folded = fold(text)
            return [place for place in places if self.needed[place] in folded]
        stands = (text if text.isascii() else fold(text)).__contains__
        places = [place for place in places if all(map(stands, self._telling[place].characters))]
        return [place for place in places if self._stand(self._telling[place].texts, text)]

    def _stand(self, texts: Sequence[str], text: str) -> bool:
        return not texts or all(map(fold(text).__contains__, texts))

    def _found(self, data: bytes, places: Iterable[int]) -> Iterator[tuple[int, Check]]:
        """Yield what hyperscan finds in long ASCII text, one by one: few are likely, and all take longer than some."""
        for place in places:
            number, search = self._searches[place]
            if place in self._unscanned:
                yield number, search
            elif found := self._by_itself(place).found(data):
                yield number, _is_found if found == _FOUND else search

    def _by_itself(self, place: int) -> Scanner:
        """Return what scans for one expression and separators; made when it is first wanted, as of Needles."""
        if place not in self._alone:
            if self._timer is not None:
                self._timer.disarm()
            self._alone[place] = _alone(self._atoms[place])
        return self._alone[place]


class _Telling(NamedTuple):
    """What has to stand in long text that has the longest of the required texts already, the quickest to look for first.

    Characters without case: in ASCII text, as in folded text, they stand where `re` wants them.
    """

    characters: str
    texts: tuple[str, ...]


def _telling(required: Sequence[str]) -> _Telling:
    characters = dict.fromkeys(each for text in required for each in text if not each.isalnum() and each != " ")
    return _Telling("".join(characters), tuple(text for text in reversed(required[1:]) if len(text) > MAX_SLOW))


_FOUND: Final = [0]
"""What a scan for one expression gives where it is there, and no separator."""

_scanners: Final = WeakValueDictionary[Regex, Scanner]()


def _alone(atom: Regex) -> Scanner:
    """Return what scans for an expression that hyperscan knows; one object for all fields that ask for it."""
    if (known := _scanners.get(atom)) is None:
        known = _scanners[atom] = _compiled([atom, _SEPARATORS])
    return known


def _is_found(_text: str) -> bool:
    return True


def _scanner(atoms: Sequence[Regex]) -> tuple[Scanner | None, list[int]]:
    """Return what scans for the expressions that hyperscan knows, and their places."""
    alike = [place for place, atom in enumerate(atoms) if _is_alike(atom)]
    for places in (alike, [place for place in alike if _known([atoms[place]])]):  # all of them, nearly always
        if places and (scanner := _known([*(atoms[place] for place in places), _SEPARATORS])):
            return scanner, places
    return None, []


def _is_alike(atom: Regex) -> bool:
    """Tell whether hyperscan, where it knows the expression, finds it in ASCII text wherever `re` does."""
    if not _PLAIN.fullmatch(atom.pattern) or _FOREIGN.search(atom.pattern):
        return False
    several_lines = atom.flags & re.MULTILINE or _SEVERAL_LINES.search(atom.pattern)
    return not atom.flags & ~_KNOWN and not (several_lines and "^" in atom.pattern)


def _known(atoms: Sequence[Regex]) -> Scanner | None:
    try:
        return _compiled(atoms)
    except ValueError:
        return None


def _compiled(atoms: Sequence[Regex]) -> Scanner:
    return Scanner([atom.pattern.encode() for atom in atoms], [_letters(atom) for atom in atoms])


def _letters(atom: Regex) -> str:
    return "".join(letter for flag, letter in _LETTERS.items() if atom.flags & flag)
