"""`soc rules test`: every rule on its samples, every correlation on its sequences."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console
from rich.text import Text

from collectors.sources import Options
from correlator.choice import Choice
from correlator.correlation.rule import Correlation
from correlator.load import builtin, compile_rules
from correlator.rules import RuleSet
from correlator.source import Rule
from correlator.tools.samples import EventSequence, Judged, by_name, judge, untested
from soc.printing import visible
from soc.rules.app import cache_of
from soc.rules.samples import find, read
from soc.settings import Settings

NAMED = 5
"""Rules that are named where several fired instead."""


def run(settings: Settings, choice: Choice, more: Sequence[Path], *, every: bool, form: str) -> int:
    """Print what became of each sample; return the exit status. Raises RulesError where rules or samples are none."""
    compiled = compile_rules(choice, cache_of(settings))
    asked = {each.file for part in (compiled.rules, compiled.correlations, compiled.failures) for each in part}
    if choice.paths and any(each.kind == "correlation" for each in compiled.failures):
        compiled = compile_rules(_with_referred(settings, choice), cache_of(settings))
    options = Options(
        site=settings.site, zone=ZoneInfo(settings.collect.timezone), limit=settings.bus.max_message_bytes
    )
    files = find(choice.paths or (builtin(),), more)
    left_out = by_name(each.rule for each in compiled.skipped)
    samples = (sample for file in files for sample in read(file, options) if sample.rule not in left_out)
    rules = RuleSet(compiled.rules, plan=compiled.plan)
    judged = list(judge(rules, samples))
    correlations = (each.correlation for each in rules.plan.linked.values())
    bare = [each for each in untested((*rules.rules, *correlations), judged) if each.file in asked]
    if form == "json":
        print(orjson.dumps(_document(judged, bare), option=orjson.OPT_INDENT_2).decode())  # noqa: T201 - for a program
    else:
        _print(judged, bare, every=every)
    return 0 if all(each.passed for each in judged) else 1


def _with_referred(settings: Settings, choice: Choice) -> Choice:
    """Return the choice with the rules in force beside it: correlations refer to those of other files."""
    return replace(choice, paths=(*choice.paths, *(settings.correlate.rules or (builtin(),))))


def _print(judged: Sequence[Judged], bare: Sequence[Rule | Correlation], *, every: bool) -> None:
    console = Console(highlight=False)
    for each in judged:
        if every or not each.passed:
            console.print(_line(each), soft_wrap=True)
    if every:
        for rule in bare:
            console.print(Text.assemble(("none  ", "dim"), visible(f"{rule.file}:{rule.line}: no samples", 400)))
    passed = sum(each.passed for each in judged)
    tested = len({each.rule.ref.id for each in judged if each.rule})
    console.print(
        f"{len(judged):,} samples of {tested:,} rules: {passed:,} passed, {len(judged) - passed:,} failed; "
        f"{len(bare):,} rules have no samples"
    )


def _line(judged: Judged) -> Text:
    mark = ("ok    ", "green") if judged.passed else ("FAIL  ", "bold red")
    name = visible(f"{_place(judged)}: {judged.sample.name}", 400)
    return Text.assemble(mark, name, "" if judged.passed else f": {visible(_reason(judged), 600)}")


def _place(judged: Judged) -> str:
    sample = judged.sample
    return f"{sample.file}:{sample.line}" if isinstance(sample, EventSequence) else sample.file


def _reason(judged: Judged) -> str:
    if judged.rule is None:
        return f"its rule {judged.sample.rule} is not among the {_wanted(judged)}; soc rules check says what does not compile"
    if isinstance(judged.sample, EventSequence):
        return _of_sequence(judged, judged.sample)
    wanted, fired = judged.sample.matches, judged.fired
    count = f"it fired on {fired} of {len(judged.sample.events)} events, "
    wants = f"and must on {wanted} at least" if wanted else "and must on none"
    if len(judged.sample.events) == 1:
        count, wants = ("it fired, ", "and must not") if fired else ("it did not fire, ", "and must")
    others = [rule.ref.title for rule in judged.others]
    instead = f"; what fired: {', '.join(others[:NAMED])}" if others else "; nothing else fired"
    return count + wants + (instead if fired < wanted else "")


def _wanted(judged: Judged) -> str:
    """Return what a sample of this form is for."""
    if isinstance(judged.sample, EventSequence):
        return "correlations, whose samples are sequences"
    return "rules for one event, whose samples are events (a correlation's are lists of events)"


def _of_sequence(judged: Judged, sample: EventSequence) -> str:
    wants = {None: "one at least", 0: "none"}.get(sample.matches, str(sample.matches))
    entered = f"{judged.entered} hits of its {len(sample.events)} events entered the correlation"
    lacking = f", {judged.ungrouped} lacked a field of its group" if judged.ungrouped else ""
    return f"it gave {judged.fired} matches, and must give {wants}; {entered}{lacking}"


def _document(judged: Sequence[Judged], bare: Sequence[Rule | Correlation]) -> dict[str, Any]:
    return {
        "passed": sum(each.passed for each in judged),
        "failed": sum(not each.passed for each in judged),
        "untested": [rule.ref.id for rule in bare],
        "samples": [
            {
                "file": each.sample.file,
                "sample": each.sample.name,
                "rule": each.rule.ref.id if each.rule else each.sample.rule,
                "passed": each.passed,
                "events": len(each.sample.events),
                "wanted": each.sample.matches,
                "fired": each.fired,
                "others": [rule.ref.id for rule in each.others],
            }
            for each in judged
        ],
    }
