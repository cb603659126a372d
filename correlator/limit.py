"""A bound on the processor time of one piece of work, for what hostile input can make slow: `re` above all."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Final

_AGAIN: Final = 0.02
"""Seconds until it is raised again: Python swallows what is raised in a destructor or a callback of the collector."""


class Overtime(Exception):
    """The work took longer than it may."""


class Timer:
    """Raises Overtime out of what runs between `arm` and `disarm` after so much processor time of the process.

    It interrupts `re` too, which looks for signals while it searches. Python delivers signals to the main thread alone:
    in any other nothing is bounded. One timer runs at a time, and nothing may await while it does.
    """

    def __init__(self, seconds: float) -> None:
        """Take the limit."""
        self._seconds = seconds
        self.armed = False

    def arm(self) -> None:
        """Start the time, unless it runs already."""
        if self.armed or threading.current_thread() is not threading.main_thread():
            return
        signal.signal(signal.SIGVTALRM, self._expired)
        self.armed = True
        signal.setitimer(signal.ITIMER_VIRTUAL, self._seconds, _AGAIN)

    def disarm(self) -> None:
        """Stop the time, if it runs."""
        if self.armed:
            self.armed = False  # first: a signal that is on its way raises nothing any more
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)

    def _expired(self, _number: int, _frame: FrameType | None) -> None:
        if self.armed:
            raise Overtime(f"more than {self._seconds:g} s of processor time")


class limited:  # noqa: N801 - reads as the statement that it is: `with limited(1.0):`
    """`with limited(seconds):` raises Overtime within the block, as a Timer does. Blocks must not nest."""

    def __init__(self, seconds: float) -> None:
        """Take the limit; the time runs from the block's beginning."""
        self._timer = Timer(seconds)

    def __enter__(self) -> None:
        """Start the time."""
        self._timer.arm()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the time."""
        self._timer.disarm()
