"""SQLite as the embedded bus uses it: write-ahead log, explicit transactions, errors that say the caller's next act."""

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from soc.errors import Retry, Stop

_READ_TIMEOUT = 5.0
_LONGEST_NAP = 0.002


def create(path: Path, schema: str, page_size: int = 4096) -> None:
    """Make the database durably where it is not there yet. The caller sees to it that nobody else does so now."""
    if path.exists():
        return
    new = path.with_suffix(".new")
    for leftover in files_of(new):
        leftover.unlink(missing_ok=True)
    connection = sqlite3.connect(new, isolation_level=None)
    try:
        connection.execute(f"PRAGMA page_size={page_size}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(f"BEGIN;{schema}COMMIT;")
    finally:
        connection.close()  # writes the log back and removes it
    new.rename(path)
    sync_folder(path.parent)


def connect(path: Path, *, durable: bool = True) -> sqlite3.Connection:
    """Return a connection to an existing database; any thread may use it, one at a time.

    `durable`: a commit returns only when the disk has it (synchronous=FULL); else when the operating system has it.
    """
    uri = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False, timeout=_READ_TIMEOUT)
    connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
    return connection


@contextmanager
def writing(connection: sqlite3.Connection, timeout: float) -> Iterator[None]:
    """One write transaction: committed at the end, rolled back on an error.

    Waits up to `timeout` seconds for other writers, asking every millisecond or two: SQLite's own wait grows to 100 ms
    and lets one busy writer starve the others.
    """
    _begin(connection, timeout)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # some errors, a full disk among them, have rolled back already
            connection.execute("ROLLBACK")
        raise


def _begin(connection: sqlite3.Connection, timeout: float) -> None:
    deadline = time.monotonic() + timeout  # real time, whatever clock was injected: a real process is waited for
    connection.execute("PRAGMA busy_timeout=0")
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() >= deadline:
                    raise
                time.sleep(random.uniform(0.0005, _LONGEST_NAP))  # noqa: S311 - no secret: spreads the waiters
            else:
                return
    finally:
        connection.execute(f"PRAGMA busy_timeout={int(_READ_TIMEOUT * 1000)}")


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn SQLite's and the file system's errors into ours: Retry for what may pass, Stop for a damaged file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        raise Retry(f"{what}: {error}") from error
    except sqlite3.DatabaseError as error:
        raise Stop(f"{what} is damaged ({error}): stop the service, move the folder away, start again") from error
    except OSError as error:
        raise Retry(f"{what}: {error}") from error


def files_of(path: Path) -> tuple[Path, Path, Path]:
    """Return the database's file and those of its write-ahead log."""
    return path, path.with_name(path.name + "-wal"), path.with_name(path.name + "-shm")


def make_folder(path: Path) -> None:
    """Make the folder and those above it, durably."""
    if path.is_dir():
        return
    make_folder(path.parent)
    path.mkdir(exist_ok=True)
    sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make the folder's entries durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
