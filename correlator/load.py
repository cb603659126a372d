"""Rule files to a rule set, by a child process: neither its memory nor its time burdens a consumer."""

import os
import pickle
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import orjson
import structlog

import soc
from correlator.choice import Choice, apply
from correlator.rules import RuleSet
from correlator.source import Compiled
from soc.errors import RulesError

log = structlog.get_logger()

TIMEOUT: Final = 120.0
"""Seconds that a compile may take; four thousand rules take about four."""


def builtin() -> Path:
    """Return the folder of the rules that come with Vonggac: in the wheel within soc, in a checkout beside it."""
    home = Path(soc.__file__).parent
    return folder if (folder := home / "_rules").is_dir() else home.parent / "rules"


def load(choice: Choice, cache: Path | None = None) -> RuleSet:
    """Return the rule set that is chosen; `cache`: the folder where compiled rules are kept, None for none.

    What the site says of rules that are not there is logged. Raises RulesError where a path is missing, no rule is left
    to evaluate, or the child fails.
    """
    compiled = compile_rules(choice, cache)
    for remark in compiled.remarks:
        log.warning("rules", remark=remark)
    if not compiled.rules:
        raise RulesError(_nothing(choice, compiled))
    return RuleSet(compiled.rules, compiled.failures)


def compile_rules(choice: Choice, cache: Path | None = None) -> Compiled:  # noqa: ARG001 - the cache is not there yet
    """Return what `load` makes a rule set of, beside it what failed, what was not chosen, and remarks.

    Raises RulesError where a path is missing, or the child fails.
    """
    if missing := [str(path) for path in choice.files if not path.exists()]:
        raise RulesError(
            f"there is no {', '.join(missing)}: name rule files or folders in the settings (correlate.rules)"
        )
    paths = choice.paths or (builtin(),)
    compiled = _in_child({"paths": [str(path) for path in paths], "placeholders": choice.placeholders})
    return apply(choice, compiled)


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


def _nothing(choice: Choice, compiled: Compiled) -> str:
    paths = ", ".join(map(str, choice.paths or (builtin(),)))
    parts = Counter(each.part for each in compiled.skipped)
    left_out = "".join(f"; {count} left out by {part}" for part, count in parts.most_common())
    failures = compiled.failures
    first = f"; the first of {len(failures)} that failed: {failures[0]}" if failures else ""
    return f"no rule to evaluate in {paths}{left_out}{first}"
