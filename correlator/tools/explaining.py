"""Why a rule fires on an event or does not: every node of its condition with what the event makes of it.

The plain evaluator decides each node by itself, so what is said here is what the service does.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any as Anything
from typing import NamedTuple

from correlator.engine.plain import predicate
from correlator.engine.record import Record, text_of
from correlator.rules import RuleSet
from correlator.source import Rule
from correlator.syntax import All, Any, Named, Node, Not, Test
from soc.events import LogSource
from soc.taxonomy import covers, native


@dataclass(frozen=True, slots=True)
class Verdict:
    """A node of a condition, whether it holds of the event, and whether the rule's outcome rests on that.

    `parts` are the verdicts of the node's nodes, in their order. Where alternatives all fail, all are decisive; where
    several hold, each of them is.
    """

    node: Node
    holds: bool
    decisive: bool
    parts: tuple["Verdict", ...] = ()

    @property
    def tests(self) -> tuple["Verdict", ...]:
        """The verdicts of the tests below, in order; its own where it is one."""
        if isinstance(self.node, Test):
            return (self,)
        return tuple(test for part in self.parts for test in part.tests)


def explain(condition: Node, fields: Mapping[str, Anything]) -> Verdict:
    """Return the verdict on a condition and on everything in it."""
    record = Record(fields)
    return _verdict(condition, record, holds=_holds(condition, record), decisive=True)


def _holds(node: Node, record: Record) -> bool:
    return predicate(node).holds(record)


def _verdict(node: Node, record: Record, *, holds: bool, decisive: bool) -> Verdict:
    nodes, telling = _within(node, holds=holds)
    outcomes = [_holds(each, record) for each in nodes]
    parts = tuple(
        _verdict(each, record, holds=outcome, decisive=decisive and telling in (None, outcome))
        for each, outcome in zip(nodes, outcomes, strict=True)
    )
    return Verdict(node, holds, decisive, parts)


def _within(node: Node, *, holds: bool) -> tuple[tuple[Node, ...], bool | None]:
    """Return a node's nodes, and the outcome of them that decided it; None where every one had to have its own."""
    match node:
        case Test():
            return (), None
        case Named(_, inner) | Not(inner):
            return (inner,), None
        case All(nodes):
            return nodes, None if holds else False
        case Any(nodes):
            return nodes, True if holds else None


# What was seen -------------------------------------------------------------------------------------------------------


class Absence(Enum):
    """Why a field has no text."""

    MISSING = "missing"
    NULL = "null"


class Seen(NamedTuple):
    """What the event has of a field: its texts, or why there are none. `lookalike` differs in case only."""

    field: str
    texts: tuple[str, ...] = ()
    absence: Absence | None = None
    lookalike: str | None = None


def seen(field: str, fields: Mapping[str, Anything]) -> Seen:
    """Return what an event has of a field; of a missing one the name that was perhaps meant."""
    if field not in fields:
        return Seen(field, absence=Absence.MISSING, lookalike=_lookalike(field, fields))
    text = text_of(fields[field])
    if text is None:
        return Seen(field, absence=Absence.NULL)
    return Seen(field, (text,) if isinstance(text, str) else text)


def field_with(test: Test, fields: Mapping[str, Anything]) -> str | None:
    """Return the first field of the event whose value satisfies a keyword, or None."""
    record = Record(fields)
    return next((name for name in fields if _holds(Test(name, test.atom), record)), None)


def _lookalike(field: str, fields: Mapping[str, Anything]) -> str | None:
    return next((name for name in fields if name.casefold() == field.casefold()), None)


# Why -----------------------------------------------------------------------------------------------------------------


class Cause(NamedTuple):
    """Tests of one field in one selection on which the outcome rests.

    `negated`: they stand under an odd number of `not`. `tests` hold or fail as `holds` says; `of` is how many tests of
    the field stand beside each other there, these included; `all_of` that all of them were asked for. Without tests:
    what the event's kind cannot tell, which counts against the rule.
    """

    selection: str
    negated: bool
    field: str | None
    holds: bool
    tests: tuple[Test, ...]
    of: int
    all_of: bool


def causes(verdict: Verdict) -> list[Cause]:
    """Return what the outcome rests on: what kept a rule from firing, or what made it fire."""
    return list(_causes(verdict, "", negated=False))


def _causes(verdict: Verdict, selection: str, *, negated: bool) -> Iterator[Cause]:
    if not verdict.decisive:
        return
    if not verdict.tests and not verdict.parts:
        yield Cause(selection, negated, None, verdict.holds, (), 0, all_of=False)
        return
    if (field := only_field(verdict)) is not None:
        tests = verdict.tests
        telling = tuple(each.node for each in tests if each.holds is verdict.holds and isinstance(each.node, Test))
        yield Cause(selection, negated, field.name, verdict.holds, telling, len(tests), isinstance(verdict.node, All))
        return
    match verdict.node:
        case Named(name, _):
            selection = name
        case Not():
            negated = not negated
    for part in verdict.parts:
        yield from _causes(part, selection, negated=negated)


class Field(NamedTuple):
    """A field's name; None: every value of the event."""

    name: str | None


def only_field(verdict: Verdict) -> Field | None:
    """Return the field that a test, or a list of values, is about; None for anything larger."""
    match verdict.node:
        case Test(name, _):
            return Field(name)
        case All() | Any():
            names = {_field_of(part, type(verdict.node)) for part in verdict.parts}
            return names.pop() if len(names) == 1 else None
    return None


def _field_of(part: Verdict, kind: type[Node]) -> Field | None:
    """Return the field of a test, or of a list within a list of the same kind: what a modifier made of one value."""
    return only_field(part) if isinstance(part.node, Test | kind) else None


# A rule and an event -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Explanation:
    """A rule's word on an event. Where its logsource does not cover the event's, the rule is not even evaluated."""

    rule: Rule
    logsource: LogSource
    fields: Mapping[str, Anything]
    covered: bool
    verdict: Verdict

    @property
    def names(self) -> Mapping[str, str]:
        """What such events call the rule's fields otherwise: the event's name to the rule's."""
        names = native(self.rule.logsource, self.logsource).names if self.covered else {}
        return {name: field for field, name in names.items()}

    @property
    def fired(self) -> bool:
        """Tell whether the service would report a match."""
        return self.covered and self.verdict.holds

    @property
    def uncovered(self) -> tuple[str, ...]:
        """The parts of the rule's logsource that the event's does not have, by name."""
        parts = self.rule.logsource._asdict().items()
        return tuple(name for name, part in parts if part and not covers(LogSource(**{name: part}), self.logsource))


def explanation(rule: Rule, logsource: LogSource, fields: Mapping[str, Anything]) -> Explanation:
    """Return what becomes of a rule on an event: with the field names that the event's logsource gives it, if any."""
    seen_as = RuleSet([rule]).covering(logsource)
    verdicts = [explain(each.condition, fields) for each in seen_as] or [explain(rule.condition, fields)]
    chosen = next((each for each in verdicts if each.holds), verdicts[0])
    return Explanation(rule, logsource, fields, covered=bool(seen_as), verdict=chosen)
