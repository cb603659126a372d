"""What a second core gives: two processes, each with half of the events and a core of its own, against one with all.

As with two partitions on a bus, but the values are in memory, half for each process; reading them from a bus and
publishing what matched are left out. Every process is pinned and warm. The time is from when they are released until
the last has done; one and two take turns, and the least of the rounds counts. The noise is what the slowest round of
one process took beyond the quickest.
"""

import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from typing import Final

from correlator.load import load
from correlator.rules import RuleSet
from soc.bus.base import Record
from tests.bench.figures import Figure
from tests.bench.sigmahq import ROUNDS, as_in_service, choice, detection, recording, records

PASSES: Final = int(os.environ.get("BENCH_PASSES", "10"))
"""How often a process evaluates its events in a round."""

_fork: Final = multiprocessing.get_context("fork")


def run() -> Iterator[Figure]:
    """Yield the ratio, the rate and the noise."""
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        print("not run: it takes two cores")
        return
    rules, events = load(choice()), records(recording())
    _work(rules, events)
    one, two = [], []
    with as_in_service():
        for _ in range(ROUNDS):
            one.append(_seconds(rules, [events], cores))
            two.append(_seconds(rules, [events[0::2], events[1::2]], cores))
    noise = " and ".join(f"{(max(each) / min(each) - 1) * 100:.0f} %" for each in (one, two))
    yield Figure(f"two processes against one (noise {noise})", min(one) / min(two), "", 1.8)
    yield Figure("one process", len(events) * PASSES / min(one), "events/s")
    yield Figure("two processes", len(events) * PASSES / min(two), "events/s")


def _work(rules: RuleSet, events: Sequence[Record]) -> None:
    matches = detection(rules)
    for event in events:
        matches(event)


def _seconds(rules: RuleSet, shares: Sequence[Sequence[Record]], cores: Sequence[int]) -> float:
    """Return the seconds from the release of a process for each share to the end of the last."""
    start = _fork.Barrier(len(shares))
    receiver, sender = _fork.Pipe(duplex=False)
    processes = [
        _fork.Process(target=_member, args=(rules, share, core, start, sender))
        for share, core in zip(shares, cores, strict=False)
    ]
    for process in processes:
        process.start()
    spans: list[tuple[float, float]] = [receiver.recv() for _ in processes]
    for process in processes:
        process.join()
    return max(end for _, end in spans) - min(begin for begin, _ in spans)


def _member(rules: RuleSet, events: Sequence[Record], core: int, start: Barrier, sender: Connection) -> None:
    """Be one process: warm first, so that the pages that the fork shares are its own."""
    os.sched_setaffinity(0, {core})
    _work(rules, events)
    start.wait()
    begun = time.monotonic()
    for _ in range(PASSES):
        _work(rules, events)
    sender.send((begun, time.monotonic()))
