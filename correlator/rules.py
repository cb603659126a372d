"""A rule set: which rules see an event, and which of them fire on it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple

from correlator.correlation.plan import Plan
from correlator.engine.kind import Kind, Partly, Seen
from correlator.engine.memory import BUDGET, MAX_OVERTIMES, Memory
from correlator.engine.native import as_native
from correlator.engine.plain import Holds, Predicate, reasons
from correlator.engine.record import Record
from correlator.limit import Overtime, limited
from correlator.source import Failure, Rule
from correlator.statistics import Cost, Statistics
from correlator.syntax import Node
from soc.alerts import Reason
from soc.errors import DeadLetter
from soc.events import LogSource
from soc.taxonomy import covers, native

MAX_LOGSOURCES: Final = 4096
"""Logsources of events whose rules are remembered; an agent could invent more."""

MAX_SEEN: Final = 20_000
"""Rules of all kinds of events together that are kept ready: thrice what a province's Windows and Linux events need."""

MAX_NAME: Final = 128
"""Characters of a logsource that is remembered; Sigma's longest has half as many."""


class NotEvaluated(Exception):
    """No time was left for the rule."""


class Hit(NamedTuple):
    """A rule that fired on an event."""

    seen: Seen
    record: Record

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
                return reasons(held, self.record)
        except Overtime:  # that the rule fired is certain, and matters more than why
            return ()


Source = tuple[str | None, str | None, str | None]
"""Product, category, service: a LogSource, or the bare tuple, which is quicker to make."""

Failed = Callable[[Rule, Exception], None]
"""Told of a rule whose evaluation failed; the rule is taken not to fire."""


def _raise(_rule: Rule, error: Exception) -> None:
    raise error


class RuleSet:
    """The rules in force. `failures` are those that are not, each with file, line and reason. `plan`: correlations."""

    def __init__(self, rules: Sequence[Rule], failures: Sequence[Failure] = (), plan: Plan | None = None) -> None:
        """Take the rules in the order in which they are told."""
        self.rules = tuple(rules)
        self.failures = tuple(failures)
        self.plan = plan or Plan()
        self._memory = Memory()
        self._sources: dict[Source, Kind] = {}
        self._kinds: dict[tuple[Any, ...], Kind] = {}
        self._spent: dict[str, Cost] = {}

    def evaluate(
        self, logsource: Source, fields: dict[str, Any], failed: Failed = _raise, wire: bytes | None = None
    ) -> list[Hit]:
        """Return the rules that fire on an event of this logsource with these fields.

        `wire`: the JSON that the fields were read from, if at hand; it spares looking at every value for keywords.
        A rule that fails is told to `failed`; when the budget is exhausted a second time, so are all that are left.
        """
        try:
            kind = self._sources[logsource]
        except (KeyError, TypeError):
            kind = self._kind(logsource)
        try:
            fired = kind.fired(fields, wire)
            return _hits(fired, fields) if fired else []
        except Partly as partly:
            for seen in partly.failed:
                self._told(failed, seen.rule, partly.reason)
            return _hits(partly.fired, fields)
        except Exception:  # noqa: BLE001 - rule by rule tells which is at fault
            self._memory.troubled.clear()
            return plain(kind.seen, fields, partial(self._told, failed))

    def covering(self, logsource: Source) -> tuple[Seen, ...]:
        """Return the rules whose logsource covers that of an event."""
        return (self._sources.get(logsource) or self._kind(logsource)).seen

    def warm(self, other: "RuleSet") -> None:
        """Build what the events that another set has seen will need, before they come."""
        for source, kind in list(other._sources.items()):  # noqa: SLF001 - of this class
            self._kind(source).warm(kind.seen_ids())

    def statistics(self) -> Statistics:
        """Return what the set has done so far."""
        memory = self._memory
        return Statistics(undecided=memory.undecided, judged=memory.judged, resets=memory.resets, rules=self._costs())

    def _costs(self) -> dict[str, Cost]:
        rules = dict(self._spent)
        for kind in list(self._kinds.values()):
            for rule, cost in kind.costs():
                rules[rule] = rules.get(rule, Cost()) + cost
        return rules

    def _told(self, failed: Failed, rule: Rule, error: Exception) -> None:
        """Tell of a rule that failed; one that took too long took at least the budget."""
        if isinstance(error, Overtime):
            self._spent[rule.ref.id] = self._spent.get(rule.ref.id, Cost()) + Cost(1, BUDGET)
        failed(rule, error)

    def _kind(self, source: Source) -> Kind:
        """Return what is evaluated for a logsource: logsources that the same rules cover share it.

        Raises DeadLetter where a part is no string.
        """
        if not all(part is None or isinstance(part, str) for part in source):
            raise DeadLetter("malformed_event", "the logsource's parts must be strings")
        logsource = LogSource(*source)
        covering = [rule for rule in self.rules if covers(rule.logsource, logsource)]
        said = [native(rule.logsource, logsource) for rule in covering]
        key = tuple((id(rule), id(how)) for rule, how in zip(covering, said, strict=True))
        if sum(len(kind.seen) for kind in self._kinds.values()) > MAX_SEEN:
            self._spent = self._costs()
            self._kinds.clear()
            self._sources.clear()
        if key not in self._kinds:
            known: dict[tuple[int, int], Node] = {}
            parts: dict[int, Predicate] = {}
            pairs = zip(covering, said, strict=True)
            seen = [Seen(rule, as_native(rule.condition, how, known), parts) for rule, how in pairs]
            self._kinds[key] = Kind(seen, self._memory)
        if len(self._sources) >= MAX_LOGSOURCES:
            self._sources.clear()
        if sum(len(part or "") for part in logsource) <= MAX_NAME:
            self._sources[logsource] = self._kinds[key]
        return self._kinds[key]


def _hits(fired: Sequence[Seen], fields: Mapping[str, Any]) -> list[Hit]:
    record = Record(fields)
    return [Hit(seen, record) for seen in fired]


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
        failed(each.rule, NotEvaluated("the rules before it took too long"))
    return hits


def _until_failure(
    rest: Iterator[tuple[Seen, Holds]], record: Record, hits: list[Hit]
) -> tuple[Rule, Exception] | None:
    """Evaluate the rules that are left, up to one that fails."""
    try:
        with limited(BUDGET):
            for each, holds in rest:
                if holds(record):
                    hits.append(Hit(each, record))
    except Exception as error:  # noqa: BLE001 - one rule's fault must not stop the others
        return each.rule, error
    return None
