"""The text that a regular expression cannot be found without: what spares trying it.

Python's own parser says what the expression means. A sequence needs what its parts need; an alternative needs nothing.
"""

import warnings
from collections.abc import Iterable, Iterator
from re import IGNORECASE, _constants, _parser  # type: ignore[attr-defined]  # untyped; stable since 3.11
from typing import Any, Final

from correlator.engine.text import fold

DOTLESS: Final = "\u0130\u0131"
"""The letters that `re` takes for an i without case, though folding does not."""

_WITHIN: Final = {
    _constants.SUBPATTERN: lambda argument: argument[-1],
    _constants.ATOMIC_GROUP: lambda argument: argument,
}
_REPEATS: Final = {_constants.MAX_REPEAT, _constants.MIN_REPEAT, _constants.POSSESSIVE_REPEAT}
_NO_WIDTH: Final = {_constants.AT, _constants.ASSERT, _constants.ASSERT_NOT}
_BREAK: Final = None


def required(pattern: str, flags: int) -> tuple[str, ...]:
    """Return texts, folded, each of which stands in every folded text in which the expression is found: longest first.

    Not so of texts with a character of DOTLESS.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parsed = _parser.parse(pattern, flags)
    ignores_case = bool(parsed.state.flags & IGNORECASE) or "(?" in pattern
    runs = "".join("\0" if each is _BREAK else each for each in _characters(parsed, ignores_case=ignores_case))
    return tuple(sorted({fold(run) for run in runs.split("\0") if run}, key=lambda run: (-len(run), run)))


def _characters(sequence: Iterable[tuple[Any, Any]], *, ignores_case: bool) -> Iterator[str | None]:
    """Yield the characters that must follow each other, and _BREAK where something else may stand between them."""
    for operation, argument in sequence:
        if operation is _constants.LITERAL and argument and (argument < 128 or not ignores_case):  # noqa: PLR2004 - ASCII
            yield chr(argument)
        elif operation in _WITHIN:
            yield from _characters(_WITHIN[operation](argument), ignores_case=ignores_case)
        elif operation in _REPEATS and argument[0] > 0:
            yield _BREAK
            yield from _characters(argument[2], ignores_case=ignores_case)
            yield _BREAK
        elif operation not in _NO_WIDTH:
            yield _BREAK
