"""`soc rules list`: the rules that are chosen, gravest first."""

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
from correlator.filters import apply
from correlator.load import compile_rules
from correlator.source import Compiled, Rule
from correlator.tools.checking import said
from soc.alerts import Level
from soc.clock import SystemClock
from soc.printing import COLOURS, visible
from soc.rules.app import cache_of
from soc.settings import Settings

PIPED = 160
"""Columns of the table where there is no terminal."""

ID_SHOWN = 8
"""Characters of an id in the table; enough to name a rule by."""


def run(settings: Settings, choice: Choice, form: str) -> None:
    """Print the rules. Raises RulesError where a path is missing."""
    compiled = compile_rules(choice, cache_of(settings))
    rules = sorted(compiled.rules, key=lambda rule: (-rule.ref.level, rule.ref.title.casefold()))
    if form == "ids":
        print("\n".join(visible(rule.ref.id) for rule in rules))  # noqa: T201 - what a program reads
    elif form == "json":
        document = orjson.dumps([_document(rule) for rule in rules], option=orjson.OPT_INDENT_2)
        print(document.decode())  # noqa: T201 - as above
    else:
        console = _console()
        if rules:
            console.print(_table(rules))
        console.print(_totals(compiled), soft_wrap=True)


def _console() -> Console:
    """Return the terminal; what is piped is as wide as most rows need, unless COLUMNS says otherwise."""
    console = Console(highlight=False)
    return console if console.is_terminal or "COLUMNS" in os.environ else Console(highlight=False, width=PIPED)


def _document(rule: Rule) -> dict[str, object]:
    return {
        "id": rule.ref.id,
        "title": rule.ref.title,
        "level": rule.ref.level.label,
        "status": rule.status,
        "author": rule.author,
        "logsource": rule.logsource._asdict(),
        "tags": rule.ref.tags,
        "file": rule.file,
        "line": rule.line,
    }


def _table(rules: Sequence[Rule]) -> Table:
    table = Table(expand=True, box=box.SIMPLE_HEAD, pad_edge=False)
    shares = {"Level": 0, "Title": 5, "Id": 0, "Logsource": 3, "Status": 0, "File": 4}
    for heading, share in shares.items():
        table.add_column(heading, no_wrap=True, overflow="ellipsis", ratio=share or None)
    for rule in rules:
        table.add_row(
            Text(rule.ref.level.label, style=COLOURS[rule.ref.level]),
            Text(visible(rule.ref.title)),
            Text(visible(rule.ref.id[:ID_SHOWN]), style="dim"),
            Text(visible(said(rule.logsource))),
            Text(rule.status),
            Text(visible(f"{Path(rule.file).name}:{rule.line}")),
        )
    return table


def _totals(compiled: Compiled) -> str:
    levels = Counter(rule.ref.level for rule in compiled.rules)
    parts = ", ".join(f"{levels[level]:,} {level.label}" for level in sorted(Level, reverse=True) if levels[level])
    failures = f"; {len(compiled.failures):,} do not compile (soc rules check says why)" if compiled.failures else ""
    filters = f"; {_filters(compiled)}" if compiled.filters else ""
    left_out = f"; {len(compiled.skipped):,} were not asked for" if compiled.skipped else ""
    return f"{len(compiled.rules):,} rules" + (f": {parts}" if parts else "") + filters + left_out + failures


def _filters(compiled: Compiled) -> str:
    """Return how many filters are in each state."""
    states = apply(compiled, SystemClock().now()).states
    return "filters: " + ", ".join(f"{count:,} {state}" for state, count in states.items() if count)
