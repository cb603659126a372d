"""A bound on the processor time of one piece of work, for what hostile input can make slow: `re` above all."""

import signal
import threading
from types import FrameType, TracebackType
from typing import ClassVar, Final

_CLOCK: Final = int(signal.ITIMER_VIRTUAL)
_AGAIN: Final = 0.02
"""Seconds until it is raised again: Python swallows what is raised in a destructor or a callback of the collector."""


class Overtime(Exception):
    """The work took longer than it may."""


class Timer:
    """Raises Overtime out of what runs between `arm` and `disarm` after so much processor time of the process.

    It interrupts `re` too, which looks for signals while it searches. Python delivers signals to the main thread alone:
    in any other nothing is bounded. One timer runs at a time, and nothing may await while it does.
    """

    _running: "ClassVar[Timer | None]" = None
    _installed: ClassVar[bool] = False

    def __init__(self, seconds: float) -> None:
        """Take the limit."""
        self._seconds = seconds
        self.armed = False

    def arm(self) -> None:
        """Start the time, unless it runs already."""
        if self.armed or threading.current_thread() is not threading.main_thread():
            return
        if not Timer._installed:  # once: it costs ten times what the rest does
            signal.signal(signal.SIGVTALRM, Timer._expired)
            Timer._installed = True
        Timer._running = self
        self.armed = True
        signal.setitimer(_CLOCK, self._seconds, _AGAIN)

    def disarm(self) -> None:
        """Stop the time, if it runs."""
        if self.armed:
            self.armed = False  # first: a signal that is on its way raises nothing any more
            signal.setitimer(_CLOCK, 0)

    @staticmethod
    def _expired(_number: int, _frame: FrameType | None) -> None:
        timer = Timer._running
        if timer is not None and timer.armed:
            raise Overtime(f"more than {timer._seconds:g} s of processor time")  # noqa: SLF001 - of this class


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
