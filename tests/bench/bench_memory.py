"""What a correlator with all of SigmaHQ's rules has in memory after millions of events, and whether it grows.

It is a process of its own (tests.bench.correlator) that evaluates the recording over and over, with other GUIDs each time
and a tenth of the other values new. BENCH_EVENTS says how many events; five million take about two minutes.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from typing import Final

import orjson

from tests.bench.figures import Figure
from tests.bench.sigmahq import TOKEN, folders, recording, sometimes, template

EVENTS: Final = int(os.environ.get("BENCH_EVENTS", "5000000"))
EVERY: Final = min(100_000, EVENTS // 50)
"""Events from one look at the memory to the next."""

SETTLED: Final = min(1_000_000, EVENTS // 5)
"""Events after which memory is to stay as it is."""

ROOT: Final = Path(__file__).parents[2]


def run() -> Iterator[Figure]:
    """Yield the last sample, and how it differs from that after a million events."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        change = sometimes(Random(20))
        file.write_bytes(b"".join(template(value, change) + b"\n" for value in recording()))
        begun = time.perf_counter()
        samples = _samples(file, _environment(Path(folder)))
        seconds = time.perf_counter() - begun
    last, settled = samples[EVENTS // EVERY * EVERY], samples[SETTLED // EVERY * EVERY]
    highest = max(resident for resident, _ in samples.values())
    events = f"{EVENTS:,} events"
    yield Figure(f"resident memory of a correlator after {events}", last[0] / 1e6, "MB", 200, "most")
    yield Figure("its proportional share", last[1] / 1e6, "MB")
    yield Figure("its highest sample", highest / 1e6, "MB")
    yield Figure(f"its growth since {SETTLED:,} events", (last[0] - settled[0]) / 1e6, "MB", 10, "most")
    yield Figure("its rate, loading included", EVENTS / seconds, "events/s")


def _environment(folder: Path) -> Mapping[str, str]:
    """Return the settings: all rules, and everything that is written in the folder."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("SOC_")}
    return inherited | {
        "SOC_CORRELATE__RULES": orjson.dumps([str(each) for each in folders()]).decode(),
        "SOC_CORRELATE__CACHE": f"{folder}/cache",
        "SOC_BUS__URL": f"sqlite:///{folder}/bus",
        "SOC_STORE__URL": f"sqlite:///{folder}/store",
    }


def _samples(file: Path, environment: Mapping[str, str]) -> dict[int, tuple[int, int]]:
    """Return resident and proportional bytes by how many events were evaluated."""
    command = [sys.executable, "-m", "tests.bench.correlator", str(file), TOKEN, str(EVENTS), str(EVERY)]
    with (file.parent / "log").open("w") as log:
        done = subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False)
    text = (file.parent / "log").read_text("utf-8")
    assert done.returncode == 0, text[-3000:]
    lines = [line.split() for line in text.splitlines()]
    return {int(words[0]): (int(words[1]), int(words[2])) for words in lines if len(words) == 3 and words[0].isdigit()}
