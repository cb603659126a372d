"""What the routes of an engine share: the bound on what they remember, and the time that they have for an event."""

import ctypes
import sys
from typing import Final, Protocol
from weakref import WeakSet

from correlator.limit import Overtime, Timer

LIMIT: Final = 12 * 1024 * 1024
"""Estimated bytes that are remembered at most: values, verdicts and decisions of all routes."""


_TRIM: Final = getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None

BUDGET: Final = 0.25
"""Seconds of processor time for an event, about ten thousand times what an ordinary one takes."""


MAX_OVERTIMES: Final = 2
"""How often the budget may be exhausted on one event; the rules that are left then fail."""


def give_back() -> None:
    """Give memory that was needed only to build something back to the system, where the C library can (glibc)."""
    if _TRIM is not None:
        _TRIM(0)


class Forgetful(Protocol):
    """What remembers."""

    def forget(self) -> None:
        """Drop everything that was remembered."""


class Memory:
    """Counts what is remembered, and forgets it at the limit. A flood of new values costs what no memory costs.

    `timer` is armed where work depends on an event's content beyond its length, by whoever does that work first.
    `troubled`: atoms that could not be judged of the event at work, with the reason; whoever answers for it clears it.
    `judged`: values looked at anew; `undecided`: events whose values had not come together before.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        """Take the limit in bytes."""
        self.timer = Timer(BUDGET)
        self.troubled: dict[int, Exception] = {}
        self._limit = limit
        self._used = 0
        self._routes = WeakSet[Forgetful]()
        self.resets = 0
        self.judged = 0
        self.undecided = 0

    def register(self, route: "Forgetful") -> None:
        """Have a route forget when the limit is reached, as long as it is used."""
        self._routes.add(route)

    def trouble(self, atom: int, error: Exception) -> None:
        """Note that an atom could not be judged, and stop the time. Raises the error where too many took too long."""
        self.timer.disarm()
        self.troubled[atom] = error
        if sum(isinstance(each, Overtime) for each in self.troubled.values()) >= MAX_OVERTIMES:
            raise error

    def took(self, size: int) -> None:
        """Count what was just remembered."""
        self._used += size
        if self._used > self._limit:
            self._used = 0
            self.resets += 1
            for route in list(self._routes):
                route.forget()
