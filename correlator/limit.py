"""A bound on the processor time of one piece of work, for what hostile input can make slow: `re` above all."""

import atexit
import os
import signal
import threading
from types import FrameType, TracebackType
from typing import ClassVar, Final

_CLOCK: Final = int(signal.ITIMER_VIRTUAL)
_TICK: Final = 0.05
"""Seconds of processor time between two looks at the timer that runs. One clock for all: setting it costs a system call."""


class Overtime(Exception):
    """The work took longer than it may."""


_MAIN: Final = threading.main_thread().ident


class Timer:
    """Raises Overtime out of what runs between `arm` and `disarm` after so much processor time of the process.

    It interrupts `re` too, which looks for signals while it searches. Python delivers signals to the main thread alone:
    in any other nothing is bounded. One timer runs at a time, and nothing may await while it does.
    """

    _running: "ClassVar[Timer | None]" = None
    _ticking: ClassVar[int] = 0

    def __init__(self, seconds: float) -> None:
        """Take the limit; it is kept to a twentieth of a second."""
        self._seconds = seconds
        self._left = 0.0
        self.armed = False

    def arm(self) -> None:
        """Start the time, unless it runs already."""
        if self.armed or threading.get_ident() != _MAIN:
            return
        if Timer._ticking != os.getpid():  # a forked process has no clock yet
            signal.signal(signal.SIGVTALRM, Timer._tick)
            signal.setitimer(_CLOCK, _TICK, _TICK)
            atexit.register(signal.setitimer, _CLOCK, 0)  # before Python drops the handler: the signal would end us
            Timer._ticking = os.getpid()
        self._left = self._seconds
        Timer._running = self
        self.armed = True

    def disarm(self) -> None:
        """Stop the time, if it runs."""
        self.armed = False

    @staticmethod
    def _tick(_number: int, _frame: FrameType | None) -> None:
        """Raise when the time is over, and again at every tick: what is raised in a destructor Python swallows."""
        timer = Timer._running
        if timer is None or not timer.armed:
            return
        timer._left -= _TICK  # noqa: SLF001 - of this class
        if timer._left < 0:  # noqa: SLF001 - as above
            raise Overtime(f"more than {timer._seconds:g} s of processor time")  # noqa: SLF001 - as above


class limited(Timer):  # noqa: N801 - reads as the statement that it is: `with limited(1.0):`
    """`with limited(seconds):` raises Overtime within the block, as a Timer does. Blocks must not nest."""

    def __enter__(self) -> None:
        """Start the time."""
        self.arm()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the time."""
        self.disarm()
