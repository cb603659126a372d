"""`soc rules match`: rules and correlations over recordings, as a person looks at evidence."""

import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.progress import Progress, TaskID

from collectors.sources import Options
from collectors.sources.parts import Part, parts
from correlator.choice import Choice
from correlator.correlation.state import Bounds
from correlator.load import load
from correlator.rules import RuleSet
from soc import printing
from soc.alerts import Level
from soc.errors import Stop
from soc.events import LogSource
from soc.rules import shown
from soc.rules.app import cache_of
from soc.rules.correlating import Correlated
from soc.rules.scan import Correlating, Done, Found, Item, Position, Scanner, Unreadable
from soc.rules.shown import Hit, Sink
from soc.rules.workers import in_order
from soc.settings import Settings

LIMIT: Final = 1024 * 1024
"""Bytes of the largest record that is read; the service takes what bus.max_message_bytes says."""

SUFFIXES: Final = frozenset({".evtx", ".json", ".jsonl", ".ndjson", ".log", ".raw", ".syslog", ".txt"})
PACKED: Final = frozenset({".gz", ".zst"})
"""What is looked for in folders. A file that is named is read whatever it is called."""

FAILED_ON: Final = 3
"""Exit status where a match is of the level that was asked about, or above it."""

WARMED: Final = 20
"""Parts of which the beginning is evaluated before there are workers: what is built then, they share."""

TOLD: Final = 5
"""Records of each file that are named as unreadable; all are counted."""


NOT_STATED: Final = LogSource()
"""Each record tells its own logsource."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the command line asks for. `limit`: matches, or rows of a table, that are shown; 0: all."""

    logsource: LogSource = NOT_STATED
    format: shown.Format = "table"
    output: Path | None = None
    sort: shown.Sort = "level"
    each: bool = False
    events: bool = False
    limit: int = 0
    workers: int = 0
    fail_on: Level | None = None


@dataclass
class Summary:
    """What became of the recordings. `unreadable`: reason to count; `failed`: the rules that failed, on how many events.

    `remarks`: what correlations could not count.
    """

    files: int = 0
    bytes: int = 0
    events: int = 0
    seconds: float = 0.0
    passed_over: int = 0
    levels: Counter[Level] = field(default_factory=Counter)
    rules: set[int] = field(default_factory=set)
    unreadable: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)
    failed: Counter[str] = field(default_factory=Counter)
    remarks: list[str] = field(default_factory=list)

    @property
    def matches(self) -> int:
        """How many there were."""
        return self.levels.total()


def run(settings: Settings, paths: Sequence[Path], choice: Choice, wanted: Wanted) -> int:
    """Evaluate the rules on files and folders, show what matched, and return the exit status.

    Raises Stop where a path cannot be read, and RulesError where there is no rule.
    """
    files, passed_over = recordings(paths)
    if wanted.output and any(wanted.output.exists() and wanted.output.samefile(file) for file in files):
        raise Stop(f"{wanted.output}: is read; write to another file")
    rules = load(choice, compiled_cache(settings))
    if rules.failures:
        shown.note(f"{len(rules.failures)} rules could not be compiled; `soc rules check` names each")
    options = Options(settings.site, ZoneInfo(settings.collect.timezone), limit=LIMIT, logsource=wanted.logsource)
    with shown.opened(wanted.format, wanted.output, wanted.sort, each=wanted.each, limit=wanted.limit) as sink:
        scanner = Scanner(rules, options, with_fields=wanted.events)
        correlated = Correlated(rules.plan, bounds(settings))
        summary = scan(scanner, rules, files, sink, wanted.workers or os.cpu_count() or 1, correlated)
        summary.passed_over = passed_over
    shown.summary(summary)
    worst = max(summary.levels, default=None)
    return FAILED_ON if wanted.fail_on and worst and worst >= wanted.fail_on else 0


def bounds(settings: Settings) -> Bounds:
    """Return how much a correlation remembers."""
    correlate = settings.correlate
    return Bounds(correlate.max_groups, correlate.max_hits, correlate.max_group_hits)


def compiled_cache(settings: Settings) -> Path | None:
    """Return the folder of compiled rules: the service's where there is one, else the user's own.

    A person is not to wait for a compile each time, and does not want a folder wherever the command is run.
    """
    if not settings.correlate.cache:
        return None
    own = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - Path raises without a home
    return cache_of(settings) or Path(own, "vonggac", "rules")


def _within(top: Path) -> list[Path]:
    """Return the files of a folder, in order. Raises Stop where a part of it cannot be read: evidence is not skipped."""

    def unreadable(error: OSError) -> None:
        raise Stop(f"{error.filename}: cannot be read: {error.strerror}; name what can be read")

    walked = os.walk(top, onerror=unreadable)
    found = (Path(folder, name) for folder, _, names in walked for name in names if not name.startswith("."))
    return sorted(each for each in found if each.is_file())


def recordings(paths: Sequence[Path]) -> tuple[list[Path], int]:
    """Return the files that are named and those in the folders that are named, and how many were passed over there.

    Raises Stop where there is no such path, a folder that cannot be read, or nothing to read.
    """
    files: list[Path] = []
    passed_over = 0
    for path in paths:
        if not os.path.exists(path):  # noqa: PTH110 - Path raises where it may not look
            raise Stop(f"{path}: there is no such file or folder, or it may not be looked into")
        if not path.is_dir():
            files.append(path)
            continue
        found = _within(path)
        taken = [each for each in found if _suffix(each) in SUFFIXES]
        passed_over += len(found) - len(taken)
        files += taken
    if not files:
        raise Stop(f"no recording in {', '.join(map(str, paths))}: looked for {', '.join(sorted(SUFFIXES))}")
    return list(dict.fromkeys(files)), passed_over


def _suffix(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def scan(  # noqa: PLR0917 - what is read, by what, into what
    scanner: Scanner,
    rules: RuleSet,
    files: Sequence[Path],
    sink: Sink,
    workers: int,
    correlated: Correlated | None = None,
) -> Summary:
    """Show each match to the sink as it is found, in the order of the files, and return what became of them.

    Those of correlations come last, and only where `correlated` is there to make them.
    """
    summary = Summary(files=len(files), bytes=sum(_size(file) for file in files))
    began = time.perf_counter()
    tasks = [part for file in files for part in parts(file)]
    workers = min(workers, len(tasks))
    if workers > 1:
        scanner.warm(tasks[:: len(tasks) // WARMED + 1])
    results = in_order(scanner, tasks, workers)
    taken = _Taken(rules, sink, summary, correlated)
    for part, item in _watched(results, summary.bytes):
        taken.take(part, item)
    taken.finish()
    summary.seconds = time.perf_counter() - began
    return summary


class _Taken:
    """Takes in the results, part after part."""

    def __init__(self, rules: RuleSet, sink: Sink, summary: Summary, correlated: Correlated | None) -> None:
        self._rules = rules.rules
        self._sink = sink
        self._summary = summary
        self._correlated = correlated
        self._file: Path | None = None
        self._before = self._told = 0  # records of the file's parts before this one

    def take(self, part: Part, item: Item) -> None:
        if part.path != self._file:
            self._file, self._before, self._told = part.path, 0, 0
        match item:
            case Found():
                self._found(part.path, item)
            case Correlating():
                if self._correlated:
                    self._correlated.take(item.fed, f"{part.path}:{item.number + self._before}")
            case Unreadable():
                self._unreadable(part.path, item)
            case Done():
                if self._correlated:
                    self._correlated.note(item)
                self._before += item.records
                self._summary.events += item.events
                for rule, count in item.failed.items():
                    self._summary.failed[self._rules[rule].ref.title] += count
            case Position():
                pass

    def _found(self, path: Path, found: Found) -> None:
        rule = self._rules[found.rule]
        self._tell(Hit(path, rule, found._replace(number=found.number + self._before)))

    def finish(self) -> None:
        """Tell what correlations found in all of it."""
        if self._correlated:
            for hit in self._correlated.hits(len(self._rules)):
                self._tell(hit)
            self._summary.remarks += self._correlated.remarks()

    def _tell(self, hit: Hit) -> None:
        self._summary.levels[hit.rule.ref.level] += 1
        self._summary.rules.add(hit.found.rule)
        self._sink.take(hit)

    def _unreadable(self, path: Path, item: Unreadable) -> None:
        self._summary.unreadable[item.reason] += 1
        self._told += 1
        if self._told <= TOLD and len(self._summary.told) < TOLD * TOLD:
            place = f"{path}:{item.number + self._before}" if item.number else str(path)
            self._summary.told.append(f"{place}: {item.reason}: {item.detail}")


def _watched(results: Iterator[tuple[Part, Item]], total: int) -> Iterator[tuple[Part, Item]]:
    """Yield the results while a bar on a terminal says how far they are."""
    bar = _Bar(total)
    first = next(results, None)  # the workers are forked now: a thread that draws must not be there yet
    with bar:
        if first:
            yield bar.moved(*first)
        for each in results:
            yield bar.moved(*each)


class _Bar:
    """A progress bar on standard error, where that is a terminal."""

    def __init__(self, total: int) -> None:
        self._progress: Progress | None = printing.progress() if Console(stderr=True).is_terminal else None
        self._task: TaskID | None = self._progress.add_task("reading", total=total) if self._progress else None
        self._done = 0

    def __enter__(self) -> None:
        self._context: AbstractContextManager[object] = self._progress or nullcontext()
        self._context.__enter__()

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(None, None, None)

    def moved(self, part: Part, item: Item) -> tuple[Part, Item]:
        if self._progress is not None and self._task is not None and isinstance(item, Position | Done):
            size = (part.end - part.start) if part.end is not None else _size(part.path)
            here = size if isinstance(item, Done) else min(item.bytes, size)
            self._progress.update(self._task, completed=self._done + here)
            self._done += size if isinstance(item, Done) else 0
        return part, item


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
