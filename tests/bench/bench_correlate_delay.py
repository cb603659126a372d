"""How soon a correlation's match is on soc.matches after the event that completes it is on soc.events."""

import asyncio
import socket
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

import orjson

from soc.bus.base import MATCHES, TopicPartition
from soc.bus.sqlite import SqliteBus
from soc.clock import SECOND, SystemClock
from soc.metrics import Metrics
from soc.settings import BusSettings
from tests.bench.figures import Figure
from tests.bench.service import Service

RATE: Final = 1000
"""Events a second."""

SECONDS: Final = 30
BURST: Final = 10
"""Refused logins that our rule for one account asks for; one that is accepted then completes the chain above it."""

BURSTS: Final = 20
"""Bursts a second, each of an address of its own."""


def run() -> list[Figure]:
    """Return the figures of the embedded service with our rules."""
    with tempfile.TemporaryDirectory() as folder:
        with Service(Path(folder)) as service:
            service.wait_ready()
            asyncio.run(_send(service.syslog))
            time.sleep(5)
        one, two = asyncio.run(_delays(Path(folder)))
    return [
        Figure("event to a correlation's match, p99", _p99(one), "s", 2, "most"),
        Figure("event to a correlation's match, median", statistics.median(one), "s"),
        Figure("event to the match of a chain of two, p99", _p99(two), "s", 2, "most"),
        Figure("matches of correlations", len(one) + len(two), ""),
    ]


async def _send(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port, family=socket.AF_INET)
    begun = time.monotonic()
    for second in range(SECONDS):
        for part in range(BURSTS):
            writer.writelines(_lines(second * BURSTS + part))
            await writer.drain()
            await asyncio.sleep(max(0.0, begun + second + (part + 1) / BURSTS - time.monotonic()))
    writer.close()
    await writer.wait_closed()


def _lines(number: int) -> list[bytes]:
    address = f"198.51.{number >> 8}.{number & 255}"
    texts = [f"Failed password for root from {address} port 51514 ssh2"] * BURST
    texts.append(f"Accepted password for root from {address} port 51514 ssh2")
    texts += [
        f"Received disconnect from 192.0.2.{each} port 40000:11: bye" for each in range(RATE // BURSTS - BURST - 1)
    ]
    return [_framed(text, number) for text in texts]


def _framed(text: str, number: int) -> bytes:
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    body = f"<38>1 {now} gw01 sshd {number} - - {text}"
    return f"{len(body)} {body}".encode()


async def _delays(folder: Path) -> tuple[list[float], list[float]]:
    """Return, of counts and of the chains above them, seconds between the two appends."""
    found: dict[str, list[float]] = {"event_count": [], "temporal_ordered": []}
    async with SqliteBus(BusSettings(url=f"sqlite:///{folder}/bus"), Metrics(), SystemClock()) as bus:
        for number, ends in (await bus.ends(MATCHES)).items():
            for record in await bus.read(TopicPartition(MATCHES, number), ends.low, ends.high - ends.low + 1):
                match = orjson.loads(record.value)
                if (evidence := match.get("correlation")) and evidence["kind"] in found:
                    found[evidence["kind"]].append((record.timestamp - match["received"]) / SECOND)
    return found["event_count"], found["temporal_ordered"]


def _p99(delays: list[float]) -> float:
    return statistics.quantiles(delays, n=100)[98]
