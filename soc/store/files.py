"""SQLite files that come and go while several processes use them: opened on demand, few at once, removed safely."""

import asyncio
import fcntl
import os
import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from urllib.parse import quote

from soc.clock import Clock
from soc.errors import Retry

T = TypeVar("T")

MOST_OPEN: Final = 12
"""Connections that one user of a folder keeps open; each has three files."""

SCHEMA: Final = 1
"""Raised with each change of the schemas. What a file of an older one lacks is made when it is opened."""

_LOCK: Final = "store.lock"
_TRIES, _PAUSE = 500, 0.01
_STEPS: Final = 20_000
"""How often SQLite's virtual machine looks whether it is late."""

_PRAGMAS: Final = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA journal_size_limit = 33554432",
    "PRAGMA trusted_schema = OFF",
)


class _Opened(NamedTuple):
    connection: sqlite3.Connection
    inode: tuple[int, int]


class Files:
    """The databases KIND-MONTH.db (or KIND.db) of one folder. Use from one thread.

    A file is created and removed under a lock on the folder, and removed only by who holds its write lock; whoever
    gets that lock later sees that the path is another file, or none, and opens afresh. So nothing that was
    acknowledged is written to a removed file, and a new file never meets the log of its predecessor.
    """

    def __init__(
        self, folder: Path, schemas: Mapping[str, str], busy_seconds: float, is_late: Callable[[], bool]
    ) -> None:
        """`schemas`: the statements that create what a file does not have yet, by kind.

        `busy_seconds`: how long to wait for a lock. Whatever SQLite is doing ends with an error soon after `is_late` answers True.
        """
        self._folder = folder
        self._schemas = schemas
        self._busy_seconds = busy_seconds
        self._is_late = is_late
        self._opened: OrderedDict[str, _Opened] = OrderedDict()

    def names(self, kind: str) -> list[str]:
        """Return the names of that kind, "matches-2026.11" before "matches-2026.10"."""
        return sorted((path.stem for path in self._folder.glob(f"{kind}-*.db")), reverse=True)

    def reading(self, name: str) -> sqlite3.Connection | None:
        """Return a connection, None where there is no such file."""
        return self._open(name, create=False)

    @contextmanager
    def writing(self, name: str, *, create: bool = True) -> Iterator[sqlite3.Connection | None]:
        """Hold the write lock of a file (None: there is none, and `create` is off). Commits at the end."""
        connection = self._begin(name, create=create)
        if connection is None:
            yield None
            return
        try:
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def remove(self, name: str) -> None:
        """Remove the file, with what it holds, once nobody writes to it."""
        with self.writing(name, create=False) as connection:
            if connection is not None:
                with self._folder_locked():
                    self._path(name).unlink(missing_ok=True)
                    self._remove_logs(name)
        self._drop(name)

    def close(self) -> None:
        """Close every connection."""
        for name in list(self._opened):
            self._drop(name)

    def _begin(self, name: str, *, create: bool) -> sqlite3.Connection | None:
        while (connection := self._open(name, create=create)) is not None:
            connection.execute("BEGIN IMMEDIATE")
            if self._is_current(name):
                return connection
            connection.execute("ROLLBACK")
        return None

    def _open(self, name: str, *, create: bool) -> sqlite3.Connection | None:
        if not self._is_current(name):
            self._drop(name)
            with self._folder_locked():
                if not self._prepare(name, create=create):
                    return None
                self._opened[name] = self._connect(name)
        self._opened.move_to_end(name)
        while len(self._opened) > MOST_OPEN:
            self._drop(next(iter(self._opened)))
        return self._opened[name].connection

    def _prepare(self, name: str, *, create: bool) -> bool:
        """Tell whether the file is there or may be made. What a removal that was killed left behind goes first."""
        if self._path(name).exists():
            return True
        if create:
            self._remove_logs(name)
        return create

    def _connect(self, name: str) -> _Opened:
        path = self._path(name)
        uri = f"file:{quote(str(path.resolve()))}?mode=rwc"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=self._busy_seconds)
        try:
            for pragma in _PRAGMAS:
                connection.execute(pragma)
            if connection.execute("PRAGMA user_version").fetchone()[0] < SCHEMA:
                schema = self._schemas[name.partition("-")[0]]
                connection.executescript(f"BEGIN IMMEDIATE;{schema};PRAGMA user_version = {SCHEMA};COMMIT;")
        except BaseException:
            connection.close()
            raise
        connection.set_progress_handler(self._is_late, _STEPS)
        _sync_folder(self._folder)
        return _Opened(connection, _inode(path))

    def _is_current(self, name: str) -> bool:
        opened = self._opened.get(name)
        try:
            return opened is not None and opened.inode == _inode(self._path(name))
        except FileNotFoundError:
            return False

    def _drop(self, name: str) -> None:
        opened = self._opened.pop(name, None)
        if opened:
            opened.connection.close()

    def _remove_logs(self, name: str) -> None:
        for suffix in ("-wal", "-shm"):
            self._path(name).with_suffix(f".db{suffix}").unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.db"

    @contextmanager
    def _folder_locked(self) -> Iterator[None]:
        with (self._folder / _LOCK).open("ab") as lock:
            for _ in range(_TRIES):
                with suppress(BlockingIOError):
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                time.sleep(_PAUSE)
            else:
                raise Retry(f"{self._folder}: another process holds the lock on the folder")
            yield


class Lane:
    """One thread that uses a folder's files, with connections of its own."""

    def __init__(self, folder: Path, schemas: Mapping[str, str], timeout: float, clock: Clock) -> None:
        """`timeout`: seconds that a piece of work may wait for a lock, or keep SQLite busy."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        self._files = Files(folder, schemas, timeout, self._is_late)
        self._timeout = timeout
        self._clock = clock
        self._deadline = 0.0

    async def run(self, work: Callable[[Files], T]) -> T:
        """Return what `work` returns. Raises Retry where a file is locked, full or damaged, or it took too long."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._run, work)

    async def aclose(self) -> None:
        """Close the files and end the thread."""
        await self.run(Files.close)
        self._thread.shutdown()

    def _run(self, work: Callable[[Files], T]) -> T:
        self._deadline = self._clock.monotonic() + self._timeout
        try:
            return work(self._files)
        except (sqlite3.Error, OSError) as error:
            raise Retry(f"the store's files: {error}") from error

    def _is_late(self) -> bool:
        return self._clock.monotonic() > self._deadline


def _inode(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _sync_folder(folder: Path) -> None:
    """Make a new file's name durable: SQLite does so for its journal, not for the file itself."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
