"""The mock's HTTP side.

POST /api/v1/messages      one message; Idempotency-Key for all but heartbeats
GET  /api/v1/messages      what was received, in order: ?after=N&limit=N
GET  /api/v1/status        each stream's highest contiguous number and gaps, heartbeats, counters
GET  /schema/NAME.json     the JSON Schemas: summary, urgent, tombstone, heartbeat
PUT  /control              misbehave (control.py);  GET shows how
GET  /                     the page for people
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from alerting.mock.control import Control
from alerting.mock.ledger import Ledger, Reply
from alerting.mock.page import render

KINDS: Final = ("summary", "urgent", "tombstone", "heartbeat")
MAX_BODY: Final = 2 * 1024 * 1024
MAX_KEY: Final = 200
MAX_LIMIT: Final = 1000
SHUTDOWN_SECONDS: Final = 1.0

HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def schema(kind: str) -> dict[str, Any]:
    """Return the published JSON Schema of one kind of message."""
    text = files("alerting.mock").joinpath("schema", f"{kind}.json").read_text("utf-8")
    document: dict[str, Any] = json.loads(text)
    return document


class Mock:
    """Answers as the National SOC would, or as it is told."""

    def __init__(self, ledger: Ledger) -> None:
        """Load the schemas."""
        self.ledger = ledger
        self.control = Control()
        self._schemas = {kind: schema(kind) for kind in KINDS}
        self._validators = {kind: Draft202012Validator(each) for kind, each in self._schemas.items()}

    def app(self) -> web.Application:
        """Return the application."""
        app = web.Application(client_max_size=MAX_BODY)
        app.add_routes(
            [
                web.get("/", self._page),
                web.post("/api/v1/messages", self._post),
                web.get("/api/v1/messages", self._messages),
                web.get("/api/v1/status", self._status),
                web.get("/schema/{kind}.json", self._schema),
                web.get("/control", self._show_control),
                web.put("/control", self._set_control),
            ]
        )
        return app

    async def _post(self, request: web.Request) -> web.Response:
        body = await request.read()
        if self.control.stall:
            await asyncio.sleep(self.control.stall)
        failing = self.control.fails()
        reply = None if failing and not self.control.after else self._receive(request, body)
        if failing or reply is None:
            self.ledger.note("failed")
            return _json(Reply(self.control.status, {"error": "told to fail"}))
        return _json(reply)

    def _receive(self, request: web.Request, body: bytes) -> Reply:
        """Judge one message. No await inside: what is checked still holds when it is written."""
        try:
            message = json.loads(body.decode())
            json.dumps(message, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except (ValueError, RecursionError) as error:
            return self._invalid(400, f"not JSON in UTF-8: {error}"[:300])
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(kind, str) or kind not in self._validators:
            return self._invalid(422, f"type is none of {', '.join(KINDS)}")
        if wrong := best_match(self._validators[kind].iter_errors(message)):
            return self._invalid(422, f"{wrong.json_path}: {wrong.message}"[:500])
        at = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        if kind == "heartbeat":
            return self.ledger.beat(message, body, at)
        return self._numbered(request.headers.get("Idempotency-Key", ""), message, body, at)

    def _numbered(self, key: str, message: dict[str, Any], body: bytes, at: str) -> Reply:
        if not 0 < len(key) <= MAX_KEY:
            return self._invalid(400, "numbered messages need an Idempotency-Key of 1 to 200 characters")
        if message["type"] != "tombstone" and self.control.refuse_next > 0 and not self.ledger.knows(key):
            self.control.refuse_next -= 1
            self.ledger.refuse(message["id"])
        return self.ledger.receive(key, message, body, at)

    def _invalid(self, status: int, reason: str) -> Reply:
        self.ledger.note("invalid")
        return Reply(status, {"error": reason})

    async def _messages(self, request: web.Request) -> web.Response:
        try:
            after, limit = int(request.query.get("after", 0)), int(request.query.get("limit", MAX_LIMIT))
        except ValueError:
            return _json(Reply(400, {"error": "after and limit are integers"}))
        return _json(Reply(200, {"messages": self.ledger.messages(after, max(1, min(limit, MAX_LIMIT)))}))

    async def _status(self, _request: web.Request) -> web.Response:
        streams = [asdict(each) for each in self.ledger.streams()]
        return _json(Reply(200, {"streams": streams, "heartbeats": self.ledger.heartbeats(), **self.ledger.counters()}))

    async def _schema(self, request: web.Request) -> web.Response:
        kind = request.match_info["kind"]
        if kind not in self._schemas:
            return _json(Reply(404, {"error": f"there are {', '.join(KINDS)}"}))
        return web.json_response(self._schemas[kind], content_type="application/schema+json", headers=HEADERS)

    async def _show_control(self, _request: web.Request) -> web.Response:
        return _json(Reply(200, asdict(self.control)))

    async def _set_control(self, request: web.Request) -> web.Response:
        try:
            control = Control.of(await request.json())
        except (ValueError, TypeError) as error:
            return _json(Reply(400, {"error": str(error)}))
        if control.refuse:
            self.ledger.refuse(control.refuse)
        self.control = control
        return _json(Reply(200, asdict(control)))

    async def _page(self, _request: web.Request) -> web.Response:
        text = render(self.ledger, asdict(self.control))
        return web.Response(text=text, content_type="text/html", charset="utf-8", headers=HEADERS)


def _json(reply: Reply) -> web.Response:
    headers = {**HEADERS, "Idempotent-Replayed": "true"} if reply.replayed else HEADERS
    return web.json_response(reply.answer, status=reply.status, headers=headers)


@asynccontextmanager
async def running(host: str, port: int, folder: Path | None = None) -> AsyncIterator[tuple[str, Mock]]:
    """Serve while the context is open; give the base URL and the mock. Port 0 takes a free one."""
    ledger = Ledger(folder)
    mock = Mock(ledger)
    runner = web.AppRunner(mock.app(), access_log=None, shutdown_timeout=SHUTDOWN_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        bound = runner.addresses[0]
        name = f"[{bound[0]}]" if ":" in bound[0] else bound[0]
        yield f"http://{name}:{bound[1]}", mock
    finally:
        await runner.cleanup()
        ledger.close()


async def serve(host: str, port: int, folder: Path | None, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. `folder`: where what was received is kept; None: memory. Raises OSError."""
    async with running(host, port, folder) as (url, _):
        print(f"National SOC mock: {url}/  (messages go to {url}/api/v1/messages)", flush=True)  # noqa: T201 - a command
        await stop.wait()
