"""`soc rules explain`: one rule, one event, and why."""

import difflib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import orjson
from rich.console import Console

from collectors.sources import BadRecord, Options, Recording
from correlator import filters
from correlator.choice import Choice
from correlator.correlation.rule import Correlation
from correlator.limit import Overtime, limited
from correlator.load import builtin, compile_rules
from correlator.rules import RuleSet
from correlator.source import Rule
from correlator.syntax import All, Named, Not, Test
from correlator.syntax import Any as Alternatives
from correlator.tools.explaining import Explanation, Verdict, explanation, seen
from correlator.tools.wording import wording
from soc.clock import SystemClock
from soc.errors import Stop
from soc.events import Event, LogSource
from soc.rules import correlated
from soc.rules.app import cache_of
from soc.rules.phrases import condition_of, parts_of
from soc.rules.view import View
from soc.settings import Settings

LISTED = 5
"""Rules that are named where a name means several."""

SECONDS = 3.0
"""Processor time for the explanation; the slowest of thousands of values takes a third of one."""


def run(
    settings: Settings,
    choice: Choice,
    name: str,
    source: str,
    *,
    record: int | None,
    logsource: LogSource,
    every: bool,
    group: str,
    form: str,
) -> None:
    """Print the explanation. Raises Stop where the rule or the event cannot be had."""
    choice = _with_referred(choice, name)
    found = _rule(settings, choice, name)
    options = Options(
        site=settings.site,
        zone=ZoneInfo(settings.collect.timezone),
        limit=settings.bus.max_message_bytes,
        logsource=logsource,
    )
    if isinstance(found, Correlation):
        if record:
            raise Stop(f"{found.ref.title}: a correlation looks at the whole recording; leave --record out")
        with _file(source) as file:
            _correlated(settings, choice, found, file, options, group=group, form=form)
        return
    if group:
        raise Stop(f"{found.ref.title}: only a correlation has groups; leave --group out")
    rule = found
    with _file(source) as file:
        chosen = _numbered(file, options, record) if record else _telling(file, options, rule)
    explained = _explanation(rule, chosen.event)
    where = f"record {chosen.number} of {'standard input' if source == '-' else Path(source).name}{chosen.why}"
    if form == "json":
        print(orjson.dumps(_document(explained), option=orjson.OPT_INDENT_2).decode())  # noqa: T201 - for a program
    else:
        about = " · ".join(filter(None, (where, parts_of(chosen.event.logsource), chosen.event.host)))
        View(explained, every=every).print(Console(highlight=False), about)


def _correlated(
    settings: Settings, choice: Choice, found: Correlation, file: Path, options: Options, *, group: str, form: str
) -> None:
    """Print why a correlation fires on a recording or does not: with all rules that it refers to."""
    loaded = filters.apply(compile_rules(choice, cache_of(settings)), SystemClock().now()).compiled
    linked = next((each for each in loaded.plan.linked.values() if each.correlation.ref.id == found.ref.id), None)
    if linked is None:
        failure = next((str(each) for each in loaded.failures if each.id == found.ref.id), "it was not asked for")
        raise Stop(f"{found.ref.title} is not in force: {failure}")
    correlated.run(RuleSet(loaded.rules, (), loaded.plan), linked, file, options, group=group, form=form)


def _explanation(rule: Rule, event: Event) -> Explanation:
    try:
        with limited(SECONDS):
            return explanation(rule, event.logsource, event.fields)
    except Overtime:
        raise Stop(f"{rule.file}: not evaluated within {SECONDS:g} s; soc rules check names what is slow") from None


def _with_referred(choice: Choice, name: str) -> Choice:
    """Return the choice with a rule's file in it: alone, unless it may hold a correlation, which refers to others."""
    file = Path(name)
    if not file.is_file():
        return choice
    if b"correlation:" not in file.read_bytes():
        return replace(choice, paths=(file,))
    paths = choice.paths or (builtin(),)
    within = any(file.resolve().is_relative_to(path.resolve()) for path in paths)
    return choice if within else replace(choice, paths=(*paths, file))


# The rule ------------------------------------------------------------------------------------------------------------


def _rule(settings: Settings, choice: Choice, name: str) -> Rule | Correlation:
    """Return the one rule or correlation of a file, or that an id, title or file name means."""
    file = Path(name).resolve() if Path(name).is_file() else None
    wanted = "" if file else name.casefold()
    compiled = filters.apply(compile_rules(choice, cache_of(settings)), SystemClock().now()).compiled
    rules = [*compiled.rules, *compiled.correlations, *(each.rule for each in compiled.skipped)]
    if file:
        rules = [rule for rule in rules if Path(rule.file).resolve() == file]
    found = [rule for rule in rules if wanted in _names(rule)]
    found = found or [rule for rule in rules if any(wanted in each for each in _names(rule))]
    if len(found) == 1:
        return found[0]
    if found:
        first = "".join(f"\n  {rule.ref.id}  {rule.ref.title}" for rule in found[:LISTED])
        raise Stop(f"{len(found)} rules are meant by {name}; name one by its id:{first}")
    if failed := [each for each in compiled.failures if file and Path(each.file).resolve() == file]:
        raise Stop(f"the rule does not compile: {failed[0]}")
    near = difflib.get_close_matches(name, [rule.ref.title for rule in rules], 1, 0.5)
    hint = f"; did you mean {near[0]!r}?" if near else "; name a file, or say with --rules where to look"
    raise Stop(f"no rule has {name!r} in its id, title or file name{hint}")


def _names(rule: Rule | Correlation) -> tuple[str, ...]:
    file = Path(rule.file)
    return rule.ref.id, rule.ref.title.casefold(), file.stem.casefold(), file.name.casefold()


# The event -----------------------------------------------------------------------------------------------------------


class _Chosen(NamedTuple):
    """An event, its place in the file, and why it was taken ("" where it was asked for)."""

    event: Event
    number: int
    why: str = ""


@contextmanager
def _file(source: str) -> Iterator[Path]:
    """Give the file; standard input is put into one."""
    if source != "-":
        yield Path(source)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(sys.stdin.buffer.read())
        file.flush()
        yield Path(file.name)


def _numbered(file: Path, options: Options, number: int) -> _Chosen:
    count = 0
    for count, record in enumerate(Recording(file, options), 1):
        if count == number:
            if isinstance(record, BadRecord):
                raise Stop(f"record {number} of {file} cannot be read: {record.reason}: {record.detail}")
            return _Chosen(record, number)
    raise Stop(f"{file} has {count} records, there is no record {number}")


def _telling(file: Path, options: Options, rule: Rule) -> _Chosen:
    """Return the first event that the rule fires on, else the first that it sees, else the first."""
    rules, best = RuleSet([rule]), None
    bad: BadRecord | None = None
    for number, record in enumerate(Recording(file, options), 1):
        if isinstance(record, BadRecord):
            bad = bad or record
        elif rules.evaluate(record.logsource, record.fields, failed=_ignored):
            return _Chosen(record, number, ", the first that it fires on" if number > 1 else "")
        elif best is None or (" sees" not in best.why and rules.covering(record.logsource)):
            sees = ", the first that the rule sees" if rules.covering(record.logsource) else ""
            best = _Chosen(record, number, sees)
    if best is None:
        raise Stop(f"{file} has no event" + (f": {bad.reason}: {bad.detail}" if bad else ""))
    return best


def _ignored(_rule: Rule, _error: Exception) -> None:
    """Let a rule that takes too long be one that does not fire: its explanation says so."""


# For a program -------------------------------------------------------------------------------------------------------


def _document(explained: Explanation) -> dict[str, Any]:
    rule = explained.rule
    return {
        "rule": {"id": rule.ref.id, "title": rule.ref.title, "file": rule.file, "line": rule.line},
        "event": {"logsource": explained.logsource._asdict()},
        "covered": explained.covered,
        "fired": explained.fired,
        "condition": condition_of(explained.verdict.node),
        "tree": _node(explained.verdict, explained.fields),
    }


def _node(verdict: Verdict, fields: Any) -> dict[str, Any]:
    head: dict[str, Any] = {"holds": verdict.holds, "decisive": verdict.decisive}
    match verdict.node:
        case Test(field, atom):
            words = wording(atom)
            asked = {"field": field, "asks": words.does, "value": words.wanted}
            return {**head, "kind": "test", **asked, **(_seen(field, fields) if field else {})}
        case Named(name, _):
            head |= {"kind": "selection", "name": name}
        case Not():
            head |= {"kind": "not"}
        case All():
            head |= {"kind": "all"}
        case Alternatives():
            head |= {"kind": "any"}
    return {**head, "parts": [_node(part, fields) for part in verdict.parts]}


def _seen(field: str, fields: Any) -> dict[str, Any]:
    found = seen(field, fields)
    return {
        "seen": found.texts,
        "absence": found.absence.value if found.absence else None,
        "lookalike": found.lookalike,
    }
