"""How far behind a topic's slowest group is, against what retention keeps."""

import sqlite3
from contextlib import suppress
from pathlib import Path

from soc.bus import groups
from soc.bus.catalog import Catalog, Segment
from soc.bus.groups import Group

_TIMEOUT = 1.0


def slowest(folder: Path, catalog: Catalog, topic: str, segment_bytes: int, forgotten: int) -> tuple[str, int]:
    """Return the group with most to read of the topic, and how many bytes that is when two more segments are full.

    A group that last committed before `forgotten` (microseconds) is left out: nobody runs it any more. So is one whose
    file cannot be read: its members will say so.
    """
    worst = ("", 0)
    segments, log = catalog.segments(topic), catalog.existing(topic).identity
    for name in groups.names(folder / "groups"):
        positions: dict[int, int] = {}
        with suppress(sqlite3.Error):
            positions = _positions(folder, name, topic, log, forgotten)
        if positions:
            worst = max(worst, (name, _unread(segments, positions) + 2 * segment_bytes), key=lambda each: each[1])
    return worst


def is_near(unread: int, retention_bytes: int, share: float) -> bool:
    """Tell whether so many unread bytes fill that share of what retention keeps."""
    return unread > retention_bytes * share


def _positions(folder: Path, name: str, topic: str, log: str, forgotten: int) -> dict[int, int]:
    """Return the group's offsets, a partition; none where it is forgotten."""
    group = Group(folder / "groups", name, _TIMEOUT)
    try:
        if group.last_commit(topic) < forgotten:
            return {}
        return {partition: commit.offset for partition, commit in group.positions(topic, log).items()}
    finally:
        group.close()


def _unread(segments: list[Segment], positions: dict[int, int]) -> int:
    """Return the bytes of the closed segments from the first on that still has something unread."""
    for at, following in enumerate(segments[1:]):
        ends = dict(enumerate(following.starts))
        starts = segments[at].starts
        if any(ends[p] > max(positions.get(p, 0), starts[p]) for p in ends):
            return sum(segment.bytes for segment in segments[at:])
    return 0
