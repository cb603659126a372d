"""One topic's log as its writer thread sees it, and the locks that processes take on the embedded bus's folder."""

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from soc.bus.base import Message
from soc.bus.catalog import Catalog
from soc.bus.database import translated
from soc.bus.pressure import is_near, slowest
from soc.bus.segments import Writer
from soc.bus.topics import shape_of
from soc.clock import SECOND, Clock
from soc.errors import AlreadyRunning, Retry, SlowDown
from soc.settings import BusSettings

_LOOK_SECONDS = 1.0
"""How often a writer looks how far behind the slowest group is; after every new segment too."""


class Log:
    """Appends to one topic. For one thread; opens its files at the first use."""

    def __init__(self, folder: Path, topic: str, settings: BusSettings, clock: Clock) -> None:
        """The topic exists."""
        self._folder = folder
        self._topic = topic
        self._settings = settings
        self._clock = clock
        self._shape = shape_of(topic, settings)
        self._opened: tuple[Catalog, Writer] | None = None
        self._looked: tuple[float, int] = (float("-inf"), 0)
        self._slow: SlowDown | None = None

    def append(self, messages: dict[int, list[Message]], draining: bool = False) -> None:
        """Append durably. Raises SlowDown, but not to a publisher that drains the topic, Retry, Stop."""
        with translated(f"{self._folder}, {self._topic}"):
            catalog, writer = self._open()
            if not draining:
                self._refuse_if_full(catalog, writer)
            if writer.append(messages):
                writer.remove_expired()

    def expire(self) -> None:
        """Apply retention. Raises Retry, Stop."""
        with translated(f"{self._folder}, {self._topic}"):
            self._open()[1].expire()

    def close(self) -> None:
        """Close the files."""
        if self._opened is not None:
            catalog, writer = self._opened
            writer.close()
            catalog.close()
            self._opened = None

    def _open(self) -> tuple[Catalog, Writer]:
        if self._opened is None:
            catalog = Catalog(self._folder, self._settings.publish_timeout)
            self._opened = catalog, Writer(catalog, self._topic, self._shape, self._settings, self._clock)
        return self._opened

    def _refuse_if_full(self, catalog: Catalog, writer: Writer) -> None:
        self._look(catalog, writer)
        if self._slow is not None:
            raise SlowDown(str(self._slow), self._slow.after)

    def _look(self, catalog: Catalog, writer: Writer) -> None:
        """See whether the slowest group nears retention. Nobody can while the topic itself is far from it."""
        if not self._shape.retention_bytes:
            return
        now, newest = self._clock.monotonic(), catalog.range(self._topic)[1]
        if now - self._looked[0] < _LOOK_SECONDS and newest == self._looked[1] and self._slow is None:
            return
        self._looked = now, newest
        self._slow = None
        kept, share = self._shape.retention_bytes, self._settings.near_retention
        size = sum(segment.bytes for segment in catalog.segments(self._topic)) + 2 * writer.segment_bytes
        if is_near(size, kept, share):
            forgotten = self._clock.now() - self._shape.retention_seconds * SECOND
            name, unread = slowest(self._folder, catalog, self._topic, writer.segment_bytes, forgotten)
            if is_near(unread, kept, share):
                self._slow = SlowDown(f"{self._topic}: group {name!r} is {unread} bytes behind; {kept} are kept")


class WriterClaim:
    """The right to publish to soc.events: one process has it, by a file lock that ends with the process."""

    _held: ClassVar[dict[Path, tuple[int, int]]] = {}
    _guard: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, path: Path) -> None:
        """Take it. Raises AlreadyRunning where another process has it, Retry where the file cannot be made now."""
        self._path = path.resolve()
        with self._guard:
            descriptor, holders = self._held.get(self._path, (-1, 0))
            if not holders:
                with translated(str(self._path)):
                    descriptor = _lock(self._path)
            self._held[self._path] = descriptor, holders + 1

    def release(self) -> None:
        """Give it back; another bus of this process may still hold it."""
        with self._guard:
            descriptor, holders = self._held.pop(self._path)
            if holders > 1:
                self._held[self._path] = descriptor, holders - 1
            else:
                os.close(descriptor)


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        if not isinstance(error, BlockingIOError):
            raise
        raise AlreadyRunning(
            f"another process publishes events to {path.parent}. Send yours to it (syslog, `soc replay`, the gateway), "
            "stop it first, or set bus.url to a Kafka cluster or another folder."
        ) from None
    return descriptor


@contextmanager
def setup(folder: Path, timeout: float) -> Iterator[None]:
    """Let one process at a time make files in the folder. Raises Retry where another does for too long."""
    descriptor = os.open(folder / "setup.lock", os.O_RDWR | os.O_CREAT, 0o644)
    deadline = time.monotonic() + timeout  # real time: a real process is waited for
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise Retry(f"{folder}: another process has been making files for {timeout} s") from None
                time.sleep(0.005)
        yield
    finally:
        os.close(descriptor)
