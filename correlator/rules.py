"""A rule set: loaded from files by a child process, indexed by logsource, evaluated on events."""

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import orjson

import soc
from correlator.engine.plain import Predicate, predicate, reasons
from correlator.engine.record import Record
from correlator.limit import Overtime, limited
from correlator.source import Compiled, Failure, RuleSource
from soc.alerts import Reason, RuleRef
from soc.errors import RulesError
from soc.events import LogSource
from soc.taxonomy import covers

TIMEOUT: Final = 120.0
"""Seconds that a compile may take; four thousand rules take about four."""

MAX_LOGSOURCES: Final = 4096
"""Logsources of events whose rules are remembered; an agent could invent more."""

MAX_NAME: Final = 128
"""Characters of a logsource that is remembered; Sigma's longest has half as many."""

BUDGET: Final = 0.25
"""Seconds of processor time for the rules on one event, about a thousand times what an ordinary event takes.

A rule that exhausts it fails, and the rules behind it have as much once more.
"""

MAX_OVERTIMES: Final = 2
"""How often the budget may be exhausted on one event; the rules that are left then fail."""


class Rule(NamedTuple):
    """One rule that is evaluated. `alert_key`: the fields that group its matches, none for rule, site and host."""

    ref: RuleRef
    logsource: LogSource
    alert_key: tuple[str, ...]
    file: str
    predicate: Predicate


class Hit(NamedTuple):
    """A rule that fired on an event."""

    rule: Rule
    record: Record

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """By which selections, fields and values; found by evaluating once more."""
        try:
            with limited(BUDGET):
                return reasons(self.rule.predicate, self.record)
        except Overtime:  # that the rule fired is certain, and matters more than why
            return ()


Failed = Callable[[Rule, Exception], None]
"""Told of a rule whose evaluation failed; the rule is taken not to fire."""


def _raise(_rule: Rule, error: Exception) -> None:
    raise error


class RuleSet:
    """The rules in force. `failures` are those that are not, each with file, line and reason."""

    def __init__(self, rules: Sequence[Rule], failures: Sequence[Failure] = ()) -> None:
        """Take the rules in the order in which they are evaluated."""
        self.rules = tuple(rules)
        self.failures = tuple(failures)
        self._covering: dict[LogSource, tuple[Rule, ...]] = {}

    def covering(self, logsource: LogSource) -> tuple[Rule, ...]:
        """Return the rules whose logsource covers that of an event."""
        try:
            return self._covering[logsource]
        except KeyError:
            found = tuple(rule for rule in self.rules if covers(rule.logsource, logsource))
            if len(self._covering) >= MAX_LOGSOURCES:
                self._covering.clear()
            if sum(len(part or "") for part in logsource) <= MAX_NAME:
                self._covering[logsource] = found
            return found

    def evaluate(self, logsource: LogSource, fields: Mapping[str, Any], failed: Failed = _raise) -> list[Hit]:
        """Return the rules that fire on an event of this logsource with these fields.

        A rule that fails is told to `failed`; when the budget is exhausted a second time, so are all that are left.
        """
        record = Record(fields)
        hits: list[Hit] = []
        rest = iter(self.covering(logsource))
        overtimes = 0
        while overtimes < MAX_OVERTIMES and (failure := _until_failure(rest, record, hits)):
            overtimes += isinstance(failure[1], Overtime)
            failed(*failure)
        for rule in rest:
            failed(rule, Overtime("not evaluated: the rules before it took too long"))
        return hits


def _until_failure(rest: Iterator[Rule], record: Record, hits: list[Hit]) -> tuple[Rule, Exception] | None:
    """Evaluate the rules that are left, up to one that fails."""
    try:
        with limited(BUDGET):
            for rule in rest:
                if rule.predicate.holds(record):
                    hits.append(Hit(rule, record))
    except Exception as error:  # noqa: BLE001 - one rule's fault must not stop the others
        return rule, error
    return None


def builtin() -> Path:
    """Return the folder of the rules that come with Vonggac: in the wheel within soc, in a checkout beside it."""
    home = Path(soc.__file__).parent
    return folder if (folder := home / "_rules").is_dir() else home.parent / "rules"


def load(paths: Sequence[Path], placeholders: Mapping[str, Sequence[str | int]] | None = None) -> RuleSet:
    """Compile the files and folders in a child process and return the rule set; no paths: the built-in rules.

    Raises RulesError where a path is missing, no rule can be evaluated, or the child fails.
    """
    paths = paths or [builtin()]
    if missing := [str(path) for path in paths if not path.exists()]:
        raise RulesError(
            f"there is no {', '.join(missing)}: name rule files or folders in the settings (correlate.rules)"
        )
    compiled = _in_child({"paths": [str(path) for path in paths], "placeholders": placeholders or {}})
    rules = RuleSet([rule_of(source) for source in compiled.rules], compiled.failures)
    if not rules.rules:
        raise RulesError(_nothing(paths, rules.failures))
    return rules


def rule_of(source: RuleSource) -> Rule:
    """Make closures of one compiled rule."""
    return Rule(source.ref, source.logsource, source.alert_key, source.file, predicate(source.condition))


def _in_child(request: Mapping[str, Any]) -> Compiled:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "correlator.compiler.compile"],
            input=orjson.dumps(request),
            capture_output=True,
            env=environment,
            timeout=TIMEOUT,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise RulesError(f"the rules were not compiled within {TIMEOUT:.0f} s; name fewer in correlate.rules") from None
    except subprocess.CalledProcessError as error:
        raise RulesError(f"the rule compiler failed: {error.stderr.decode(errors='replace')[-2000:]}") from None
    compiled: Compiled = pickle.loads(done.stdout)  # noqa: S301 - written by our own child, on a pipe that only it holds
    return compiled


def _nothing(paths: Sequence[Path], failures: Sequence[Failure]) -> str:
    first = f"; the first of {len(failures)} that failed: {failures[0]}" if failures else ""
    return f"no rule to evaluate in {', '.join(map(str, paths))}{first}"
