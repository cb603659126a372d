"""A field's patterns, sorted by how they are found: by equality, by a needle alone, by a needle and a second look."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from correlator.engine.text import Check, fold, glob, merged
from correlator.syntax import Atom, Glob, Part, Wildcard

EDGE: Final = "\0"
"""Stands at both ends of a text that is searched, so that an anchored needle is a needle like any other."""


class Look(NamedTuple):
    """An atom that its needle cannot decide alone. `cased`: the check wants the text as written, not folded."""

    number: int
    check: Check
    cased: bool


@dataclass
class Patterns:
    """Where each atom went. `exact`, `needles`: folded text to number; `looks`: needle's number to what it brings up.

    Needles that are no atom themselves have negative numbers.
    """

    exact: dict[str, int] = field(default_factory=dict)
    needles: dict[str, int] = field(default_factory=dict)
    looks: dict[int, list[Look]] = field(default_factory=dict)
    always: list[Look] = field(default_factory=list)


def is_edged(needle: str, folded: str) -> bool:
    """Tell whether a needle, if it is anchored, stands where it says, though the text itself has EDGE in it."""
    if needle.startswith(EDGE):
        return folded.startswith(needle[1:])
    return not needle.endswith(EDGE) or folded.endswith(needle[:-1])


def canonical(atom: Glob) -> Glob:
    """Return the pattern as every pattern that finds the same is written."""
    parts = merged(atom.parts)
    return Glob(tuple(parts if atom.cased else _folded(parts)), atom.cased)


def is_text(atom: Atom) -> bool:
    """Tell whether a canonical atom is that one text stands somewhere in the value, whatever its case."""
    match atom:
        case Glob((Wildcard.ANY, str(text), Wildcard.ANY), False):
            return EDGE not in text
    return False


def sort(atoms: Mapping[Glob, int]) -> Patterns:
    """Sort canonical patterns, each with its number."""
    patterns = Patterns()
    second: list[tuple[Glob, int]] = []
    for atom, number in atoms.items():
        if not _index(patterns, atom, number):
            second.append((atom, number))
    for atom, number in second:
        _look(patterns, atom, number)
    return patterns


def _index(patterns: Patterns, atom: Glob, number: int) -> bool:
    """Take in a pattern that equality or one needle decides."""
    parts = atom.parts
    if atom.cased or any(EDGE in part for part in parts if isinstance(part, str)):
        return False
    match parts:
        case ():
            patterns.exact[""] = number
        case (str(text),):
            patterns.exact[text] = number
        case (str(text), Wildcard.ANY):
            patterns.needles[EDGE + text] = number
        case (Wildcard.ANY, str(text)):
            patterns.needles[text + EDGE] = number
        case (Wildcard.ANY, str(text), Wildcard.ANY):
            patterns.needles[text] = number
        case _:
            return False
    return True


def _look(patterns: Patterns, atom: Glob, number: int) -> None:
    """Take in a pattern by its longest text, with the check that decides."""
    look = Look(number, glob(atom.parts), atom.cased)
    needle = fold(max((part for part in atom.parts if isinstance(part, str)), key=len, default=""))
    if not needle or EDGE in needle:
        patterns.always.append(look)
        return
    key = patterns.needles.setdefault(needle, -1 - len(patterns.needles))
    patterns.looks.setdefault(key, []).append(look)


def _folded(parts: list[Part]) -> list[Part]:
    return [fold(part) if isinstance(part, str) else part for part in parts]
