"""What a filter that compiles may still have wrong: it requires what it should hide, hides everything, or nothing.

A warning is said only where it is certain to be so here, as of rules.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from correlator.filters import Effect, State
from correlator.source import Filter, Rule
from correlator.syntax import All, Any, Named, Node, Not, Test
from correlator.tools.checking import Warned, leaves, of_expressions, of_selections, said
from correlator.tools.logic import decided
from correlator.tools.written import Written
from soc.events import LogSource
from soc.taxonomy import covers, logsources, native

NAMED: Final = 3
"""Rules that one warning names."""

_HEAD: Final[Mapping[str, str]] = {
    "owner": "the filter has no owner; say whose it is, so that somebody can be asked",
    "reason": "the filter has no reason; say what it hides, and why that is harmless",
    "expires": "the filter never expires; give it a day on which somebody looks at it again (expires: 2027-03-31)",
}


def check(effects: Sequence[Effect], document: Callable[[Filter], Written]) -> Iterator[Warned]:
    """Yield what is to be said of each filter, and of those that hide everything together."""
    for effect in effects:
        yield from _check(effect, document(effect.filter))
    yield from _together(effects)


def _check(effect: Effect, document: Written) -> Iterator[Warned]:
    each = effect.filter

    def warned(kind: str, line: int, text: str) -> Warned:
        return Warned(kind, each.file, line, text, each.id)

    for key, remedy in _HEAD.items():
        if not getattr(each, key):
            yield warned(f"no-{key}", document.keys.get(key, document.line), remedy)
    for remark in effect.remarks:
        kind = "expired" if effect.state is State.EXPIRED else "in-vain"
        yield warned(
            kind, document.keys.get("expires" if kind == "expired" else "filter", each.line), f"the filter {remark}"
        )
    for found in of_selections(each.condition, document):
        yield warned(*found)
    line = document.keys.get("filter", document.line)
    for kind, selection, text in of_expressions(each.condition):
        yield warned(kind, document.selections.get(selection, line), text)
    for kind, text in (*_of_condition(effect), *_untold(effect)):
        yield warned(kind, line, text)


def _of_condition(effect: Effect) -> Iterator[tuple[str, str]]:
    condition = effect.filter.condition
    if not excludes(condition):
        yield (
            "requires",
            "the condition has no `not`: its rules fire only where it is true; put `not` before what it hides",
        )
    outcome = decided(condition)
    if outcome is True:
        yield "hides-nothing", "the condition cannot fail: the filter hides nothing"
    elif outcome is False:
        yield "hides-all", "the condition contradicts itself: the filter hides everything that its rules find"
    else:
        yield from _beside_rules(effect)


def excludes(condition: Node) -> bool:
    """Tell whether a part of the condition is asked not to hold: then it can hide what has that part."""
    return _excludes(condition, negated=False)


def _excludes(node: Node, *, negated: bool) -> bool:
    match node:
        case Test():
            return negated
        case Not(inner):
            return _excludes(inner, negated=not negated)
        case Named(_, inner):
            return _excludes(inner, negated=negated)
        case All(nodes) | Any(nodes):
            return any(_excludes(each, negated=negated) for each in nodes)


def _beside_rules(effect: Effect) -> Iterator[tuple[str, str]]:
    """Look at the filter's condition beside that of each rule; what a rule alone decides is the rule's fault."""
    condition = effect.filter.condition
    rules = [rule for rule in effect.rules if decided(rule.condition) is not False]
    if dead := [rule for rule in rules if _never(rule.condition, condition)]:
        yield "hides-all", f"the filter hides everything that {_named(dead)} can find: their conditions contradict it"
    if rules and all(_never(rule.condition, Not(condition)) for rule in rules):
        yield "hides-nothing", "whatever its rules find, the condition is true of it: the filter hides nothing"


def _never(*conditions: Node) -> bool:
    return decided(All(conditions)) is False


def _untold(effect: Effect) -> Iterator[tuple[str, str]]:
    """Look for events that cannot tell a field of the filter, which counts against a rule: they are all hidden."""
    fields = {test.field for _, test in leaves(effect.filter.condition)}
    found: dict[tuple[LogSource, str], list[Rule]] = {}
    for rule in effect.rules:
        for event in logsources():
            if covers(rule.logsource, event):
                for field in fields & native(rule.logsource, event).unknown:
                    found.setdefault((event, str(field)), []).append(rule)
    for (event, field), rules in found.items():
        text = f"events of {said(event)} cannot tell {field}: of those, the filter hides whatever {_named(rules)} would find"
        yield "untold", text


def _together(effects: Iterable[Effect]) -> Iterator[Warned]:
    """Yield a warning on the last of filters that leave a rule nothing though each of them leaves it something."""
    of_rules: defaultdict[str, list[tuple[Rule, Filter]]] = defaultdict(list)
    for effect in effects:
        if effect.state is State.APPLIED:
            for rule in effect.rules:
                of_rules[rule.ref.id].append((rule, effect.filter))
    for pairs in of_rules.values():
        rule, last = pairs[-1]
        conditions = [each.condition for _, each in pairs]
        if len(pairs) < 2 or any(_never(rule.condition, each) for each in conditions):  # noqa: PLR2004 - two are together
            continue
        if _never(rule.condition, *conditions):
            others = ", ".join(repr(each.title[:80]) for _, each in pairs[:-1][:NAMED])
            text = f"with {others}, the filter hides everything that {_named([rule])} can find"
            yield Warned("hides-all", last.file, last.line, text, last.id)


def _named(rules: Sequence[Rule]) -> str:
    first = ", ".join(repr(rule.ref.title[:80]) for rule in rules[:NAMED])
    return f"{first} and {len(rules) - NAMED} more rules" if len(rules) > NAMED else first
