"""Rule files to a rule set, by a child process: neither its memory nor its time burdens a consumer."""

import os
import pickle
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import orjson

import soc
from correlator.rules import RuleSet
from correlator.source import Compiled, Failure
from soc.errors import RulesError

TIMEOUT: Final = 120.0
"""Seconds that a compile may take; four thousand rules take about four."""


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
    rules = RuleSet(compiled.rules, compiled.failures)
    if not rules.rules:
        raise RulesError(_nothing(paths, rules.failures))
    return rules


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
