"""`soc rules coverage`: which rules and correlations could fire on what is collected, and on which techniques."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from collectors.sources import Options
from collectors.sources.parts import Part, parts
from correlator.choice import Choice
from correlator.correlation.plan import Linked
from correlator.load import load
from correlator.rules import RuleSet
from correlator.source import Rule
from correlator.tools.checking import said
from correlator.tools.coverage import MAX_SOURCES, Census, Row, Sight, State, by_logsource, sights, unwatched
from correlator.tools.navigator import layer
from correlator.tools.reach import able
from soc import printing
from soc.errors import Stop
from soc.events import LogSource
from soc.rules.match import LIMIT, NOT_STATED, compiled_cache, recordings
from soc.rules.records import records
from soc.rules.workers import in_order
from soc.settings import Settings
from soc.taxonomy import covers
from soc.taxonomy.produced import logsources

NAMED: Final = 5
"""Fields that a row of the table names."""

TITLE: Final = "Vonggac rules"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the command line asks for. `logsource`: of records that do not tell their own."""

    logsource: LogSource = NOT_STATED
    form: str = "table"
    navigator: Path | None = None
    workers: int = 0


@dataclass
class Taken:
    """What recordings hold, by logsource, and how many of their records could not be read."""

    seen: dict[LogSource, Census] = field(default_factory=dict)
    unreadable: int = 0

    def count(self, logsource: LogSource, fields: dict[str, Any]) -> None:
        """Take in one event."""
        if logsource not in self.seen:
            logsource = logsource if len(self.seen) < MAX_SOURCES else LogSource()
        self.seen.setdefault(logsource, Census()).count(fields)

    def add(self, other: "Taken") -> None:
        """Take in what another part held."""
        self.unreadable += other.unreadable
        for logsource, census in other.seen.items():
            self.seen.setdefault(logsource, Census()).add(census)


def run(settings: Settings, files: Sequence[Path], choice: Choice, wanted: Wanted) -> int:
    """Print the coverage; return the exit status. Without files: which rules anything collected here could fire."""
    rules = load(choice, compiled_cache(settings))
    if not files:
        possible = [rule for rule in rules.rules if any(covers(rule.logsource, each) for each in logsources())]
        reached = _reached(rules, possible)
        _write_layer(wanted.navigator, possible, reached)
        _print_collected(rules, possible, reached, wanted.form)
        return 0
    options = Options(settings.site, ZoneInfo(settings.collect.timezone), limit=LIMIT, logsource=wanted.logsource)
    taken = take(recordings(files)[0], options, wanted.workers or os.cpu_count() or 1)
    found = list(sights(rules, taken.seen))
    possible = [sight.rule for sight in found if sight.state is State.ABLE]
    reached = _reached(rules, possible)
    _write_layer(wanted.navigator, possible, reached)
    if wanted.form == "json":
        document = _document(found, unwatched(rules, taken.seen), taken)
        _print_json({**document, "correlations": _correlations(rules, possible, reached)})
    else:
        _print_table(by_logsource(found), unwatched(rules, taken.seen), taken)
        _print_reached(rules, reached)
    return 0


def _reached(rules: RuleSet, possible: Sequence[Rule]) -> list[Linked]:
    """Return the correlations that can fire where these rules can."""
    names = able(rules.plan, (rule.ref.id for rule in possible))
    return [each for each in rules.plan.linked.values() if each.correlation.ref.id in names]


def take(files: Sequence[Path], options: Options, workers: int) -> Taken:
    """Return what the files hold."""
    taken = Taken()
    tasks = (part for file in files for part in parts(file))
    for _, each in in_order(lambda part: [_taken(part, options)], tasks, workers):
        taken.add(each)
    return taken


def _taken(part: Part, options: Options) -> Taken:
    taken = Taken()
    for each in records(part, options):
        if each is None:
            taken.unreadable += 1
        else:
            taken.count(*each)
    return taken


# What is printed -----------------------------------------------------------------------------------------------------


def _document(found: list[Sight], unwatched: list[tuple[LogSource, int]], taken: Taken) -> dict[str, Any]:
    return {
        "events": sum(census.events for census in taken.seen.values()),
        "unreadable": taken.unreadable,
        "logsources": [
            {
                **row.logsource._asdict(),
                "rules": row.rules,
                "events": row.events,
                **{state.value: row.states[state] for state in State},
                "missing_fields": dict(row.missing.most_common()),
            }
            for row in by_logsource(found)
        ],
        "events_without_rules": [{**source._asdict(), "events": events} for source, events in unwatched],
        "rules": [
            {
                "id": sight.rule.ref.id,
                "title": sight.rule.ref.title,
                "level": sight.rule.ref.level.label,
                "state": sight.state.value,
                "events": sight.events,
                "missing_fields": sight.missing,
            }
            for sight in found
        ],
    }


def _correlations(rules: RuleSet, possible: Sequence[Rule], reached: Sequence[Linked]) -> list[dict[str, Any]]:
    """Return every correlation, whether it can fire, and the titles of what it refers to that cannot."""
    names = {rule.ref.id for rule in possible} | {each.correlation.ref.id for each in reached}
    return [
        {
            "id": each.correlation.ref.id,
            "title": each.correlation.ref.title,
            "level": each.correlation.ref.level.label,
            "able": each.correlation.ref.id in names,
            "cannot": [rules.plan.titles.get(below.rule, "") for below in each.inputs if below.rule not in names],
        }
        for each in rules.plan.linked.values()
    ]


def _print_json(document: dict[str, Any]) -> None:
    print(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode())  # noqa: T201 - what a program reads


def _print_table(rows: list[Row], others: list[tuple[LogSource, int]], taken: Taken) -> None:
    table = Table(expand=True, box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Logsource of the rules", ratio=4, no_wrap=True, overflow="ellipsis")
    for heading in ("Rules", "Events", "Can fire", "Cannot"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Because no event has", ratio=5, no_wrap=True, overflow="ellipsis")
    seen = [row for row in rows if row.events]
    for row in seen:
        table.add_row(*_cells(row))
    console = Console(highlight=False)
    console.print(table)
    unseen = [row for row in rows if not row.events]
    if unseen:
        console.print(_unseen(unseen), soft_wrap=True)
    if others:
        names = ", ".join(f"{said(source)} ({events:,})" for source, events in others[:NAMED])
        console.print(Text(printing.visible(f"Events that no rule sees: {names}", 500)), soft_wrap=True)
    _print_totals(console, rows, taken)


def _cells(row: Row) -> list[Text]:
    able, blind = row.states[State.ABLE], row.states[State.BLIND]
    missing = ", ".join(f"{name} ({count})" for name, count in row.missing.most_common(NAMED))
    return [
        Text(printing.visible(said(row.logsource), 80)),
        Text(f"{row.rules:,}"),
        Text(f"{row.events:,}"),
        Text(f"{able:,}", style="green" if able else "red"),
        Text(f"{blind:,}", style="yellow" if blind else "dim"),
        Text(printing.visible(missing, 200), style="dim"),
    ]


def _unseen(rows: list[Row]) -> Text:
    text = Text(f"No event of {len(rows)} logsources that {sum(row.rules for row in rows):,} rules are for: ")
    names = [f"{said(row.logsource)} ({row.rules})" for row in sorted(rows, key=lambda row: -row.rules)]
    text.append(printing.visible(", ".join(names[: 4 * NAMED]), 2000), style="dim")
    return text.append(f" and {len(names) - 4 * NAMED} more" if len(names) > 4 * NAMED else "")


def _print_totals(console: Console, rows: list[Row], taken: Taken) -> None:
    states: Counter[State] = Counter()
    for row in rows:
        states.update(row.states)
    events = sum(census.events for census in taken.seen.values())
    unreadable = f"; {taken.unreadable:,} records could not be read" if taken.unreadable else ""
    console.print(Text(f"{events:,} events of {len(taken.seen)} logsources{unreadable}"))
    line = Text(f"{states.total():,} rules: ").append(f"{states[State.ABLE]:,} can fire", style="green")
    line.append(", ").append(f"{states[State.BLIND]:,} ask for what no event has", style="yellow")
    console.print(line.append(", ").append(f"{states[State.UNSEEN]:,} have no events at all", style="red"))


def _print_reached(rules: RuleSet, reached: Sequence[Linked]) -> None:
    if count := len(rules.plan.linked):
        line = Text(f"{count:,} correlations: ").append(f"{len(reached):,} can fire", style="green")
        rest = f"{count - len(reached):,} refer to rules that cannot"
        Console(highlight=False).print(line.append(", ").append(rest, style="yellow"))


def _print_collected(rules: RuleSet, possible: list[Rule], reached: Sequence[Linked], form: str) -> None:
    """Print, without recordings, which rules cover what the collectors can give."""
    known = set(map(id, possible))
    every = Counter(rule.logsource for rule in rules.rules)
    collected = Counter(rule.logsource for rule in rules.rules if id(rule) in known)
    if form == "json":
        found = [{**each._asdict(), "rules": count, "collected": collected[each] > 0} for each, count in every.items()]
        _print_json({"logsources": found, "correlations": _correlations(rules, possible, reached)})
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Logsource of the rules")
    table.add_column("Rules", justify="right")
    table.add_column("Collected here")
    for source, count in every.most_common():
        told = Text("yes", style="green") if collected[source] else Text("no", style="red")
        table.add_row(Text(printing.visible(said(source), 80)), Text(f"{count:,}"), told)
    console = Console(highlight=False)
    console.print(table)
    console.print(Text(f"{len(possible):,} of {len(rules.rules):,} rules are for what Windows' logs and syslog hold"))
    _print_reached(rules, reached)
    console.print(Text("Name recordings to see which of them have the fields that they ask for", style="dim"))


def _write_layer(file: Path | None, rules: Sequence[Rule], reached: Sequence[Linked]) -> None:
    if file is None:
        return
    document = layer(
        (*rules, *(each.correlation for each in reached)),
        TITLE,
        "Sigma rules that could fire on what is collected, by technique",
    )
    try:
        file.write_bytes(orjson.dumps(document, option=orjson.OPT_INDENT_2))
    except OSError as error:
        raise Stop(f"{file}: cannot be written: {error.strerror}") from None
