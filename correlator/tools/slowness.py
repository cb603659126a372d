"""Regular expressions that an attacker can make slow: found by trying each repeated group on texts made for it."""

import re
from collections.abc import Iterator
from typing import Final

from correlator.limit import Overtime, limited

SECONDS: Final = 0.05
"""Processor time for one short text; a sound expression takes microseconds."""

_LENGTH: Final = 30
"""Characters of a text: two to this power steps are out of anybody's reach, and its square is nothing."""

_REPEATED: Final = re.compile(r"[*+]|\{\d*,\d*\}")
_USUAL: Final = "a0 ."


def slow_group(pattern: str, flags: int) -> str | None:
    """Return the first group that is repeated in more ways than anybody can try, as it is written; None: there is none.

    For the main thread, where the time can be bounded.
    """
    return next((group for group in _repeated(pattern) if _is_slow(group, flags)), None)


def _repeated(pattern: str) -> Iterator[str]:
    """Yield each group that a quantifier repeats, with the quantifier."""
    opened: list[int] = []
    at = 0
    while at < len(pattern):
        match pattern[at]:
            case "\\":
                at += 1
            case "[":
                at = _end_of_class(pattern, at)
            case "(":
                opened.append(at)
            case ")" if opened:
                start = opened.pop()
                if quantifier := _REPEATED.match(pattern, at + 1):
                    yield pattern[start : quantifier.end()]
        at += 1


def _end_of_class(pattern: str, start: int) -> int:
    """Return where a class ends: a bracket that comes first in it is one of its characters."""
    found = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL).match(pattern, start)
    return found.end() - 1 if found else len(pattern)


def _is_slow(group: str, flags: int) -> bool:
    try:
        expression = re.compile(f"{group}\0", flags)
    except re.error:  # it refers to another group
        return False
    try:
        with limited(SECONDS):
            for char in sorted({*_USUAL, *group}):
                expression.match(char * _LENGTH)
    except Overtime:
        return True
    return False
