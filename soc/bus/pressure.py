"""How far behind a topic's slowest group is, against what retention keeps."""

from pathlib import Path

from soc.bus import groups
from soc.bus.catalog import Catalog, Segment
from soc.bus.groups import Group

_TIMEOUT = 1.0


def slowest(folder: Path, catalog: Catalog, topic: str, segment_bytes: int, forgotten: int) -> tuple[str, int]:
    """Return the group with most to read of the topic, and how many bytes that is when two more segments are full.

    A group that last committed before `forgotten` (microseconds) is left out: nobody runs it any more.
    """
    worst = ("", 0)
    segments = catalog.segments(topic)
    for name in groups.names(folder / "groups"):
        group = Group(folder / "groups", name, _TIMEOUT)
        try:
            positions = group.positions(topic, catalog.existing(topic).identity)
            active = group.last_commit(topic) >= forgotten
        finally:
            group.close()
        if positions and active:
            unread = _unread(segments, {partition: commit.offset for partition, commit in positions.items()})
            worst = max(worst, (name, unread + 2 * segment_bytes), key=lambda each: each[1])
    return worst


def is_near(unread: int, retention_bytes: int, share: float) -> bool:
    """Tell whether so many unread bytes fill that share of what retention keeps."""
    return unread > retention_bytes * share


def _unread(segments: list[Segment], positions: dict[int, int]) -> int:
    """Return the bytes of the closed segments from the first on that still has something unread."""
    for at, following in enumerate(segments[1:]):
        ends = dict(enumerate(following.starts))
        starts = segments[at].starts
        if any(ends[p] > max(positions.get(p, 0), starts[p]) for p in ends):
            return sum(segment.bytes for segment in segments[at:])
    return 0
