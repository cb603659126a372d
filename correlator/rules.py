"""A rule set: which rules see an event, and which of them fire on it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from correlator.engine.kind import Kind, Seen
from correlator.engine.memory import BUDGET, Memory
from correlator.engine.plain import Holds, reasons
from correlator.engine.record import Record
from correlator.limit import Overtime, limited
from correlator.source import Failure, Rule
from soc.alerts import Reason
from soc.events import LogSource
from soc.taxonomy import covers

MAX_LOGSOURCES: Final = 4096
"""Logsources of events whose rules are remembered; an agent could invent more."""

MAX_NAME: Final = 128
"""Characters of a logsource that is remembered; Sigma's longest has half as many."""

MAX_OVERTIMES: Final = 2
"""How often the budget may be exhausted on one event; the rules that are left then fail."""


class Hit(NamedTuple):
    """A rule that fired on an event."""

    seen: Seen
    fields: Mapping[str, Any]

    @property
    def rule(self) -> Rule:
        """The rule."""
        return self.seen.rule

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """By which selections, fields and values; found by evaluating once more."""
        held = self.seen.predicate
        try:
            with limited(BUDGET):
                return reasons(held, Record(self.fields))
        except Overtime:  # that the rule fired is certain, and matters more than why
            return ()


Failed = Callable[[Rule, Exception], None]
"""Told of a rule whose evaluation failed; the rule is taken not to fire."""


def _raise(_rule: Rule, error: Exception) -> None:
    raise error


class RuleSet:
    """The rules in force. `failures` are those that are not, each with file, line and reason."""

    def __init__(self, rules: Sequence[Rule], failures: Sequence[Failure] = ()) -> None:
        """Take the rules in the order in which they are told."""
        self.rules = tuple(rules)
        self.failures = tuple(failures)
        self._memory = Memory()
        self._kinds: dict[LogSource, Kind] = {}

    def evaluate(
        self, logsource: LogSource, fields: dict[str, Any], failed: Failed = _raise, wire: bytes | None = None
    ) -> list[Hit]:
        """Return the rules that fire on an event of this logsource with these fields.

        `wire`: the JSON that the fields were read from, if at hand; it spares looking at every value for keywords.
        A rule that fails is told to `failed`; when the budget is exhausted a second time, so are all that are left.
        """
        kind = self._kinds.get(logsource) or self._kind(logsource)
        try:
            return [Hit(seen, fields) for seen in kind.fired(fields, wire)]
        except Exception:  # noqa: BLE001 - rule by rule tells which is at fault
            return plain(kind.seen, fields, failed)

    def covering(self, logsource: LogSource) -> tuple[Seen, ...]:
        """Return the rules whose logsource covers that of an event."""
        return (self._kinds.get(logsource) or self._kind(logsource)).seen

    def _kind(self, logsource: LogSource) -> Kind:
        seen = tuple(Seen(rule, rule.condition) for rule in self.rules if covers(rule.logsource, logsource))
        kind = Kind(seen, self._memory)
        if len(self._kinds) >= MAX_LOGSOURCES:
            self._kinds.clear()
        if sum(len(part or "") for part in logsource) <= MAX_NAME:
            self._kinds[logsource] = kind
        return kind


def plain(seen: Sequence[Seen], fields: Mapping[str, Any], failed: Failed = _raise) -> list[Hit]:
    """Return what `RuleSet.evaluate` does, evaluating rule by rule."""
    record = Record(fields)
    hits: list[Hit] = []
    rest = iter([(each, each.predicate.holds) for each in seen])
    overtimes = 0
    while overtimes < MAX_OVERTIMES and (failure := _until_failure(rest, record, hits)):
        overtimes += isinstance(failure[1], Overtime)
        failed(*failure)
    for each, _ in rest:
        failed(each.rule, Overtime("not evaluated: the rules before it took too long"))
    return hits


def _until_failure(
    rest: Iterator[tuple[Seen, Holds]], record: Record, hits: list[Hit]
) -> tuple[Rule, Exception] | None:
    """Evaluate the rules that are left, up to one that fails."""
    try:
        with limited(BUDGET):
            for each, holds in rest:
                if holds(record):
                    hits.append(Hit(each, record.fields))
    except Exception as error:  # noqa: BLE001 - one rule's fault must not stop the others
        return each.rule, error
    return None
