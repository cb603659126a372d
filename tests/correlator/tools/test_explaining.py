"""Explanations: each node as the engine has it, and what the outcome rests on."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.engine.plain import predicate
from correlator.engine.record import Record
from correlator.rules import RuleSet
from correlator.syntax import All, Exists, Named, Node, Not, Test
from correlator.syntax import Any as Alternatives
from correlator.tools.explaining import Absence, Verdict, causes, explain, explanation, field_with, seen
from soc.events import LogSource
from tests.correlator.conftest import LOGSOURCE, RuleFrom

FIELDS = tuple("abcdef")

leaves = st.sampled_from([Test(field, Exists(wanted)) for field in FIELDS for wanted in (True, False)])
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Named, st.sampled_from(["selection", "filter"]), inner),
        st.builds(All, st.lists(inner, min_size=2, max_size=4).map(tuple)),
        st.builds(Alternatives, st.lists(inner, min_size=2, max_size=4).map(tuple)),
    ),
    max_leaves=12,
)


def nodes(verdict: Verdict) -> list[Verdict]:
    """Every verdict of a tree."""
    return [verdict, *(each for part in verdict.parts for each in nodes(part))]


@given(trees, st.sets(st.sampled_from(FIELDS)))
def test_each_node_has_the_evaluators_word(tree: Node, present: set[str]) -> None:
    """No verdict differs from the node's own predicate."""
    fields = dict.fromkeys(present, 1)
    for verdict in nodes(explain(tree, fields)):
        assert verdict.holds is predicate(verdict.node).holds(Record(fields))


@given(trees, st.sets(st.sampled_from(FIELDS)))
def test_only_what_is_decisive_decides(tree: Node, present: set[str]) -> None:
    """Whatever becomes of the fields that no decisive test asks for, the outcome stays."""
    verdict = explain(tree, dict.fromkeys(present, 1))
    telling = {each.node.field for each in verdict.tests if each.decisive and isinstance(each.node, Test)}
    for others in (set(), set(FIELDS) - telling):
        fields = dict.fromkeys((present & telling) | others, 1)
        assert predicate(tree).holds(Record(fields)) is verdict.holds


DETECTION = """\
sel_img:
    Image|endswith: ['\\\\a.exe', '\\\\b.exe']
sel_cli:
    CommandLine|contains|all: [' -x', ' -y']
filter:
    User: SYSTEM
condition: all of sel_* and not filter
"""


def explained(rules: RuleSet, fields: dict[str, Any], logsource: LogSource = LOGSOURCE) -> Any:
    """The explanation of the one rule."""
    return explanation(rules.rules[0], logsource, fields)


def test_a_list_that_failed_is_one_cause(rule_from: RuleFrom) -> None:
    """The selection, the field, and how many values there are."""
    found = explained(rule_from(DETECTION), {"Image": "C:\\c.exe", "CommandLine": "q -x -y"})
    (cause,) = causes(found.verdict)
    assert (cause.selection, cause.field, cause.holds, cause.of, cause.negated) == ("sel_img", "Image", False, 2, False)


def test_of_values_that_are_all_wanted_those_that_fail_are_the_cause(rule_from: RuleFrom) -> None:
    """One of two is there."""
    found = explained(rule_from(DETECTION), {"Image": "C:\\a.exe", "CommandLine": "q -x"})
    (cause,) = causes(found.verdict)
    assert [str(test.atom) for test in cause.tests] == ["* -y*"]
    assert cause.all_of


def test_a_filter_that_holds_is_the_cause(rule_from: RuleFrom) -> None:
    """It is what suppresses."""
    fields = {"Image": "C:\\a.exe", "CommandLine": "q -x -y", "User": "system"}
    found = explained(rule_from(DETECTION), fields)
    (cause,) = causes(found.verdict)
    assert (cause.selection, cause.holds, cause.negated, found.fired) == ("filter", True, True, False)


def test_what_fired_says_by_what(rule_from: RuleFrom) -> None:
    """Each selection by the values that held, and the filter by its failing."""
    found = explained(rule_from(DETECTION), {"Image": "C:\\a.exe", "CommandLine": "q -x -y"})
    assert found.fired
    assert [(cause.selection, len(cause.tests), cause.holds) for cause in causes(found.verdict)] == [
        ("sel_img", 1, True),
        ("sel_cli", 2, True),
        ("filter", 1, False),
    ]


@pytest.mark.parametrize(
    ("logsource", "missing"),
    [
        (LogSource("linux", None, "sudo"), ("service",)),
        (LogSource("windows", None, "sshd"), ("product",)),
        (LogSource(), ("product", "service")),
    ],
)
def test_a_logsource_that_is_not_the_rules_is_named(
    rule_from: RuleFrom, logsource: LogSource, missing: tuple[str, ...]
) -> None:
    """The rule does not fire, though its condition holds."""
    found = explained(rule_from(DETECTION), {"Image": "C:\\a.exe", "CommandLine": "q -x -y"}, logsource)
    assert (found.covered, found.fired, found.verdict.holds) == (False, False, True)
    assert found.uncovered == missing


def test_what_is_seen_tells_missing_null_and_empty_apart() -> None:
    """And finds the name that differs in case only."""
    fields = {"Null": None, "Empty": "", "commandLine": "x", "List": ["a", 1, None]}
    assert seen("Null", fields).absence is Absence.NULL
    assert seen("Empty", fields).texts == ("",)
    assert seen("List", fields).texts == ("a", "1")
    assert seen("CommandLine", fields) == ("CommandLine", (), Absence.MISSING, "commandLine")
    assert seen("Other", fields).lookalike is None


def test_what_an_events_kind_cannot_tell_is_a_cause(rule_from: RuleFrom) -> None:
    """A selection without a test left in it counts against the rule."""
    verdict = explain(All((Named("sel", Alternatives(())), Test("a", Exists(wanted=True)))), {"a": 1})
    (cause,) = causes(verdict)
    assert (cause.selection, cause.tests, cause.holds) == ("sel", (), False)


def test_names_that_an_event_has_for_the_rules_fields_are_told(rule_from: RuleFrom) -> None:
    """Security 4688 for a rule of process creations."""
    (rule,) = rule_from("sel: {Image: x}\ncondition: sel").rules
    rule = replace(rule, logsource=LogSource("windows", "process_creation"))
    found = explanation(rule, LogSource("windows", "process_creation", "security"), {"NewProcessName": "x"})
    assert found.fired
    assert found.names["NewProcessName"] == "Image"


def test_a_keyword_is_found_in_a_field(rule_from: RuleFrom) -> None:
    """In any value, numbers too; nowhere is no field."""
    (rule,) = rule_from("sel: ['needle', '4711']\ncondition: sel").rules
    first, second = (each.node for each in explain(rule.condition, {}).tests)
    assert isinstance(first, Test)
    assert isinstance(second, Test)
    assert field_with(first, {"A": "x", "B": ["y", "a NEEDLE"]}) == "B"
    assert field_with(second, {"A": 14711}) == "A"
    assert field_with(first, {"needle": "x"}) is None
