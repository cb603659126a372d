"""Reading and writing a topic's segment files. Synchronous: each object belongs to one thread at a time.

A row is one batch of one partition: id = partition << 48 | offset of its first record. The newest segment alone is
written to; a writer holds its lock while it checks in the catalogue that it still is the newest, and a roller holds it
while it enters the successor. So rolling is safe among processes, and a kill at any instant leaves a whole log.
"""

import itertools
import sqlite3
from collections.abc import Iterator, Mapping, Sequence

from soc.bus.base import Ends, Message, Record, TopicShape
from soc.bus.batches import decode, encode, split
from soc.bus.catalog import Catalog, Segment
from soc.bus.database import connect, files_of, sync_folder, writing
from soc.clock import SECOND, Clock
from soc.errors import Stop
from soc.settings import BusSettings

_SHIFT = 48
_ROWS = 64
"""Batches that one read looks at: they may be of one record each."""
_OPEN_FILES = 4
_SMALLEST_SEGMENT = 65_536

_READ = """
SELECT id, count, appended, data FROM batch
WHERE id >= coalesce((SELECT max(id) FROM batch WHERE id BETWEEN :low AND :at), :at) AND id < :high
ORDER BY id LIMIT :rows
"""
_LAST = "SELECT id, count FROM batch WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT 1"


def tail(connection: sqlite3.Connection, partition: int, start: int) -> int:
    """Return the offset behind the partition's last record in a segment where it begins at `start`."""
    row = connection.execute(_LAST, (partition << _SHIFT, (partition + 1) << _SHIFT)).fetchone()
    return (row[0] & ((1 << _SHIFT) - 1)) + row[1] if row else start


def segment_bytes(shape: TopicShape, settings: BusSettings) -> int:
    """Return the size at which a segment is closed: the setting, but small enough that retention has several files."""
    if not shape.retention_bytes:
        return settings.segment_bytes
    return min(settings.segment_bytes, max(_SMALLEST_SEGMENT, shape.retention_bytes // 8))


class Reader:
    """Reads one topic."""

    def __init__(self, catalog: Catalog, topic: str) -> None:
        """Read `topic`, which exists."""
        self._catalog = catalog
        self._topic = topic
        self._segments: list[Segment] = []
        self._files: dict[int, sqlite3.Connection] = {}
        self._tails: dict[int, list[Record]] = {}
        self.watched: tuple[str, ...] = ()
        """Files of which one changes whenever the topic is written to, as of the last refresh."""
        self.refresh()

    def refresh(self) -> None:
        """See which segments there are."""
        known = (self._segments[0].number, self._segments[-1].number) if self._segments else None
        if known != self._catalog.range(self._topic):
            self._segments = self._catalog.segments(self._topic)
            newest = self._catalog.path(self._topic, self._segments[-1].number)
            self.watched = str(newest.parent), str(files_of(newest)[1])
            self.close()  # so that a closed file's write-ahead log can be written back and removed

    def low(self, partition: int) -> int:
        """Return the oldest offset that is still there, as of the last refresh."""
        return self._segments[0].starts[partition]

    def ends(self) -> dict[int, Ends]:
        """Return each partition's ends."""
        self.refresh()
        newest = self._segments[-1]
        file = self._open(newest.number)
        return {p: Ends(self.low(p), tail(file, p, start)) for p, start in enumerate(newest.starts)}

    def read(self, partition: int, offset: int, limit: int) -> list[Record]:
        """Return up to `limit` records from `offset` on, or from the oldest where that is gone."""
        try:
            return self._read(partition, max(offset, self.low(partition)), limit)
        except sqlite3.OperationalError:
            oldest = self._segments[0].number
            self.refresh()
            if self._segments[0].number == oldest:
                raise
            return self._read(partition, max(offset, self.low(partition)), limit)  # retention took the file meanwhile

    def _read(self, partition: int, offset: int, limit: int) -> list[Record]:
        found = self._kept(partition, offset, limit)
        for segment, end in self._from(partition, offset):
            while len(found) < limit and (end is None or offset + len(found) < end):
                more = self._read_file(segment, partition, offset + len(found), limit - len(found))
                if not more:
                    break
                found += more
            if len(found) >= limit or end is None:
                break
            if offset + len(found) < end:
                raise sqlite3.OperationalError(f"{self._topic}[{partition}]: segment {segment.number} is cut short")
        return found

    def _from(self, partition: int, offset: int) -> Iterator[tuple[Segment, int | None]]:
        """Yield the segments from that which holds `offset` on, with the partition's end in each; None: still open."""
        for segment, following in zip(self._segments, [*self._segments[1:], None], strict=True):
            end = following.starts[partition] if following else None
            if end is None or end > offset:
                yield segment, end

    def _read_file(self, segment: Segment, partition: int, offset: int, limit: int) -> list[Record]:
        low = partition << _SHIFT
        bounds = {"low": low, "at": low | offset, "high": (partition + 1) << _SHIFT, "rows": _ROWS}
        found: list[Record] = []
        rows = self._open(segment.number).execute(_READ, bounds)
        try:
            for identifier, _count, appended, data in rows:
                base = identifier - low
                batch = self._decode(segment, data, partition, base, appended)
                found += batch[offset - base :] if base < offset else batch
                if len(found) >= limit:
                    self._tails[partition] = batch
                    break
        finally:
            rows.close()
        return found[:limit]

    def _kept(self, partition: int, offset: int, limit: int) -> list[Record]:
        """Return what of the batch decoded last lies at `offset`: a large one is read by several polls."""
        kept = self._tails.get(partition)
        at = offset - kept[0].offset if kept else -1
        return kept[at : at + limit] if kept and at >= 0 else []

    def _decode(self, segment: Segment, data: bytes, partition: int, base: int, appended: int) -> list[Record]:
        try:
            return decode(data, self._topic, partition, base, appended)
        except ValueError as error:
            path = self._catalog.path(self._topic, segment.number)
            raise Stop(f"{path}: partition {partition}, offset {base}: {error}") from None

    def _open(self, number: int) -> sqlite3.Connection:
        if number not in self._files:
            while len(self._files) >= _OPEN_FILES:
                self._files.pop(next(iter(self._files))).close()
            self._files[number] = connect(self._catalog.path(self._topic, number))
        return self._files[number]

    def close(self) -> None:
        """Close the files."""
        while self._files:
            self._files.popitem()[1].close()


class Writer:
    """Appends to one topic, rolls its segments and applies retention."""

    def __init__(self, catalog: Catalog, topic: str, shape: TopicShape, settings: BusSettings, clock: Clock) -> None:
        """Write to `topic`, which exists."""
        self._catalog = catalog
        self._topic = topic
        self._shape = shape
        self._settings = settings
        self._clock = clock
        self._file: tuple[Segment, sqlite3.Connection] | None = None
        self.segment_bytes = segment_bytes(shape, settings)

    def append(self, messages: Mapping[int, Sequence[Message]]) -> bool:
        """Append each partition's messages in one transaction: when this returns, the disk has them all.

        Return whether a new segment was begun.
        """
        blobs = [(p, len(part), encode(part)) for p, batch in messages.items() for part in split(batch)]
        rolled = False
        while not self._append(blobs):
            rolled = True  # another process, or we, closed the segment: the next is tried
        return rolled

    def _append(self, blobs: Sequence[tuple[int, int, bytes]]) -> bool:
        segment, file = self._newest()
        with writing(file, self._settings.publish_timeout):
            if self._catalog.range(self._topic)[1] != segment.number:
                return False
            if self._is_full(segment, file):
                self._roll(segment, file)
                return False
            now, ends = self._clock.now(), {p: tail(file, p, segment.starts[p]) for p, _, _ in blobs}
            for partition, count, blob in blobs:
                row = (partition << _SHIFT | ends[partition], count, now, blob)
                file.execute("INSERT INTO batch VALUES (?,?,?,?)", row)
                ends[partition] += count
        return True

    def expire(self) -> None:
        """Remove whole files past either bound of retention, then close the newest segment where it is full or old.

        In that order: where the disk is full, the first makes room for the second.
        """
        self.remove_expired()
        segment, file = self._newest()
        if self._is_full(segment, file):
            with writing(file, self._settings.publish_timeout):
                if self._catalog.range(self._topic)[1] == segment.number:
                    self._roll(segment, file)

    def remove_expired(self) -> None:
        """Remove the files past either bound of retention, never the newest, which counts as full."""
        segments = self._catalog.segments(self._topic)
        oldest = self._clock.now() - self._shape.retention_seconds * SECOND
        excess = sum(segment.bytes for segment in segments) + self.segment_bytes - self._shape.retention_bytes
        first = 0
        for segment, following in itertools.pairwise(segments):
            too_old = self._shape.retention_seconds and following.created < oldest
            too_many = self._shape.retention_bytes and excess > 0
            if not (too_old or too_many):
                break
            excess -= segment.bytes
            first += 1
        if first:
            self._catalog.remove(self._topic, segments[first].number)
        self._unlink_below(segments[first].number)

    def _newest(self) -> tuple[Segment, sqlite3.Connection]:
        number = self._catalog.range(self._topic)[1]
        if self._file is None or self._file[0].number != number:
            self.close()
            segment = self._catalog.segments(self._topic)[-1]
            self._file = segment, connect(self._catalog.path(self._topic, segment.number))
        return self._file

    def _is_full(self, segment: Segment, file: sqlite3.Connection) -> bool:
        if not any(tail(file, p, start) > start for p, start in enumerate(segment.starts)):
            return False
        old = self._clock.now() - segment.created >= self._settings.segment_seconds * SECOND
        return old or _size(file) >= self.segment_bytes

    def _roll(self, segment: Segment, file: sqlite3.Connection) -> None:
        """Enter the successor; the caller holds the segment's lock.

        It is no older than the segment, however far back the clock was set: retention judges a file by its successor.
        """
        starts = tuple(tail(file, p, start) for p, start in enumerate(segment.starts))
        self._catalog.make_file(self._topic, segment.number + 1)
        created = max(self._clock.now(), segment.created)
        self._catalog.roll(self._topic, segment.number, _size(file), starts, created)

    def _unlink_below(self, number: int) -> None:
        folder = self._catalog.path(self._topic, number).parent
        gone = [path for path in folder.glob("*.db") if path.stem.isdigit() and int(path.stem) < number]
        for path in gone:
            for file in reversed(files_of(path)):
                file.unlink(missing_ok=True)
        if gone:
            sync_folder(folder)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file[1].close()
            self._file = None


def _size(file: sqlite3.Connection) -> int:
    (pages,) = file.execute("PRAGMA page_count").fetchone()
    (page,) = file.execute("PRAGMA page_size").fetchone()
    return int(pages * page)
