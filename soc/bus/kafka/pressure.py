"""How far behind a topic's slowest group is, against what retention keeps: asked now and then, while we publish.

This is advice. What cannot be known - the cluster is away, it does not let us ask, no group has committed - slows
nobody down.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import structlog

from soc.bus.base import Commit, Ends, TopicPartition
from soc.bus.kafka.cluster import Cluster, Kept
from soc.clock import SECOND, Clock
from soc.errors import SlowDown

LOOK_SECONDS = 10.0
"""The least time between two looks at a topic."""

log = structlog.get_logger()


class Backlog(NamedTuple):
    """What a group has still to read of a topic: records of its fullest partition, and whether it has old ones."""

    records: int
    is_old: bool


def backlog(
    ends: Mapping[TopicPartition, Ends],
    commits: Mapping[TopicPartition, Commit],
    young: Mapping[TopicPartition, int],
) -> Backlog:
    """Return the backlog of a group with those commits; one without a commit begins at the oldest record.

    `young`: each partition's first offset that is not old.
    """
    firsts = {tp: max(end.low, commits[tp].offset) if tp in commits else end.low for tp, end in ends.items()}
    records = max(end.high - firsts[tp] for tp, end in ends.items())
    return Backlog(records, any(firsts[tp] < min(young.get(tp, 0), end.high) for tp, end in ends.items()))


class Pressure:
    """Looks at the topics that are published to. `run` does the looking."""

    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        """Ask nothing yet."""
        self._cluster = cluster
        self._clock = clock
        self._sent: dict[str, tuple[int, int]] = {}
        self._slow: dict[str, str] = {}
        self._wanted: dict[str, int] = {}
        self._woken = asyncio.Event()

    def check(self, topic: str, partitions: int) -> None:
        """Look at the topic soon. Raises SlowDown where its slowest group was near retention at the last look."""
        self._wanted[topic] = partitions
        self._woken.set()
        if topic in self._slow:
            raise SlowDown(self._slow[topic])

    def sent(self, topic: str, records: int, size: int) -> None:
        """Note that so many records took so many bytes of the log."""
        all_records, all_bytes = self._sent.get(topic, (0, 0))
        self._sent[topic] = all_records + records, all_bytes + size

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._woken.wait()
            self._woken.clear()
            topics, self._wanted = self._wanted, {}
            for topic, count in topics.items():
                reason = await self._looked(topic, count)
                self._slow.pop(topic, None)
                if reason:
                    self._slow[topic] = reason
            await self._clock.sleep(LOOK_SECONDS)

    async def _looked(self, topic: str, count: int) -> str:
        try:
            return await self._look(topic, [TopicPartition(topic, number) for number in range(count)])
        except Exception as error:  # noqa: BLE001 - whatever it is, publishing does not depend on it
            log.debug("nobody knows how far behind the slowest group is", topic=topic, reason=repr(error))
            return ""

    async def _look(self, topic: str, partitions: Sequence[TopicPartition]) -> str:
        """Return which group is near retention, and how; "" where none is."""
        kept = await self._cluster.kept(topic)
        ends = await self._cluster.ends(partitions)
        young = await self._young(partitions, kept)
        for group in await self._cluster.groups():
            commits = await self._cluster.commits(group, partitions)
            if commits:
                reason = await self._judged(topic, group, backlog(ends, commits, young), kept)
                if reason:
                    return f"{topic}: group {group!r} {reason}"
        return ""

    async def _young(self, partitions: Sequence[TopicPartition], kept: Kept) -> dict[TopicPartition, int]:
        """Return each partition's first offset that retention by time is still far from."""
        if not kept.seconds:
            return {}
        age = kept.seconds * self._cluster.settings.near_retention
        return await self._cluster.since(partitions, self._clock.now() - int(age * SECOND))

    async def _judged(self, topic: str, group: str, behind: Backlog, kept: Kept) -> str:
        """A group with old records and no members is none: nobody runs it any more."""
        share = self._cluster.settings.near_retention
        records, size = self._sent.get(topic, (1, 0))
        unread = behind.records * size // records
        full = 0 < kept.bytes * share < unread
        if not (full or behind.is_old) or (behind.is_old and not await self._cluster.has_members(group)):
            return ""
        if full:
            return f"is about {unread} bytes behind; a partition keeps {kept.bytes}"
        return f"has records to read that are older than {share:.0%} of the {kept.seconds:.0f} s that are kept"
