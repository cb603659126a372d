"""Rules held to samples: events that a rule must fire on, and events that it must not."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from correlator.rules import RuleSet
from correlator.source import Rule
from soc.events import LogSource

Fields = Mapping[str, Any]


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


@dataclass(frozen=True, slots=True)
class Judged:
    """A sample, and what came of it. `rule`: None where it is not in the rule set; `others`: rules that fired too."""

    sample: Sample
    rule: Rule | None
    fired: int
    others: tuple[Rule, ...]

    @property
    def passed(self) -> bool:
        """Tell whether the rule did what it must."""
        wanted = self.sample.matches
        return self.rule is not None and (self.fired >= wanted if wanted else not self.fired)


def judge(rules: RuleSet, samples: Iterable[Sample]) -> Iterator[Judged]:
    """Evaluate every rule on each sample's events."""
    named = by_name(rules.rules)
    for sample in samples:
        yield _judged(rules, named.get(sample.rule), sample)


def by_name(rules: Iterable[Rule]) -> dict[str, Rule]:
    """Return the rules by what a sample calls them."""
    return {name: rule for rule in rules for name in (rule.ref.id, stem(rule.file))}


def untested(rules: Sequence[Rule], judged: Iterable[Judged]) -> list[Rule]:
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
