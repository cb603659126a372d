"""What a correlation that is in force may still have wrong: it can never fire, fires on one event, or silences unnoticed.

A warning is said only where it is certain to be so here, as of rules.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple

from correlator.correlation.conditions import expected, within
from correlator.correlation.feed import OWN
from correlator.correlation.plan import Linked, Plan
from correlator.correlation.rule import Correlation, Kind
from correlator.source import Compiled, Rule
from correlator.tools.checking import Spellings, Warned, of_head, spellings, unwritten
from correlator.tools.logic import decided
from correlator.tools.reach import able, may_fire
from correlator.tools.written import Written
from soc.alerts import Level
from soc.events import LogSource

NAMED: Final = 3
"""Rules that one warning names."""

_NEVER: Final = (
    "no window can satisfy the condition: its bounds contradict each other, or ask for more rules than it refers to"
)
_SILENT: Final = (
    "it can never fire: a group without events has no window. To find what did not follow something, take type: temporal"
    " and a condition like `one and not other`"
)
_ONE: Final = "a single event satisfies the condition: it fires for every group that has one; ask for more, or take the rule itself"
_FEW: Final = (
    "a window with a single event satisfies the condition: it fires for every group that has just one, and never for one"
    " that has none; add a lower bound (gte)"
)


class Silence(NamedTuple):
    """A rule that makes no matches of its own, and the titles of the correlations that silence it."""

    rule: Rule | Correlation
    by: tuple[str, ...]


def silenced(compiled: Compiled) -> list[Silence]:
    """Return every rule that is silenced, the gravest first."""
    found = [Silence(each, compiled.plan.silenced[each.ref.id]) for each in _every(compiled, compiled.plan.silenced)]
    return sorted(found, key=lambda each: (-each.rule.ref.level, each.rule.ref.title.casefold()))


def check(
    compiled: Compiled, document: Callable[[Correlation], Written], unseen: Callable[[LogSource], bool]
) -> Iterator[Warned]:
    """Yield what is to be said of each correlation. `unseen`: whether no event can have what a logsource covers."""
    look = _Look(compiled, unseen)
    for linked in compiled.plan.linked.values():
        if linked.correlation in compiled.correlations:
            yield from look.at(linked, document(linked.correlation))


def _every(compiled: Compiled, names: Mapping[str, object] | None = None) -> Iterator[Rule | Correlation]:
    """Yield what is in force, asked for or not: a rule that is left out feeds nothing, and no plan names it."""
    for each in (*compiled.rules, *compiled.correlations, *(skipped.rule for skipped in compiled.skipped)):
        if names is None or each.ref.id in names:
            yield each


class _Look:
    """What is known of all rules together."""

    def __init__(self, compiled: Compiled, unseen: Callable[[LogSource], bool]) -> None:
        self._plan: Plan = compiled.plan
        self._by_id = {each.ref.id: each for each in _every(compiled)}
        self._unchosen = {each.rule.ref.id for each in compiled.inputs}  # silent whatever the correlation says
        rules = [each for each in self._by_id.values() if isinstance(each, Rule)]
        alive = (rule.ref.id for rule in rules if not unseen(rule.logsource) and decided(rule.condition) is not False)
        self._able = able(compiled.plan, alive)
        self._spellings: Spellings = spellings(rules)

    def at(self, linked: Linked, document: Written) -> Iterator[Warned]:
        """Yield what is to be said of one."""
        correlation = linked.correlation

        def warned(kind: str, key: str, text: str) -> Warned:
            line = document.selections.get(key, document.keys.get("correlation", document.line))
            return Warned(kind, correlation.file, line, text, correlation.ref.id)

        for kind, text in of_head(document):
            yield Warned(kind, correlation.file, document.line, text, correlation.ref.id)
        for found in (self._of_condition(linked), self._of_silence(linked, document)):
            yield from (warned(*each) for each in found)
        for each in dict.fromkeys((*self._of_fields(linked), *_of_aliases(correlation))):
            yield warned(*each)

    def _of_condition(self, linked: Linked) -> Iterator[tuple[str, str, str]]:
        numbers = range(len(linked.inputs))
        if not may_fire(linked, numbers):
            bounds = linked.correlation.condition.bounds
            yield "never", "condition", _SILENT if bounds and within(linked.correlation.condition, 0) else _NEVER
        elif linked.correlation.ref.id not in self._able:
            dead = [self._plan.titles[each.rule] for each in linked.inputs if each.rule not in self._able]
            yield "no-event", "rules", f"it can never fire on the stream, for these never do: {_named(dead)}"
        elif not linked.parents and _one_is_enough(linked):
            yield "one-event", "condition", _ONE if linked.sliding else _FEW

    def _of_silence(self, linked: Linked, document: Written) -> Iterator[tuple[str, str, str]]:
        """Yield of what is heard without it, unless it says that this is meant."""
        if linked.correlation.generate or "generate" in {**document.keys, **document.selections}:
            return
        rules = (self._by_id.get(each.rule) for each in linked.inputs if each.rule not in self._unchosen)
        heard = [f"{rule.ref.title[:80]} ({rule.ref.level.label})" for rule in rules if rule and _is_heard(rule)]
        if heard and document.selections:
            text = (
                f"it silences {_named(heard)}; write generate: true to hear that too, or generate: false if it is meant"
            )
            yield "silenced", "rules", text

    def _of_fields(self, linked: Linked) -> Iterator[tuple[str, str, str]]:
        for entering in linked.inputs:
            if isinstance(rule := self._by_id.get(entering.rule), Rule):
                for key, names in (("group-by", entering.group), ("condition", entering.values)):
                    texts = (unwritten(name, rule.logsource, self._spellings) for name in names if name not in OWN)
                    yield from (("field-case", key, text) for text in texts if text)


def _is_heard(rule: Rule | Correlation) -> bool:
    """Tell whether a rule is more than material for correlations."""
    return rule.ref.level > Level.INFORMATIONAL


def _one_is_enough(linked: Linked) -> bool:
    correlation = linked.correlation
    condition = correlation.condition
    if correlation.kind in (Kind.EVENT_COUNT, Kind.VALUE_COUNT):
        return within(condition, 1)
    if correlation.kind is Kind.TEMPORAL_ORDERED:
        return within(condition, 1) if condition.bounds else len(correlation.rules) == 1
    if correlation.kind is Kind.TEMPORAL and condition.expression is None:
        return any(map(expected(condition, len(correlation.rules)), (1 << each for each in range(len(linked.inputs)))))
    return False


def _of_aliases(correlation: Correlation) -> Iterator[tuple[str, str, str]]:
    used = {*correlation.group_by, *correlation.condition.fields}
    for alias, _ in correlation.aliases:
        if alias not in used:
            yield "unused", "aliases", f"neither group-by nor the condition uses the alias {alias}; remove it"


def _named(titles: list[str]) -> str:
    first = ", ".join(titles[:NAMED])
    return f"{first} and {len(titles) - NAMED} more" if len(titles) > NAMED else first
