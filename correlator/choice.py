"""What a rule set is made of: which files, read how, and which of their rules, with the site's own word on them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import translate
from functools import cache
from pathlib import Path
from typing import Final, Self

from correlator.correlation.draft import DEFAULT, HOUR, MAX_LEVELS, Limits
from correlator.correlation.rule import Correlation
from correlator.source import Compiled, Failure, Filter, Rule, Skipped
from soc.alerts import Level
from soc.errors import SettingsError
from soc.events import LogSource
from soc.settings import OnlySettings, Settings, WithoutSettings

Placeholders = Mapping[str, Sequence[str | int]]
"""Placeholder name to the values that `expand` puts in its place."""

ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Selection:
    """Rules by what is written around their detection. A part that is empty says nothing.

    `statuses` in lower case; `tags` may hold `*`; a logsource's part that is None is any; `authors` are parts of names.
    """

    levels: frozenset[Level] = frozenset()
    statuses: frozenset[str] = frozenset()
    tags: tuple[str, ...] = ()
    logsources: tuple[LogSource, ...] = ()
    authors: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: WithoutSettings) -> Self:
        """Return what `correlate.only` or `correlate.without` says. Raises SettingsError where a logsource is none."""
        return cls(
            levels=_levels(settings),
            statuses=frozenset(settings.statuses),
            tags=settings.tags,
            logsources=tuple(map(logsource, settings.logsources)),
            authors=settings.authors,
        )

    def verdicts(self, rule: Rule | Correlation) -> Iterator[tuple[str, bool]]:
        """Yield of each part that says something its name, and whether it is true of the rule.

        A correlation has no logsource, so `logsources` says nothing of it.
        """
        if self.levels:
            yield "levels", rule.ref.level in self.levels
        if self.statuses:
            yield "statuses", rule.status in self.statuses
        if self.tags:
            yield "tags", any(_pattern(wanted).match(tag.casefold()) for wanted in self.tags for tag in rule.ref.tags)
        if self.logsources and isinstance(rule, Rule):
            yield "logsources", any(within(rule.logsource, wanted) for wanted in self.logsources)
        if self.authors:
            yield "authors", any(wanted.casefold() in rule.author.casefold() for wanted in self.authors)


@dataclass(frozen=True, slots=True)
class Choice:
    """What a rule set is made of. Without paths: the rules that come with Vonggac.

    A change of `paths`, placeholders or `pipelines` compiles the rules anew. The rest is applied to what is compiled:
    first the site's own levels (`changed_levels`: rule id to level), then `disabled` (ids, titles, file names), `only`
    (all that it says must be true of a rule) and `without` (nothing that it says may be). `placeholder_files` hold one
    value a line. `limits` are those of correlations.
    """

    paths: tuple[Path, ...] = ()
    placeholders: Placeholders = field(default_factory=dict)
    placeholder_files: Mapping[str, Path] = field(default_factory=dict)
    pipelines: tuple[Path, ...] = ()
    only: Selection = Selection()
    without: Selection = Selection()
    disabled: tuple[str, ...] = ()
    changed_levels: Mapping[str, Level] = field(default_factory=dict)
    limits: Limits = DEFAULT

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return what `settings.correlate` says. Raises SettingsError where a logsource is none."""
        chosen = settings.correlate
        return cls(
            paths=chosen.rules,
            placeholders=chosen.placeholders,
            placeholder_files=chosen.placeholder_files,
            pipelines=chosen.pipelines,
            only=Selection.of(chosen.only),
            without=Selection.of(chosen.without),
            disabled=chosen.disabled,
            changed_levels={name: Level.parse(level) for name, level in chosen.levels.items()},
            limits=Limits(chosen.max_timespan_hours * HOUR, chosen.max_group_hits),
        )

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file and folder that is read: what to watch for changes."""
        return (*self.paths, *self.placeholder_files.values(), *self.pipelines)


def at_least(level: Level) -> frozenset[Level]:
    """Return a level and all above it."""
    return frozenset(each for each in Level if each >= level)


def logsource(text: str) -> LogSource:
    """Return the logsource that PRODUCT/CATEGORY/SERVICE names, `*` or nothing for any. Raises SettingsError."""
    parts = [part.strip().lower() for part in text.split("/")]
    if len(parts) > len(LogSource._fields) or not all(part == ANY or re.fullmatch(r"[\w.-]*", part) for part in parts):
        raise SettingsError(f"{text!r} is no logsource: want PRODUCT/CATEGORY/SERVICE, for example */process_creation")
    if not any(part not in ("", ANY) for part in parts):
        raise SettingsError(f"{text!r} names no part of a logsource; leave it out to mean every rule")
    return LogSource(*(None if part in ("", ANY) else part for part in parts))


def apply(choice: Choice, compiled: Compiled) -> Compiled:
    """Return the rules that are left, at the site's levels; the others are in `skipped`, with what left them out.

    A correlation is left out with its rules, where all of them are left out for their logsource; else it keeps those that
    it refers to and that are not disabled, as `inputs`. Of rules that are left and share an id the first stays, each
    other is a failure. A failure of a rule that is disabled is left out. A name that no rule has is a remark. Filters may
    be disabled too, and nothing else is said of them: they are not applied here.
    """
    disabled, levels = _Named(choice.disabled), _Named(choice.changed_levels)
    rules: dict[str, Rule | Correlation] = {}
    skipped: list[Skipped] = []
    failures = [each for each in compiled.failures if not disabled.find(each.id, Path(each.file).name)]
    for failure in failures:
        levels.find(failure.id)  # that it fails is told already
    written: tuple[Rule | Correlation, ...] = (*compiled.rules, *compiled.correlations)
    for each in written:
        rule = _at_level(each, choice, levels)
        if left_out := _left_out(rule, choice, disabled):
            skipped.append(Skipped(rule, left_out))
        elif (first := rules.setdefault(rule.ref.id, rule)) is not rule:
            failures.append(_repeated(first, rule))
    skipped += _sourceless(rules, skipped)
    inputs = _inputs(rules, skipped)
    skipped = [each for each in skipped if each not in inputs]
    filters = _filters(compiled, disabled, failures)
    remarks = (*disabled.unknown("disabled"), *levels.unknown("levels"))
    return replace(
        compiled,
        rules=tuple(each for each in rules.values() if isinstance(each, Rule)),
        correlations=tuple(each for each in rules.values() if isinstance(each, Correlation)),
        failures=tuple(failures),
        skipped=tuple(skipped),
        inputs=tuple(inputs),
        remarks=remarks,
        filters=filters,
    )


def _filters(compiled: Compiled, disabled: "_Named", failures: list[Failure]) -> tuple[Filter, ...]:
    """Return the filters that the site has not disabled; of those that share an id the first stays."""
    filters: dict[str, Filter] = {}
    for each in compiled.filters:
        if disabled.find(each.id, each.title, Path(each.file).name):
            continue
        if (first := filters.setdefault(each.id, each)) is not each:
            reason = f"the id {each.id} is that of the filter in {first.file}:{first.line}; give it its own"
            failures.append(Failure(each.file, each.line, reason, each.id, kind="filter"))
    return tuple(filters.values())


def _repeated(first: Rule | Correlation, rule: Rule | Correlation) -> Failure:
    identity = rule.ref.id
    reason = f"the id {identity} is that of the rule in {first.file}:{first.line}; give it its own"
    kind = "correlation" if isinstance(rule, Correlation) else "rule"
    return Failure(rule.file, rule.line, reason, identity, name=rule.name, kind=kind)


def _sourceless(rules: dict[str, Rule | Correlation], skipped: Sequence[Skipped]) -> list[Skipped]:
    """Take correlations from the rules of which all that they refer to is left out for its logsource; return them."""
    parts = {name: each.part for each in skipped if each.part in _OF_LOGSOURCES for name in _references(each.rule)}
    for each in rules.values():
        for name in _references(each):
            parts.pop(name, None)
    found: list[Skipped] = []
    waiting = [each for each in rules.values() if isinstance(each, Correlation)]
    for _ in range(MAX_LEVELS):  # one that refers to correlations goes behind them
        for each in [one for one in waiting if all(name.casefold() in parts for name in one.rules)]:
            part = parts[each.rules[0].casefold()]
            found.append(Skipped(rules.pop(each.ref.id), part))
            parts.update(dict.fromkeys(_references(each), part))
            waiting.remove(each)
    return found


def _inputs(rules: dict[str, Rule | Correlation], skipped: Sequence[Skipped]) -> list[Skipped]:
    """Put rules back that correlations refer to, and what those refer to; return them. A disabled one stays out."""
    away = {name: each for each in skipped if each.part != "disabled" for name in _references(each.rule)}
    found: list[Skipped] = []
    waiting = [each for each in rules.values() if isinstance(each, Correlation)]
    while waiting:
        for name in waiting.pop().rules:
            each = away.pop(name.casefold(), None)
            if each is not None and each.rule.ref.id not in rules:
                rules[each.rule.ref.id] = each.rule
                found.append(each)
                waiting += [each.rule] if isinstance(each.rule, Correlation) else []
    return found


_OF_LOGSOURCES: Final = frozenset({"only.logsources", "without.logsources"})


def _references(rule: Rule | Correlation) -> tuple[str, ...]:
    """Return by what a correlation may refer to a rule, in lower case."""
    return tuple(each.casefold() for each in (rule.ref.id, rule.name) if each)


class _Named:
    """Rules that the site names, and which of the names were met."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = {name.strip().casefold(): name for name in names}
        self._met: set[str] = set()

    def find(self, *names: str) -> str | None:
        """Return the first of a rule's names that is among these, as the site writes it."""
        for name in map(str.casefold, names):
            if name in self._names:
                self._met.add(name)
                return self._names[name]
        return None

    def unknown(self, setting: str) -> Iterator[str]:
        """Yield a remark on each name that was not met."""
        for key, name in self._names.items():
            if key not in self._met:
                yield f"correlate.{setting}: no rule that was read is called {name!r}"


def _at_level(rule: Rule | Correlation, choice: Choice, levels: _Named) -> Rule | Correlation:
    name = levels.find(rule.ref.id)
    return replace(rule, ref=replace(rule.ref, level=choice.changed_levels[name])) if name else rule


def _left_out(rule: Rule | Correlation, choice: Choice, disabled: _Named) -> str | None:
    """Return which part of the choice leaves the rule out, or None."""
    if disabled.find(rule.ref.id, rule.ref.title, Path(rule.file).name):
        return "disabled"
    for name, true in choice.only.verdicts(rule):
        if not true:
            return f"only.{name}"
    for name, true in choice.without.verdicts(rule):
        if true:
            return f"without.{name}"
    return None


def _levels(settings: WithoutSettings) -> frozenset[Level]:
    named = frozenset(map(Level.parse, settings.levels))
    lowest = settings.min_level if isinstance(settings, OnlySettings) else None
    return named | at_least(Level.parse(lowest)) if lowest else named


@cache
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(translate(text.casefold()))


def within(have: LogSource, wanted: LogSource) -> bool:
    """Tell whether a logsource has every part that another one states."""
    return all(part is None or part == had for part, had in zip(wanted, have, strict=True))
