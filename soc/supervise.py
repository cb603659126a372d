"""`soc up`: one forked process a role; when one ends, all end, with its error."""

import ctypes
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from multiprocessing.connection import wait
from multiprocessing.context import ForkProcess
from types import FrameType
from typing import Final

import structlog

from soc.errors import Stop
from soc.lifecycle import watch_terminal

log = structlog.get_logger()

STOP_SECONDS: Final = 15.0
"""What the roles have to end after SIGTERM; then they are killed."""

_PR_SET_PDEATHSIG: Final = 1


def supervise(roles: Sequence[str], run: Callable[[str], None]) -> None:
    """Fork `run(role)` for each role and wait until SIGTERM, SIGINT or the end of one; then end the others.

    SIGHUP is passed on, unless it says that the terminal is gone: then it is a stop.
    `run` must not return before it is told to stop by SIGTERM. Raises Stop naming the role that ended first and how.
    """
    told = _Told()
    context = multiprocessing.get_context("fork")
    children = {role: context.Process(target=_child, args=(role, run, os.getpid()), name=role) for role in roles}
    with told:
        _start(list(children.values()))
        ended = _first_to_end(children, told)
        _end(list(children.values()))
    if ended is not None and not told.stop:
        raise Stop(f"soc {ended.name} ended by itself ({_how(ended)}); its own messages stand above")


def _start(children: list[ForkProcess]) -> None:
    """Start them. A stop that comes meanwhile waits: before its first line a child would forget it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        for child in children:
            child.start()
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


class _Told:
    """Remembers which signals came, so that waiting can be cut short."""

    def __init__(self) -> None:
        self.stop = False
        self.reload = False
        self._gone = watch_terminal()

    def __enter__(self) -> None:
        self._before = {n: signal.signal(n, self._note) for n in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and not self._gone():
            self.reload = True
        else:
            self.stop = True


def _first_to_end(children: dict[str, ForkProcess], told: _Told) -> ForkProcess | None:
    sentinels = {child.sentinel: child for child in children.values()}
    while not told.stop:
        for sentinel in wait(list(sentinels), timeout=0.2):
            return sentinels[sentinel]  # type: ignore[index] # sentinels are ints on this platform
        if told.reload:
            told.reload = False
            _pass_on(children)
    return None


def _pass_on(children: dict[str, ForkProcess]) -> None:
    """Send SIGHUP to each role; one that has nothing to reload ignores it."""
    for child in children.values():
        if child.pid is not None and child.is_alive():
            os.kill(child.pid, signal.SIGHUP)


def _end(children: Sequence[ForkProcess]) -> None:
    """Ask all at once: every hop is at least once, so no order is owed. Kill what does not end in time."""
    for child in children:
        if child.is_alive():
            child.terminate()
    deadline = time.monotonic() + STOP_SECONDS
    for child in children:
        child.join(max(0.0, deadline - time.monotonic()))
        if child.is_alive():
            log.warning("killed: did not end in time", role=child.name)
            child.kill()
            child.join()


def _how(child: ForkProcess) -> str:
    code = child.exitcode
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit status {code}"


def _child(role: str, run: Callable[[str], None], parent: int) -> None:
    """Die with the supervisor, however it dies; leave signals to the role's own loop."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole terminal; the supervisor passes SIGTERM on
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until the role hears it: what it would reload is not read yet
    run(role)
