"""What stands before every page: host, sign-in, origin, size; and the headers on every answer.

Plain ASGI, around the whole application, so that no route, error or redirect is outside of it.
"""

import hmac
import ipaddress
import secrets
import traceback
from http import HTTPStatus
from typing import Final
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alerting.console.auth import Doorman, Throttled, Unknown
from soc.metrics import Metrics
from soc.settings import ConsoleSettings

log = structlog.get_logger()

MAX_BODY: Final = 65_536
"""Bytes of a request's body; a longer one is refused."""

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Content Security Policy Level 3. Nothing inline runs, whatever a page holds."""

HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",  # no-referrer would make browsers send "Origin: null" with our own forms
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Tokens:
    """Tokens for forms: each belongs to one analyst and one purpose, and lasts as long as the process."""

    def __init__(self) -> None:
        """Draw the secret."""
        self._secret = secrets.token_bytes(32)

    def make(self, analyst: str, purpose: str) -> str:
        """Return the token."""
        return hmac.digest(self._secret, f"{len(analyst)}:{analyst}{purpose}".encode(), "sha256").hex()

    def holds(self, token: str, analyst: str, purpose: str) -> bool:
        """Tell whether this is the token, in constant time."""
        return hmac.compare_digest(token.encode(), self.make(analyst, purpose).encode())


class Refusal(Exception):
    """The request ends here."""

    def __init__(self, status: HTTPStatus, text: str, headers: dict[str, str] | None = None) -> None:
        """Say why, for a person."""
        super().__init__(text)
        self.status = status
        self.headers = headers or {}


class Guard:
    """The middleware. The analyst's name goes on as request.state.analyst."""

    def __init__(self, app: ASGIApp, console: ConsoleSettings, doorman: Doorman, metrics: Metrics) -> None:
        """Stand before `app`."""
        self._app = app
        self._hosts = Hosts(console)
        self._doorman = doorman
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        if scope["type"] != "http":
            return
        answer = _Answer(send, self._metrics)
        try:
            headers = Headers(scope=scope)
            host = self._host(headers)
            await self._admit(scope, headers)
            _check_origin(scope["method"], headers, host)
            await self._app(scope, _bounded(headers, receive), answer)
        except Refusal as refusal:
            await _refuse(scope, refusal)(scope, receive, answer)
        except ClientDisconnect:
            return
        except Exception:
            text = traceback.format_exc()[
                -4000:
            ]  # a value is made printable; a renderer's own traceback has raw locals
            log.error("console_request_failed", path=scope["path"][:200], error=text)  # noqa: TRY400 - see above
            if answer.started:
                raise
            failed = Refusal(HTTPStatus.INTERNAL_SERVER_ERROR, "This failed on our side; the log says why.")
            await _refuse(scope, failed)(scope, receive, answer)

    def _host(self, headers: Headers) -> str:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._hosts.known(hosts[0]):
            raise Refusal(
                HTTPStatus.MISDIRECTED_REQUEST,
                "This console does not go by that host name. Add the name to console.hosts, or use the address.",
            )
        return hosts[0]

    async def _admit(self, scope: Scope, headers: Headers) -> None:
        address = (scope.get("client") or ("", 0))[0]
        try:
            analyst = await self._doorman.analyst(headers.get("authorization", ""), address)
        except Unknown as error:
            challenge = {"www-authenticate": 'Basic realm="Vonggac", charset="UTF-8"'}
            raise Refusal(HTTPStatus.UNAUTHORIZED, str(error), challenge) from None
        except Throttled as error:
            raise Refusal(HTTPStatus.TOO_MANY_REQUESTS, str(error), {"retry-after": str(error.after)}) from None
        scope.setdefault("state", {})["analyst"] = analyst


class Hosts:
    """The names under which browsers reach the console: a page elsewhere whose name leads here gets nothing."""

    def __init__(self, console: ConsoleSettings) -> None:
        """Take loopback, the listening address and console.hosts; any address where we listen on all of them."""
        self._names = {name.lower().rstrip(".") for name in ("localhost", console.listen.host, *console.hosts)}
        self._any_address = console.listen.host in {"0.0.0.0", "::"}  # noqa: S104 - compared, not bound

    def known(self, host: str) -> bool:
        """Tell whether a Host header names us; its port does not matter."""
        try:
            name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return self._any_address or address.is_loopback


def _check_origin(method: str, headers: Headers, host: str) -> None:
    """Refuse what another site's page sends: browsers say where a request that changes something comes from."""
    if method in _SAFE:
        return
    origin = headers.get("origin")
    foreign = origin is not None and origin.lower().partition("://")[2] != host.lower()
    if foreign or headers.get("sec-fetch-site", "same-origin") != "same-origin":
        raise Refusal(HTTPStatus.FORBIDDEN, "This request comes from another site's page. Act from the console itself.")


def _bounded(headers: Headers, receive: Receive) -> Receive:
    """Return a receive that refuses a body beyond MAX_BODY, declared or not."""
    length = headers.get("content-length", "0")
    if not length.isdigit() or len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request's body has at most {MAX_BODY} bytes.")
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A request's body has at most {MAX_BODY} bytes.")
        return message

    return bounded


def _refuse(scope: Scope, refusal: Refusal) -> Response:
    if scope["path"].startswith("/api/"):
        return JSONResponse({"detail": str(refusal)}, refusal.status, refusal.headers)
    return PlainTextResponse(f"{refusal}\n", refusal.status, refusal.headers)


class _Answer:
    """A send that puts the headers on, and counts the answer."""

    def __init__(self, send: Send, metrics: Metrics) -> None:
        self._send = send
        self._metrics = metrics
        self.started = False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            headers = MutableHeaders(scope=message)
            headers.update(HEADERS)
            headers.setdefault("cache-control", "no-store")
            self._metrics.console_requests.labels(str(message["status"])).inc()
        await self._send(message)
