"""`soc rules preview`: which matches a filter would hide, found by running its rules with and without it."""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, Any, Final, Literal
from zoneinfo import ZoneInfo

from rich import box
from rich.table import Table
from rich.text import Text

from collectors.sources import Options
from correlator import filters
from correlator.choice import Choice
from correlator.load import compile_rules
from correlator.rules import RuleSet
from correlator.source import Compiled, Filter, Rule
from correlator.tools.checking import leaves
from correlator.tools.explaining import seen
from correlator.tools.filtering import excludes
from soc.clock import SystemClock
from soc.errors import Stop
from soc.events import LogSource
from soc.printing import COLOURS, moment, visible
from soc.rules import shown
from soc.rules.match import LIMIT, NOT_STATED, Summary, compiled_cache, recordings, scan
from soc.rules.phrases import value_of
from soc.rules.scan import Scanner
from soc.rules.shown import Hit
from soc.settings import Settings
from soc.taxonomy import native

Format = Literal["table", "jsonl"]

NAMED: Final = 5
"""Filters that are named where a name means several, and correlations."""

MOST_FIELDS: Final = 8
"""Fields of a match that are shown: a filter may test hundreds."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the command line asks for. `samples`: hidden matches of each rule that are shown in the table."""

    logsource: LogSource = NOT_STATED
    format: Format = "table"
    output: Path | None = None
    samples: int = 3
    workers: int = 0


@dataclass
class Effect:
    """What the filters do to one rule's matches. `samples`: the first hidden ones in the order of the files."""

    rule: Rule
    hidden: int = 0
    kept: int = 0
    samples: list[Hit] = field(default_factory=list)


def run(settings: Settings, name: str, paths: Sequence[Path], choice: Choice, wanted: Wanted) -> int:
    """Show what the filter, or the filters of a file, would hide in recordings, and return the exit status.

    Raises Stop where the filter cannot be had or is for no rule, and where a path cannot be read.
    """
    files, passed_over = recordings(paths)
    if wanted.output and any(wanted.output.exists() and wanted.output.samefile(file) for file in files):
        raise Stop(f"{wanted.output}: is read; write to another file")
    compiled = compile_rules(choice, compiled_cache(settings))
    chosen = _filters(settings, choice, compiled, name)
    pairs = _pairs(compiled, chosen)
    rules = RuleSet([rule for pair in pairs for rule in pair])
    zone = ZoneInfo(settings.collect.timezone)
    options = Options(settings.site, zone, limit=LIMIT, logsource=wanted.logsource)
    with shown.writing(wanted.output) as out:
        view: Rows | Lines = Rows(out, chosen, wanted.samples) if wanted.format == "table" else Lines(out, chosen)
        tally = Tally(pairs, view)
        scanner = Scanner(rules, options, with_fields=True)
        summary = scan(scanner, rules, files, tally, wanted.workers or os.cpu_count() or 1)
        tally.finish()
        summary.passed_over = passed_over
        view.finish(tally.effects)
    _say(chosen, tally.effects, summary)
    if fed := _fed(compiled, tally.effects):
        named = f"{', '.join(map(repr, fed[:NAMED]))}{' and more' if len(fed) > NAMED else ''}"
        shown.note(f"what is hidden is missing in the correlations that these rules feed, too: {named}")
    return 0


# The filter and its rules --------------------------------------------------------------------------------------------


def _filters(settings: Settings, choice: Choice, compiled: Compiled, name: str) -> tuple[Filter, ...]:
    """Return the filters of a file, or the one among the chosen rules that an id, title or file name means."""
    if Path(name).is_file():
        alone = compile_rules(replace(choice, paths=(Path(name),), disabled=()), compiled_cache(settings))
        if failure := next((each for each in alone.failures if each.kind == "filter" or not alone.filters), None):
            raise Stop(f"the filter does not compile: {failure}")
        if not alone.filters:
            raise Stop(f"{name}: no filter in this file; name one with a document that has 'filter'")
        return alone.filters
    wanted = name.casefold()
    found = [each for each in compiled.filters if wanted in _names(each)]
    found = found or [each for each in compiled.filters if any(wanted in part for part in _names(each))]
    if len(found) > 1:
        first = "".join(f"\n  {each.id}  {each.title}" for each in found[:NAMED])
        raise Stop(f"{len(found)} filters are meant by {name}; name one by its id:{first}")
    if not found:
        raise Stop(
            f"no filter has {name!r} in its id, title or file name; name a file, or say with --rules where to look"
        )
    return (found[0],)


def _names(each: Filter) -> tuple[str, str, str]:
    return each.id.casefold(), each.title.casefold(), Path(each.file).stem.casefold()


def _pairs(compiled: Compiled, chosen: Sequence[Filter]) -> list[tuple[Rule, Rule]]:
    """Return each rule that the filters are for, with all the other filters of the site, and the same with these too.

    These apply though they may have expired. Raises Stop where they are for no rule.
    """
    now = SystemClock().now()
    own = {each.id for each in chosen}
    others = tuple(each for each in compiled.filters if each.id not in own)
    before = filters.apply(replace(compiled, filters=others), now).compiled
    after = filters.apply(replace(before, filters=tuple(replace(each, expires="") for each in chosen)), now)
    meant = {rule.ref.id for effect in after.effects for rule in effect.rules}
    if not meant:
        said = "; ".join(remark for effect in after.effects for remark in effect.remarks)
        raise Stop(f"the filter changes no rule: it {said or 'is for rules that are left out'}")
    pairs = zip(before.rules, after.compiled.rules, strict=True)
    return [(without, with_filter) for without, with_filter in pairs if without.ref.id in meant]


# What becomes of the matches -----------------------------------------------------------------------------------------


class Tally:
    """Takes the matches of rules without, at even places, and with the filters, at odd ones, and tells a view of each."""

    def __init__(self, pairs: Sequence[tuple[Rule, Rule]], view: "Rows | Lines") -> None:
        """Begin at nothing."""
        self.effects = [Effect(without) for without, _ in pairs]
        self._view = view
        self._record: tuple[Path, int] | None = None
        self._without: list[Hit] = []
        self._with: set[int] = set()

    def take(self, hit: Hit) -> None:
        """Take one match; those of one record come one after the other."""
        if (record := (hit.path, hit.found.number)) != self._record:
            self.finish()
            self._record = record
        if hit.found.rule % 2:
            self._with.add(hit.found.rule - 1)
        else:
            self._without.append(hit)

    def finish(self) -> None:
        """Settle what the last record was."""
        for hit in self._without:
            effect = self.effects[hit.found.rule // 2]
            if hit.found.rule in self._with:
                effect.kept += 1
            else:
                effect.hidden += 1
                self._view.hidden(effect, hit)
        self._without.clear()
        self._with.clear()


def tested(hit: Hit, fields: Iterable[str]) -> dict[str, str]:
    """Return what the event calls the fields that the filters test: its own name to the rule's."""
    of_rule = hit.rule.logsource if isinstance(hit.rule, Rule) else LogSource()
    names = native(of_rule, hit.found.logsource).names if hit.found.logsource else {}
    return {names.get(name, name): name for name in fields}


def _fields(chosen: Sequence[Filter]) -> list[str]:
    found = (test.field for each in chosen for _, test in leaves(each.condition))
    return list(dict.fromkeys(name for name in found if name is not None))


class Lines:
    """JSON lines: an object a hidden match as it is found, then one a rule."""

    def __init__(self, out: IO[bytes], chosen: Sequence[Filter]) -> None:
        """Write there."""
        self._out = out
        self._filters = [each.title for each in chosen]
        self._tested = _fields(chosen)

    def hidden(self, _effect: Effect, hit: Hit) -> None:
        """Write one match, with the values of the fields that were tested; null where there is none."""
        document = hit.to_document()
        fields: dict[str, Any] = document.pop("fields", None) or {}
        values = {name: fields.get(name) for name in tested(hit, self._tested)}
        self._write({"kind": "hidden", **document, "filters": self._filters, "fields": values})

    def finish(self, effects: Iterable[Effect]) -> None:
        """Write what became of each rule's matches."""
        for each in effects:
            ref = each.rule.ref
            head = {"kind": "rule", "rule": ref.id, "title": ref.title, "level": ref.level.label}
            self._write({**head, "hidden": each.hidden, "kept": each.kept})

    def _write(self, document: dict[str, Any]) -> None:
        self._out.write(shown.encoded(document) + b"\n")


class Rows:
    """A table: a row for each rule that matched, with the first matches that are hidden."""

    def __init__(self, out: IO[bytes], chosen: Sequence[Filter], samples: int) -> None:
        """Show so many samples a rule."""
        self._out = out
        self._tested = _fields(chosen)
        self._samples = samples

    def hidden(self, effect: Effect, hit: Hit) -> None:
        """Keep the first ones."""
        if len(effect.samples) < self._samples:
            effect.samples.append(hit)

    def finish(self, effects: Iterable[Effect]) -> None:
        """Print the table, the rules with most that is hidden first."""
        table = Table(expand=True, box=box.SIMPLE_HEAD, pad_edge=False)
        table.add_column("Level", no_wrap=True)
        for heading in ("Hidden", "Kept"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("Rule, and the first matches that are hidden", ratio=1, no_wrap=True, overflow="ellipsis")
        effects = [each for each in effects if each.hidden or each.kept]
        losing = sorted(
            (each for each in effects if each.hidden), key=lambda each: (-each.hidden, -each.rule.ref.level)
        )
        for each in losing:
            level = each.rule.ref.level
            hidden = Text(f"{each.hidden:,}", style="" if each.kept else "bold yellow")
            table.add_row(Text(level.label, style=COLOURS[level]), hidden, Text(f"{each.kept:,}"), self._cell(each))
        console = shown.console_of(self._out)
        if losing:
            console.print(table)
        if others := len(effects) - len(losing):
            console.print(Text(f"{others:,} rules matched and lose nothing (--format jsonl names them)", style="dim"))

    def _cell(self, effect: Effect) -> Text:
        cell = Text(visible(effect.rule.ref.title, 150), style="bold")
        for hit in effect.samples:
            time = "-" if hit.found.time is None else moment(hit.found.time).removesuffix("Z")
            cell.append(f"\n{time}  {visible(hit.found.host or '-', 60)}", style="not bold")
            for part in self._values(hit):
                cell.append("  ").append_text(part)
        return cell

    def _values(self, hit: Hit) -> Iterator[Text]:
        fields = hit.found.fields or {}
        for name in list(tested(hit, self._tested))[:MOST_FIELDS]:
            value = value_of(seen(name, fields), ())
            yield Text.assemble((f"{visible(name, 60)}=", "not bold dim"), value, style="not bold")


# In words -------------------------------------------------------------------------------------------------------------


def _say(chosen: Sequence[Filter], effects: Sequence[Effect], summary: Summary) -> None:
    """Say what the filters do, beside what became of the recordings: on standard error."""
    summary.levels.clear()  # the matches were counted with and without
    summary.rules.clear()
    for place, effect in enumerate(effects):
        if effect.hidden or effect.kept:
            summary.levels[effect.rule.ref.level] += effect.hidden + effect.kept
            summary.rules.add(place)
    shown.summary(summary)
    now = SystemClock().now()
    for each in chosen:
        if filters.expired(each, now):
            shown.note(f"the filter {each.title!r} expired on {each.expires}: the service does not apply it any more")
        if not excludes(each.condition):
            shown.note(f"the filter {each.title!r} has no `not`: its rules fire only where its condition is true")
    shown.note(verdict(effects))


def _fed(compiled: Compiled, effects: Iterable[Effect]) -> list[str]:
    """Return the titles of the correlations that get fewer hits."""
    losing = (each.rule.ref.id for each in effects if each.hidden)
    return sorted({linked.correlation.ref.title for rule in losing for linked, _ in compiled.plan.feeds.get(rule, ())})


def verdict(effects: Sequence[Effect]) -> str:
    """Say in one line what the filters do to what was found."""
    hidden, kept = sum(each.hidden for each in effects), sum(each.kept for each in effects)
    losing = [each for each in effects if each.hidden]
    rules = "1 rule" if len(losing) == 1 else f"{len(losing):,} rules"
    if not hidden + kept:
        return f"nothing to hide: none of the {len(effects):,} rules that the filter is for matched in these recordings"
    if not hidden:
        return f"the filter hides nothing here: all {kept:,} matches of its rules stay"
    if not kept:
        return f"the filter hides everything here: all {hidden:,} matches, of {rules}"
    whole = sum(not each.kept for each in losing)
    silent = f", {whole:,} of which fall silent here" if whole else ""
    stay = "1 stays" if kept == 1 else f"{kept:,} stay"
    return f"the filter hides {hidden:,} of {hidden + kept:,} matches, of {rules}{silent}; {stay}"
