"""What correlation costs: hits a second on one core, memory of open groups, and how long a restart takes.

Records are as a busy detect writes them, 500 hits each with a watermark. A twelfth of the hits come out of order, a
hundredth twice; the clock follows a lateness behind. It is measured when the state has its steady size: from the second
timespan on, in processor time, the least of several rounds.
"""

import gc
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import orjson

from correlator.correlation.hits import Batch, Detected, Hit, encode
from correlator.correlation.partition import Partition, Shape
from correlator.correlation.plan import Input, Linked, Plan
from correlator.correlation.rule import Bound, Condition, Correlation, Kind
from soc.alerts import Level, RuleRef
from soc.clock import SECOND
from soc.events import digest
from tests.bench.figures import Figure
from tests.bench.sigmahq import as_in_service

ROUNDS: Final = 5
GROUPS: Final = 10_000
A_RECORD: Final = 500
RATE: Final = 1000
"""Hits a second of event time."""

SPAN: Final = 60
"""Seconds of the timespan: each group has six hits in it, but for those that are much busier."""

SPANS: Final = 4
LATENESS: Final = 5 * SECOND
BEGIN: Final = 1_790_000_000 * SECOND
MANY: Final = 1_000_000
HOUR: Final = 3600
ROOT: Final = Path(__file__).parents[2]

Draw = Callable[[Random, int], tuple[int, int, str | None]]
"""Of a hit, by its number: group, referred rule, value."""


class Case(NamedTuple):
    """One kind of correlation, the hits that it is given, and how many a second it must take at least."""

    name: str
    kind: Kind
    condition: Condition
    rules: int
    draw: Draw
    target: float


def _any(random: Random, _number: int) -> tuple[int, int, None]:
    return random.randrange(GROUPS), 0, None


def _any_of_five(random: Random, _number: int) -> tuple[int, int, None]:
    return random.randrange(GROUPS), random.randrange(5), None


def _swept(random: Random, number: int) -> tuple[int, int, str]:
    """Every other hit is of one of sixteen busy groups, each with 1,800 values in turn; the others have a few."""
    if number % 2:
        return random.randrange(16, GROUPS), 0, f"user-{random.randrange(20)}"
    return number // 2 % 16, 0, f"user-{number // 32 % 1800}"


CASES: Final = (
    Case(
        f"event_count, {GROUPS:,} groups",
        Kind.EVENT_COUNT,
        Condition(((Bound.GTE, 20),)),
        1,
        _any,
        500_000,
    ),
    Case(
        f"value_count, 1,800 values a window, {GROUPS:,} groups",
        Kind.VALUE_COUNT,
        Condition(((Bound.GTE, 2000),), ("User",)),
        1,
        _swept,
        300_000,
    ),
    Case(
        f"temporal_ordered over 5 rules, {GROUPS:,} groups",
        Kind.TEMPORAL_ORDERED,
        Condition(),
        5,
        _any_of_five,
        200_000,
    ),
)


def run() -> Iterator[Figure]:
    """Yield the figures."""
    with as_in_service():
        for case in CASES:
            yield from _rate(case)
    yield from _memory()
    yield from _restart()


# Hits a second --------------------------------------------------------------------------------------------------------


def _rate(case: Case) -> Iterator[Figure]:
    records = list(_records(case))
    steady = len(records) // SPANS
    hits = A_RECORD * (len(records) - steady)
    whole, decoding, found = [], [], 0
    for _ in range(ROUNDS):
        seconds, found = _taken(case, records, steady)
        whole.append(seconds)
        decoding.append(_decoded(records[steady:]))
    alone = min(whole) - min(decoding)
    yield Figure(case.name, hits / min(whole), "hits/s", case.target)
    yield Figure("the same without the records' JSON", hits / alone, "hits/s")
    yield Figure("matches in that time", found, "")


def _taken(case: Case, records: Sequence[bytes], steady: int) -> tuple[float, int]:
    """Return the processor time of the records from the steady state on, and the matches."""
    partition = Partition(plan_of(case.kind, case.condition, case.rules), Shape(1, 1, LATENESS))
    for offset in range(steady):
        partition.take(records[offset], offset)
    gc.collect()
    gc.freeze()
    begun, found = time.thread_time(), 0
    for offset in range(steady, len(records)):
        found += len(partition.take(records[offset], offset).found)
        if not offset % 10:
            partition.lowest(offset)
    seconds = time.thread_time() - begun
    gc.unfreeze()
    return seconds, found


def _decoded(records: Sequence[bytes]) -> float:
    begun = time.thread_time()
    for each in records:
        orjson.loads(each)
    return time.thread_time() - begun


def _records(case: Case) -> Iterator[bytes]:
    random = Random(20)
    number, version = 0, "version"
    for record in range(RATE * SPAN * SPANS // A_RECORD):
        hits: list[Hit] = []
        while len(hits) < A_RECORD:
            hits.append(_hit(random, case, number))
            number += 1
            if number % 100 == 0:
                hits.append(random.choice(hits))
        watermark = BEGIN + number * SECOND // RATE - LATENESS
        yield encode(Batch({version: hits[:A_RECORD]}, [Detected(0, record, watermark)]))


def _hit(random: Random, case: Case, number: int) -> Hit:
    arrival = BEGIN + number * SECOND // RATE
    behind = random.randrange(LATENESS) if random.random() < 1 / 12 else 0
    group, rule, value = case.draw(random, number)
    key = orjson.dumps([f"192.168.{group >> 8}.{group & 255}"]).decode()
    return Hit(key, digest("event", number), arrival - behind, arrival, rule, value, ("hue", f"web{group % 40}"))


def plan_of(kind: Kind, condition: Condition, rules: int, span: int = SPAN) -> Plan:
    """Return a plan of one correlation by SourceIp over that many detection rules; `span`: seconds."""
    names = tuple(f"rule-{number}" for number in range(rules))
    ref = RuleRef("correlation", "A correlation", Level.HIGH)
    correlation = Correlation(ref, "", kind, names, ("SourceIp",), (), span * SECOND, condition, True, "bench.yml", 1)
    inputs = tuple(Input(rule, number, ("SourceIp",), condition.fields) for number, rule in enumerate(names))
    linked = Linked(correlation, "version", 1, inputs)
    return Plan({"version": linked}, {each.rule: ((linked, each),) for each in inputs})


# Memory ---------------------------------------------------------------------------------------------------------------


def _memory() -> Iterator[Figure]:
    """Open a million groups in a process of their own, each with one hit."""
    command = [sys.executable, "-m", "tests.bench.open_groups", str(MANY)]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    groups, taken = map(int, out.split())
    assert groups == MANY
    yield Figure("memory of a million open groups of event_count", taken / 1e6, "MB", 600, "most")


# Restart --------------------------------------------------------------------------------------------------------------


def _restart() -> Iterator[Figure]:
    """Read an hour of 1,000 hits a second again, from a real SQLite bus, in a process of its own."""
    command = [sys.executable, "-m", "tests.bench.replay", str(HOUR)]
    out = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    seconds, held, taken = map(float, out.split())
    yield Figure("restart, timespan 1 h at 1,000 hits/s: state again after", seconds, "s", 15, "most")
    yield Figure("hits held then", held, "")
    yield Figure("memory that they take", taken / 1e6, "MB")
