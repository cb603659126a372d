"""Comparing text as Sigma does: folding, and patterns with wildcards.

Case is ignored for every character that casefolds to one character, so that `?` still stands for exactly one.
"""

import re
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Final, NamedTuple

from correlator.syntax import Part, Wildcard

Check = Callable[[str], bool]
"""A test of one text; for a pattern that ignores case the text is folded already."""


LONG: Final = 400
"""Characters from which the text that was folded last is remembered: what fires on it is explained next."""

_last: Final = [("", "")]


def fold(text: str) -> str:
    """Return `text` without case and of the same length."""
    known, folded = _last[0]
    if text is known:
        return folded
    folded = text.casefold()
    if len(folded) != len(text):
        folded = "".join(low if len(low := char.casefold()) == 1 else char for char in text)
    if len(text) > LONG:
        _last[0] = text, folded
    return folded


def glob(parts: Sequence[Part]) -> Check:  # noqa: PLR0911 - one return for each simple shape reads best
    """Return a check that a whole text is `parts` in order; linear in the text for each part, whatever the pattern."""
    parts = merged(parts)
    match parts:
        case []:
            return lambda text: not text
        case [str(needle)]:
            return lambda text: text == needle
        case [Wildcard.ANY]:
            return lambda _: True
        case [str(needle), Wildcard.ANY]:
            return lambda text: text.startswith(needle)
        case [Wildcard.ANY, str(needle)]:
            return lambda text: text.endswith(needle)
        case [Wildcard.ANY, str(needle), Wildcard.ANY]:
            return lambda text: needle in text
    return _segmented(parts)


def merged(parts: Sequence[Part]) -> list[Part]:
    """Join neighbouring texts, drop empty ones, and make one `*` of several."""
    merged: list[Part] = []
    for part in parts:
        if isinstance(part, str) and merged and isinstance(merged[-1], str):
            merged[-1] += part
        elif part != "" and not (part is Wildcard.ANY and merged and merged[-1] is Wildcard.ANY):
            merged.append(part)
    return merged


class _Segment(NamedTuple):
    """What stands between two `*`: a text of fixed length."""

    length: int
    expression: re.Pattern[str]


def _segment(parts: Sequence[Part]) -> _Segment:
    source = "".join("." if part is Wildcard.ONE else re.escape(str(part)) for part in parts)
    length = sum(1 if part is Wildcard.ONE else len(str(part)) for part in parts)
    return _Segment(length, re.compile(source, re.DOTALL))


def _segmented(parts: list[Part]) -> Check:
    segments = [_segment(list(run)) for star, run in groupby(parts, lambda part: part is Wildcard.ANY) if not star]
    if Wildcard.ANY not in parts:
        expression = segments[0].expression
        return lambda text: expression.fullmatch(text) is not None
    head = None if parts[0] is Wildcard.ANY else segments.pop(0)
    tail = None if parts[-1] is Wildcard.ANY else segments.pop()
    return _between(head, segments, tail)


def _between(head: _Segment | None, middle: list[_Segment], tail: _Segment | None) -> Check:
    """Head at the start, tail at the end, the others leftmost and in order between them: no backtracking."""

    def check(text: str) -> bool:
        position, end = 0, len(text)
        if head is not None:
            if not head.expression.match(text):
                return False
            position = head.length
        if tail is not None:
            end -= tail.length
            if end < position or not tail.expression.match(text, end):
                return False
        for segment in middle:
            found = segment.expression.search(text, position, end)
            if found is None:
                return False
            position = found.end()
        return True

    return check
