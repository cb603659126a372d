"""What the mock has received and how it answered, in SQLite: in a file it outlives the process, else in memory."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS answers (key TEXT PRIMARY KEY, body BLOB NOT NULL, status INTEGER NOT NULL, answer TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS numbers (
    stream TEXT, epoch TEXT, seq INTEGER, key TEXT NOT NULL, type TEXT NOT NULL, PRIMARY KEY (stream, epoch, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    n INTEGER PRIMARY KEY, at TEXT NOT NULL, type TEXT NOT NULL, province TEXT NOT NULL, stream TEXT, epoch TEXT,
    seq INTEGER, id TEXT, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS heartbeats (
    province TEXT PRIMARY KEY, at TEXT NOT NULL, body TEXT NOT NULL, number INTEGER NOT NULL, ahead INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS refused (id TEXT PRIMARY KEY);
"""


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and the JSON that goes with it. `replayed`: the answer given before to the same key and body."""

    status: int
    answer: dict[str, Any]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class StreamState:
    """One stream of one epoch: the highest number with all before it received, and the gaps above, both ends included."""

    stream: str
    epoch: str
    received: int
    tombstones: int
    contiguous: int
    highest: int
    gaps: tuple[tuple[int, int], ...]


class Ledger:
    """Every answer is durable before it is given. Not for use by two threads."""

    def __init__(self, folder: Path | None = None) -> None:
        """Open national.sqlite in `folder`, which is made where it is missing; None: memory."""
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(":memory:" if folder is None else folder / "national.sqlite", isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def receive(self, key: str, message: dict[str, Any], body: bytes, at: str) -> Reply:
        """Take a numbered message in: 201 with a receipt; the answer given before; 409; or 422 where it is refused."""
        with self._transaction():
            known = self._db.execute("SELECT body, status, answer FROM answers WHERE key = ?", (key,)).fetchone()
            if known is not None:
                return self._repeat(known, body)
            if self._db.execute("SELECT 1 FROM refused WHERE id = ?", (message["id"],)).fetchone():
                self._count("refused")
                return self._answer(key, body, Reply(422, {"error": "this content is refused for good"}))
            number = (message["stream"], message["epoch"], message["seq"])
            if self._db.execute("SELECT 1 FROM numbers WHERE (stream, epoch, seq) = (?, ?, ?)", number).fetchone():
                self._count("conflicts")
                return Reply(409, {"error": f"number {message['seq']} is taken by another message"})
            self._db.execute("INSERT INTO numbers VALUES (?, ?, ?, ?, ?)", (*number, key, message["type"]))
            fields = (at, message["type"], message["province"], *number, message["id"], body.decode())
            n = self._db.execute(
                "INSERT INTO messages (at, type, province, stream, epoch, seq, id, body) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                fields,
            ).lastrowid
            return self._answer(key, body, Reply(201, {"receipt": n, "seq": message["seq"]}))

    def _repeat(self, known: tuple[bytes, int, str], body: bytes) -> Reply:
        before, status, answer = known
        if before != body:
            self._count("conflicts")
            return Reply(409, {"error": "this key was used with another body"})
        self._count("replays")
        return Reply(status, json.loads(answer), replayed=True)

    def _answer(self, key: str, body: bytes, reply: Reply) -> Reply:
        """Keep the answer for the key's repetitions."""
        self._db.execute("INSERT INTO answers VALUES (?, ?, ?, ?)", (key, body, reply.status, json.dumps(reply.answer)))
        return reply

    def beat(self, message: dict[str, Any], body: bytes, at: str) -> Reply:
        """Take a heartbeat in; say which of its streams are behind the numbers that it says were acknowledged."""
        have = {(each.stream, each.epoch): each.contiguous for each in self.streams()}
        behind = [each for each in message["last"] if have.get((each["stream"], each["epoch"]), 0) < each["seq"]]
        with self._transaction():
            self._db.execute(
                "INSERT INTO heartbeats VALUES (?, ?, ?, 1, ?) ON CONFLICT (province) DO UPDATE SET "
                "at = excluded.at, body = excluded.body, number = number + 1, ahead = ahead + excluded.ahead",
                (message["province"], at, body.decode(), int(bool(behind))),
            )
        return Reply(200, {"behind": behind})

    def refuse(self, content: str) -> None:
        """Refuse the content with this id for good, from now on."""
        with self._transaction():
            self._db.execute("INSERT OR IGNORE INTO refused VALUES (?)", (content,))

    def knows(self, key: str) -> bool:
        """Tell whether the key was answered before."""
        return self._db.execute("SELECT 1 FROM answers WHERE key = ?", (key,)).fetchone() is not None

    def note(self, counter: str) -> None:
        """Count something that was not kept: invalid, failed."""
        with self._transaction():
            self._count(counter)

    def streams(self) -> list[StreamState]:
        """Return every stream's state."""
        rows = self._db.execute("SELECT stream, epoch, seq, type FROM numbers ORDER BY stream, epoch, seq")
        numbers: dict[tuple[str, str], list[tuple[int, str]]] = {}
        for stream, epoch, seq, kind in rows:
            numbers.setdefault((stream, epoch), []).append((seq, kind))
        return [_state(*name, each) for name, each in numbers.items()]

    def counters(self) -> dict[str, int]:
        """Return refused, conflicts, replays, invalid and failed, 0 where there was none."""
        names = ("refused", "conflicts", "replays", "invalid", "failed")
        return dict.fromkeys(names, 0) | dict(self._db.execute("SELECT name, value FROM counters").fetchall())

    def heartbeats(self) -> list[dict[str, Any]]:
        """Return each province's last heartbeat, how many there were, and how many claimed more than was received."""
        rows = self._db.execute("SELECT province, at, body, number, ahead FROM heartbeats ORDER BY province")
        names = ("province", "at", "last", "number", "ahead")
        return [
            dict(zip(names, (p, at, json.loads(body)["last"], n, ahead), strict=True)) for p, at, body, n, ahead in rows
        ]

    def messages(self, after: int = 0, limit: int = 1000) -> list[dict[str, Any]]:
        """Return messages in the order in which they were received, from the one behind `after` on."""
        rows = self._db.execute("SELECT n, at, body FROM messages WHERE n > ? ORDER BY n LIMIT ?", (after, limit))
        return [{"n": n, "at": at, "message": json.loads(body)} for n, at, body in rows]

    def latest(self, limit: int) -> list[dict[str, Any]]:
        """Return the last messages, the newest first."""
        rows = self._db.execute("SELECT n, at, body FROM messages ORDER BY n DESC LIMIT ?", (limit,))
        return [{"n": n, "at": at, "message": json.loads(body)} for n, at, body in rows]

    def _count(self, name: str) -> None:
        self._db.execute(
            "INSERT INTO counters VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET value = value + 1", (name,)
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")


def _state(stream: str, epoch: str, numbers: list[tuple[int, str]]) -> StreamState:
    gaps = []
    before = 0
    for seq, _ in numbers:
        if seq > before + 1:
            gaps.append((before + 1, seq - 1))
        before = seq
    contiguous = gaps[0][0] - 1 if gaps else before
    tombstones = sum(kind == "tombstone" for _, kind in numbers)
    return StreamState(stream, epoch, len(numbers), tombstones, contiguous, before, tuple(gaps))
