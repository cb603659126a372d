"""`soc rules explain` of a correlation: why it did or did not fire for a group, on a recording."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from collectors.sources import BadRecord, Options, Recording
from correlator.correlation.found import condition_of, number
from correlator.correlation.hits import HOST
from correlator.correlation.plan import Linked, Plan
from correlator.correlation.rule import Kind
from correlator.correlation.state import ID, NUMBER, ORIGIN, TIME, VALUE, Entry
from correlator.rules import RuleSet
from correlator.source import Rule
from correlator.tools.correlating import MAX_HITS, Account, Accounting, Group, Look
from soc.clock import SECOND
from soc.errors import Stop
from soc.printing import COLOURS, moment, timestamp, visible

MAX_GROUPS: Final = 10
MAX_ENTRIES: Final = 40
MAX_VALUE: Final = 120
"""Groups, hits of a window, and characters of a value that are shown."""


def run(rules: RuleSet, linked: Linked, file: Path, options: Options, *, group: str, form: str) -> None:
    """Print the account. `group`: a part of the values of the group that is asked about; "": the one that tells most."""
    plan = rules.plan
    accounting = Accounting(plan, linked)
    for event in Recording(file, options):
        if not isinstance(event, BadRecord):
            accounting.add(event, rules.evaluate(event.logsource, event.fields, failed=_ignored))
    account = accounting.account()
    chosen = _chosen(account, group)
    if form == "json":
        print(orjson.dumps(_document(account, chosen, plan), option=orjson.OPT_INDENT_2).decode())  # noqa: T201
    else:
        _View(account, plan, file).print(Console(highlight=False), chosen)


def _ignored(_rule: Rule, _error: Exception) -> None:
    """Let a rule that fails be one that does not fire."""


def _chosen(account: Account, wanted: str) -> Group | None:
    if not wanted:
        return account.groups[0] if account.groups else None
    found = next((group for group in account.groups if wanted.casefold() in group.values), None)
    if found is None:
        near = ", ".join(visible(_said(group), MAX_VALUE) for group in account.groups[:MAX_GROUPS])
        raise Stop(f"no group has {wanted!r} in its values; there are: {near or 'none'}")
    return found


def _said(group: Group) -> str:
    return ", ".join(orjson.loads(group.values)) or "(all together)"


class _View:
    """The account on a terminal. Everything from a rule or a log is escaped and bounded."""

    def __init__(self, account: Account, plan: Plan, file: Path) -> None:
        self._account = account
        self._plan = plan
        self._file = file
        self._linked = account.linked

    def print(self, console: Console, group: Group | None) -> None:
        """Print it, about one group."""
        for line in self._head(group):
            console.print(line)
        console.print(Text("\nWhat entered", style="bold underline"))
        console.print(self._entered())
        for line in self._unheard(group):
            console.print(line, soft_wrap=True)
        if group is None:
            return
        console.print(Text(f"\n{visible(self._heading(group), 400)}", style="bold underline"))
        console.print(self._timeline(group.best))
        if len(self._account.groups) > 1:
            console.print(Text("\nGroups", style="bold underline"))
            console.print(self._groups())

    def _head(self, group: Group | None) -> Iterator[Text]:
        ref = self._linked.correlation.ref
        fired = group is not None and group.held > 0
        outcome = Text("✓ FIRES", style="bold green") if fired else Text("✗ DOES NOT FIRE", style="bold red")
        level = Text(ref.level.label, style=COLOURS[ref.level])
        yield Text.assemble(outcome, "  ", (visible(ref.title), "bold"), "  ", level)
        yield Text.assemble(("asked  ", "dim"), visible(condition_of(self._linked, self._plan), 1000))
        if self._linked.correlation.group_by:
            yield Text.assemble(("by     ", "dim"), visible(", ".join(self._linked.correlation.group_by), 400))
        yield Text.assemble(("why    ", "dim"), visible(self._why(group), 1000))

    def _why(self, group: Group | None) -> str:
        account = self._account
        if not account.events:
            return "the recording has no event that can be read"
        if group is None and account.ungrouped:
            return f"all {account.ungrouped:,} hits lack a field that it groups by, or it is null"
        if group is None:
            return f"none of the rules that it refers to fired on these {account.events:,} events"
        return f"for {_said(group)}: {self._verdict(group)}"

    def _verdict(self, group: Group) -> str:
        look, correlation = group.best, self._linked.correlation
        counted = "no value to look at" if look.counted is None else f"{number(look.counted)} counted"
        some = f" (of {group.hits:,}, the first {MAX_HITS:,} were looked at)" if group.hits > MAX_HITS else ""
        if look.holds and self._linked.sliding:
            return f"{counted}; it holds at {group.held:,} of {min(group.hits, MAX_HITS):,} hits{some}"
        if look.holds:
            return f"{counted}; it holds in {_windows(group.held)}{some}"
        if correlation.condition.expression is not None:
            there = [title for each, title in self._titles().items() if each in look.there]
            return f"at the best, a window has only {', '.join(there)}{some}"
        if correlation.kind in (Kind.TEMPORAL, Kind.TEMPORAL_ORDERED):
            missing = [title for each, title in self._titles().items() if each not in look.there]
            lack = f", missing: {', '.join(missing)}" if missing else ", all of them, but not in the order asked"
            return f"at the best {counted}{lack}{some}"
        return f"at the best {counted}{some}"

    def _titles(self) -> dict[int, str]:
        return {each.number: self._plan.titles.get(each.rule, each.rule) for each in self._linked.inputs}

    def _entered(self) -> Table:
        table = _table("Hits", "Rule")
        for each, title in self._titles().items():
            count = self._account.entered.get(each, 0)
            table.add_row(Text(f"{count:,}", style="" if count else "red"), Text(visible(title, MAX_VALUE)))
        if self._account.ungrouped:
            table.add_row(Text(f"{self._account.ungrouped:,}", style="yellow"), Text("without a field of group-by"))
        if self._account.left_out:
            table.add_row(Text(f"{self._account.left_out:,}", style="red"), Text("left out: too many to look at"))
        return table

    def _unheard(self, group: Group | None) -> Iterator[Text]:
        """Say where to look further, where it did not fire, of rules that never did."""
        if not self._account.events or (group and group.held):
            return
        for each in self._linked.inputs:
            if not self._account.entered.get(each.number):
                told = f"why not: soc rules explain {each.rule} {self._file}"
                yield Text(visible(told, 400), style="dim")

    def _heading(self, group: Group) -> str:
        look = group.best
        return f"{_said(group)}: {moment(look.start)} to {moment(look.end)}, {_hits(len(look.entries))}"

    def _timeline(self, look: Look) -> Table:
        table = _table("+", "Time", "Rule", "Host", "Value")
        shown, before = look.entries[-MAX_ENTRIES:], None
        if len(look.entries) > len(shown):
            table.add_row("", f"({len(look.entries) - len(shown):,} earlier)")
        for entry in shown:
            table.add_row(*self._row(entry, before))
            before = entry
        return table

    def _row(self, entry: Entry, before: Entry | None) -> list[Text]:
        gap = "" if before is None else f"{(entry[TIME] - before[TIME]) / SECOND:,.1f} s"
        value = "" if entry[VALUE] is None else str(entry[VALUE])
        cells = (gap, moment(entry[TIME]), self._titles().get(entry[NUMBER], ""), entry[ORIGIN][HOST], value)
        return [Text(visible(cell, MAX_VALUE)) for cell in cells]

    def _groups(self) -> Table:
        table = _table("Holds at", "Hits", "Best", "Group")
        for group in self._account.groups[:MAX_GROUPS]:
            best = "-" if group.best.counted is None else number(group.best.counted)
            cells = (f"{group.held:,}", f"{group.hits:,}", best, visible(_said(group), MAX_VALUE))
            table.add_row(*map(Text, cells), style="green" if group.held else "")
        if len(self._account.groups) > MAX_GROUPS:
            table.add_row("", "", "", f"({len(self._account.groups) - MAX_GROUPS:,} more)")
        return table


def _hits(count: int) -> str:
    return "1 hit" if count == 1 else f"{count:,} hits"


def _windows(count: int) -> str:
    return "1 window" if count == 1 else f"{count:,} windows"


def _table(*headings: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in headings:
        right = heading in ("+", "Hits", "Holds at", "Best")
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    return table


def _document(account: Account, group: Group | None, plan: Plan) -> dict[str, Any]:
    ref = account.linked.correlation.ref
    return {
        "rule": {"id": ref.id, "title": ref.title},
        "condition": condition_of(account.linked, plan),
        "events": account.events,
        "entered": {each.rule: account.entered.get(each.number, 0) for each in account.linked.inputs},
        "ungrouped": account.ungrouped,
        "fired": bool(group and group.held),
        "group": _group_document(account.linked, group) if group else None,
        "groups": [
            {"values": orjson.loads(each.values), "hits": each.hits, "holds_at": each.held}
            for each in account.groups[:1000]
        ],
    }


def _group_document(linked: Linked, group: Group) -> dict[str, Any]:
    look = group.best
    return {
        "values": dict(zip(linked.correlation.group_by, orjson.loads(group.values), strict=True)),
        "start": timestamp(look.start),
        "end": timestamp(look.end),
        "counted": look.counted,
        "holds": look.holds,
        "hits": [
            {
                "time": timestamp(entry[TIME]),
                "id": entry[ID],
                "rule": linked.correlation.rules[entry[NUMBER]],
                "host": entry[ORIGIN][HOST],
                "value": entry[VALUE],
            }
            for entry in look.entries[-1000:]
        ],
    }
