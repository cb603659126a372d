"""The door: a Unix socket at the running collector, through which `soc replay` hands over batches of events.

soc.events of the embedded bus has one writer process, so a second process publishes through the first. A frame is four
bytes of length, big-endian, and that many of JSON; each request has one answer, which comes after the bus acknowledged:

    {"events": [wire form...], "letters": [dead letter...]}  ->  {"answer": "ok" | "retry" | "error", "reason": text}
"""

import asyncio
import errno
import os
import socket
import stat
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Self

import orjson
import structlog

from collectors.publish import Publisher
from soc.bus.base import Bus
from soc.bus.deadletters import Letter
from soc.errors import AlreadyRunning, DeadLetter, Retry, SettingsError, Stop
from soc.events import Event, from_document, to_document
from soc.metrics import Metrics
from soc.settings import Settings

log = structlog.get_logger()

TRANSPORT: Final = "door"
_LENGTH: Final = 4
_SMALLEST_FRAME: Final = 16 * 1024 * 1024
_VISITORS: Final = 16


def largest_frame(settings: Settings) -> int:
    """Return how many bytes a frame may have: room for any one event."""
    return max(_SMALLEST_FRAME, 2 * settings.bus.max_value_bytes)


class Door:
    """The collector's side. Whoever may open the socket (mode 0600: our own user) may publish."""

    def __init__(self, settings: Settings, bus: Bus, metrics: Metrics) -> None:
        """Listen at collect.door once opened."""
        self._path = Path(settings.collect.door)
        self._limit = largest_frame(settings)
        self._publisher = Publisher(bus, metrics, TRANSPORT)
        self._metrics = metrics
        self._server: asyncio.Server | None = None
        self._visitors: set[asyncio.StreamWriter] = set()

    async def open(self) -> None:
        """Listen. Raises AlreadyRunning where another collector does, SettingsError where the path is something else."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            _remove_stale(self._path)
        except OSError as error:
            raise SettingsError(f"collect.door: {self._path}: {error.strerror}") from None
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        before = os.umask(0o177)  # the socket is never there with another mode
        try:
            sock.bind(str(self._path))
        except OSError as error:
            sock.close()
            raise SettingsError(f"collect.door: {self._path}: {error.strerror or error}") from None
        finally:
            os.umask(before)
        sock.setblocking(False)
        self._server = await asyncio.start_unix_server(self._visit, sock=sock)

    def close(self) -> None:
        """Take no more, and remove the socket."""
        if self._server:
            self._server.close()
            for visitor in self._visitors:
                visitor.close()
            self._path.unlink(missing_ok=True)

    async def _visit(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._visitors) >= _VISITORS:
            self._metrics.connections_refused.labels(TRANSPORT).inc()
            writer.close()
            return
        self._visitors.add(writer)
        self._metrics.connections.labels(TRANSPORT).inc()
        try:
            while (frame := await _read(reader, self._limit)) is not None:
                writer.write(_frame(await self._answer(frame)))
                await writer.drain()
        except DeadLetter as error:
            writer.write(_frame({"answer": "error", "reason": str(error)}))
        except (ConnectionError, asyncio.IncompleteReadError):
            log.debug("a visitor of the door left in the middle")
        finally:
            self._visitors.discard(writer)
            self._metrics.connections.labels(TRANSPORT).dec()
            writer.close()

    async def _answer(self, frame: bytes) -> dict[str, str]:
        try:
            await self._publisher.send(*_decoded(frame))
        except Retry as error:
            return {"answer": "retry", "reason": str(error)}
        except DeadLetter as error:
            return {"answer": "error", "reason": str(error)}
        return {"answer": "ok", "reason": ""}


class DoorClient:
    """The other process's side: hands events and dead letters over, one batch after another."""

    def __init__(self, path: Path, limit: int = _SMALLEST_FRAME) -> None:
        """Speak to the collector whose collect.door is `path`; `limit` as in `largest_frame`."""
        self._path = path
        self._limit = limit
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._met = False

    async def send(self, events: Sequence[Event], letters: Sequence[Letter] = ()) -> None:
        """Return when the bus has acknowledged all of it.

        Raises Retry while the collector or its bus is away (sending again may repeat events: ids stay the same),
        DeadLetter where it refuses the batch, Stop where no collector was there from the beginning.
        """
        request = {"events": [to_document(event) for event in events], "letters": [asdict(each) for each in letters]}
        answer = await self._exchange(_frame(request))
        if answer.get("answer") == "ok":
            return
        reason = str(answer.get("reason", "no reason"))
        if answer.get("answer") == "retry":
            raise Retry(reason)
        raise DeadLetter("refused", reason)

    async def _exchange(self, frame: bytes) -> dict[str, Any]:
        if len(frame) - _LENGTH > self._limit:
            raise DeadLetter("too_large", f"a batch of {len(frame)} bytes; the door takes {self._limit}")
        try:
            reader, writer = await self._connected()
            writer.write(frame)
            await writer.drain()
            answer = await _read(reader, self._limit)
        except (OSError, asyncio.IncompleteReadError) as error:
            await self.aclose()
            raise Retry(f"{self._path}: {error}") from None
        if answer is None:
            await self.aclose()
            raise Retry(f"{self._path}: the collector closed the connection")
        decoded: dict[str, Any] = orjson.loads(answer)
        return decoded

    async def _connected(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            try:
                self._streams = await asyncio.open_unix_connection(str(self._path))
            except (FileNotFoundError, ConnectionRefusedError):
                if self._met:
                    raise
                raise Stop(f"{self._path}: no collector is running there; start one with `soc up`") from None
            except PermissionError:
                raise Stop(f"{self._path}: only the user that runs the collector may publish through it") from None
            self._met = True
        return self._streams

    async def aclose(self) -> None:
        """Close the connection; the next send opens another."""
        if self._streams:
            self._streams[1].close()
            self._streams = None

    async def __aenter__(self) -> Self:
        """Connect lazily: the first send does."""
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Close."""
        await self.aclose()


def _remove_stale(path: Path) -> None:
    """Remove a socket that nobody listens on. Only a socket, and only when connecting to it is refused."""
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise SettingsError(f"collect.door: {path} is there and is no socket; move it away or choose another path")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        outcome = probe.connect_ex(str(path))
    if outcome == errno.ECONNREFUSED:
        path.unlink(missing_ok=True)
    elif outcome != errno.ENOENT:
        raise AlreadyRunning(f"{path}: a collector is listening there; end it first, or set another collect.door")


async def _read(reader: asyncio.StreamReader, limit: int) -> bytes | None:
    """Return the next frame's content, or None at the end. Raises DeadLetter where it is too long."""
    try:
        length = int.from_bytes(await reader.readexactly(_LENGTH), "big")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    if length > limit:
        raise DeadLetter("oversized", f"a frame of {length} bytes; {limit} are allowed")
    return await reader.readexactly(length)


def _frame(content: dict[str, Any]) -> bytes:
    try:
        body = orjson.dumps(content)
    except (TypeError, ValueError) as error:
        raise DeadLetter("unencodable", str(error)) from None
    return len(body).to_bytes(_LENGTH, "big") + body


def _decoded(frame: bytes) -> tuple[list[Event], list[Letter]]:
    try:
        document = orjson.loads(frame)
        letters = [Letter(**each) for each in document["letters"]]
        if not all(isinstance(each.stage, str) and isinstance(each.reason, str) for each in letters):
            raise TypeError("a dead letter's stage and reason are strings")  # noqa: TRY301 - as any other wrong type
        return [from_document(each) for each in document["events"]], letters
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise DeadLetter("malformed_request", str(error)) from None
