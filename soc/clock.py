"""Time, injected: nothing else in Vonggac asks the operating system for it."""

import asyncio
import time
from typing import Protocol

SECOND = 1_000_000
"""Microseconds in a second; every stored time is an int of microseconds since 1970-01-01 UTC."""

DAY = 86_400 * SECOND


class Clock(Protocol):
    """What a stage may ask about time."""

    def now(self) -> int:
        """Return the wall clock: microseconds since the epoch, UTC."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back, from an unspecified start."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long; cancellable."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> int:
        """Return microseconds since the epoch."""
        return time.time_ns() // 1000

    def monotonic(self) -> float:
        """Return the monotonic clock in seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await asyncio.sleep(seconds)
