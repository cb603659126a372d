"""Samples: what a rule must do on events, and what it did."""

from pathlib import Path

import pytest

from correlator.compiler.compile import compile_files
from correlator.correlation.link import link
from correlator.rules import RuleSet
from correlator.tools.samples import EventSequence, Sample, by_name, judge, stem, untested
from soc.events import Event, LogSource
from tests.correlator.conftest import LOGSOURCE, RuleFrom

ID = "00000000-0000-4000-8000-000000000001"
YES, NO = (LOGSOURCE, {"A": "x"}), (LOGSOURCE, {"A": "y"})


@pytest.mark.parametrize(
    ("events", "matches", "passed"),
    [
        ((YES,), 1, True),
        ((NO,), 1, False),
        ((NO,), 0, True),
        ((NO, YES), 0, False),
        ((NO, YES, YES), 1, True),
        ((NO, YES), 2, False),
        (((LogSource(), {"A": "x"}),), 1, True),
        (((LogSource("windows"), {"A": "x"}),), 1, False),
    ],
)
def test_a_rule_must_fire_so_often_or_never(
    rule_from: RuleFrom, events: tuple[tuple[LogSource, dict[str, str]], ...], matches: int, passed: bool
) -> None:
    """Events without a logsource are the rule's; those with another are not."""
    (judged,) = judge(rule_from("sel: {A: x}\ncondition: sel"), [Sample(ID, "1", "f", events, matches)])
    assert judged.passed is passed


def test_a_sample_without_its_rule_fails_and_says_what_fired(rule_from: RuleFrom) -> None:
    """The rule may not have compiled."""
    rules = rule_from("sel: {A: x}\ncondition: sel")
    (judged,) = judge(rules, [Sample("another", "1", "f", (YES,))])
    assert (judged.passed, judged.rule, [rule.ref.id for rule in judged.others]) == (False, None, [ID])
    assert untested(rules.rules, [judged]) == list(rules.rules)


def test_a_rule_is_called_by_its_id_or_its_file(rule_from: RuleFrom) -> None:
    """Samples beside a rule have its file's name."""
    (rule,) = rule_from("sel: {A: x}\ncondition: sel").rules
    assert by_name([rule]) == {ID: rule, rule.file.removesuffix(".yml"): rule}
    assert stem("a/b.samples.yaml") == stem("a/b.yml") == "a/b"


CORRELATED = """
title: One
id: 00000000-0000-4000-8000-000000000001
name: one
logsource: {product: linux, service: sshd}
detection: {sel: {A: x}, condition: sel}
---
title: Twice
id: 00000000-0000-4000-8000-000000000002
name: twice
correlation: {type: event_count, rules: [one], group-by: [U], timespan: 10s, condition: {gte: 2}}
---
title: Never heard
id: 00000000-0000-4000-8000-000000000003
correlation: {type: event_count, rules: [twice], group-by: [U], timespan: 1h, condition: {gte: 1}}
"""


@pytest.fixture
def correlated(tmp_path: Path) -> RuleSet:
    """A rule, and a correlation that another silences."""
    file = tmp_path / "twice.yml"
    file.write_text(CORRELATED, "utf-8")
    compiled = compile_files([file], {})
    return RuleSet(compiled.rules, plan=link(compiled.correlations, compiled.rules).plan)


def events(*seconds: int, user: str | None = "u") -> tuple[Event, ...]:
    """Return events at these seconds, on each of which the rule fires."""
    fields = {"A": "x"} | ({} if user is None else {"U": user})
    return tuple(
        Event(str(number), each * 1_000_000, 0, "s", "h", LOGSOURCE, fields, None, "utf-8", {})
        for number, each in enumerate(seconds)
    )


@pytest.mark.parametrize(
    ("seconds", "matches", "passed"),
    [((0, 1), None, True), ((0, 11), None, False), ((0, 11), 0, True), ((0, 1), 0, False), ((0, 1, 21, 22), 2, True),
     ((0, 1, 21, 22), 1, False), ((0, 1, 21, 22), None, True)],
)  # fmt: skip
def test_a_correlation_must_match_so_often_or_never(
    correlated: RuleSet, seconds: tuple[int, ...], matches: int | None, passed: bool
) -> None:
    """One that others silence is tried like any other."""
    sequence = EventSequence(ID[:-1] + "2", "1", "f", 1, events(*seconds), matches)
    (judged,) = judge(correlated, [sequence])
    assert (judged.passed, judged.entered) == (passed, len(seconds))


def test_a_sequence_says_what_lacked_the_group(correlated: RuleSet) -> None:
    """It is why most correlations that are new do not match."""
    (judged,) = judge(correlated, [EventSequence(ID[:-1] + "2", "1", "f", 1, events(0, 1, user=None))])
    assert (judged.passed, judged.fired, judged.entered, judged.ungrouped) == (False, 0, 0, 2)


def test_a_sequence_of_a_rule_and_an_event_of_a_correlation_fail(correlated: RuleSet) -> None:
    """Either would pass as no_match whatever the rule does."""
    of_rule = EventSequence(ID, "1", "f", 1, events(0), 0)
    of_correlation = Sample(ID[:-1] + "2", "1", "f", (YES,), 0)
    assert [(each.passed, each.rule) for each in judge(correlated, [of_rule, of_correlation])] == [(False, None)] * 2
