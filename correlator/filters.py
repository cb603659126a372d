"""A site's filters on the rules that they are for: values in, values out. Sigma filters specification 2.1.

A filter is ANDed, as it is written, to each rule that it names, or to any, whose logsource its own covers. Which of
them have expired depends on the day, so this is done whenever rules are loaded, and never kept on the disk.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from enum import StrEnum
from typing import Final

from correlator.choice import within
from correlator.correlation.rule import Correlation
from correlator.source import Compiled, Filter, Rule
from correlator.syntax import All, Any, Named, Node, Not
from soc.clock import DAY
from soc.events import LogSource

EPOCH: Final = date(1970, 1, 1)

NAMED: Final = 5
"""Rules that one remark names."""

MAX_NAME: Final = 200
"""Characters of a filter's title, and of what it refers to, that are told."""


class State(StrEnum):
    """What becomes of a filter. UNUSED: there is no rule, left out or not, that it would apply to."""

    APPLIED = "applied"
    UNUSED = "unused"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Effect:
    """What one filter does.

    `rules`: those that it applies to, or would if it had not expired, as they are without filters. `remarks`: what is to
    be said of it, to follow "the filter".
    """

    filter: Filter
    state: State
    rules: tuple[Rule, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Filtered:
    """Compiled rules with the filters on them; remarks on filters are among the remarks.

    `until`: when the next filter expires, microseconds since the epoch; None where none will.
    """

    compiled: Compiled
    effects: tuple[Effect, ...] = ()
    until: int | None = None

    @property
    def states(self) -> Mapping[State, int]:
        """How many filters are in each state."""
        failed = sum(failure.kind == "filter" for failure in self.compiled.failures)
        counts = dict.fromkeys(State, 0) | {State.FAILED: failed}
        for effect in self.effects:
            counts[effect.state] += 1
        return counts


def apply(compiled: Compiled, now: int) -> Filtered:
    """Return the rules with the filters that have not expired. `now`: microseconds since the epoch; days are UTC's.

    A rule's filters stand behind its condition in the order in which they were read. What a filter names in vain, and
    that it has expired, is a remark. Filters of any rule look at each logsource once, however many rules it has; what
    remains of filters times rules is one reference for each filter on each rule.
    """
    known = _Known(compiled)
    effects = tuple(_effect(each, known, now) for each in compiled.filters)
    added: defaultdict[str, list[Node]] = defaultdict(list)
    for effect in effects:
        if effect.state is State.APPLIED:
            condition = told(effect.filter)
            for rule in effect.rules:
                added[rule.ref.id].append(condition)
    rules = tuple(_with(rule, added.get(rule.ref.id, ())) for rule in compiled.rules)
    remarks = tuple(remark for effect in effects for remark in _said_of(effect))
    ends = [expiry(each) for each in compiled.filters if each.expires and not expired(each, now)]
    whole = replace(compiled, rules=rules, remarks=(*compiled.remarks, *remarks))
    return Filtered(whole, effects, min(ends, default=None))


def _effect(each: Filter, known: "_Known", now: int) -> Effect:
    meant = known.meant(each)
    rules = known.in_force(meant)
    state = State.EXPIRED if expired(each, now) else State.APPLIED if meant else State.UNUSED
    return Effect(each, state, rules, tuple(_remarks(each, state, known)))


def _said_of(effect: Effect) -> Iterator[str]:
    each = effect.filter
    return (f"{each.file}:{each.line}: the filter {each.title[:MAX_NAME]!r} {remark}" for remark in effect.remarks)


def _with(rule: Rule, conditions: Sequence[Node]) -> Rule:
    return replace(rule, condition=All((rule.condition, *conditions))) if conditions else rule


class _Known:
    """The rules that a filter may mean, those that are left out included, and by what it may name them."""

    def __init__(self, compiled: Compiled) -> None:
        self.evaluated = set(map(id, compiled.rules))
        left_out = [skipped.rule for skipped in compiled.skipped]
        self._failed = {part for each in compiled.failures for part in (each.id.casefold(), each.name)}
        self._ids: defaultdict[str, list[Rule | Correlation]] = defaultdict(list)
        self._names: defaultdict[str, list[Rule | Correlation]] = defaultdict(list)
        everything: tuple[Rule | Correlation, ...] = (*compiled.rules, *left_out, *compiled.correlations)
        self._in_force: dict[int, tuple[tuple[Rule, ...], tuple[Rule, ...]]] = {}
        self._covered: dict[LogSource, tuple[Rule, ...]] = {}
        self._of_logsource: defaultdict[LogSource, list[Rule]] = defaultdict(list)
        for each in everything:
            if isinstance(each, Rule):
                self._of_logsource[each.logsource].append(each)
        for each in everything:
            self._ids[each.ref.id.casefold()].append(each)
            self._names[each.name].append(each)

    def meant(self, each: Filter) -> tuple[Rule, ...]:
        """Return the rules that a filter is for: those that it names, or any, and whose logsource it covers.

        It covers a logsource that has every part that its own states; what its own leaves out may be anything. So a
        filter for windows is for rules of windows and process_creation, and not the other way round, as in pySigma.
        """
        if each.rules is None:
            return self._within(each.logsource)
        named = (rule for name in each.rules for rule in self.named(name))
        found = {id(rule): rule for rule in named if isinstance(rule, Rule) and within(rule.logsource, each.logsource)}
        return tuple(found.values())

    def in_force(self, meant: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Return those of them that are evaluated; the same answer for the same tuple."""
        if (kept := self._in_force.get(id(meant))) is None or kept[0] is not meant:
            rules = tuple(rule for rule in meant if id(rule) in self.evaluated)
            kept = self._in_force[id(meant)] = (meant, rules)  # `meant` is kept, so that no other gets its id
        return kept[1]

    def _within(self, logsource: LogSource) -> tuple[Rule, ...]:
        """Return all rules that a logsource covers: found once for all filters of it, which share the answer."""
        if logsource not in self._covered:
            of = self._of_logsource.items()
            self._covered[logsource] = tuple(rule for have, rules in of if within(have, logsource) for rule in rules)
        return self._covered[logsource]

    def named(self, name: str) -> list[Rule | Correlation]:
        """Return what has this id, in any case, or this name."""
        return [*self._ids.get(name.casefold(), ()), *self._names.get(name, ())]

    def failed(self, name: str) -> bool:
        """Tell whether a rule of this id or name does not compile, which is told already."""
        return name.casefold() in self._failed or name in self._failed


def told(each: Filter) -> Node:
    """Return the filter's condition with its title before the names of its selections, so that reasons tell it."""
    return _titled(each.condition, f"filter: {each.title[:MAX_NAME]}: ")


def _titled(node: Node, title: str) -> Node:
    match node:
        case Named(name, inner):
            return Named(title + name, inner)
        case Not(inner):
            return Not(_titled(inner, title))
        case All(nodes) | Any(nodes):
            return replace(node, nodes=tuple(_titled(each, title) for each in nodes))
    return node


# Days ----------------------------------------------------------------------------------------------------------------


def expired(each: Filter, now: int) -> bool:
    """Tell whether the day on which the filter ends has begun, in UTC."""
    return each.expires != "" and now >= expiry(each)


def expiry(each: Filter) -> int:
    """Return when the day on which the filter ends begins, in UTC: microseconds since the epoch. It must have one."""
    return (date.fromisoformat(each.expires) - EPOCH).days * DAY


# Remarks -------------------------------------------------------------------------------------------------------------


def _remarks(each: Filter, state: State, known: _Known) -> Iterator[str]:
    if state is State.EXPIRED:
        yield f"expired on {each.expires} and hides nothing any more; give it another day, or remove it"
        return
    vain = list(_in_vain(each, known))
    yield from vain[:NAMED]
    if len(vain) > NAMED:
        yield f"names {len(vain) - NAMED} more rules in vain"
    if state is State.UNUSED and not vain:
        yield f"is for no rule: none that was read has its logsource, {_said(each.logsource)}"


def _in_vain(each: Filter, known: _Known) -> Iterator[str]:
    """Yield what is to be said of each name by which the filter changes no rule."""
    for name in each.rules or ():
        found = known.named(name)
        if not found and not known.failed(name):
            yield f"names {name[:MAX_NAME]!r}: no rule that was read has that id or name"
        for rule in found:
            title = rule.ref.title[:MAX_NAME]
            if isinstance(rule, Correlation):
                yield f"names the correlation {title!r}: a filter is for detection rules; name those that it refers to"
            elif not within(rule.logsource, each.logsource):
                have, own = _said(rule.logsource), _said(each.logsource)
                yield f"names {title!r}, whose logsource {have} its own, {own}, does not cover: it is not filtered"


def _said(logsource: LogSource) -> str:
    return "/".join(part or "*" for part in logsource)
