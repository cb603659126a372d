"""A program's messages as a table: patterns whose named groups are the fields, and the Action that each means."""

import re
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

_NUMBERS: Final = frozenset({"SourcePort", "UID", "GID", "RepeatCount"})


class Shape(NamedTuple):
    """One kind of message."""

    pattern: re.Pattern[str]
    action: str


def shape(pattern: str, action: str) -> Shape:
    """Return the shape; the pattern must match the whole message."""
    return Shape(re.compile(pattern, re.DOTALL), action)


def first_match(shapes: Sequence[Shape], message: str) -> dict[str, Any] | None:
    """Return the fields of the first shape that the whole message has, with its Action; None where it has none."""
    for pattern, action in shapes:
        found = pattern.fullmatch(message)
        if found:
            fields = {name: _value(name, text) for name, text in found.groupdict().items() if text is not None}
            return {**fields, "Action": action}
    return None


def _value(name: str, text: str) -> Any:
    return int(text) if name in _NUMBERS else text
