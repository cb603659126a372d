"""`soc rules list`: the rules and correlations that are chosen, gravest first, and which of them are silenced by what."""

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from correlator.choice import Choice
from correlator.correlation.found import condition_of
from correlator.correlation.plan import Linked, Plan
from correlator.correlation.rule import Correlation
from correlator.filters import apply
from correlator.source import Compiled, Rule
from correlator.tools.checking import said
from soc.alerts import Level
from soc.clock import SystemClock
from soc.printing import COLOURS, visible
from soc.rules.app import cache_of
from soc.rules.chosen import compiled_of
from soc.settings import Settings

PIPED = 160
"""Columns of the table where there is no terminal."""

ID_SHOWN = 8
"""Characters of an id in the table; enough to name a rule by."""


SILENCERS = 3
"""Correlations that silence a rule and are named in the table."""

_Written = Rule | Correlation


def run(settings: Settings, choice: Choice, form: str) -> None:
    """Print the rules. Raises RulesError where a path is missing."""
    compiled = compiled_of(settings, choice, cache_of(settings))
    every: list[_Written] = [*compiled.rules, *compiled.correlations]
    rules = sorted(every, key=lambda rule: (-rule.ref.level, rule.ref.title.casefold()))
    if form == "ids":
        print("\n".join(visible(rule.ref.id) for rule in rules))  # noqa: T201 - what a program reads
    elif form == "json":
        linked = _linked(compiled.plan)
        documents = [_document(rule, compiled.plan, linked) for rule in rules]
        print(orjson.dumps(documents, option=orjson.OPT_INDENT_2).decode())  # noqa: T201 - as above
    else:
        console = _console()
        if rules:
            console.print(_table(rules, compiled.plan))
        console.print(_totals(compiled), soft_wrap=True)


def _console() -> Console:
    """Return the terminal; what is piped is as wide as most rows need, unless COLUMNS says otherwise."""
    console = Console(highlight=False)
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=PIPED)


def _linked(plan: Plan) -> dict[str, Linked]:
    return {each.correlation.ref.id: each for each in plan.linked.values()}


def _document(rule: _Written, plan: Plan, linked: dict[str, Linked]) -> dict[str, object]:
    return {
        "id": rule.ref.id,
        "title": rule.ref.title,
        "level": rule.ref.level.label,
        "status": rule.status,
        "author": rule.author,
        "logsource": rule.logsource._asdict() if isinstance(rule, Rule) else None,
        "correlation": None if isinstance(rule, Rule) else _correlation(linked[rule.ref.id], plan),
        "silenced_by": plan.silenced.get(rule.ref.id, ()),
        "tags": rule.ref.tags,
        "file": rule.file,
        "line": rule.line,
    }


def _correlation(linked: Linked, plan: Plan) -> dict[str, object]:
    correlation = linked.correlation
    return {
        "type": str(correlation.kind),
        "condition": condition_of(linked, plan),
        "group_by": correlation.group_by,
        "rules": [{"id": each.rule, "title": plan.titles.get(each.rule, "")} for each in linked.inputs],
        "generate": correlation.generate,
    }


def _table(rules: Sequence[_Written], plan: Plan) -> Table:
    linked = _linked(plan)
    table = Table(expand=True, box=box.SIMPLE_HEAD, pad_edge=False)
    shares = {"Level": 0, "Title": 6, "Id": 0, "Logsource, or what is correlated": 4, "Status": 0, "File": 4}
    for heading, share in shares.items():
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=share or None)
    for rule in rules:
        about = said(rule.logsource) if isinstance(rule, Rule) else _of(linked[rule.ref.id], plan)
        table.add_row(
            Text(rule.ref.level.label, style=COLOURS[rule.ref.level]),
            Text(visible(rule.ref.title)).append(_silenced(plan.silenced.get(rule.ref.id, ())), style="yellow"),
            Text(visible(rule.ref.id[:ID_SHOWN]), style="dim"),
            Text(visible(about, 300)),
            Text(rule.status),
            Text(visible(f"{Path(rule.file).name}:{rule.line}")),
        )
    return table


def _of(linked: Linked, plan: Plan) -> str:
    """Return the type and what it refers to: "event_count of SSH Login Failed"."""
    return f"{linked.correlation.kind} of {', '.join(plan.titles.get(each.rule, each.rule) for each in linked.inputs)}"


def _silenced(titles: Sequence[str]) -> str:
    """Return a line for each of those that silence a rule, as far as there is room; "" where none does."""
    lines = [f"\nsilenced by {visible(title, 200)}" for title in titles[:SILENCERS]]
    more = f"\nand by {len(titles) - SILENCERS} more" if len(titles) > SILENCERS else ""
    return "".join(lines) + more


def _totals(compiled: Compiled) -> str:
    written: list[_Written] = [*compiled.rules, *compiled.correlations]
    levels = Counter(rule.ref.level for rule in written)
    parts = ", ".join(f"{levels[level]:,} {level.label}" for level in sorted(Level, reverse=True) if levels[level])
    silenced = sum(rule.ref.id in compiled.plan.silenced for rule in written)
    correlations = f" and {len(compiled.correlations):,} correlations" if compiled.correlations else ""
    quiet = f"; {silenced:,} silenced" if silenced else ""
    failures = f"; {len(compiled.failures):,} do not compile (soc rules check says why)" if compiled.failures else ""
    filters = f"; {_filters(compiled)}" if compiled.filters else ""
    left_out = f"; {len(compiled.skipped):,} were not asked for" if compiled.skipped else ""
    counted = f"{len(compiled.rules):,} rules{correlations}" + (f": {parts}" if parts else "")
    return counted + quiet + filters + left_out + failures


def _filters(compiled: Compiled) -> str:
    """Return how many filters are in each state."""
    states = apply(compiled, SystemClock().now()).states
    return "filters: " + ", ".join(f"{count:,} {state}" for state, count in states.items() if count)
