"""/metrics, /health/live and /health/ready of one process, over plain HTTP on its own port."""

import asyncio
import os
import socket
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import nullcontext
from typing import Any

import orjson
import uvicorn
from prometheus_client import exposition

from soc.errors import Stop
from soc.metrics import Metrics

Probe = Callable[[], str | None]
"""Returns None where a part is ready, else the reason that it is not."""

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Health:
    """The process's health: parts register a probe; `serve` answers until it is told to stop."""

    def __init__(self, metrics: Metrics) -> None:
        """Start with no part: a process that has registered none is not ready."""
        self._metrics = metrics
        self._probes: dict[str, Probe] = {}

    def register(self, name: str, probe: Probe) -> None:
        """Add a part, or replace the one of that name."""
        self._probes[name] = probe

    def unready(self) -> dict[str, str]:
        """Return the parts that are not ready, each with its reason."""
        if not self._probes:
            return {"process": "starting"}
        reasons = {name: probe() for name, probe in self._probes.items()}
        return {name: reason for name, reason in reasons.items() if reason is not None}

    async def serve(self, host: str, port: int, stop: asyncio.Event) -> None:
        """Answer on that address until `stop` is set. Raises Stop where the address cannot be had."""
        with _listen(host, port) as listener:
            config = uvicorn.Config(
                self._answer,
                interface="asgi3",
                log_config=None,
                access_log=False,
                lifespan="off",
                http="h11",
                ws="none",
            )
            server = _Server(config)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(server.serve([listener]), name="health server")
                await stop.wait()
                server.should_exit = True

    async def _answer(self, scope: Scope, _receive: Receive, send: Send) -> None:
        status, kind, body = self._page(scope["path"])
        headers = [(b"content-type", kind.encode()), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _page(self, path: str) -> tuple[int, str, bytes]:
        if path == "/metrics":
            return 200, exposition.CONTENT_TYPE_LATEST, exposition.generate_latest(self._metrics.registry)
        if path == "/health/live":
            return 200, "application/json", b'{"live":true}'
        if path == "/health/ready":
            reasons = self.unready()
            body = orjson.dumps({"ready": not reasons, "not_ready": reasons})
            return (503 if reasons else 200), "application/json", body
        return 404, "text/plain", b"/metrics, /health/live or /health/ready\n"


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: soc.app has them."""

    def capture_signals(self) -> nullcontext[None]:  # type: ignore[override] # any context manager serves here
        return nullcontext()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise Stop(
            f"health: {host} port {port} cannot be had: {os.strerror(error.errno or 0)}; set health.* to free ports"
        ) from None
