"""Rules held to samples: events that a rule must fire on and events that it must not; for correlations, sequences."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from correlator.correlation.plan import Linked, Plan
from correlator.correlation.rule import Correlation
from correlator.rules import RuleSet
from correlator.source import Rule
from correlator.tools.sequences import Sequences
from soc.events import Event, LogSource

Fields = Mapping[str, Any]

AnyRule = TypeVar("AnyRule", Rule, Correlation, Rule | Correlation)


@dataclass(frozen=True, slots=True)
class Sample:
    """Events with what one rule must do on them.

    `rule`: its id, or its file's path without the suffix. `matches`: how many of the events the rule must fire on at
    least; 0: on none. `events` that tell no logsource get the rule's. `file` is where the sample stands, and `name`
    which one it is there.
    """

    rule: str
    name: str
    file: str
    events: tuple[tuple[LogSource, Fields], ...]
    matches: int = 1

    def met(self, fired: int) -> bool:
        """Tell whether the rule fired on as many events as it must."""
        return fired >= self.matches if self.matches else not fired


@dataclass(frozen=True, slots=True)
class EventSequence:
    """Events with times, and how many matches of one correlation they must give: None for one or more.

    `rule`, `name`, `file`: as in Sample; `line` is the sequence's.
    """

    rule: str
    name: str
    file: str
    line: int
    events: tuple[Event, ...]
    matches: int | None = None

    def met(self, fired: int) -> bool:
        """Tell whether the correlation gave as many matches as it must."""
        return fired >= 1 if self.matches is None else fired == self.matches


@dataclass(frozen=True, slots=True)
class Judged:
    """A sample, and what came of it. `rule`: None where it is not in the rule set; `others`: rules that fired too.

    Of a sequence `fired` are the correlation's matches, `entered` the hits that it took, and `ungrouped` those that lacked a
    field of its group.
    """

    sample: Sample | EventSequence
    rule: Rule | Correlation | None
    fired: int = 0
    others: tuple[Rule, ...] = ()
    entered: int = 0
    ungrouped: int = 0

    @property
    def passed(self) -> bool:
        """Tell whether the rule did what it must."""
        return self.rule is not None and self.sample.met(self.fired)


def judge(rules: RuleSet, samples: Iterable[Sample | EventSequence]) -> Iterator[Judged]:
    """Evaluate every rule on each sample's events."""
    named, linked = by_name(rules.rules), correlations_by_name(rules.plan)
    sequences = Sequences(rules)
    for sample in samples:
        if isinstance(sample, Sample):
            yield _judged(rules, named.get(sample.rule), sample)
        elif correlation := linked.get(sample.rule):
            came = sequences.judge(correlation, sample.events)
            yield Judged(sample, correlation.correlation, came.fired, entered=came.entered, ungrouped=came.ungrouped)
        else:
            yield Judged(sample, None)


def by_name(rules: Iterable[AnyRule]) -> dict[str, AnyRule]:
    """Return the rules by what a sample calls them."""
    return {name: rule for rule in rules for name in (rule.ref.id, stem(rule.file))}


def correlations_by_name(plan: Plan) -> dict[str, Linked]:
    """Return the correlations by what a sample calls them. Of several in one file the file means the highest."""
    return {
        name: each for each in plan.linked.values() for name in (each.correlation.ref.id, stem(each.correlation.file))
    }


def untested(rules: Sequence[Rule | Correlation], judged: Iterable[Judged]) -> list[Rule | Correlation]:
    """Return the rules that have no sample."""
    tested = {each.rule.ref.id for each in judged if each.rule is not None}
    return [rule for rule in rules if rule.ref.id not in tested]


def stem(file: str) -> str:
    """Return a rule file's path without the suffix, of its samples' file too."""
    for suffix in (".samples.yml", ".samples.yaml", ".yml", ".yaml"):
        if file.endswith(suffix):
            return file.removesuffix(suffix)
    return file


def _judged(rules: RuleSet, rule: Rule | None, sample: Sample) -> Judged:
    fired, others = 0, dict[str, Rule]()
    for logsource, fields in sample.events:
        stated = logsource if rule is None or any(logsource) else rule.logsource
        for hit in rules.evaluate(stated, dict(fields)):
            if rule is not None and hit.rule.ref.id == rule.ref.id:
                fired += 1
            else:
                others[hit.rule.ref.id] = hit.rule
    return Judged(sample, rule, fired, tuple(others.values()))
