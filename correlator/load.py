"""Rule files to a rule set, by a child process: neither its memory nor its time burdens a consumer."""

import os
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE, Popen, TimeoutExpired
from threading import Event
from time import monotonic
from typing import Final

import orjson
import structlog

import soc
from correlator import filters
from correlator.cache import Cache, decoded
from correlator.choice import Choice, apply
from correlator.compiler.files import FINGERPRINT, REFUSED, Fingerprint, read_all
from correlator.correlation.link import linked
from correlator.filters import Filtered
from correlator.rules import RuleSet
from correlator.source import Compiled
from soc.clock import Clock, SystemClock
from soc.errors import RulesError

log = structlog.get_logger()

TIMEOUT: Final = 120.0
"""Seconds that a compile may take; four thousand rules take about four."""

CLOCK: Final = SystemClock()

LOOK: Final = 0.2
"""Seconds between two looks whether the compile was given up."""


def builtin() -> Path:
    """Return the folder of the rules that come with Vonggac: in the wheel within soc, in a checkout beside it."""
    home = Path(soc.__file__).parent
    return folder if (folder := home / "_rules").is_dir() else home.parent / "rules"


def load(choice: Choice, cache: Path | None = None, clock: Clock = CLOCK) -> RuleSet:
    """Return the rule set that is chosen; `cache`: the folder where compiled rules are kept, None for none.

    Filters are applied that have not expired by the clock. What the site says of rules that are not there is logged. Raises RulesError where a path is missing, no rule is left
    to evaluate, or the child fails.
    """
    return rule_set(choice, filters.apply(compile_rules(choice, cache), clock.now()))


def rule_set(choice: Choice, filtered: Filtered) -> RuleSet:
    """Return the rule set of what was compiled, and log the remarks. Raises RulesError where no rule is left."""
    compiled = filtered.compiled
    for remark in compiled.remarks:
        log.warning("rules", remark=remark)
    if not compiled.rules:
        raise RulesError(_nothing(choice, compiled))
    return RuleSet(compiled.rules, compiled.failures, compiled.plan)


def compile_rules(choice: Choice, cache: Path | None = None, given_up: Event | None = None) -> Compiled:
    """Return what `load` makes a rule set of, beside it what failed, what was not chosen, and remarks.

    Filters are beside the rules, not applied to them: the day decides which are. When another thread sets `given_up`, the child is killed. Raises RulesError where a path is missing, a pipeline or a
    file of placeholders cannot be read, or the child fails or is killed.
    """
    _check(choice.paths)
    request = _request(choice)
    kept = Cache(cache) if cache else None
    given_up = given_up or Event()
    compiled = kept.read(_fingerprint(request, given_up)) if kept else None
    if compiled is None:
        compiled = _compiled(request, kept, given_up)
    return linked(apply(choice, compiled), choice.limits)


def _check(paths: Sequence[Path]) -> None:
    missing = []
    for path in paths:
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError):
            missing.append(str(path))
        except (OSError, ValueError) as error:
            raise RulesError(f"{path}: cannot be read: {error} (correlate.rules)") from None
    if missing:
        raise RulesError(
            f"there is no {', '.join(missing)}: name rule files or folders in the settings (correlate.rules)"
        )


def _compiled(request: bytes, kept: Cache | None, given_up: Event) -> Compiled:
    output = _in_child(request, given_up)
    fingerprint, payload = output[:FINGERPRINT], output[FINGERPRINT:]
    try:
        compiled = decoded(payload)
    except OSError as error:
        raise RulesError(f"the rule compiler failed: {error}") from None
    if kept and fingerprint.strip():
        kept.write(fingerprint.decode(), payload)
    return compiled


def _request(choice: Choice) -> bytes:
    """Return what the compiler is asked; whatever it reads but the rules is in it."""
    asked = {
        "paths": [str(path) for path in choice.paths or (builtin(),)],
        "placeholders": _placeholders(choice),
        "pipelines": [(str(path), _text(path, "correlate.pipelines")) for path in choice.pipelines],
    }
    try:
        return orjson.dumps(asked)
    except TypeError as error:
        raise RulesError(f"a path or a placeholder of the settings (correlate) is no text: {error}") from None


def _placeholders(choice: Choice) -> dict[str, list[str | int]]:
    values = {name: list(each) for name, each in choice.placeholders.items()}
    for name, file in choice.placeholder_files.items():
        lines = map(str.strip, _text(file, "correlate.placeholder_files").splitlines())
        values.setdefault(name, []).extend(line for line in lines if line and not line.startswith("#"))
    return values


def _text(file: Path, setting: str) -> str:
    try:
        return file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{file}: cannot be read: {error} ({setting})") from None


def _fingerprint(request: bytes, given_up: Event) -> str:
    made = Fingerprint(request)
    end = monotonic() + TIMEOUT
    for file in read_all([Path(path) for path in orjson.loads(request)["paths"]]):
        made.add(file)
        _go_on(given_up, end)
    return str(made)


def _in_child(request: bytes, given_up: Event) -> bytes:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-P", "-m", "correlator.compiler.compile"]  # -P: not from the current folder
    with Popen(command, stdin=PIPE, stdout=PIPE, stderr=PIPE, env=environment) as child:  # noqa: S603 - our own module
        try:
            output, errors = _answer(child, request, given_up)
        finally:
            child.kill()
    if child.returncode == REFUSED:
        raise RulesError(errors.decode(errors="replace").strip())
    if child.returncode:
        raise RulesError(f"the rule compiler failed: {errors.decode(errors='replace')[-2000:]}")
    return output


def _answer(child: Popen[bytes], request: bytes, given_up: Event) -> tuple[bytes, bytes]:
    """Return what the child writes to its two outputs, unless it takes too long or its work is given up."""
    end = monotonic() + TIMEOUT
    unsent: bytes | None = request
    answer = None
    while answer is None:
        try:
            answer = child.communicate(unsent, timeout=max(0.0, min(LOOK, end - monotonic())))
        except TimeoutExpired:
            unsent = None  # `communicate` goes on with what it took at first
        _go_on(given_up, end)  # an answer too: what was given up is used by nobody, however quick it was
    return answer


def _go_on(given_up: Event, end: float) -> None:
    """Raise RulesError where the work is given up, or takes too long."""
    if given_up.is_set():
        raise RulesError("the compile was given up")
    if monotonic() >= end:
        raise RulesError(f"the rules were not compiled within {TIMEOUT:g} s; name fewer in correlate.rules")


def _nothing(choice: Choice, compiled: Compiled) -> str:
    paths = ", ".join(map(str, choice.paths or (builtin(),)))
    parts = Counter(each.part for each in compiled.skipped)
    left_out = "".join(f"; {count} left out by correlate.{part}" for part, count in parts.most_common())
    failures = compiled.failures
    first = f"; the first of {len(failures)} that failed: {failures[0]}" if failures else ""
    return f"no rule to evaluate in {paths}{left_out}{first}"
