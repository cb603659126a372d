"""A partition that opens groups: `python -m tests.bench.open_groups NUMBER` prints how many it has and their bytes.

Each has one hit. The records come one by one, as from a log; their own memory is none of it.
"""

import gc
import sys
from typing import Final

import orjson

from correlator.correlation.hits import Batch, Detected, Hit, encode
from correlator.correlation.partition import Partition, Shape
from correlator.correlation.rule import Bound, Condition, Kind
from correlator.correlation.state import Bounds
from soc import app
from soc.clock import SECOND
from soc.events import digest
from tests.bench.bench_correlation import BEGIN, LATENESS, plan_of
from tests.bench.correlator import memory

A_RECORD: Final = 500
RATE: Final = 1000
HOUR: Final = 3600


def main(number: int) -> None:
    """Open the groups, and print how many there are and how much memory the process has taken for them."""
    plan = plan_of(Kind.EVENT_COUNT, Condition(((Bound.GTE, 10),)), 1, HOUR)
    partition = Partition(plan, Shape(1, 1, LATENESS, Bounds(2 * number, 2 * number)))
    partition.take(_record(number, number + A_RECORD), 0)
    gc.collect()
    before, _ = memory()
    for offset in range(1, 1 + number // A_RECORD):
        partition.take(_record((offset - 1) * A_RECORD, offset * A_RECORD), offset)
    gc.collect()
    after, _ = memory()
    print(partition.report().rules["version"][1].groups - A_RECORD, after - before)


def _record(first: int, last: int) -> bytes:
    hits = [
        Hit(_key(each), digest("event", each), _time(each), _time(each), 0, None, ("hue", f"web{each % 40}"))
        for each in range(first, last)
    ]
    return encode(Batch({"version": hits}, [Detected(0, last, _time(first) - LATENESS)]))


def _key(group: int) -> str:
    return orjson.dumps([f"10.{group >> 16}.{group >> 8 & 255}.{group & 255}"]).decode()


def _time(number: int) -> int:
    return BEGIN + number * SECOND // RATE


if __name__ == "__main__":
    gc.freeze()  # as soc.app.run_role does
    gc.set_threshold(*app.GC_THRESHOLDS)
    main(int(sys.argv[1]))
