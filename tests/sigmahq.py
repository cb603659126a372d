"""SigmaHQ's rules and recordings, which lie beside the checkout."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

from collectors.sources import BadRecord, Options, Recording
from correlator.choice import Choice
from correlator.load import load
from correlator.rules import RuleSet
from soc.events import Event, LogSource

SHARED: Final = Path(__file__).parents[2] / "shared"
SIGMA: Final = Path(os.environ.get("SOC_SIGMA_PATH", SHARED / "sigma"))
WINDOWS: Final = Path(os.environ.get("SOC_EVENTS_PATH", SHARED / "events")) / "windows-20k.jsonl.gz"

STATED: Final = {"cisco": LogSource("cisco", None, "aaa")}
"""Logsources of recordings that do not tell their own, as `soc replay --product --service` states them."""


@cache
def rules() -> RuleSet:
    """Return all of SigmaHQ's rules; compiled once a process."""
    return load(Choice(paths=tuple(sorted(SIGMA.glob("rules*")))))


def options(path: Path) -> Options:
    """Return what must be stated of a recording in the regression data."""
    return Options("test", logsource=STATED.get(path.relative_to(SIGMA).parts[2], LogSource()))


def regression_events() -> Iterator[Event]:
    """Yield the events of the whole regression data, of both forms."""
    for path in sorted(SIGMA.glob("regression_data/**/*")):
        if path.suffix in {".evtx", ".json", ".raw"}:
            yield from (each for each in Recording(path, options(path)) if not isinstance(each, BadRecord))


def windows_events(step: int) -> Iterator[Event]:
    """Yield each `step`-th event of the recording of a Windows network."""
    for number, each in enumerate(Recording(WINDOWS, Options("test"))):
        if number % step == 0 and not isinstance(each, BadRecord):
            yield each
