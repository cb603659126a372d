"""Our engine against rsigma, on the same lines, rules and core. SOC_RSIGMA is its program; without it nothing is run.

The lines say their logsource as product, service and category, which rsigma prunes rules by; "-" stands for a part that
an event has not, since a part that is missing prunes none. Ours reads the lines of the file, decodes, evaluates and
counts; rsigma also writes what matched. The time is the slope between the file once and six times, so that loading and
starting are left out; once as recorded six times over, once with a tenth of the values new in each copy.

Matches differ a little: rsigma takes a field that is missing for null, which four rules tell, and knows rules of
registry_event neither for registry_add nor for the others of that family.
"""

import gzip
import os
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final, NamedTuple

import orjson

from correlator.engine.memory import LIMIT
from correlator.load import load
from correlator.rules import RuleSet
from soc import taxonomy
from tests.bench.figures import Figure
from tests.bench.sigmahq import EVENTS_FILE, as_in_service, changed, choice, folders, fresh, sometimes

COPIES: Final = 6
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
NONE: Final = "-"
"""What stands for a part of the logsource that an event has not."""

_PROCESSED: Final = re.compile(r"Processed (\d+) events, (\d+) matches")


class _Cost(NamedTuple):
    """What a run took, in seconds of the processor for the program itself and by the clock, and how much matched."""

    user: float
    wall: float
    matches: int


Engine = Callable[[Path], _Cost]


def run() -> Iterator[Figure]:
    """Yield the ratios of events a second."""
    program = os.environ.get("SOC_RSIGMA")
    if not program:
        print("not run: SOC_RSIGMA names no rsigma")
        return
    rules, source = load(choice()), Random(20)
    plain = [orjson.loads(line) for line in gzip.decompress(EVENTS_FILE.read_bytes()).splitlines()]
    varied = [changed(fields, sometimes(source)) for fields in plain]
    parts = [{name: part or NONE for name, part in taxonomy.windows(each)._asdict().items()} for each in plain]
    with tempfile.TemporaryDirectory() as name, as_in_service(), _pinned():
        folder = Path(name)
        engines = (lambda file: _ours(rules, file), _theirs(program, rules, folder))
        for what, events, target in (("", plain, 3), (", a tenth of the values new", varied, None)):
            lines = [orjson.dumps(each | part) + b"\n" for each, part in zip(events, parts, strict=True)]
            yield from _figures(what, len(lines), _slopes(engines, _files(folder, lines)), target)


def _files(folder: Path, lines: Sequence[bytes]) -> tuple[Path, Path]:
    """Write the lines once and as often as is said."""
    for name, copies in (("once", 1), ("often", COPIES)):
        with (folder / f"{name}.jsonl").open("wb") as file:
            for _ in range(copies):
                file.writelines(fresh(lines))
    return folder / "once.jsonl", folder / "often.jsonl"


def _slopes(engines: Sequence[Engine], files: Sequence[Path]) -> list[_Cost]:
    """Return what each engine takes for the file's copies but one: the least of the rounds, in turns."""
    for engine in engines:
        engine(files[0])  # routes are built, files are in memory
    runs = [[[engine(file) for file in files] for engine in engines] for _ in range(ROUNDS)]
    slopes = []
    for number in range(len(engines)):
        once, often = ([each[number][file] for each in runs] for file in range(len(files)))
        user, wall = (min(column) for column in zip(*((cost.user, cost.wall) for cost in often), strict=True))
        user_once, wall_once = (min(column) for column in zip(*((cost.user, cost.wall) for cost in once), strict=True))
        slopes.append(_Cost(user - user_once, wall - wall_once, once[0].matches))
    return slopes


def _figures(what: str, events: int, slopes: Sequence[_Cost], target: float | None) -> Iterator[Figure]:
    ours, theirs = slopes
    count = events * (COPIES - 1)
    yield Figure(f"our engine / rsigma, processor time{what}", theirs.user / ours.user, "", target)
    yield Figure(f"our engine / rsigma, by the clock{what}", theirs.wall / ours.wall, "")
    for name, cost in (("our engine", ours), ("rsigma", theirs)):
        yield Figure(f"{name}{what}: {cost.matches} matches of {events} events", count / cost.user, "events/s")


def _ours(rules: RuleSet, file: Path) -> _Cost:
    """Run our engine over a file, nothing remembered at the start."""
    rules._memory.took(LIMIT + 1)
    user, wall, matches = _user(resource.RUSAGE_SELF), time.perf_counter(), 0
    with file.open("rb") as opened:
        for line in opened:
            fields = orjson.loads(line)
            product, category, service = fields["product"], fields["category"], fields["service"]
            kind = (_part(product), _part(category), _part(service))
            matches += len(rules.evaluate(kind, fields, wire=line))
    return _Cost(_user(resource.RUSAGE_SELF) - user, time.perf_counter() - wall, matches)


def _part(text: str) -> str | None:
    return None if text == NONE else text


def _theirs(program: str, rules: RuleSet, folder: Path) -> Engine:
    """Return what runs rsigma over a file, in a folder without settings of its own."""
    (folder / "rules").mkdir()
    for each in folders():
        (folder / "rules" / each.name).symlink_to(each)
    loaded = f"Loaded {len(rules.rules) + len(rules.failures)} rules"
    options = ["--input-format", "json", "--output-format", "ndjson", "--logsource-routing"]

    def engine(file: Path) -> _Cost:
        command = [program, "engine", "eval", "-r", str(folder / "rules"), "-e", f"@{file}", *options]
        user, wall = _user(resource.RUSAGE_CHILDREN), time.perf_counter()
        with (folder / "matches").open("wb") as out:
            done = subprocess.run(command, cwd=folder, stdout=out, stderr=subprocess.PIPE, text=True, check=True)
        cost = _user(resource.RUSAGE_CHILDREN) - user, time.perf_counter() - wall
        processed = _PROCESSED.search(done.stderr)
        assert processed, done.stderr
        assert loaded in done.stderr, done.stderr
        return _Cost(*cost, int(processed[2]))

    return engine


def _user(who: int) -> float:
    return resource.getrusage(who).ru_utime


@contextmanager
def _pinned() -> Iterator[None]:
    """Keep this process and those that it starts on one core."""
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(cores)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)
