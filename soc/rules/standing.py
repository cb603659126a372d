"""`soc correlations`: where each correlation of the running service stands, by its own metrics."""

from collections.abc import Iterator, Mapping, Sequence
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
from soc.settings import CorrelateSettings, Settings

_BY_RULE: Final = {
    "vonggac_correlate_groups": "groups",
    "vonggac_correlate_hits": "hits",
    "vonggac_correlate_windows": "windows",
    "vonggac_correlate_late_hits": "late",
    "vonggac_correlate_evicted": "evicted",
    "vonggac_correlate_refused": "refused",
    "vonggac_rule_matches": "matches",
}
_REFUSED: Final = "vonggac_hits_refused"
_CAUSES: Final = ("ungrouped", "too_large")
_CLOCK: Final = "vonggac_correlate_clock_delay_seconds"
_LAG: Final = "vonggac_bus_lag_records"
_WHOLE: Final = {
    "vonggac_correlate_sources_standing": "standing",
    "vonggac_correlate_replayed_records": "replayed",
    "vonggac_correlate_unknown_hits": "unknown",
}
_GROUP: Final = "correlate"
"""The consumer group of the stage."""

_COLUMNS: Final = {
    "groups": "Groups",
    "hits": "Hits",
    "windows": "Windows",
    "late": "Late",
    "ungrouped": "Ungrouped",
    "left_out": "Left out",
    "matches": "Matches",
}
"""Counts and their headings."""

_LEFT_OUT: Final = ("evicted", "refused", "too_large")
"""Counts that are shown as one."""

_ALWAYS: Final = frozenset({"groups", "hits", "matches"})
"""Columns that are shown though they are empty; the others tell of something that an operator looks into."""

_GRAVE: Final = frozenset({"late", "left_out"})
"""Counts of what was not looked at as it should have been."""

PATIENCE: Final = 60.0
"""Seconds that a clock may be further behind than it always is."""


class Standing(NamedTuple):
    """One correlation as it stands. `counts`: what _BY_RULE and _CAUSES name. `clock`: seconds behind now, None where not known."""

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
        _View(state, plan, settings.correlate).print(Console(highlight=False))
    return 0


def state_of(page: str, plan: Plan) -> State:
    """Return what a page of metrics says of the correlations of a plan. Raises Stop where it is none."""
    by_rule = {_BY_RULE[family]: counts for family, counts in asked.values(page, _BY_RULE, "rule").items()}
    by_rule |= {cause: asked.values(page, [_REFUSED], "rule", {"cause": cause})[_REFUSED] for cause in _CAUSES}
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
    names = (*_BY_RULE.values(), *_CAUSES)
    return {name: int(by_rule.get(name, {}).get(rule, 0)) for name in names}


class _View:
    """The state on a terminal. Everything from a rule is escaped and bounded."""

    def __init__(self, state: State, plan: Plan, settings: CorrelateSettings) -> None:
        self._state = state
        self._plan = plan
        self._usual = settings.lateness_seconds + settings.clock_difference_seconds
        self._shown = [name for name in _COLUMNS if name in _ALWAYS or any(_counted(each, name) for each in state.each)]

    def print(self, console: Console) -> None:
        """Print it."""
        table = Table(expand=True, box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("Correlation", ratio=1, overflow="fold", min_width=24)
        table.add_column("Level", no_wrap=True)
        for heading in ("Clock", *(_COLUMNS[name] for name in self._shown)):
            table.add_column(heading, justify="right", no_wrap=True)
        for each in self._state.each:
            table.add_row(*self._cells(each))
        if self._state.each:
            console.print(table)
        for line in self._totals():
            console.print(line, soft_wrap=True)

    def _cells(self, each: Standing) -> list[Text]:
        ref = each.linked.correlation.ref
        silenced = self._plan.silenced.get(ref.id, ())
        said = f"\nsilenced by {visible(', '.join(silenced), 200)}" if silenced else ""
        return [
            Text(visible(ref.title, 200)).append(said, style="dim"),
            Text(ref.level.label, style=COLOURS[ref.level]),
            self._clock(each),
            *(_count(name, _counted(each, name)) for name in self._shown),
        ]

    def _clock(self, each: Standing) -> Text:
        if each.clock is None:
            return Text("-", style="dim")
        return Text(f"{each.clock:,.0f} s", style="red" if each.clock > self._usual + PATIENCE else "")

    def _totals(self) -> Iterator[Text]:
        state = self._state
        read = f"{state.whole['replayed']:,} read again to have the state as it was"
        yield Text(f"{len(state.each):,} correlations; {state.lag:,} records of soc.hits still to be read; {read}")
        if any(each.clock is not None for each in state.each):
            told = f"Clock: how far it is behind now; {self._usual:g} s of it are waited for late events"
            yield Text(f"{told}. Counts are those since the service started", style="dim")
        if standing := state.whole["standing"]:
            what = "1 source of the clock stands" if standing == 1 else f"{standing:,} sources of the clock stand"
            yield Text(
                f"{what} still: windows wait. Is every partition of soc.events read by a correlator?", style="red"
            )
        if unknown := state.whole["unknown"]:
            yield Text(f"{unknown:,} hits were of correlations that are not in force here", style="yellow")


def _counted(each: Standing, name: str) -> int:
    return sum(map(each.counts.__getitem__, _LEFT_OUT)) if name == "left_out" else each.counts[name]


def _count(name: str, number: int) -> Text:
    return Text(f"{number:,}", style="dim" if not number else "red" if name in _GRAVE else "")


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
