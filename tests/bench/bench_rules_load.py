"""How soon rules are in force: all of SigmaHQ's from YAML and from the cache, and what serving loses meanwhile.

Seconds are by the clock: another process compiles. The set before goes on in the event loop, in slices as in the detect
stage, while a thread loads the next; its rate is told as a share of what it is while that thread sleeps.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

from correlator.load import load
from correlator.rules import RuleSet
from correlator.turns import SLICE
from soc.bus.base import Record
from tests.bench.figures import Figure
from tests.bench.sigmahq import as_in_service, choice, detection, recording, records

LOADS, CACHED = 2, 5
ALONE = 3.0
"""Seconds of serving while nothing is loaded."""


class _Served(NamedTuple):
    """What serving was like for `seconds`: events a second, and the milliseconds of the loop's longest turn."""

    seconds: float
    rate: float
    longest: float


def run() -> Iterable[Figure]:
    """Return the figures, of the quickest of several loads each."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_figures(Path(folder)))


async def _figures(folder: Path) -> list[Figure]:
    before, events = load(choice()), records(recording())
    for event in events:
        detection(before)(event)
    with as_in_service():
        alone = await _serve(before, events, partial(time.sleep, ALONE))
        compiled = [await _serve(before, events, partial(load, choice(), folder / str(n))) for n in range(LOADS)]
        cached = [await _serve(before, events, partial(load, choice(), folder / "0")) for _ in range(CACHED)]
        warmed = await _serve(before, events, partial(load(choice(), folder / "0").warm, before))
        from_cache = min(_seconds(partial(load, choice(), folder / "0")) for _ in range(CACHED))
        routes = _seconds(partial(load(choice(), folder / "0").warm, before))
    return [
        *_while_serving("load from YAML", min(compiled), alone, 6),
        Figure("load from the cache", from_cache, "s", 1, "most"),
        *_while_serving("load from the cache", min(cached), alone),
        Figure("all routes that the recording needs", routes, "s"),
        *_while_serving("all routes", warmed, alone),
    ]


def _while_serving(name: str, served: _Served, alone: _Served, target: float | None = None) -> list[Figure]:
    return [
        Figure(f"{name}, while the old set serves", served.seconds, "s", target, "most"),
        Figure(f"{name}: the old set's rate meanwhile", served.rate / alone.rate * 100, "%"),
        Figure(f"{name}: longest turn of the loop; alone {alone.longest:.0f}", served.longest, "ms"),
    ]


async def _serve(rules: RuleSet, events: Sequence[Record], work: Callable[[], object]) -> _Served:
    """Evaluate events until a thread has done the work."""
    working = asyncio.create_task(asyncio.to_thread(work), name="work")
    matches, source = detection(rules), cycle(events)
    served, longest, begun = 0, 0.0, time.perf_counter()
    turn = begun
    while not working.done():
        while (now := time.perf_counter()) < turn + SLICE:
            matches(next(source))
            served += 1
        longest = max(longest, now - turn)
        await asyncio.sleep(0)
        turn = time.perf_counter()
    await working
    seconds = time.perf_counter() - begun
    return _Served(seconds, served / seconds, longest * 1e3)


def _seconds(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun
