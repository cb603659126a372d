"""`soc rules match` on a large file of JSON lines, against the engine on the same lines: one core and all of them.

The file repeats real Windows events; GUIDs, times, numbers of records and of processes differ in each round.
SOC_BENCH_MATCH_BYTES says how large it is. The engine's own rate is `orjson.loads` and `RuleSet.evaluate` on lines that
are in memory, with their logsource at hand, in one process. Both are told as they are from the second round on, and
as a user has it: with the rules to load and the engine to build.
"""

import gzip
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from collectors.sources import Options
from collectors.sources.parts import parts
from correlator.choice import Choice
from correlator.load import load
from correlator.rules import RuleSet
from soc import taxonomy
from soc.rules.scan import Done, Found, Scanner
from soc.rules.workers import in_order
from tests.bench.figures import Figure

SHARED = Path(__file__).parents[3] / "shared"
SIGMA = Path(os.environ.get("SOC_SIGMA_PATH", SHARED / "sigma"))
EVENTS = Path(os.environ.get("SOC_EVENTS_PATH", SHARED / "events")) / "windows-20k.jsonl.gz"
BYTES = int(os.environ.get("SOC_BENCH_MATCH_BYTES", "1000000000"))
CORES = os.cpu_count() or 1

VARIES = re.compile(
    rb"(\{[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\}|\d\d:\d\d:\d\d\.\d{3}|\"RecordNumber\":\d+|ProcessId\":\"\d+(?=\"))"
)


def run() -> list[Figure]:
    """Return the rates and their ratios."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "events.jsonl"
        rounds = _write(file)
        rules = sorted(SIGMA.glob("rules*"))
        ruleset = load(Choice(paths=tuple(rules)), Path(folder) / "cache")
        scanner = Scanner(ruleset, Options("bench", limit=1 << 20))
        engine = _engine(ruleset, file)  # the engine is built now
        one, matched = _scan(scanner, file, 1)
        all_cores, matched_again = _scan(scanner, file, CORES)
        assert matched == matched_again
        command = _command(file, rules, Path(folder))
    return [
        Figure("events in the file", rounds, "events"),
        Figure("the engine on one core", engine, "events/s"),
        Figure("match on one core", one, "events/s"),
        Figure("match on one core, of the engine's own rate", one / engine, "", 0.9),
        Figure(f"match on {CORES} cores", all_cores, "events/s"),
        Figure(f"match on {CORES} cores, of the engine's own rate", all_cores / engine, "", 0.9),
        Figure("the whole command, rules loaded and engine built", rounds / command, "events/s"),
        Figure("the whole command, of the engine's own rate", rounds / command / engine, "", 0.9),
    ]


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


def _engine(ruleset: RuleSet, file: Path) -> float:
    """Return events a second of decoding and evaluating alone: reading is not counted."""
    spent, count = 0.0, 0
    for first, lines in _rounds(file):
        logsources = [taxonomy.windows(orjson.loads(line)) for line in lines]
        began = time.perf_counter()
        for logsource, line in zip(logsources, lines, strict=True):
            ruleset.evaluate(logsource, orjson.loads(line), wire=line)
        if not first:
            spent += time.perf_counter() - began
            count += len(lines)
    return count / spent


def _rounds(file: Path) -> Iterator[tuple[bool, list[bytes]]]:
    first = True
    with file.open("rb") as opened:
        while lines := opened.readlines(48 * 1024 * 1024):
            yield first, lines
            first = False


def _scan(scanner: Scanner, file: Path, workers: int) -> tuple[float, int]:
    events = matched = 0
    began = time.perf_counter()
    for _, item in in_order(scanner, parts(file), workers):
        if isinstance(item, Done):
            events += item.events
        matched += isinstance(item, Found)
    return events / (time.perf_counter() - began), matched


def _command(file: Path, rules: list[Path], folder: Path) -> float:
    """Return seconds of `soc rules match`, its rules compiled once before."""
    options = [option for path in rules for option in ("--rules", str(path))]
    command = [sys.executable, "-m", "soc", "rules", "match", *options, "--format", "jsonl", "--output", os.devnull]
    environment = {**os.environ, "SOC_CORRELATE__CACHE": str(folder / "cache"), "PYTHONPATH": str(Path.cwd())}
    began = time.perf_counter()
    subprocess.run([*command, str(file)], cwd=folder, env=environment, capture_output=True, check=True)
    return time.perf_counter() - began
