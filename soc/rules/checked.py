"""`soc rules check`: what cannot be evaluated, and what should be looked at, by file and line."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import cache
from itertools import groupby
from pathlib import Path

import orjson
import yaml
from rich.console import Console
from rich.text import Text

from correlator import filters
from correlator.choice import Choice
from correlator.correlation.rule import Correlation
from correlator.source import Compiled, Filter, Rule
from correlator.tools import filtering, linking
from correlator.tools.checking import Warned, check, kinds, misnamed
from correlator.tools.linking import Silence, silenced
from correlator.tools.written import Written, unknown, written
from soc.clock import SystemClock
from soc.events import LogSource
from soc.printing import visible
from soc.rules.chosen import compiled_of
from soc.settings import Settings
from soc.taxonomy import covers, logsources

FOLDED = 3
"""Warnings with one text that are printed; of more only the first."""


SILENCED = 10
"""Silenced rules that are named where not all are asked for."""


def run(settings: Settings, choice: Choice, *, strict: bool, every: bool, form: str) -> int:
    """Print errors and warnings; return the exit status. Raises RulesError where a path is missing."""
    compiled = compiled_of(settings, choice)
    effects = filters.apply(compiled, SystemClock().now()).effects
    correlations = linking.check(compiled, _document, _unseen)
    found = (*_warnings(compiled.rules), *correlations, *filtering.check(effects, _document))
    warned = sorted(found, key=lambda each: (each.file, each.line))
    if form == "json":
        _json(compiled, warned)
    else:
        _text(compiled, warned, every=every)
    return 1 if compiled.failures or (strict and warned) else 0


def _warnings(rules: tuple[Rule, ...]) -> Iterator[Warned]:
    for rule in rules:
        yield from check(rule, _document(rule), _unseen)
    yield from misnamed(rules, _document)


def _document(rule: Rule | Filter | Correlation) -> Written:
    return _read(rule.file).get(rule.line) or unknown(rule.line)


@cache
def _read(file: str) -> dict[int, Written]:
    try:
        return written(Path(file).read_text("utf-8-sig"))
    except (OSError, ValueError, yaml.YAMLError):  # changed since it was compiled
        return {}


@cache
def _unseen(logsource: LogSource) -> bool:
    return not any(covers(logsource, each) for each in logsources())


def _json(compiled: Compiled, warned: Iterable[Warned]) -> None:
    found = {
        "rules": len(compiled.rules),
        "correlations": len(compiled.correlations),
        "filters": len(compiled.filters),
        "errors": [{"file": each.file, "line": each.line, "text": each.reason} for each in compiled.failures],
        "warnings": [asdict(each) for each in warned],
        "silenced": [
            {"id": each.rule.ref.id, "title": each.rule.ref.title, "level": each.rule.ref.level.label, "by": each.by}
            for each in silenced(compiled)
        ],
    }
    print(orjson.dumps(found, option=orjson.OPT_INDENT_2).decode())  # noqa: T201 - what a program reads


def _text(compiled: Compiled, warned: list[Warned], *, every: bool) -> None:
    console = Console(highlight=False)
    for failure in compiled.failures:
        _line(console, f"{failure.file}:{failure.line}: ", ("error", "red"), f": {failure.reason}")
    for remark in compiled.remarks:
        _line(console, "", ("note", "cyan"), f": {remark}")
    for text in _silenced(silenced(compiled), every=every):
        _line(console, "", ("note", "cyan"), f": {text}")
    for each, more in _folded(warned, every=every):
        rest = f" (and {more} more; --all shows them)" if more else ""
        _line(console, f"{each.file}:{each.line}: ", ("warning", "yellow"), f": {each.text} [{each.kind}]{rest}")
    console.print(_summary(compiled, warned), soft_wrap=True)


def _silenced(found: list[Silence], *, every: bool) -> Iterator[str]:
    """Yield a line for each silenced rule, or one for all of them: nobody shall miss what makes no matches of its own."""
    told = [f"{each.rule.ref.title} (by {', '.join(each.by)})" for each in found]
    if every:
        yield from (f"silenced: {each}" for each in told)
    elif told:
        more = f" and {len(told) - SILENCED} more (--all names them)" if len(told) > SILENCED else ""
        yield f"{len(told):,} silenced, heard through correlations alone: {'; '.join(told[:SILENCED])}{more}"


def _line(console: Console, place: str, kind: tuple[str, str], text: str) -> None:
    line = Text.assemble(visible(place, 400), kind, visible(text, 2000))
    console.print(line, soft_wrap=True)


def _folded(warned: list[Warned], *, every: bool) -> Iterator[tuple[Warned, int]]:
    """Yield warnings in order; where more than a few say the same, the first, and how many there are besides."""
    alike = {text: list(run) for text, run in groupby(sorted(warned, key=_saying), key=_saying)}
    for each in warned:
        same = alike[_saying(each)]
        if every or len(same) <= FOLDED:
            yield each, 0
        elif each is same[0]:
            yield each, len(same) - 1


def _saying(warned: Warned) -> tuple[str, str]:
    return warned.kind, warned.text


def _summary(compiled: Compiled, warned: list[Warned]) -> str:
    failures = f"{len(compiled.failures):,} do not" if compiled.failures else "none fails"
    found = ", ".join(f"{count} {kind}" for kind, count in kinds(warned).most_common())
    warnings = f"{len(warned):,} warnings ({found})" if warned else "no warnings"
    left_out = f"; {len(compiled.skipped):,} were not asked for" if compiled.skipped else ""
    counts = {"correlation": len(compiled.correlations), "filter": len(compiled.filters)}
    beside = [f"{count:,} {what}{'s' * (count > 1)}" for what, count in counts.items() if count]
    whole = " and ".join(filter(None, [", ".join([f"{len(compiled.rules):,} rules", *beside[:-1]]), *beside[-1:]]))
    return f"{whole} compile, {failures}; {warnings}{left_out}"
