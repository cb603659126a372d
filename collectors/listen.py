"""Sockets that hear syslog: UDP and TCP, IPv4 and IPv6. What they hear goes to the Intake."""

import asyncio
import errno
import fcntl
import socket
import struct
import sys
import termios
from collections.abc import Sequence
from typing import Final, cast

import structlog

from collectors.framing import Bad, Framer
from collectors.places import Places
from collectors.ship import Intake
from soc.clock import Clock
from soc.errors import SettingsError
from soc.metrics import Metrics
from soc.settings import Address, Settings

log = structlog.get_logger()

_SO_RCVBUFFORCE: Final = 33  # Linux, asm-generic/socket.h; the socket module does not name them
_SO_MEMINFO: Final = 55
_MEMINFO = struct.Struct("9I")
_DROPS: Final = 8  # SK_MEMINFO_DROPS, linux/sock_diag.h
_COUNTER: Final = 1 << 32

DATAGRAM: Final = 65_536
AT_ONCE: Final = 256
"""Datagrams read before other sockets have their turn."""
LAST_TURNS: Final = 256
"""Turns at the end; more than the receive buffer holds, but no flood keeps us."""
_BACKLOG: Final = 1024
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


def unmapped(address: str) -> str:
    """Return an IPv4 sender's address as it is; on a dual-stack socket it arrives as ::ffff:a.b.c.d."""
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def bound(addresses: Sequence[Address], kind: socket.SocketKind, setting: str) -> list[socket.socket]:
    """Return a non-blocking socket bound to each address; an IPv6 one is left out where the machine has no IPv6.

    An IPv6 socket hears IPv4 too unless an IPv4 address has the same port. Raises SettingsError naming the address.
    """
    sockets: list[socket.socket] = []
    try:
        for address in addresses:
            alone = any(":" not in other.host and other.port == address.port != 0 for other in addresses)
            sockets += _bind(address, kind, setting, v6_only=alone)
    except BaseException:
        for each in sockets:
            each.close()
        raise
    if addresses and not sockets:
        raise SettingsError(f"{setting}: none of these addresses is on this machine")
    return sockets


def _bind(address: Address, kind: socket.SocketKind, setting: str, *, v6_only: bool) -> list[socket.socket]:
    try:
        family, _, _, _, where = socket.getaddrinfo(address.host, address.port, type=kind, flags=socket.AI_PASSIVE)[0]
        sock = socket.socket(family, kind)
    except OSError as error:
        raise SettingsError(f"{setting}: {address}: {error.strerror}") from None
    try:
        sock.setblocking(False)
        if kind is socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(v6_only))
        sock.bind(where)
    except OSError as error:
        sock.close()
        if family == socket.AF_INET6 and error.errno in _NO_IPV6:
            log.warning("not listening: this machine does not have the address", setting=setting, address=str(address))
            return []
        remedy = "a port below 1024 needs CAP_NET_BIND_SERVICE" if error.errno == errno.EACCES else "choose another"
        raise SettingsError(f"{setting}: {address}: {error.strerror}; {remedy}") from None
    return [sock]


def name_of(sock: socket.socket) -> Address:
    """Return where a socket is bound, with the port that it got."""
    host, port = sock.getsockname()[:2]
    return Address(host=host, port=port)


class UdpListener:
    """One UDP socket, read in turns. When the Intake is full the newest messages are dropped, and counted.

    What the kernel dropped before we could read is asked from the socket itself (SO_MEMINFO) and counted as well: that
    tells it also when no later datagram comes, as the ancillary counter of SO_RXQ_OVFL would not.
    """

    def __init__(self, sock: socket.socket, settings: Settings, intake: Intake, metrics: Metrics, clock: Clock) -> None:
        """Read from `sock`, which it owns from now on; what is over bus.max_message_bytes is Bad."""
        self._sock = sock
        self._limit = settings.bus.max_message_bytes
        self._intake = intake
        self._clock = clock
        self._full = metrics.messages_dropped.labels("udp", "full")
        self._kernel = metrics.messages_dropped.labels("udp", "kernel")
        self._drops = 0
        self.address = name_of(sock)
        _enlarge(sock, settings.collect.receive_buffer)

    def start(self) -> None:
        """Read whenever there is something."""
        asyncio.get_running_loop().add_reader(self._sock, self._read)

    def _read(self) -> bool:
        """Read one turn; return whether there may be more."""
        now = self._clock.now()
        for _ in range(AT_ONCE):
            try:
                data, peer = self._sock.recvfrom(DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return False
            except OSError as error:  # an ICMP answer to nobody in particular; the socket goes on
                log.debug("udp", error=str(error))
                return False
            self._take(data, peer[0], now)
        return True

    def _take(self, data: bytes, host: str, now: int) -> None:
        if self._intake.full:
            self._full.inc()
            return
        item = data if len(data) <= self._limit else Bad("oversized", data[: self._limit], len(data))
        self._intake.put((item,), now, "udp", unmapped(host))

    def count_drops(self) -> None:
        """Count what the kernel has dropped since the last call."""
        try:
            drops = _MEMINFO.unpack(self._sock.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size))[_DROPS]
        except (OSError, struct.error):  # a kernel before 4.12
            return
        self._kernel.inc((drops - self._drops) % _COUNTER)
        self._drops = drops

    def close(self) -> None:
        """Take what has arrived, and close."""
        asyncio.get_running_loop().remove_reader(self._sock)
        for _ in range(LAST_TURNS):
            if not self._read():
                break
        self.count_drops()
        self._sock.close()


def _enlarge(sock: socket.socket, size: int) -> None:
    try:
        sock.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, size)
    except OSError:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)
    got = sock.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF) // 2  # Linux reports twice what was asked
    if got < size:
        remedy = "raise net.core.rmem_max or grant CAP_NET_ADMIN"
        log.warning("a small receive buffer may lose bursts of datagrams", wanted=size, got=got, remedy=remedy)


class TcpListener:
    """One listening TCP socket and its connections, all of which wait while the Intake is full."""

    def __init__(
        self, sock: socket.socket, settings: Settings, intake: Intake, metrics: Metrics, clock: Clock, *, places: Places
    ) -> None:
        """Accept on `sock`, which it owns from now on, as long as there are `places`, which listeners share."""
        self._sock = sock
        self._settings = settings.collect
        self._server: asyncio.Server | None = None
        self.limit = settings.bus.max_message_bytes
        self.intake = intake
        self.metrics = metrics
        self.clock = clock
        self.places = places
        self.connections: set[Connection] = set()
        self.address = name_of(sock)
        intake.watch(self._pause, self._resume)

    async def start(self) -> None:
        """Accept connections."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self), sock=self._sock, backlog=_BACKLOG)

    def _pause(self) -> None:
        for connection in self.connections:
            connection.pause()

    def _resume(self) -> None:
        for connection in self.connections:
            connection.resume()

    def close_idle(self) -> None:
        """Close the connections that have been silent for too long; one that we made wait is not silent."""
        bound = self.clock.monotonic() - self._settings.idle_timeout
        for connection in [each for each in self.connections if each.heard < bound and not self.intake.full]:
            connection.close()

    def stop_accepting(self) -> None:
        """Refuse new connections; those that are open are still read."""
        if self._server:
            self._server.close()
        else:
            self._sock.close()

    def close(self) -> None:
        """Close everything."""
        self.stop_accepting()
        for connection in list(self.connections):
            connection.close()


class Connection(asyncio.Protocol):
    """One sender's TCP connection."""

    def __init__(self, listener: TcpListener) -> None:
        """Belong to the listener."""
        self._listener = listener
        self._framer = Framer(listener.limit)
        self._transport: asyncio.Transport | None = None
        self._address = ""
        self.heard = 0.0
        """When something last came, on the monotonic clock."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Join the listener's connections, or leave at once where there are too many."""
        stream = cast("asyncio.Transport", transport)  # what create_server gives
        listener = self._listener
        if not listener.places.take():
            listener.metrics.connections_refused.labels("tcp").inc()
            stream.abort()
            return
        self._transport = stream
        self._address = unmapped((transport.get_extra_info("peername") or ("",))[0])
        self.heard = listener.clock.monotonic()
        _keep_alive(transport.get_extra_info("socket"))
        listener.connections.add(self)
        listener.metrics.connections.labels("tcp").inc()
        if listener.intake.full:
            self.pause()

    def data_received(self, data: bytes) -> None:
        """Take the messages that these bytes complete."""
        self.heard = self._listener.clock.monotonic()
        self._put(self._framer.feed(data))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """Take what the end of the stream leaves."""
        if self in self._listener.connections:
            self._listener.connections.remove(self)
            self._listener.places.give_back()
            self._listener.metrics.connections.labels("tcp").dec()
            self._put(self._framer.finish())

    def _put(self, items: list[bytes | Bad]) -> None:
        if items:
            self._listener.intake.put(items, self._listener.clock.now(), "tcp", self._address)

    def pause(self) -> None:
        """Read no more: the kernel's window fills, and the sender waits."""
        if self._transport and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read on."""
        self.heard = self._listener.clock.monotonic()
        if self._transport and not self._transport.is_closing():
            self._transport.resume_reading()

    def close(self) -> None:
        """Close the connection. What it still holds unread is lost, as plain TCP acknowledges nothing: it is counted."""
        if self._transport and not self._transport.is_closing():
            self._listener.metrics.bytes_unread.labels("tcp").inc(_unread(self._transport.get_extra_info("socket")))
            self._transport.close()


def _unread(sock: socket.socket) -> int:
    """Return how many bytes lie in the socket's receive buffer."""
    return int.from_bytes(fcntl.ioctl(sock.fileno(), termios.FIONREAD, bytes(4)), sys.byteorder)


def _keep_alive(sock: socket.socket | None) -> None:
    """Have the kernel find out that a sender is gone without a word."""
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 120)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30)
