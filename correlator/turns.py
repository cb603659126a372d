"""Long computations in slices: the loop gets its turn for the consumer's heartbeat, health and the other stages."""

import asyncio
from typing import Final

from soc.clock import Clock

SLICE: Final = 0.02
"""Seconds of computation after which the loop gets its turn."""


class Turns:
    """Lets a coroutine compute for a slice at a time."""

    def __init__(self, clock: Clock) -> None:
        """Begin a slice."""
        self._clock = clock
        self._end = clock.monotonic() + SLICE

    async def look(self) -> None:
        """Give the loop its turn if the slice is over. Call it between two pieces of work."""
        if self._clock.monotonic() >= self._end:
            await asyncio.sleep(0)
            self._end = self._clock.monotonic() + SLICE
