"""The embedded bus's catalogue: which topics there are, and which segment files hold them. The truth among processes.

A segment exists from the moment that its row is committed here; a file without a row is a leftover.
"""

import json
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

from soc.bus.base import TopicShape
from soc.bus.database import connect, create, make_folder, writing
from soc.errors import Stop

SEGMENT_PAGE = 16_384
"""Bytes a page of a segment file: large values cost half as much as with SQLite's 4,096."""

_SCHEMA = """
CREATE TABLE topic (name TEXT PRIMARY KEY, identity TEXT NOT NULL, partitions INTEGER NOT NULL);
CREATE TABLE segment (topic TEXT, number INTEGER, created INTEGER NOT NULL, bytes INTEGER NOT NULL,
                      starts TEXT NOT NULL, PRIMARY KEY (topic, number)) WITHOUT ROWID;
"""
_SEGMENT_SCHEMA = """
CREATE TABLE batch (id INTEGER PRIMARY KEY, count INTEGER NOT NULL, appended INTEGER NOT NULL, data BLOB NOT NULL);
"""


class Topic(NamedTuple):
    """A topic that exists."""

    identity: str
    partitions: int


class Segment(NamedTuple):
    """One file of a topic. `created`: microseconds; `bytes`: its size when it was closed; `starts`: the first offset
    that it may hold, a partition.
    """

    number: int
    created: int
    bytes: int
    starts: tuple[int, ...]


class Catalog:
    """A connection to the catalogue. Not for two threads at once."""

    def __init__(self, folder: Path, timeout: float) -> None:
        """Open FOLDER/topics.db. `timeout`: seconds to wait for other writers."""
        self._folder = folder
        self._timeout = timeout
        self._connection = connect(folder / "topics.db")

    @staticmethod
    def prepare(folder: Path) -> None:
        """Make the catalogue where there is none. One process at a time."""
        create(folder / "topics.db", _SCHEMA)

    def ensure(self, name: str, shape: TopicShape, now: int) -> None:
        """Make the topic, with its first segment, where there is none. One process at a time."""
        if self.topic(name):
            return
        make_folder(self._folder / name)
        self.make_file(name, 1)
        with writing(self._connection, self._timeout):
            self._connection.execute("INSERT INTO topic VALUES (?,?,?)", (name, uuid4().hex, shape.partitions))
            self._insert(name, Segment(1, now, 0, (0,) * shape.partitions))

    def topic(self, name: str) -> Topic | None:
        """Return the topic, or None where it was never made."""
        row = self._connection.execute("SELECT identity, partitions FROM topic WHERE name=?", (name,)).fetchone()
        return Topic(*row) if row else None

    def existing(self, name: str) -> Topic:
        """Return the topic. Raises Stop where it was never made."""
        topic = self.topic(name)
        if topic is None:
            raise Stop(f"there is no topic {name!r}")
        return topic

    def range(self, name: str) -> tuple[int, int]:
        """Return the numbers of the oldest and the newest segment: cheap, to see whether anything changed."""
        row = self._connection.execute("SELECT min(number), max(number) FROM segment WHERE topic=?", (name,))
        low, high = row.fetchone()
        return low, high

    def segments(self, name: str) -> list[Segment]:
        """Return the topic's segments, oldest first."""
        rows = self._connection.execute(
            "SELECT number, created, bytes, starts FROM segment WHERE topic=? ORDER BY number", (name,)
        )
        return [Segment(number, created, size, tuple(json.loads(starts))) for number, created, size, starts in rows]

    def path(self, name: str, number: int) -> Path:
        """Return the segment's file."""
        return self._folder / name / f"{number:010d}.db"

    def make_file(self, name: str, number: int) -> None:
        """Make an empty segment file, in place of what a killed process may have left."""
        path = self.path(name, number)
        path.unlink(missing_ok=True)
        create(path, _SEGMENT_SCHEMA, SEGMENT_PAGE)

    def roll(self, name: str, closed: int, size: int, starts: tuple[int, ...], now: int) -> None:
        """Close segment `closed` at `size` bytes and enter its successor, whose file is there."""
        with writing(self._connection, self._timeout):
            self._connection.execute("UPDATE segment SET bytes=? WHERE topic=? AND number=?", (size, name, closed))
            self._insert(name, Segment(closed + 1, now, 0, starts))

    def remove(self, name: str, below: int) -> None:
        """Take the segments with numbers below `below` out."""
        with writing(self._connection, self._timeout):
            self._connection.execute("DELETE FROM segment WHERE topic=? AND number<?", (name, below))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _insert(self, name: str, segment: Segment) -> None:
        values = (name, segment.number, segment.created, segment.bytes, json.dumps(segment.starts))
        self._connection.execute("INSERT INTO segment VALUES (?,?,?,?,?)", values)
