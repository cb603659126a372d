"""Syslog senders that count what they have sent: TCP waits where the collector does not read, UDP never waits."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

SIZE = 1000
"""Bytes of a message, about."""


def line(transport: str, number: int) -> bytes:
    """Return a syslog message that tells transport and number."""
    head = f"<13>1 2026-11-22T08:00:00Z sender {transport} {number} - - {transport}-{number}"
    return f"{head} {'x' * (SIZE - len(head))}".encode()


def login(number: int) -> bytes:
    """Return sshd's message about a failed login, its number in the MSGID."""
    now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
    text = "Failed password for root from 203.0.113.7 port 4242 ssh2"
    return f"<38>1 {now} host-{number % 5:02d} sshd {number} tcp-{number} - {text}".encode()


class TcpSender:
    """One connection after another."""

    def __init__(self, port: int, rate: float, make: Callable[[int], bytes]) -> None:
        """Send `rate` messages a second while the other side reads; `make` makes one of its number."""
        self.sent = 0
        self.connected = 0
        self._port = port
        self._rate = rate
        self._make = make

    async def send(self, stop: asyncio.Event) -> None:
        """Send until the stop. What is counted was handed to the kernel, which keeps little."""
        while not stop.is_set():
            with suppress(ConnectionError):
                await self._connection(stop)
            await asyncio.sleep(0.05)

    async def _connection(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
            sock.setblocking(False)
            await loop.sock_connect(sock, ("127.0.0.1", self._port))
            self.connected += 1
            while not stop.is_set():
                await loop.sock_sendall(sock, self._make(self.sent) + b"\n")
                self.sent += 1
                await asyncio.sleep(1 / self._rate)


class UdpSender:
    """One socket."""

    def __init__(self, port: int, rate: float) -> None:
        """Send `rate` messages a second."""
        self.sent = 0
        self._rate = rate
        self._port = port
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    async def send(self, stop: asyncio.Event) -> None:
        """Send until the stop."""
        while not stop.is_set():
            self.burst(1)
            await asyncio.sleep(1 / self._rate)
        self._socket.close()

    def burst(self, count: int) -> None:
        """Send so many at once."""
        for _ in range(count):
            self._socket.sendto(line("udp", self.sent), ("127.0.0.1", self._port))
            self.sent += 1
