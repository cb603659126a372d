"""The rules that a command line asks for, among all that are in force: correlations stay linked with what they refer to."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from correlator.choice import Choice, Selection, within
from correlator.correlation.plan import Plan
from correlator.correlation.rule import Correlation
from correlator.load import compile_rules
from correlator.source import Compiled, Rule, Skipped
from soc.settings import Settings

ASKED = "asked"
"""The part of the choice that left a rule out: what the command line asked for."""

Asked = Callable[[Rule | Correlation], bool]


def compiled_of(settings: Settings, choice: Choice, cache: Path | None = None) -> Compiled:
    """Return what is chosen, with the plan of all that the settings choose: a rule is silenced by what is not shown too.

    What the command line does not ask for is among the skipped. Raises RulesError where a path is missing.
    """
    whole = compile_rules(replace(choice, only=Selection.of(settings.correlate.only)), cache)
    asked = _asked(choice.only, whole)
    every: tuple[Rule | Correlation, ...] = (*whole.rules, *whole.correlations)
    return replace(
        whole,
        rules=tuple(filter(asked, whole.rules)),
        correlations=tuple(filter(asked, whole.correlations)),
        skipped=(*whole.skipped, *(Skipped(each, ASKED) for each in every if not asked(each))),
    )


def _asked(only: Selection, whole: Compiled) -> Asked:
    """Return what tells whether a rule is asked for: a correlation has the logsources of the rules below it."""
    sources = {rule.ref.id: rule.logsource for rule in whole.rules}
    roots = roots_of(whole.plan)

    def asked(rule: Rule | Correlation) -> bool:
        if not all(true for _, true in only.verdicts(rule)):
            return False
        if not only.logsources or isinstance(rule, Rule):
            return True
        below = [sources[each] for each in roots.get(rule.ref.id, ()) if each in sources]
        return any(within(source, wanted) for source in below for wanted in only.logsources)

    return asked


def roots_of(plan: Plan) -> dict[str, frozenset[str]]:
    """Return of each correlation, by id, the ids of the detection rules that it rests on."""
    roots: dict[str, frozenset[str]] = {}
    for linked in plan.linked.values():  # lower levels first
        below = (roots.get(each.rule, frozenset((each.rule,))) for each in linked.inputs)
        roots[linked.correlation.ref.id] = frozenset().union(*below)
    return roots
