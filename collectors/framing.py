"""Syslog messages out of a TCP stream, sans-IO: both framings of RFC 6587, told apart message by message.

- Octet counting (3.4.1): `MSG-LEN SP MSG`, taken where a number stands before a PRI.
- Non-transparent (3.4.2): the message ends with LF. NUL ends messages instead where the connection's first trailer was
  a NUL in front of another `<PRI>`; otherwise a NUL is content, so that content cannot begin a message with it.

What a stream gives depends on its bytes alone, never on how they were split. Memory is bounded by the limit.
"""

import re
from typing import Final, NamedTuple

CREDIBLE: Final = 16_777_216
"""A count over this is not waited for: it is wrong rather than a message's length."""

_COUNT = re.compile(rb"([1-9][0-9]{0,7}+) (?=<[0-9]{1,3}>)")
_COUNT_BEGUN = re.compile(rb"[1-9][0-9]{0,7}+(?: (?:<[0-9]{0,3}+)?+)?+\Z")
_BLANK = re.compile(rb"[\r\n\0]++")
_NUL_TRAILER = re.compile(rb"\0<[0-9]{1,3}>")
_RESYNC = re.compile(rb"\n|[1-9][0-9]{0,7} <[0-9]{1,3}>")
_RESYNC_WIDTH: Final = 14
_LOOKAHEAD: Final = 5
_TRAILERS: Final = b"\r\n\0"


class Bad(NamedTuple):
    """What is no message. `reason`: "octet_count", "oversized" or "truncated".

    `raw`: its first bytes, as many as the limit. `size`: how many there were.
    """

    reason: str
    raw: bytes
    size: int


class Framer:
    """One connection's stream. Messages come out as bytes without their framing, everything else as Bad."""

    def __init__(self, limit: int) -> None:
        """Take messages of up to `limit` bytes."""
        self._limit = limit
        self._rest = b""
        self._counting = False  # the last message was octet-counted: what follows must begin like a message
        self._trailer = b""  # what ends messages on this connection, once it is known
        self._searched = 0  # bytes of the line in hand in which no trailer begins
        self._step = self._begin
        self._left = 0  # bytes of an oversized counted message that are still to come
        self._kept = b""  # the first bytes of what is being skipped
        self._size = 0  # how much of it there was

    def feed(self, data: bytes) -> list[bytes | Bad]:
        """Return what these bytes completed."""
        if self._rest:
            data = self._rest + data
        out: list[bytes | Bad] = []
        at = 0
        while at < len(data):
            step = self._step
            then = step(data, at, out)
            if then == at and step == self._step:
                break  # more is needed
            at = then
        self._rest = data[at:]
        return out

    def finish(self) -> list[bytes | Bad]:
        """Return what the end of the stream leaves. A line without its LF is a message, as many senders end so."""
        rest, self._rest = self._rest, b""
        if self._step != self._begin:
            self._skip(rest)
            return [self._skipped("octet_count" if self._step == self._junk else "oversized")]
        counted = _COUNT.match(rest)
        if counted:
            message = rest[counted.end() :]
            return [Bad("truncated", message[: self._limit], len(message))]
        if self._counting and rest[:1] != b"<":
            return [Bad("truncated", rest[: self._limit], len(rest))] if rest else []
        out: list[bytes | Bad] = []
        self._emit(rest, 0, len(rest), out)
        return out

    # ---- each step takes one piece from `at` on and returns where the next one begins; `at` itself: not whole yet

    def _begin(self, data: bytes, at: int, out: list[bytes | Bad]) -> int:
        counted = _COUNT.match(data, at)
        if counted:
            return self._counted(data, counted, at, out)
        first = data[at]
        if first in _TRAILERS:
            return _BLANK.match(data, at).end()  # type: ignore[union-attr]  # the byte before it has just been seen
        if first == 0x3C:  # noqa: PLR2004 - "<", with which a PRI begins
            return self._line(data, at, out)
        if _COUNT_BEGUN.match(data, at):
            return at
        if self._counting:
            self._step = self._junk
            return at
        return self._line(data, at, out)

    def _counted(self, data: bytes, counted: re.Match[bytes], at: int, out: list[bytes | Bad]) -> int:
        count, start = int(counted[1]), counted.end()
        self._counting = True
        if count > CREDIBLE:
            self._step = self._junk
            self._skip(data[at:start])
            return start
        if count > self._limit:
            self._left, self._step = count, self._rest_of_counted
            return start
        if len(data) - start < count:
            return at
        out.append(data[start : start + count].rstrip(_TRAILERS))
        return start + count

    def _line(self, data: bytes, at: int, out: list[bytes | Bad]) -> int:
        window = at + self._limit + 1  # a trailer at or behind this makes the message oversized
        trailer, begin = self._trailer, at + self._searched
        end = data.find(trailer or b"\n", begin, window + _LOOKAHEAD)
        if not trailer:
            nul = _NUL_TRAILER.search(data, begin, end if end >= 0 else window + _LOOKAHEAD)
            if nul and nul.start() < window:
                end, trailer = nul.start(), b"\0"
        if end < 0:
            if len(data) < window + _LOOKAHEAD:
                self._searched = max(0, len(data) - at - _LOOKAHEAD)
                return at
            self._trailer, self._counting, self._step = trailer or b"\n", False, self._rest_of_line
            self._searched = 0
            return at
        self._searched = 0
        self._trailer, self._counting = trailer or b"\n", False
        self._emit(data, at, end, out)
        return end + 1

    def _emit(self, data: bytes, at: int, end: int, out: list[bytes | Bad]) -> None:
        if end - at > self._limit:
            out.append(Bad("oversized", data[at : at + self._limit], end - at))
        elif message := data[at:end].rstrip(_TRAILERS):
            out.append(message)

    def _rest_of_counted(self, data: bytes, at: int, out: list[bytes | Bad]) -> int:
        end = min(len(data), at + self._left)
        self._left -= end - at
        self._skip(data[at:end])
        if not self._left:
            out.append(self._skipped("oversized"))
        return end

    def _rest_of_line(self, data: bytes, at: int, out: list[bytes | Bad]) -> int:
        end = data.find(self._trailer, at)
        self._skip(data[at : end if end >= 0 else len(data)])
        if end < 0:
            return len(data)
        out.append(self._skipped("oversized"))
        return end + 1

    def _junk(self, data: bytes, at: int, out: list[bytes | Bad]) -> int:
        """Skip what a wrong octet count left, up to the next line or the next count in front of a PRI."""
        found = _RESYNC.search(data, at)
        if not found:
            safe = max(at, len(data) - _RESYNC_WIDTH)
            self._skip(data[at:safe])
            return safe
        self._skip(data[at : found.start()])
        out.append(self._skipped("octet_count"))
        return found.start()

    def _skip(self, data: bytes) -> None:
        if len(self._kept) < self._limit:
            self._kept += data[: self._limit - len(self._kept)]
        self._size += len(data)

    def _skipped(self, reason: str) -> Bad:
        bad = Bad(reason, self._kept, self._size)
        self._kept, self._size, self._step = b"", 0, self._begin
        return bad
