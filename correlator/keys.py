"""Alert keys: what groups the matches of a rule into one alert."""

from collections.abc import Iterable
from typing import Final

from soc.events import digest

MAX_KEY: Final = 400
"""Characters of an alert key; a longer one is cut and told apart by its digest."""


def joined(rule: str, parts: Iterable[str]) -> str:
    """Return the key of a rule's id and what its matches are grouped by; no part can look like two."""
    key = "|".join([rule, *map(_escaped, parts)])
    return key if len(key) <= MAX_KEY else f"{key[:MAX_KEY]}#{digest(key)}"


def _escaped(part: str) -> str:
    """Keep a value that holds a separator from looking like two."""
    return part.replace("\\", "\\\\").replace("|", "\\|")
