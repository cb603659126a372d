"""`soc demo`: the whole service on real recordings, as a newcomer first sees it."""

import asyncio
import os
import signal
import sys
import urllib.error
import urllib.request
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final

import orjson
from rich.console import Console

from soc import printing
from soc import store as stores
from soc.clock import SystemClock
from soc.errors import Stop
from soc.lifecycle import stop_on_signals
from soc.metrics import Metrics
from soc.settings import Address, Settings
from soc.store.base import AlertQuery, AlertSort

READY_SECONDS: Final = 60.0
SETTLE_SECONDS: Final = 30.0
QUIET_ROUNDS: Final = 4

_DIRECT: Final = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Past whatever proxy the environment names: it does not know this machine's ports."""


async def run(settings: Settings, recordings: Path, file: Path | None) -> None:
    """Start `soc up`, send the recordings to its TCP port, print the alerts, and wait for Ctrl-C.

    Raises Stop where there are no recordings, the service does not get ready, or it ends.
    """
    lines = _lines(recordings)
    if not settings.collect.tcp:
        raise Stop("collect.tcp is empty: the demo sends its recordings there")
    console = Console()
    stop = stop_on_signals()
    command = [sys.executable, "-m", "soc", "up", *(["--settings", str(file)] if file else [])]
    environment = {**os.environ, "SOC_LOG_LEVEL": os.environ.get("SOC_LOG_LEVEL", "warning")}
    service = await asyncio.create_subprocess_exec(*command, env=environment, start_new_session=True)
    try:
        await _unless_told(stop, _present(settings, service, lines, console))
        await _unless_told(stop, service.wait())
        if not stop.is_set():
            raise Stop("the service ended; its own messages stand above")
    finally:
        await _end(service)


async def _present(
    settings: Settings, service: asyncio.subprocess.Process, lines: list[bytes], console: Console
) -> None:
    await _until_ready(settings, service)
    console.print("The service is ready; sending the recordings to its syslog port …")
    await _send(settings.collect.tcp[0], lines)
    await _show(settings, console)
    console.print(f"{len(lines)} messages sent. Console: http://{settings.console.listen}/ (Ctrl-C ends all)")


def _lines(folder: Path) -> list[bytes]:
    files = sorted(folder.glob("*.log"))
    lines = [line for file in files for line in file.read_bytes().splitlines() if line.strip()]
    if not lines:
        raise Stop(f"{folder}: no recordings (*.log) in it; name the folder deploy/recordings of a checkout")
    return lines


async def _until_ready(settings: Settings, service: asyncio.subprocess.Process) -> None:
    health = settings.health
    urls = [
        f"http://{Address(host=health.host, port=port)}/health/ready"
        for port in (health.collect, health.correlate, health.alert)
    ]
    missing = "nothing answered"
    try:
        async with asyncio.timeout(READY_SECONDS):
            for url in urls:
                while missing := await asyncio.to_thread(_not_ready, url):
                    if service.returncode is not None:
                        raise Stop("the service ended; its own messages stand above")
                    await asyncio.sleep(0.1)
    except TimeoutError:
        raise Stop(f"the service is not ready after {READY_SECONDS:.0f} s: {missing}") from None


def _not_ready(url: str) -> str:
    """Return why that process is not ready, "" where it is."""
    try:
        with _DIRECT.open(url, timeout=5) as answer:
            answer.read()
    except urllib.error.HTTPError as error:
        return str(orjson.loads(error.read()).get("not_ready"))
    except (OSError, ValueError) as error:
        return str(error) or "no answer"
    return ""


async def _send(address: Address, lines: list[bytes]) -> None:
    """Send each line as its own message, newline-framed (RFC 6587, 3.4.2)."""
    _, writer = await asyncio.open_connection(address.host, address.port)
    for line in lines:
        writer.write(line + b"\n")
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def _show(settings: Settings, console: Console) -> None:
    """Print the alerts once their counts have stood still."""
    async with stores.connect(settings.store, Metrics(), SystemClock()) as store:
        before, quiet = -1, 0
        for _ in range(int(SETTLE_SECONDS / 0.5)):
            page = await store.find_alerts(AlertQuery(sort=AlertSort.LEVEL, limit=20))
            now = sum(alert.count for alert in page.items)
            quiet = quiet + 1 if now == before and now else 0
            before = now
            if quiet >= QUIET_ROUNDS:
                break
            await asyncio.sleep(0.5)
    if not page.items:
        raise Stop("no alert appeared; `soc deadletter ls` and the messages above say why")
    printing.alerts(page.items, console)
    if page.total > len(page.items):
        console.print(f"… and {page.total - len(page.items)} more in the console.")


async def _unless_told(stop: asyncio.Event, work: Coroutine[Any, Any, object]) -> None:
    """Do the work, and leave it when told to stop."""
    working, told = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({working, told}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            await working
    finally:
        working.cancel()
        told.cancel()
        await asyncio.gather(working, told, return_exceptions=True)


async def _end(service: asyncio.subprocess.Process) -> None:
    if service.returncode is None:
        service.send_signal(signal.SIGTERM)
        await service.wait()
