"""The rules while the service runs: loaded at the start, and anew when their files change or somebody asks for it.

Another process compiles and another thread builds, while the rules before go on. They stay in force where the new ones
cannot be had. The settings are those of the start.
"""

import asyncio
import os
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event
from typing import Final

import structlog

from correlator import filters
from correlator.choice import Choice
from correlator.compiler.files import is_rule
from correlator.correlation.plan import Plan
from correlator.correlation.rule import Correlation
from correlator.engine.hyper import AVAILABLE
from correlator.filters import Filtered
from correlator.load import builtin, compile_rules, rule_set
from correlator.rules import RuleSet
from correlator.source import Failure, Rule
from soc.clock import SECOND, Clock
from soc.errors import RulesError, VonggacError
from soc.metrics import Metrics
from soc.settings import Settings

log = structlog.get_logger()

STILL: Final = 1.0
"""Seconds between two looks at files that are being changed: they are read when they are left alone."""

MAX_SILENCED: Final = 1000
"""Pairs of a rule and a correlation that silences it that the metrics name."""

MAX_LOOKS: Final = 30
"""Looks that found another change each; then they are read all the same."""

MINUTE: Final = 60.0
"""Seconds between two looks at the clock for filters that expire."""

AGAIN: Final = 300.0
"""Seconds after which a reload for an expired filter is asked for again, where it failed."""

Stamp = Mapping[str, tuple[int, int]]
"""What tells that files have changed: of each its modification time in nanoseconds and its size in bytes."""


class Reloader:
    """Loads the rules and keeps them up to date. `asked`, when set, asks for a reload."""

    def __init__(self, settings: Settings, metrics: Metrics, clock: Clock, asked: asyncio.Event) -> None:
        """Take which rules are meant. Raises SettingsError where the settings do not say it."""
        self._choice = Choice.of(settings)
        self._cache = settings.correlate.cache_folder
        self._files = (*self._choice.files, *(() if self._choice.paths else (builtin(),)))
        self._every = settings.correlate.reload_seconds
        self._metrics = metrics
        self._clock = clock
        self._asked = asked
        self._stamp: Stamp = {}
        self._until: int | None = None

    async def load(self, before: RuleSet | None = None) -> RuleSet:
        """Return the rules as their files are now, ready for the events that `before` has seen.

        Raises RulesError where none is left to evaluate. When it is cancelled, the compiler is killed.
        """
        begun = self._clock.monotonic()
        self._stamp = await asyncio.to_thread(stamp, self._files)
        given_up = Event()
        try:
            loaded = await asyncio.to_thread(self._load, before, given_up)
        finally:
            given_up.set()
        self._report(loaded, before, self._clock.monotonic() - begun)
        return loaded.rules

    async def keep(self, rules: RuleSet, adopt: Callable[[RuleSet], None]) -> None:
        """Reload whenever it is asked for, or a filter expires, until cancelled.

        `adopt` gets the rules that replace those before.
        """
        expiring = asyncio.ensure_future(self._expire())
        try:
            await self._keep(rules, adopt)
        finally:
            expiring.cancel()

    async def _keep(self, rules: RuleSet, adopt: Callable[[RuleSet], None]) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()  # what is asked from now on is another reload, however often
            log.info("reloading the rules; the settings stay as they were at the start")
            try:
                rules = await self.load(rules)
            except Exception as error:  # noqa: BLE001 - whatever it is, the rules before are better than none
                self._failed(error)
            else:
                self._metrics.rules_reloads.labels("done").inc()
                self._metrics.rules_stale.set(0)
                adopt(rules)

    async def watch(self) -> None:
        """Ask for a reload when the files have changed and are left alone, until cancelled."""
        before, changes = self._stamp, 0
        while self._every:
            await self._clock.sleep(STILL if changes else self._every)
            now = await asyncio.to_thread(stamp, self._files)
            if now == self._stamp:
                changes = 0
            elif now != before and changes < MAX_LOOKS:
                changes += 1
            else:
                log.info("the rule files have changed")
                self._asked.set()
                changes = 0
            before = now

    async def _expire(self) -> None:
        """Ask for a reload when a filter expires, until cancelled.

        It looks every minute: the wall clock may be set, a laptop may rest, another reload may bring another filter.
        """
        while True:
            left = MINUTE if self._until is None else (self._until - self._clock.now()) / SECOND
            if left > 0:
                await self._clock.sleep(min(left, MINUTE))
            else:
                log.info("a filter has expired")
                self._asked.set()
                await self._clock.sleep(AGAIN)

    def _load(self, before: RuleSet | None, given_up: Event) -> "_Loaded":
        compiled = compile_rules(self._choice, self._cache, given_up)
        filtered = filters.apply(compiled, self._clock.now())
        rules = rule_set(self._choice, filtered)
        if lost := [each for each in compiled.failures if _is_unreadable(each)] if before is not None else []:
            raise RulesError(f"{len(lost)} rule files or folders cannot be read, the first: {lost[0]}")
        if before is not None and not given_up.is_set():
            rules.warm(before)
        return _Loaded(rules, len(compiled.skipped), _differences(before, rules), filtered)

    def _report(self, loaded: "_Loaded", before: RuleSet | None, seconds: float) -> None:
        rules = loaded.rules
        self._until = loaded.filtered.until
        for state, number in loaded.filtered.states.items():
            self._metrics.rule_filters.labels(state).set(number)
        self._metrics.rules_loaded.set(len(rules.rules) + len(rules.plan.linked))
        self._tell_silenced(rules.plan)
        self._metrics.rules_failed.set(len(rules.failures))
        self._metrics.rules_disabled.set(loaded.left_out)
        self._metrics.rules_load_time.set(self._clock.now() / SECOND)
        self._metrics.rules_load_seconds.set(seconds)
        if before is None and not AVAILABLE:
            log.warning("hyperscan is not installed: matches are the same, long values and expressions take longer")
        told = frozenset(before.failures if before else ())
        for failure in rules.failures:
            if failure not in told:
                log.warning("rule not evaluated", file=failure.file, line=failure.line, reason=failure.reason[:1000])
        log.info(
            "rules",
            evaluated=len(rules.rules),
            correlations=len(rules.plan.linked),
            silenced=len(rules.plan.silenced),
            failed=len(rules.failures),
            left_out=loaded.left_out,
            seconds=round(seconds, 1),
            **loaded.differences,
        )

    def _tell_silenced(self, plan: Plan) -> None:
        self._metrics.rules_silenced.clear()
        silenced = ((rule, title) for rule, titles in plan.silenced.items() for title in titles)
        for rule, title in islice(silenced, MAX_SILENCED):
            self._metrics.rules_silenced.labels(rule, title).set(1)

    def _failed(self, error: Exception) -> None:
        self._metrics.rules_reloads.labels("failed").inc()
        self._metrics.rules_stale.set(1)
        unexpected = not isinstance(error, VonggacError)
        log.error("reload failed: the rules before it stay in force", reason=str(error), exc_info=unexpected)


@dataclass(frozen=True)
class _Loaded:
    """`left_out`: how many rules the settings leave out. `differences`: from the rules before. `filtered`: with filters."""

    rules: RuleSet
    left_out: int
    differences: Mapping[str, int]
    filtered: Filtered


def _differences(before: RuleSet | None, now: RuleSet) -> dict[str, int]:
    if before is None:
        return {}
    old, new = _by_id(before), _by_id(now)
    changed = sum(old[each] != new[each] for each in old.keys() & new.keys())
    return {"added": len(new.keys() - old.keys()), "removed": len(old.keys() - new.keys()), "changed": changed}


def _by_id(rules: RuleSet) -> dict[str, Rule | Correlation]:
    every: tuple[Rule | Correlation, ...] = (*rules.rules, *(each.correlation for each in rules.plan.linked.values()))
    return {each.ref.id: each for each in every}


def _is_unreadable(failure: Failure) -> bool:
    """Tell whether the system refused a file or a folder, which may hold thousands of rules: a share that is away."""
    return failure.reason.startswith("cannot be read: [Errno")


def stamp(paths: Iterable[Path]) -> Stamp:
    """Return what tells that one of these files, or a rule file in these folders, has changed. Reads none."""
    found: dict[str, tuple[int, int]] = {}
    folders: set[tuple[int, int]] = set()
    for path in paths:
        with suppress(OSError):  # that it is missing tells enough
            if path.is_dir():
                _look_into(path, found, folders)
            else:
                state = path.stat()
                found[str(path)] = (state.st_mtime_ns, state.st_size)
    return found


def _look_into(folder: Path, found: dict[str, tuple[int, int]], folders: set[tuple[int, int]]) -> None:
    """Add what is in a folder: there may be thousands of files, and they are looked at every few seconds."""
    state = folder.stat()
    if (identity := (state.st_dev, state.st_ino)) in folders:  # a link that leads back
        return
    folders.add(identity)
    with os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    _look_into(Path(entry.path), found, folders)
                elif is_rule(entry.name):
                    state = entry.stat()
                    found[entry.path] = (state.st_mtime_ns, state.st_size)
