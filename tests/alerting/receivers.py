"""A real HTTP receiver that can be told what to answer."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson
from aiohttp import web


@dataclass
class Hook:
    """Answers with the statuses of `script`, then 200. `got`: (Idempotency-Key, body) of every request."""

    script: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    got: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    requests: list[web.Request] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        """Answer."""
        body = await request.read()
        key = request.headers.get("Idempotency-Key", "")
        self.requests.append(request)
        self.raw.append(body)
        self.got.append((key, orjson.loads(body)))
        status = self.script.pop(0) if self.script else 200
        if status < 300:
            self.taken.append(key)
        return web.Response(status=status, text="said \x1b[2J", headers=self.headers)


@asynccontextmanager
async def hooked() -> AsyncIterator[Hook]:
    """Serve a hook."""
    hook = Hook()
    app = web.Application()
    app.router.add_post("/hook", hook.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        hook.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield hook
    finally:
        await runner.cleanup()
