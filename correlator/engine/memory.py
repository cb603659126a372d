"""What the routes of an engine share: the bound on what they remember, and the time that they have for an event."""

from collections.abc import Callable
from typing import Final

from correlator.limit import Timer

LIMIT: Final = 48 * 1024 * 1024
"""Estimated bytes that are remembered at most: values, verdicts and decisions of all routes."""


BUDGET: Final = 0.25
"""Seconds of processor time for an event, about ten thousand times what an ordinary one takes."""


class Memory:
    """Counts what is remembered, and forgets it at the limit. A flood of new values costs what no memory costs.

    `timer` is armed where work depends on an event's content beyond its length, by whoever does that work first.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        """Take the limit in bytes."""
        self.timer = Timer(BUDGET)
        self._limit = limit
        self._used = 0
        self._forget: list[Callable[[], None]] = []
        self.resets = 0

    def register(self, forget: Callable[[], None]) -> None:
        """Have `forget` called when the limit is reached."""
        self._forget.append(forget)

    def took(self, size: int) -> None:
        """Count what was just remembered."""
        self._used += size
        if self._used > self._limit:
            self._used = 0
            self.resets += 1
            for forget in self._forget:
                forget()
