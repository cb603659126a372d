"""How soon `soc up` is ready, how much memory it takes, and from TCP syslog to alerts in the store."""

import asyncio
import socket
import statistics
import tempfile
import time
from pathlib import Path

from soc import store as stores
from soc.alerts import Alert
from soc.clock import SystemClock
from soc.metrics import Metrics
from soc.settings import StoreSettings
from soc.store.base import AlertQuery
from tests.bench.figures import Figure
from tests.bench.service import Service, pss_bytes

RATE = 3000
SECONDS = 40
MATCHING_EVERY = 50
PROBES = 200


def run() -> list[Figure]:
    """Return the figures of the embedded service with our rules."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        with Service(Path(folder)) as service:
            service.wait_ready()
            ready = time.monotonic() - began
            time.sleep(3)
            idle = pss_bytes(service.tree()) / 1e6
            p99, median = _latency(service)
            sustained = _throughput(service)
            busy = pss_bytes(service.tree()) / 1e6
    return [
        Figure("ready after start", ready, "s", 3, "most"),
        Figure("memory of soc up, idle (PSS of all its processes)", idle, "MB", 200, "most"),
        Figure("memory of soc up after the load", busy, "MB", 200, "most"),
        Figure("TCP syslog to alert in the store, sustained", sustained, "events/s", 3000),
        Figure("event to alert at 1,000 events/s, p99", p99, "s", 2, "most"),
        Figure("event to alert at 1,000 events/s, median", median, "s"),
    ]


def _line(number: int, host: str, *, matching: bool, address: str = "203.0.113.7") -> bytes:
    text = (
        f"sshd[{number % 30000}]: Failed password for root from {address} port 51514 ssh2"
        if matching
        else f"app[{number % 30000}]: request {number} done in {number % 97} ms, all as usual here today"
    )
    body = f"<38>1 {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {host} {text.split('[', maxsplit=1)[0]} {number % 30000} - - {text.split(': ', 1)[1]}"
    return f"{len(body)} {body}".encode()


def _paced(sender: socket.socket, rate: int, seconds: float, marks: dict[str, float] | None = None) -> int:
    """Send at `rate` for `seconds`; note in `marks` when each of PROBES new addresses first failed to sign in."""
    began, sent, probe = time.monotonic(), 0, 0
    while (elapsed := time.monotonic() - began) < seconds:
        due = int(elapsed * rate)
        chunk = []
        for number in range(sent, due):
            if marks is not None and probe < PROBES and number >= probe * rate * seconds / (PROBES + 10):
                address = f"198.18.{probe // 250}.{probe % 250}"
                marks[address] = time.time()
                probe += 1
                chunk.append(_line(number, "probe", matching=True, address=address))
            else:
                chunk.append(_line(number, f"host{number % 200:03d}", matching=number % MATCHING_EVERY == 0))
        sender.sendall(b"".join(chunk))
        sent = due
        time.sleep(0.005)
    return sent


def _throughput(service: Service) -> float:
    """Return events/s from the first byte sent until the last event's matches are in alerts."""
    published = service.metric("collect", "vonggac_events_published_total")
    evaluated = service.metric("correlate", "vonggac_events_evaluated_total")
    with socket.create_connection(("127.0.0.1", service.syslog)) as sender:
        began = time.monotonic()
        sent = _paced(sender, int(RATE * 1.15), SECONDS)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if service.metric("correlate", "vonggac_events_evaluated_total") - evaluated >= sent and _drained(service):
            break
        time.sleep(0.1)
    else:
        raise TimeoutError(
            f"published {service.metric('collect', 'vonggac_events_published_total') - published} of {sent}"
        )
    return sent / (time.monotonic() - began)


def _drained(service: Service) -> bool:
    """Tell whether every match that was stored has been counted in an alert."""
    stored = service.metric("correlate", "vonggac_rule_matches_total")
    return sum(alert.count for alert in asyncio.run(_alerts(service))) >= stored


def _latency(service: Service) -> tuple[float, float]:
    """Return p99 and median of: message sent to its alert first seen in the store."""
    marks: dict[str, float] = {}
    with socket.create_connection(("127.0.0.1", service.syslog)) as sender:
        delays = asyncio.run(_watch(service, sender, marks))
    return sorted(delays)[int(len(delays) * 0.99)], statistics.median(delays)


async def _watch(service: Service, sender: socket.socket, marks: dict[str, float]) -> list[float]:
    seen: dict[str, float] = {}
    async with stores.connect(
        StoreSettings(url=service.environment["SOC_STORE__URL"]), Metrics(), SystemClock()
    ) as store:
        sending = asyncio.create_task(asyncio.to_thread(_paced, sender, 1000, 20, marks), name="sender")
        for _ in range(2000):
            page = await store.find_alerts(AlertQuery(text="SourceIp=198.18.", limit=500))
            for alert in page.items:
                seen.setdefault(alert.key.rpartition("SourceIp=")[2], time.time())
            if sending.done() and len(seen) >= len(marks):
                break
            await asyncio.sleep(0.02)
        await sending
    return [seen.get(address, float("inf")) - sent for address, sent in marks.items()]


async def _alerts(service: Service) -> list[Alert]:
    found: list[Alert] = []
    async with stores.connect(
        StoreSettings(url=service.environment["SOC_STORE__URL"]), Metrics(), SystemClock()
    ) as store:
        cursor = ""
        while True:
            page = await store.find_alerts(AlertQuery(limit=500, cursor=cursor))
            found += page.items
            cursor = page.cursor
            if not cursor:
                return found
