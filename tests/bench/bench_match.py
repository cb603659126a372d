"""`soc rules match` on a large file of JSON lines, against the engine on the same lines.

The file repeats real Windows events; GUIDs, times, numbers of records and of processes differ in each round.
BENCH_MATCH_BYTES says how large it is. The engine's own rate is `orjson.loads` and `RuleSet.evaluate` on lines that are
in memory, with their logsource at hand, in one process; it flattens nothing and says no reasons. It is told twice: the
first time over the file, so with what it builds when a kind of event first comes, which the whole command is compared
with; and again.
"""

import gzip
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Self

import orjson

from collectors.sources import Options
from collectors.sources.parts import parts
from correlator.choice import Choice
from correlator.load import load
from correlator.rules import RuleSet
from soc import taxonomy
from soc.rules.scan import Scanner
from soc.rules.workers import in_order
from tests.bench.figures import Figure

SHARED = Path(__file__).parents[3] / "shared"
SIGMA = Path(os.environ.get("SOC_SIGMA_PATH", SHARED / "sigma"))
EVENTS = Path(os.environ.get("SOC_EVENTS_PATH", SHARED / "events")) / "windows-20k.jsonl.gz"
BYTES = int(os.environ.get("BENCH_MATCH_BYTES", "1000000000"))
CORES = os.cpu_count() or 1

VARIES = re.compile(
    rb"(\{[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\}|\d\d:\d\d:\d\d\.\d{3}|\"RecordNumber\":\d+|ProcessId\":\"\d+(?=\"))"
)


class Cost(NamedTuple):
    """What a piece of work took: seconds by the clock, and of processor time, that of ended child processes included."""

    seconds: float
    processor: float

    @classmethod
    def now(cls) -> Self:
        """Return the clocks as they are."""
        used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return cls(time.perf_counter(), sum(each.ru_utime + each.ru_stime for each in used))

    def since(self, before: "Cost") -> "Cost":
        """Return what passed."""
        return Cost(self.seconds - before.seconds, self.processor - before.processor)


def run() -> list[Figure]:
    """Return the rates and their ratios. On a busy machine those by processor time are nearer to the truth."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        events = _write(file)
        rules = sorted(SIGMA.glob("rules*"))
        ruleset = load(Choice(paths=tuple(rules)), Path(folder))
        first, later = _engine(ruleset, file)
        scanner = Scanner(ruleset, Options("bench", limit=1 << 20))
        one = _scan(scanner, file, 1)
        every = _scan(scanner, file, CORES)
        command = _command(file, rules, Path(folder))
    return [
        Figure("events in the file", events, "events"),
        *_against("the engine on one core, with what it builds", events, first, first, 1),
        *_against("the engine on one core, later", events, later, later, 1),
        *_against("match on one core, later", events, one, later, 1),
        *_against(f"match on {CORES} cores, later", events, every, later, CORES),
        Figure("the whole command", events / command.seconds, "events/s"),
        Figure("- of the engine's own rate with what it builds", first.seconds / command.seconds, "", 0.9),
    ]


def _against(name: str, events: int, cost: Cost, engine: Cost, cores: int) -> Iterator[Figure]:
    yield Figure(name, events / cost.seconds, "events/s")
    if cost is engine:
        return
    target = 0.9 if cores > 1 else None
    yield Figure("- of the engine's own rate", engine.seconds / cost.seconds, "", target)
    yield Figure("- the same on idle cores, by processor time", cores * engine.processor / cost.processor, "")


def _write(file: Path) -> int:
    """Write the file and return how many events it has."""
    data = gzip.decompress(EVENTS.read_bytes())
    pieces = VARIES.split(data)
    events = 0
    with file.open("wb") as out:
        number = 0
        while out.tell() < BYTES:
            changed = {token: _changed(token, number) for token in set(pieces[1::2])}
            pieces_now = pieces.copy()
            pieces_now[1::2] = [changed[token] for token in pieces[1::2]]
            out.write(b"".join(pieces_now))
            events += data.count(b"\n")
            number += 1
    return events


def _changed(token: bytes, number: int) -> bytes:
    """Return what stands for a token in one round: of the same form."""
    if token.startswith(b"{"):
        return b"%s%06x}" % (token[:-7], (int(token[-7:-1], 16) + number * 7919) % 0x1000000)
    if token.startswith(b'"Rec'):
        return token + b"%02d" % (number % 100)
    if token.startswith(b"Pro"):
        head, _, digits = token.rpartition(b'"')
        return b'%s"%d' % (head, (int(digits) + number * 4) % 65_536)
    return b"%s%03d" % (token[:-3], (int(token[-3:]) + number * 37) % 1000)


def _engine(ruleset: RuleSet, file: Path) -> tuple[Cost, Cost]:
    """Return what decoding and evaluating alone cost for the whole file: the first time, and again."""
    costs = []
    for _ in range(2):
        cost = Cost(0, 0)
        for lines in _rounds(file):
            logsources = [taxonomy.windows(orjson.loads(line)) for line in lines]
            began = Cost.now()
            for logsource, line in zip(logsources, lines, strict=True):
                ruleset.evaluate(logsource, orjson.loads(line), wire=line)
            taken = Cost.now().since(began)
            cost = Cost(cost.seconds + taken.seconds, cost.processor + taken.processor)
        costs.append(cost)
    return costs[0], costs[1]


def _rounds(file: Path) -> Iterator[list[bytes]]:
    with file.open("rb") as opened:
        while lines := opened.readlines(48 * 1024 * 1024):
            yield lines


def _scan(scanner: Scanner, file: Path, workers: int) -> Cost:
    began = Cost.now()
    for _ in in_order(scanner, parts(file), workers):
        pass
    return Cost.now().since(began)


def _command(file: Path, rules: list[Path], folder: Path) -> Cost:
    """Return what `soc rules match` takes, its rules compiled once before."""
    options = [option for path in rules for option in ("--rules", str(path))]
    command = [sys.executable, "-m", "soc", "rules", "match", *options, "--format", "jsonl", "--output", os.devnull]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SOC_")}
    environment |= {"SOC_CORRELATE__CACHE": str(folder), "PYTHONPATH": str(Path.cwd())}
    began = Cost.now()
    subprocess.run([*command, str(file)], cwd=folder, env=environment, check=True)
    return Cost.now().since(began)
