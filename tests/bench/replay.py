"""How long a correlator takes to have its state again: `python -m tests.bench.replay SECONDS` prints seconds, hits and bytes.

An event_count by address with a timespan of an hour, 1,000 hits a second over 10,000 groups and four partitions: that
many seconds of them are on a real SQLite bus, as detect writes them four times a second, and are read again.
"""

import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Iterator
from random import Random
from typing import Final

import orjson

from correlator.correlation.hits import Batch, Detected, Hit, encode
from correlator.correlation.partition import Partition, Shape
from correlator.correlation.rule import Bound, Condition, Kind
from correlator.owned import Owned, Replay
from soc import app
from soc.bus.base import HITS, Message, TopicPartition
from soc.bus.sqlite import SqliteBus
from soc.clock import SECOND, SystemClock
from soc.events import digest
from soc.metrics import Metrics
from soc.settings import BusSettings
from tests.bench.bench_correlation import BEGIN, LATENESS, plan_of
from tests.bench.correlator import memory

PARTITIONS: Final = 4
BATCHES: Final = 4
"""A second."""

A_RECORD: Final = 1000 // BATCHES // PARTITIONS
GROUPS: Final = 10_000
HOUR: Final = 3600
PLAN: Final = plan_of(Kind.EVENT_COUNT, Condition(((Bound.GTE, 1000),)), 1, HOUR)


async def main(seconds: int) -> None:
    """Write the records, read them again, and print how long reading took."""
    with tempfile.TemporaryDirectory() as folder:
        metrics, clock = Metrics(), SystemClock()
        bus = SqliteBus(BusSettings(url=f"sqlite:///{folder}", partitions=PARTITIONS), metrics, clock)
        async with bus:
            for batch in _batches(seconds):
                await bus.publish(HITS, batch)
            gc.collect()
            before, begun = memory()[0], time.perf_counter()
            states = [await _replayed(bus, metrics, clock, number) for number in range(PARTITIONS)]
            took = time.perf_counter() - begun
            held = sum(state.report().rules["version"][1].hits for state in states)
            print(took, held, memory()[0] - before)


async def _replayed(bus: SqliteBus, metrics: Metrics, clock: SystemClock, number: int) -> Partition:
    state, place = Partition(PLAN, Shape(1, PARTITIONS, LATENESS)), TopicPartition(HITS, number)
    end = (await bus.ends(HITS))[number].high
    owned = Owned(place, state, {}, end, end, unsaved=False)
    await Replay(bus, metrics, clock, lambda: False).into(owned, 0)
    return state


def _batches(seconds: int) -> Iterator[list[Message]]:
    """Yield the messages of several batches at a time, so that writing them is quick."""
    random = Random(20)
    groups = [orjson.dumps([f"192.168.{group >> 8}.{group & 255}"]).decode() for group in range(GROUPS)]
    for second in range(seconds):
        now = BEGIN + second * SECOND
        yield [
            Message(b"", _value(random, groups[number::PARTITIONS], now + batch * SECOND // BATCHES), (), number)
            for batch in range(BATCHES)
            for number in range(PARTITIONS)
        ]


def _value(random: Random, groups: list[str], now: int) -> bytes:
    hits = [
        Hit(random.choice(groups), digest(now, each, groups[0]), now + each, now + each, 0, None, ("hue", "web1"))
        for each in range(A_RECORD)
    ]
    return encode(Batch({"version": hits}, [Detected(0, now, now - LATENESS)]))


if __name__ == "__main__":
    gc.freeze()  # as soc.app.run_role does
    gc.set_threshold(*app.GC_THRESHOLDS)
    asyncio.run(main(int(sys.argv[1])))
