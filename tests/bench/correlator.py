"""A correlator that looks at its own memory: `python -m tests.bench.correlator FILE TOKEN EVENTS EVERY`.

It imports and opens what `soc correlate` does and loads the rules that the settings name. Then the detect stage handles
EVENTS events, as many at a time as a poll gets: the file's lines over and over, with another number of eight digits in
each where TOKEN is. After EVERY events it prints how many they are, and its resident and proportional bytes.
What is published is dropped.
"""

import asyncio
import gc
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from pathlib import Path
from typing import Final, cast

import uvloop

import soc.__main__  # noqa: F401 - what the command imports is in its memory
from correlator.detect import Detector
from correlator.reload import Reloader
from soc import app, settings
from soc.bus.base import EVENTS, Bus, Ends, Message, Record
from soc.clock import SystemClock
from soc.events import SCHEMA
from soc.lifecycle import Lifecycle

POLL: Final = 500
HEADERS: Final = (("schema", SCHEMA),)


class _Nowhere:
    """A bus on which nothing stays."""

    async def publish(self, topic: str, messages: Sequence[Message]) -> None:
        """Drop the messages."""

    async def ends(self, topic: str) -> Mapping[int, Ends]:
        """Return those of a topic of four partitions without a record."""
        return dict.fromkeys(range(4), Ends(0, 0))


async def correlate(file: Path, token: bytes, events: int, every: int) -> None:
    """Handle the events."""
    clock = SystemClock()
    async with Lifecycle(clock) as lifecycle:
        process = app.Process(settings.load(None, os.environ), lifecycle, clock)
        await app.correlate(process)
        rules = await Reloader(process.settings, process.metrics, clock, process.reload).load()
        detector = Detector(process.settings, rules, cast("Bus", _Nowhere()), process.metrics, clock)
        values = _values(file, token)
        for done in range(POLL, events + 1, POLL):
            now = clock.now()
            batch = islice(values, POLL)
            await detector.detect(
                [Record(EVENTS, 0, n, now, b"hue/host", value, HEADERS) for n, value in enumerate(batch)]
            )
            if done % every == 0:
                print(done, *memory(), flush=True)


def _values(file: Path, token: bytes) -> Iterator[bytes]:
    numbers = count(10_000_000)
    while True:
        with file.open("rb") as lines:
            for line in lines:
                yield line[:-1].replace(token, b"%d" % next(numbers))


def memory() -> tuple[int, int]:
    """Return the bytes that this process has in memory, and its share of them where others have them too."""
    lines = Path("/proc/self/smaps_rollup").read_text("utf-8").splitlines()
    sizes = {name: int(rest.split()[0]) * 1024 for name, _, rest in (line.partition(":") for line in lines[1:])}
    return sizes["Rss"], sizes["Pss"]


if __name__ == "__main__":
    gc.freeze()  # as soc.app.run_role does
    gc.set_threshold(*app.GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(correlate(Path(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3]), int(sys.argv[4])))
