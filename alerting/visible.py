"""Log content made inert for people: control characters shown instead of obeyed, lengths bounded."""

import unicodedata
from datetime import UTC, datetime
from typing import Final

from soc.clock import SECOND

_OBEYED: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode categories that a terminal or a page obeys (ANSI, line ends, direction) or that mean nothing."""


def visible(text: str, limit: int = 500) -> str:
    r"""Return one line of at most `limit` characters in which nothing acts: ESC becomes "\x1b", a line end "\x0a"."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    shown = "".join(char if char.isascii() and char.isprintable() else _shown(char) for char in cut)
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _shown(char: str) -> str:
    if unicodedata.category(char) not in _OBEYED:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"  # noqa: PLR2004 - what two hex digits hold


def iso(time: int) -> str:
    """Return microseconds since the epoch as "2026-11-22T08:15:00Z", UTC; as a number where no calendar has them."""
    try:
        return f"{datetime.fromtimestamp(time // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
    except (ValueError, OverflowError, OSError):
        return str(time)
