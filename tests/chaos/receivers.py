"""The other side of notifications: a mail server and a webhook that keep what they took, and fail now and then."""

import asyncio
import random
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from email import message_from_bytes
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

from alerting.mock.server import Mock, running
from tests.services.process import Port


@dataclass
class Inbox:
    """What was taken, under each id, and when: (body, monotonic seconds) a delivery."""

    taken: dict[str, list[tuple[bytes, float]]] = field(default_factory=dict)
    failures: int = 0

    def take(self, ident: str, body: bytes) -> None:
        """Keep a delivery."""
        self.taken.setdefault(ident, []).append((body, time.monotonic()))

    def repeated(self) -> Iterator[tuple[str, float, float]]:
        """Yield each delivery of an id that had been taken before: id, when it was, when it came again."""
        for ident, deliveries in self.taken.items():
            for (_, before), (_, again) in pairwise(deliveries):
                yield ident, before, again


class MailServer:
    """An SMTP server on a free loopback port, on the test's own loop."""

    def __init__(self, seed: int, failing: float = 0.05) -> None:
        """`failing`: the share of messages that it refuses for the moment."""
        self.inbox = Inbox()
        self.port = 0
        self._random = random.Random(seed)
        self._failing = failing
        self._server: asyncio.Server | None = None

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Take a message, or refuse it for the moment."""
        if self._random.random() < self._failing:
            self.inbox.failures += 1
            return "451 try again later"
        body = envelope.content
        assert isinstance(body, bytes)
        self.inbox.take(message_from_bytes(body)["Message-ID"].strip("<>"), body)
        return "250 OK"

    async def __aenter__(self) -> Self:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: SMTP(self, hostname="mail.example.org"), "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        assert self._server is not None
        self._server.close()


class Webhook:
    """An HTTP server on a free loopback port, on the test's own loop."""

    def __init__(self, seed: int, failing: float = 0.05) -> None:
        """`failing`: the share of requests that it refuses for the moment."""
        self.inbox = Inbox()
        self.port = 0
        self._random = random.Random(seed)
        self._failing = failing
        self._runner: web.AppRunner | None = None

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self._random.random() < self._failing:
            self.inbox.failures += 1
            return web.Response(status=503)
        self.inbox.take(request.headers["Idempotency-Key"], body)
        return web.Response(status=204)

    async def __aenter__(self) -> Self:
        """Listen."""
        app = web.Application()
        app.router.add_post("/", self._post)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        address: Any = self._runner.addresses[0]
        self.port = address[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        assert self._runner is not None
        await self._runner.cleanup()


class National:
    """The National SOC's mock on one port and one folder, which can be away and come back."""

    def __init__(self, folder: Path) -> None:
        """Keep what is received in `folder`."""
        self._folder = folder
        self._port = Port()
        self._stack = AsyncExitStack()
        self._mock: Mock | None = None
        self.url = f"http://127.0.0.1:{self._port.number}/api/v1/messages"

    @property
    def mock(self) -> Mock:
        """The mock, while it is there."""
        assert self._mock is not None, "the National SOC is away"
        return self._mock

    @property
    def there(self) -> bool:
        """Whether it listens."""
        return self._mock is not None

    async def come(self) -> None:
        """Listen."""
        _, self._mock = await self._stack.enter_async_context(running("127.0.0.1", self._port.number, self._folder))

    async def go(self) -> None:
        """Close; what was received stays in the folder."""
        self._mock = None
        await self._stack.aclose()

    async def __aenter__(self) -> Self:
        """Listen."""
        await self.come()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        await self.go()
