"""`soc rules top`: the costliest rules of the running service, by its own metrics."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from correlator.choice import Choice
from correlator.load import compile_rules
from correlator.source import Rule
from soc import printing
from soc.errors import RulesError
from soc.rules import asked
from soc.rules.app import cache_of
from soc.settings import Settings

_FAMILIES: Final = {
    "vonggac_rule_cost_seconds": "seconds",
    "vonggac_rule_evaluations": "evaluations",
    "vonggac_rule_matches": "matches",
    "vonggac_rule_errors": "errors",
}
"""Counters by rule; the parser leaves out their _total."""

_EVALUATED: Final = "vonggac_events_evaluated"


class Cost(NamedTuple):
    """What a rule has taken and given since the service started."""

    rule: str
    seconds: float = 0.0
    evaluations: int = 0
    matches: int = 0
    errors: int = 0

    @property
    def microseconds(self) -> float:
        """Time an evaluation, in the mean."""
        return self.seconds / self.evaluations * 1e6 if self.evaluations else 0.0


def run(settings: Settings, url: str, choice: Choice, limit: int, form: str) -> int:
    """Print the costliest rules; return the exit status. Raises Stop where the service does not answer."""
    costs, events = costs_of(asked.page(url or asked.own(settings)))
    rules = _rules(settings, choice)
    shown = costs[:limit] if limit else costs
    if form == "json":
        documents = [_document(cost, rules) for cost in shown]
        print(orjson.dumps({"events": events, "rules": documents}, option=orjson.OPT_INDENT_2).decode())  # noqa: T201
    else:
        _print(shown, rules, costs, events)
    return 0


def costs_of(page: str) -> tuple[list[Cost], int]:
    """Return what each rule took, the costliest first, and how many events were evaluated. Raises Stop on another page."""
    found = asked.values(page, _FAMILIES, "rule")
    events = int(sum(asked.values(page, [_EVALUATED])[_EVALUATED].values()))
    counts: dict[str, dict[str, float]] = defaultdict(dict)
    for family, name in _FAMILIES.items():
        for rule, value in found[family].items():
            counts[rule][name] = value
    whole = ("evaluations", "matches", "errors")
    costs = [
        Cost(rule, each.get("seconds", 0.0), *(int(each.get(name, 0)) for name in whole))
        for rule, each in counts.items()
    ]
    return sorted(costs, key=lambda cost: (-cost.seconds, -cost.matches, cost.rule)), events


def _rules(settings: Settings, choice: Choice) -> dict[str, Rule]:
    """Return the rules by id, where they need not be compiled first: they are wanted for their titles alone."""
    if (cache := cache_of(settings)) is None:
        return {}
    try:
        return {rule.ref.id: rule for rule in compile_rules(choice, cache).rules}
    except RulesError:
        return {}


def _document(cost: Cost, rules: dict[str, Rule]) -> dict[str, Any]:
    rule = rules.get(cost.rule)
    told = {"title": rule.ref.title, "level": rule.ref.level.label, "file": rule.file} if rule else {}
    return {**cost._asdict(), "microseconds_an_evaluation": cost.microseconds, **told}


def _print(shown: Iterable[Cost], rules: dict[str, Rule], costs: list[Cost], events: int) -> None:
    whole = sum(cost.seconds for cost in costs)
    table = Table(expand=True, box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Cost", "Share", "us each", "Evaluated", "Matches", "Errors"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Level", no_wrap=True)
    table.add_column("Rule", ratio=1, no_wrap=True, overflow="ellipsis")
    for cost in shown:
        table.add_row(*_cells(cost, rules.get(cost.rule), whole))
    console = Console(highlight=False)
    if costs:
        console.print(table)
    each = f", {whole / events * 1e6:.2f} us an event" if events else ""
    console.print(Text(f"{len(costs):,} rules took {whole:,.3f} s for {events:,} events{each}"))


def _cells(cost: Cost, rule: Rule | None, whole: float) -> list[Text]:
    numbers = (
        f"{cost.seconds:,.3f} s",
        f"{cost.seconds / whole:.1%}" if whole else "-",
        f"{cost.microseconds:,.1f}",
        f"{cost.evaluations:,}",
        f"{cost.matches:,}",
    )
    return [
        *map(Text, numbers),
        Text(f"{cost.errors:,}", style="red" if cost.errors else "dim"),
        Text(rule.ref.level.label, style=printing.COLOURS[rule.ref.level]) if rule else Text("-"),
        Text(printing.visible(rule.ref.title if rule else cost.rule, 120)),
    ]
