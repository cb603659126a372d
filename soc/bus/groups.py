"""Consumer groups of the embedded bus: who is a member, who has which partitions, what was committed.

One database a group, so that groups never wait for each other. A member lives while its heartbeat is recent and its
process exists; whenever members come or go, the generation grows, and what was read under an older one can no longer
be committed. Synchronous: each object belongs to one thread at a time.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote, unquote

from soc.bus.base import Commit, TopicPartition
from soc.bus.database import connect, create, writing
from soc.bus.processes import is_gone
from soc.errors import Abandon

_SCHEMA = """
CREATE TABLE state (generation INTEGER NOT NULL);
INSERT INTO state VALUES (0);
CREATE TABLE member (id TEXT PRIMARY KEY, process TEXT NOT NULL, beat REAL NOT NULL, topics TEXT NOT NULL);
CREATE TABLE position (topic TEXT, partition INTEGER, log TEXT NOT NULL, offset INTEGER NOT NULL,
                       metadata TEXT NOT NULL, time INTEGER NOT NULL, PRIMARY KEY (topic, partition)) WITHOUT ROWID;
"""


class Member(NamedTuple):
    """A member: its process (soc.bus.processes), when it was last heard of (monotonic seconds), what it reads."""

    id: str
    process: str
    beat: float
    topics: tuple[str, ...]


def share(members: Iterable[Member], partitions: Mapping[str, int]) -> dict[str, frozenset[TopicPartition]]:
    """Return what each member has: every partition of each topic goes to one of those that read the topic, in turn.

    Members that read the same topics have the same partition numbers of each.
    """
    shares: dict[str, set[TopicPartition]] = {member.id: set() for member in members}
    for topic, count in partitions.items():
        readers = sorted(member.id for member in members if topic in member.topics)
        for number in range(count if readers else 0):
            shares[readers[number % len(readers)]].add(TopicPartition(topic, number))
    return {member: frozenset(share) for member, share in shares.items()}


class Group:
    """A connection to one group. `durable` False: for heartbeats, which need not outlive the machine."""

    def __init__(self, folder: Path, name: str, timeout: float, *, durable: bool = True) -> None:
        """Open the group. `timeout`: seconds to wait for other writers."""
        self._timeout = timeout
        self._connection = connect(_path(folder, name), durable=durable)

    @staticmethod
    def prepare(folder: Path, name: str) -> None:
        """Make the group where there is none. One process at a time."""
        create(_path(folder, name), _SCHEMA)

    def generation(self) -> int:
        """Return the number that grows whenever members come or go."""
        (generation,) = self._connection.execute("SELECT generation FROM state").fetchone()
        return int(generation)

    def members(self) -> tuple[int, list[Member]]:
        """Return the generation and its members."""
        self._connection.execute("BEGIN")
        try:
            return self.generation(), self._members()
        finally:
            self._connection.execute("COMMIT")

    def join(self, member: Member) -> None:
        """Enter the member."""
        with writing(self._connection, self._timeout):
            values = (member.id, member.process, member.beat, json.dumps(member.topics))
            self._connection.execute("INSERT OR REPLACE INTO member VALUES (?,?,?,?)", values)
            self._next_generation()

    def leave(self, member: str) -> None:
        """Remove the member, if it is one."""
        with writing(self._connection, self._timeout):
            if self._connection.execute("DELETE FROM member WHERE id=?", (member,)).rowcount:
                self._next_generation()

    def beat(self, members: Iterable[str], now: float) -> None:
        """Note that these were alive at `now`, monotonic seconds. Who is no member any more does not become one."""
        with writing(self._connection, self._timeout):
            self._connection.executemany("UPDATE member SET beat=? WHERE id=?", [(now, member) for member in members])

    def sweep(self, ours: Iterable[str], now: float, session: float) -> None:
        """Remove members other than `ours` whose process is gone or whose last heartbeat is `session` seconds old."""
        if not self._dead(ours, now, session):
            return
        with writing(self._connection, self._timeout):
            dead = self._dead(ours, now, session)  # again: another may have been quicker
            self._connection.executemany("DELETE FROM member WHERE id=?", [(member,) for member in dead])
            if dead:
                self._next_generation()

    def positions(self, topic: str, log: str) -> dict[int, Commit]:
        """Return the commits on the topic's log with the identity `log`, a partition."""
        rows = self._connection.execute(
            "SELECT partition, offset, metadata FROM position WHERE topic=? AND log=?", (topic, log)
        )
        return {partition: Commit(offset, metadata) for partition, offset, metadata in rows}

    def last_commit(self, topic: str) -> int:
        """Return when the group last committed on the topic, microseconds; 0: never."""
        (last,) = self._connection.execute("SELECT max(time) FROM position WHERE topic=?", (topic,)).fetchone()
        return last or 0

    def commit(
        self, generation: int, positions: Mapping[TopicPartition, Commit], logs: Mapping[str, str], now: int
    ) -> None:
        """Store the positions on the logs with those identities. Raises Abandon where the generation is another."""
        rows = [(tp.topic, tp.partition, logs[tp.topic], *commit, now) for tp, commit in positions.items()]
        with writing(self._connection, self._timeout):
            if self.generation() != generation:
                raise Abandon("the group's partitions were divided anew")
            self._connection.executemany("INSERT OR REPLACE INTO position VALUES (?,?,?,?,?,?)", rows)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _members(self) -> list[Member]:
        rows = self._connection.execute("SELECT id, process, beat, topics FROM member ORDER BY id")
        return [Member(name, process, beat, tuple(json.loads(topics))) for name, process, beat, topics in rows]

    def _dead(self, ours: Iterable[str], now: float, session: float) -> list[str]:
        """A heartbeat in the future is one of an earlier boot."""
        others = [member for member in self._members() if member.id not in ours]
        return [m.id for m in others if not now - session <= m.beat <= now + session or is_gone(m.process)]

    def _next_generation(self) -> None:
        self._connection.execute("UPDATE state SET generation = generation + 1")


def names(folder: Path) -> Iterator[str]:
    """Yield the groups that there are."""
    for path in folder.glob("*.db"):
        yield unquote(path.stem)


def _path(folder: Path, name: str) -> Path:
    return folder / f"{quote(name, safe='')}.db"
