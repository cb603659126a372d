"""The heartbeats of a process's members, from a thread: a slow handler keeps its partitions, a paused process does not."""

import sqlite3
import threading
from pathlib import Path

import structlog

from soc.bus.groups import Group
from soc.clock import Clock

log = structlog.get_logger()

TICK_SECONDS = 0.5
"""How often other members are looked at: how long a killed process's partitions wait."""
_LONGEST_BEAT = 3.0
_BUSY_SECONDS = 0.5


class Heart:
    """Beats for the members that were added, and removes those of other processes that ended or fell silent."""

    def __init__(self, folder: Path, session: float, clock: Clock) -> None:
        """`folder`: where the groups are. `session`: seconds of silence that a member survives."""
        self._folder = folder
        self._session = session
        self._clock = clock
        self._members: dict[str, set[str]] = {}
        self._beaten: dict[str, float] = {}
        self._groups: dict[str, Group] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def add(self, group: str, member: str) -> None:
        """Beat for the member of the group, which exists."""
        with self._lock:
            self._members.setdefault(group, set()).add(member)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bus-heart", daemon=True)
                self._thread.start()

    def remove(self, group: str, member: str) -> None:
        """Do so no more."""
        with self._lock:
            self._members.get(group, set()).discard(member)

    def stop(self) -> None:
        """End the thread. Blocks until it has ended."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(TICK_SECONDS):
            with self._lock:
                members = {group: frozenset(each) for group, each in self._members.items() if each}
            for group, ours in members.items():
                try:
                    self._tick(group, ours)
                except (sqlite3.Error, OSError) as error:
                    log.warning("heartbeat failed; the next follows", group=group, reason=str(error))
        for each in self._groups.values():
            each.close()

    def _tick(self, name: str, ours: frozenset[str]) -> None:
        if name not in self._groups:
            self._groups[name] = Group(self._folder, name, _BUSY_SECONDS, durable=False)
        group, now = self._groups[name], self._clock.monotonic()
        if now - self._beaten.get(name, float("-inf")) >= min(_LONGEST_BEAT, self._session / 4):
            group.beat(ours, now)
            self._beaten[name] = now
        group.sweep(ours, now, self._session)
