"""`python -m tests.chaos.publisher FOLDER`: publishes numbered events, and notes each acknowledged batch durably.

FOLDER/load.json: {"bus": URL, "began": microseconds, "rate": events a second, ...}. FOLDER/acknowledged: a number a line, the
events below it are acknowledged. Killed and started again, it goes on there: what landed without being acknowledged is
published again under the same ids. SIGTERM ends it after the batch in hand.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from soc import bus as buses
from soc.bus.base import EVENTS, Bus
from soc.clock import SystemClock
from soc.errors import Retry
from soc.lifecycle import Lifecycle, stop_on_signals
from soc.metrics import Metrics
from soc.settings import BusSettings
from tests.chaos.events import message

BATCH = 20


def acknowledged(folder: Path) -> int:
    """Return how many events are acknowledged."""
    try:
        lines = (folder / "acknowledged").read_text("ascii").split("\n")[:-1]
    except FileNotFoundError:
        return 0
    return int(lines[-1]) if lines else 0


async def publish(bus: Bus, folder: Path, began: int, rate: float, stop: asyncio.Event) -> None:
    """Publish batch after batch until the stop; a bus that is away is tried again."""
    done = acknowledged(folder)
    file = os.open(folder / "acknowledged", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        while not stop.is_set():
            try:
                await bus.publish(EVENTS, [message(number, began) for number in range(done, done + BATCH)])
            except Retry as error:
                print("publish again:", error, flush=True)
                await asyncio.sleep(0.2)
                continue
            done += BATCH
            os.write(file, b"%d\n" % done)
            os.fsync(file)
            await asyncio.sleep(BATCH / rate)
    finally:
        os.close(file)


async def _run(folder: Path) -> None:
    stop = stop_on_signals()
    load = json.loads((folder / "load.json").read_text("utf-8"))
    clock = SystemClock()
    settings = BusSettings(url=load["bus"], partitions=load["partitions"], publish_timeout=load["publish_timeout"])
    async with Lifecycle(clock) as lifecycle:
        bus = await lifecycle.open("bus", buses.connect(settings, Metrics(), clock), lambda _reason: None)
        await publish(bus, folder, load["began"], load["rate"], stop)


if __name__ == "__main__":
    asyncio.run(_run(Path(sys.argv[1])))
