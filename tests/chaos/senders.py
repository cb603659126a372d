"""Syslog senders that count what they have sent: TCP waits where the collector does not read, UDP never waits."""

import asyncio
import socket

SIZE = 1000
"""Bytes of a message, about."""


def line(transport: str, number: int) -> bytes:
    """Return a syslog message that tells transport and number."""
    head = f"<13>1 2026-11-22T08:00:00Z sender {transport} {number} - - {transport}-{number}"
    return f"{head} {'x' * (SIZE - len(head))}".encode()


class TcpSender:
    """One connection."""

    def __init__(self, port: int, rate: float) -> None:
        """Send `rate` messages a second while the other side reads."""
        self.sent = 0
        self._port = port
        self._rate = rate

    async def send(self, stop: asyncio.Event) -> None:
        """Send until the stop. What is counted was handed to the kernel, which keeps little."""
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)
        sock.setblocking(False)
        loop = asyncio.get_running_loop()
        try:
            await loop.sock_connect(sock, ("127.0.0.1", self._port))
            while not stop.is_set():
                await loop.sock_sendall(sock, line("tcp", self.sent) + b"\n")
                self.sent += 1
                await asyncio.sleep(1 / self._rate)
        finally:
            sock.close()


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
