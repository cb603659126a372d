"""Serving the console: uvicorn, started and stopped by us, on a socket that we bind."""

import asyncio
import contextlib
import ipaddress
import socket
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING

import structlog

from soc.errors import SettingsError
from soc.settings import Address, ConsoleSettings

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

log = structlog.get_logger()

SHUTDOWN_SECONDS = 3
"""How long requests in hand may take when the service stops."""

CONNECTIONS = 256
"""Connections and requests at once; more are answered 503."""

HEAD_SECONDS = 15.0
"""How long a connection may take for a request's head, the pause before it included; then it is cut."""


def check_exposure(console: ConsoleSettings) -> None:
    """Raise SettingsError where anybody on the network could use the console without signing in."""
    if bool(console.certificate_file) != bool(console.key_file):
        raise SettingsError("console.certificate_file and console.key_file: set both, or neither")
    if not console.users and not is_loopback(console.listen):
        raise SettingsError(
            f"console.listen: {console.listen} can be reached from the network and console.users is empty: "
            "make a password hash with `soc password` and add a user, or listen on 127.0.0.1"
        )


def is_loopback(address: Address) -> bool:
    """Tell whether only this machine reaches the address; a name other than localhost is taken as not."""
    try:
        return ipaddress.ip_address(address.host).is_loopback
    except ValueError:
        return address.host == "localhost"


async def serve(app: "FastAPI", console: ConsoleSettings, ready: Callable[[str], None], stop: asyncio.Event) -> None:
    """Serve until `stop`; `ready` gets the real URL once connections are taken.

    Raises SettingsError where the address cannot be bound or the certificate cannot be used.
    """
    check_exposure(console)
    if not is_loopback(console.listen) and not console.certificate_file:
        log.warning("console_without_tls", listen=str(console.listen), remedy="set console.certificate_file, key_file")
    with _bound(console.listen) as bound:
        server = _server(app, console, lambda: ready(_url(bound, console)))
        async with asyncio.TaskGroup() as tasks:
            stopping = tasks.create_task(_end(server, stop), name="console stop")
            await server.serve([bound])
            stopping.cancel()


async def _end(server: "uvicorn.Server", stop: asyncio.Event) -> None:
    await stop.wait()
    server.should_exit = True


def _bound(address: Address) -> socket.socket:
    host = address.host
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, address.port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(place)
        except OSError:
            bound.close()
            raise
    except OSError as error:
        raise SettingsError(f"console.listen: {address} cannot be used: {error.strerror or error}") from None
    bound.setblocking(False)
    return bound


def _url(bound: socket.socket, console: ConsoleSettings) -> str:
    scheme = "https" if console.certificate_file else "http"
    return f"{scheme}://{Address(host=console.listen.host, port=bound.getsockname()[1])}/"


def _server(app: "FastAPI", console: ConsoleSettings, started: Callable[[], None]) -> "uvicorn.Server":
    import uvicorn  # noqa: PLC0415 - heavy: only the process that serves needs it

    class Server(uvicorn.Server):
        """One that leaves signals to the process, and says when it listens."""

        @contextlib.contextmanager
        def capture_signals(self) -> Generator[None, None, None]:
            yield

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started()

    config = uvicorn.Config(
        app,
        http=_protocol(),
        ws="none",
        lifespan="off",
        loop="none",
        interface="asgi3",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_keep_alive=round(HEAD_SECONDS),
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        ssl_certfile=console.certificate_file or None,
        ssl_keyfile=console.key_file or None,
    )
    try:
        config.load()
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(f"console.certificate_file, console.key_file: {error}") from None
    return Server(config)


def _protocol() -> "type[asyncio.Protocol]":
    from uvicorn.protocols.http.h11_impl import (  # noqa: PLC0415 - as uvicorn
        H11Protocol,
        RequestResponseCycle,
    )

    class Protocol(H11Protocol):
        """One that does not wait for ever: uvicorn itself has no bound before the first request, nor within a head."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn
            super().connection_made(transport)
            self.loop.call_later(HEAD_SECONDS, self._look, None)

        def _look(self, before: RequestResponseCycle | None) -> None:
            """Cut a connection that is answering nothing, and has brought no request since the last look."""
            idle = self.cycle is None or self.cycle.response_complete
            if idle and self.cycle is before:
                self.transport.close()  # what is still on its way to a slow reader arrives
            elif not self.transport.is_closing():
                self.loop.call_later(HEAD_SECONDS, self._look, self.cycle)

    return Protocol
