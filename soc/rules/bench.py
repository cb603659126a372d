"""`soc rules bench`: what the rules cost on this machine, on the user's own events or on a sample."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from collectors.sources import Options
from collectors.sources.parts import parts
from correlator.choice import Choice
from correlator.load import load
from correlator.rules import RuleSet
from soc.errors import Stop
from soc.events import LogSource
from soc.rules.match import LIMIT, NOT_STATED, recordings
from soc.rules.records import records
from soc.rules.sample import sample
from soc.settings import Settings

MOST: Final = 100_000
MOST_BYTES: Final = 500_000_000
"""Events, and bytes of them, that are taken from the files: they are held in memory."""

Event = tuple[LogSource, bytes]
"""A logsource and the JSON of the fields."""


@dataclass(frozen=True)
class Figures:
    """What was measured. Seconds of the clock, microseconds of processor time an event, in one process.

    `first_us` is of the first half of the events and includes building the engine for what comes; `us` and what follows
    is of the second half, each event evaluated once. `remembered`: the share of those whose values had come together
    before; `judged`: values an event that had not come before. `matches` is of all.
    """

    rules: int
    events: int
    bytes_an_event: float
    load_seconds: float
    cached_seconds: float
    first_us: float
    us: float
    decode_us: float
    events_a_second: float
    times_decoding: float
    remembered: float
    judged: float
    matches: int


def run(settings: Settings, files: Sequence[Path], choice: Choice, form: str, logsource: LogSource = NOT_STATED) -> int:
    """Print the figures; return the exit status. Raises Stop where the files hold no event."""
    options = Options(settings.site, ZoneInfo(settings.collect.timezone), limit=LIMIT, logsource=logsource)
    events = list(_bounded(_recorded(recordings(files)[0], options) if files else sample()))
    if not events:
        raise Stop("no event could be read: there is nothing to measure with")
    with tempfile.TemporaryDirectory() as folder:
        load_seconds, _ = _timed(lambda: load(choice, Path(folder)))
        cached_seconds, rules = _timed(lambda: load(choice, Path(folder)))
    figures = measured(rules, events, load_seconds, cached_seconds)
    if form == "json":
        print(orjson.dumps(asdict(figures), option=orjson.OPT_INDENT_2).decode())  # noqa: T201 - what a program reads
    else:
        _print(figures, of_sample=not files)
    return 0


def measured(rules: RuleSet, events: Sequence[Event], load_seconds: float, cached_seconds: float) -> Figures:
    """Evaluate the rules on the events and return what it took."""
    count = len(events)
    first, later = events[: count // 2], events[count // 2 :]
    matches, building = _round(rules, first)
    before = rules.statistics()
    matches_later, seconds = _round(rules, later)
    after = rules.statistics()
    decoding = _decoding(later)
    return Figures(
        rules=len(rules.rules),
        events=count,
        bytes_an_event=sum(len(wire) for _, wire in events) / count,
        load_seconds=load_seconds,
        cached_seconds=cached_seconds,
        first_us=building / max(len(first), 1) * 1e6,
        us=seconds / len(later) * 1e6,
        decode_us=decoding / len(later) * 1e6,
        events_a_second=len(later) / seconds,
        times_decoding=seconds / decoding,
        remembered=1 - (after.undecided - before.undecided) / len(later),
        judged=(after.judged - before.judged) / len(later),
        matches=matches + matches_later,
    )


def _round(rules: RuleSet, events: Sequence[Event]) -> tuple[int, float]:
    """Return how many matches there were, and the processor time for decoding and evaluating."""
    matches = 0
    began = time.thread_time()
    for logsource, wire in events:
        matches += len(rules.evaluate(logsource, orjson.loads(wire), _ignored, wire))
    return matches, time.thread_time() - began


def _ignored(_rule: object, _error: Exception) -> None:
    """A rule that fails costs its time here as well."""


def _decoding(events: Sequence[Event]) -> float:
    began = time.thread_time()
    for _, wire in events:
        orjson.loads(wire)
    return time.thread_time() - began


def _recorded(files: Sequence[Path], options: Options) -> Iterator[Event]:
    for each in (record for file in files for part in parts(file) for record in records(part, options)):
        if each is not None:
            logsource, fields = each
            try:
                yield logsource, orjson.dumps(fields)
            except TypeError:  # what JSON can be read as but not written
                continue


def _bounded(events: Iterator[Event]) -> Iterator[Event]:
    size = 0
    for logsource, wire in islice(events, MOST):
        size += len(wire)
        if size > MOST_BYTES:
            return
        yield logsource, wire


def _timed(work: Any) -> tuple[float, Any]:
    began = time.perf_counter()
    result = work()
    return time.perf_counter() - began, result


def _print(figures: Figures, *, of_sample: bool) -> None:
    table = Table(box=box.SIMPLE_HEAD, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column(justify="right", style="bold")
    table.add_column()
    for name, value, note in _rows(figures):
        table.add_row(name, value, Text(note, style="dim"))
    console = Console(highlight=False)
    console.print(table)
    if of_sample:
        console.print(Text("measured on made-up events; name a recording to measure with your own", style="dim"))


def _rows(figures: Figures) -> Iterator[tuple[str, str, str]]:
    yield "rules", f"{figures.rules:,}", ""
    yield "events", f"{figures.events:,}", f"{figures.bytes_an_event:,.0f} bytes each, {figures.matches:,} matches"
    yield "load", f"{figures.load_seconds:.2f} s", "from YAML"
    yield "load, cached", f"{figures.cached_seconds:.2f} s", "from the compiled form"
    yield "first half", f"{figures.first_us:.1f} us", "an event, with what is built when its kind first comes"
    yield "second half", f"{figures.us:.1f} us", "an event: decoding and all rules"
    yield "decoding alone", f"{figures.decode_us:.1f} us", f"so the whole costs {figures.times_decoding:.1f} times that"
    yield "rate", f"{figures.events_a_second:,.0f}", "events a second on one core"
    yield "remembered", f"{figures.remembered:.1%}", "of the events, whose values had come together before"
    yield "values judged", f"{figures.judged:.3f}", "an event; the others were remembered"
