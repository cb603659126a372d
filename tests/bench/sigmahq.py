"""What the benchmarks of detection share: SigmaHQ's rules, a recording of Windows hosts as it is on the bus, a stopwatch.

All of it is measured in processor time, in turns: what the machine does besides hits both sides of a ratio alike.
"""

import gc
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final

import orjson

from collectors.sources import Options, Recording
from correlator.choice import Choice
from correlator.flood import FloodGate
from correlator.matching import Matcher
from correlator.rules import RuleSet
from correlator.source import Rule
from soc.alerts import Match
from soc.app import GC_THRESHOLDS
from soc.bus.base import EVENTS, Record
from soc.events import SCHEMA, Event, to_wire
from soc.settings import CorrelateSettings
from soc.testing import NOW

SHARED: Final = Path(__file__).parents[3] / "shared"
SIGMA: Final = Path(os.environ.get("SOC_SIGMA_PATH", SHARED / "sigma"))
EVENTS_FILE: Final = Path(os.environ.get("SOC_EVENTS_PATH", SHARED / "events")) / "windows-20k.jsonl.gz"

ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "7"))
"""How often what is compared takes its turn."""

HEADERS: Final = (("schema", SCHEMA),)
KEPT: Final = frozenset({"EventID", "Channel"})
"""Fields that say what an event is, and so which rules see it: never changed."""

TOKEN: Final = "70910937"
"""Holds the place of digits in a template; the recording has it nowhere."""

NEW: Final = 0.1
"""The share of values that are new on a fleet of many users and hosts, apart from GUIDs."""

_GUID: Final = re.compile(r"\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}")
_numbers = count(10_000_000)

Work = Callable[[Any], object]
Change = Callable[[str, Any], Any]


def folders() -> tuple[Path, ...]:
    """Return SigmaHQ's five folders of rules."""
    found = tuple(sorted(SIGMA.glob("rules*")))
    assert found, f"no folder of rules in {SIGMA}: set SOC_SIGMA_PATH"
    return found


def choice() -> Choice:
    """Return the choice of all of SigmaHQ's rules."""
    return Choice(paths=folders())


def recording() -> list[bytes]:
    """Return the recording's events as the collector puts them on the bus."""
    assert EVENTS_FILE.exists(), f"{EVENTS_FILE} is missing: set SOC_EVENTS_PATH to its folder"
    values = [to_wire(each) for each in Recording(EVENTS_FILE, Options("hue")) if isinstance(each, Event)]
    assert not any(TOKEN.encode() in value for value in values)
    return values


def records(values: Sequence[bytes]) -> list[Record]:
    """Return the values as a consumer gets them."""
    return [Record(EVENTS, 0, n, NOW, b"hue/host", value, HEADERS) for n, value in enumerate(values)]


def detection(rules: RuleSet) -> Callable[[Record], list[Match]]:
    """Return what makes a record's matches, as the detect stage does for a batch."""
    settings = CorrelateSettings()
    return Matcher(rules, FloodGate(settings.flood_per_minute, settings.flood_samples), _failed).matches


def template(value: bytes, change: Change) -> bytes:
    """Return the event with its fields changed."""
    document = orjson.loads(value)
    return orjson.dumps({**document, "fields": changed(document["fields"], change)})


def changed(fields: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """Return the fields, each `change(name, value)` but those that are KEPT."""
    return {name: value if name in KEPT else change(name, value) for name, value in fields.items()}


def fresh(templates: Iterable[bytes]) -> list[bytes]:
    """Return events that never were before: in each, another number of eight digits wherever its template has TOKEN."""
    token = TOKEN.encode()
    return [each.replace(token, b"%d" % next(_numbers)) for each in templates]


def ended(value: Any) -> Any:
    """Return the value with TOKEN at the end of each text and for each number."""
    if isinstance(value, str):
        return value + TOKEN
    if isinstance(value, list):
        return [ended(each) for each in value]
    return value if value is None or isinstance(value, bool) else int(TOKEN)


def inserted(value: Any) -> Any:
    """Return the value as `ended` does, but in a path before its last part: what ends like a program still does."""
    if isinstance(value, str) and "\\" in value:
        head, _, tail = value.rpartition("\\")
        return f"{head}{TOKEN}\\{tail}"
    return ended(value)


def sometimes(source: Random) -> Change:
    """Return the change of a fleet that is not all alike: every GUID and a tenth of the other values are new."""

    def change(_name: str, value: Any) -> Any:
        if isinstance(value, str) and (guid := _GUID.search(value)):
            return f"{value[: guid.end() - 9]}{TOKEN}{value[guid.end() - 1 :]}"
        return inserted(value) if source.random() < NEW else value

    return change


@contextmanager
def as_in_service() -> Iterator[None]:
    """Collect garbage as the service does, what is there now left aside."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


def seconds(work: Work, items: Iterable[Any]) -> float:
    """Return the processor time of the work on all items."""
    begun = time.thread_time()
    for item in items:
        work(item)
    return time.thread_time() - begun


def least(rounds: Iterable[Sequence[tuple[Work, Sequence[Any]]]]) -> list[float]:
    """Do in each round one work after the other; return of each the least seconds of all rounds."""
    took = [[seconds(work, items) for work, items in each] for each in rounds]
    return list(map(min, zip(*took, strict=True)))


def _failed(_rule: Rule, error: Exception) -> None:
    raise error
