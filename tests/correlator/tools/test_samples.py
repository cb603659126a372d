"""Samples: what a rule must do on events, and what it did."""

import pytest

from correlator.tools.samples import Sample, by_name, judge, stem, untested
from soc.events import LogSource
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
