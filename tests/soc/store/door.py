"""What stands before an Elasticsearch with security on: TLS, an API key or a password, and a limit on bodies."""

import asyncio
import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import ClientSession, web


class Door:
    """Lets requests through to `inner` that carry `authorization`; 413 above `most_bytes`; `status` refuses them all."""

    def __init__(self, inner: str, authorization: str) -> None:
        self.url = ""
        self.inner = inner
        self.authorization = authorization
        self.most_bytes = 100_000_000
        self.status = 0
        self.passed = 0

    @asynccontextmanager
    async def open(self, context: ssl.SSLContext) -> AsyncIterator["Door"]:
        """Listen on a free port of 127.0.0.1."""
        app = web.Application(client_max_size=200_000_000)
        app.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
        await site.start()
        self.url = f"https://localhost:{runner.addresses[0][1]}"
        async with ClientSession() as self._session:
            try:
                yield self
            finally:
                await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.Response:
        if refusal := self._refusal(request):
            return web.json_response({"error": {"type": "refused", "reason": "the door"}}, status=refusal)
        self.passed += 1
        headers = {name: value for name, value in request.headers.items() if name in {"Accept", "Content-Type"}}
        body = await request.read()
        async with self._session.request(
            request.method, self.inner + request.path_qs, data=body or None, headers=headers
        ) as answer:
            kept = {
                name: value for name, value in answer.headers.items() if name in {"Content-Type", "X-elastic-product"}
            }
            return web.Response(status=answer.status, body=await answer.read(), headers=kept)

    def _refusal(self, request: web.Request) -> int:
        if self.status:
            return self.status
        if request.headers.get("Authorization") != self.authorization:
            return 401
        return 413 if (request.content_length or 0) > self.most_bytes else 0


def make_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return a certificate for localhost that signs itself, as a PEM file, and the context of a server that has it."""
    certificate, key = folder / "door.pem", folder / "door.key"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-days", "2"]
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command = ["openssl", "req", "-x509", *curve, "-keyout", str(key), "-out", str(certificate), *subject]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    return certificate, context


async def make_certificate_aside(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """Return the same, made in a thread."""
    return await asyncio.to_thread(make_certificate, folder)
