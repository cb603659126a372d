"""`soc correlations`: where each correlation of the running service stands, by its own metrics."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from correlator.choice import Choice
from correlator.correlation.found import condition_of
from correlator.correlation.plan import Linked, Plan
from correlator.load import compile_rules
from soc.printing import COLOURS, visible
from soc.rules import asked
from soc.rules.app import cache_of
from soc.settings import Settings

_BY_RULE: Final = {
    "vonggac_correlate_groups": "groups",
    "vonggac_correlate_hits": "hits",
    "vonggac_correlate_windows": "windows",
    "vonggac_correlate_late_hits": "late",
    "vonggac_correlate_evicted": "evicted",
    "vonggac_correlate_refused": "refused",
    "vonggac_hits_refused": "ungrouped",
    "vonggac_rule_matches": "matches",
}
_CLOCK: Final = "vonggac_correlate_clock_delay_seconds"
_LAG: Final = "vonggac_bus_lag_records"
_WHOLE: Final = {
    "vonggac_correlate_sources_standing": "standing",
    "vonggac_correlate_replayed_records": "replayed",
    "vonggac_correlate_unknown_hits": "unknown",
}
_GROUP: Final = "correlate"
"""The consumer group of the stage."""


class Standing(NamedTuple):
    """One correlation as it stands. `counts`: what _BY_RULE names. `clock`: seconds behind now, None where not known."""

    linked: Linked
    counts: Mapping[str, int]
    clock: float | None


class State(NamedTuple):
    """All of them, gravest first. `lag`: records of soc.hits to be read. `whole`: what _WHOLE names."""

    each: Sequence[Standing]
    lag: int
    whole: Mapping[str, int]


def run(settings: Settings, url: str, choice: Choice, form: str) -> int:
    """Print the state; return the exit status. Raises Stop where the service does not answer."""
    plan = compile_rules(choice, cache_of(settings)).plan
    state = state_of(asked.page(url or asked.own(settings)), plan)
    if form == "json":
        print(orjson.dumps(_document(state, plan), option=orjson.OPT_INDENT_2).decode())  # noqa: T201 - for a program
    else:
        _print(state, plan)
    return 0


def state_of(page: str, plan: Plan) -> State:
    """Return what a page of metrics says of the correlations of a plan. Raises Stop where it is none."""
    by_rule = asked.values(page, _BY_RULE, "rule")
    clocks = asked.values(page, [_CLOCK], "level")[_CLOCK]
    lag = asked.values(page, [_LAG], "group")[_LAG].get(_GROUP, 0)
    whole = asked.values(page, _WHOLE)
    standing = [
        Standing(linked, _counts(by_rule, linked.correlation.ref.id), clocks.get(str(linked.level)))
        for linked in plan.linked.values()
    ]
    standing.sort(key=lambda each: (-each.linked.correlation.ref.level, each.linked.correlation.ref.title.casefold()))
    return State(standing, int(lag), {name: int(sum(whole[family].values())) for family, name in _WHOLE.items()})


def _counts(by_rule: Mapping[str, Mapping[str, float]], rule: str) -> dict[str, int]:
    counts = dict.fromkeys(_BY_RULE.values(), 0)
    for family, name in _BY_RULE.items():
        counts[name] += int(by_rule.get(family, {}).get(rule, 0))
    return counts


def _print(state: State, plan: Plan) -> None:
    console = Console(highlight=False)
    table = Table(expand=True, box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Clock", "Groups", "Hits", "Windows", "Late", "Ungrouped", "Left out", "Matches"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("Level", no_wrap=True)
    table.add_column("Correlation", ratio=1, overflow="fold")
    for each in state.each:
        table.add_row(*_cells(each, plan))
    if state.each:
        console.print(table)
    console.print(Text(_totals(state)), soft_wrap=True)


def _cells(each: Standing, plan: Plan) -> list[Text]:
    counts, ref = each.counts, each.linked.correlation.ref
    left_out = counts["evicted"] + counts["refused"]
    silenced = plan.silenced.get(ref.id, ())
    said = f" (silenced by {', '.join(silenced)})" if silenced else ""
    return [
        Text("-" if each.clock is None else f"{each.clock:,.0f} s"),
        *(Text(f"{counts[name]:,}") for name in ("groups", "hits", "windows", "late", "ungrouped")),
        Text(f"{left_out:,}", style="red" if left_out else ""),
        Text("-" if silenced else f"{counts['matches']:,}"),
        Text(ref.level.label, style=COLOURS[ref.level]),
        Text.assemble(visible(ref.title, 200), (visible(said, 200), "dim")),
    ]


def _totals(state: State) -> str:
    standing = state.whole["standing"]
    held = f"; {standing} sources of the clock stand still: windows wait for them" if standing else ""
    unknown = f"; {state.whole['unknown']:,} hits of correlations not in force" if state.whole["unknown"] else ""
    read = f"{state.whole['replayed']:,} records read again since the start"
    return f"{len(state.each):,} correlations; {state.lag:,} records of soc.hits to be read; {read}{held}{unknown}"


def _document(state: State, plan: Plan) -> dict[str, Any]:
    return {
        "lag": state.lag,
        **state.whole,
        "correlations": [
            {
                "id": each.linked.correlation.ref.id,
                "title": each.linked.correlation.ref.title,
                "level": each.linked.correlation.ref.level.label,
                "condition": condition_of(each.linked, plan),
                "silenced_by": plan.silenced.get(each.linked.correlation.ref.id, ()),
                "clock_delay_seconds": each.clock,
                **each.counts,
            }
            for each in state.each
        ],
    }
