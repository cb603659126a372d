"""The condition language, against its truth table."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.compiler.condition import ConditionError, parse
from correlator.syntax import All, Any, Exists, Named, Node, Not, Test

NAMES = ("a", "b", "sel_1", "sel_2", "notepad", "_hidden")
SELECTIONS: dict[str, Node] = {name: Test(name, Exists(wanted=True)) for name in NAMES}


def holds(node: Node, true: frozenset[str]) -> bool:
    """Evaluate a tree whose selections are true or false."""
    match node:
        case Named(name, _):
            return name in true
        case Not(inner):
            return not holds(inner, true)
        case All(nodes):
            return all(holds(each, true) for each in nodes)
        case Any(nodes):
            return any(holds(each, true) for each in nodes)
    raise AssertionError(node)


@pytest.mark.parametrize(
    ("condition", "python"),
    [
        ("a", "a"),
        ("a and b", "a and b"),
        ("a or b", "a or b"),
        ("not a", "not a"),
        ("not not a", "a"),
        ("a or b and sel_1", "a or (b and sel_1)"),
        ("a and b or sel_1", "(a and b) or sel_1"),
        ("not a and b", "(not a) and b"),
        ("not (a and b)", "not (a and b)"),
        ("a and not b or not sel_1", "(a and not b) or not sel_1"),
        ("((a) and (b or (sel_1)))", "a and (b or sel_1)"),
        ("a and(b)or(sel_1)", "(a and b) or sel_1"),
        ("1 of sel_*", "sel_1 or sel_2"),
        ("any of sel_*", "sel_1 or sel_2"),
        ("all of sel_*", "sel_1 and sel_2"),
        ("not 1 of sel_*", "not (sel_1 or sel_2)"),
        ("a and not all of sel_*", "a and not (sel_1 and sel_2)"),
        ("1 of *_1", "sel_1"),
        ("1 of s*_*2", "sel_2"),
        ("1 of them", "a or b or sel_1 or sel_2 or notepad"),
        ("all of them", "a and b and sel_1 and sel_2 and notepad"),
        ("1 of _hid*", "_hidden"),
        ("_hidden", "_hidden"),
        ("notepad", "notepad"),
        ("not notepad and a", "(not notepad) and a"),
        ("a AND NOT b", "a and not b"),
        ("a\n  and\tb", "a and b"),
    ],
)
def test_a_condition_means_what_the_specification_says(condition: str, python: str) -> None:
    """Precedence, quantifiers and patterns, on every combination of true selections."""
    node = parse(condition, SELECTIONS)
    for values in product((False, True), repeat=len(NAMES)):
        truth = dict(zip(NAMES, values, strict=True))
        expected = eval(python, {}, truth)
        assert holds(node, frozenset(name for name in NAMES if truth[name])) is expected


@given(st.lists(st.sampled_from([*NAMES, "and", "or", "not", "(", ")", "1", "all", "of", "them", "sel_*", "x", "|"])))
def test_any_words_give_a_tree_or_an_error(words: list[str]) -> None:
    """Nothing else is raised, and a tree can be evaluated."""
    try:
        node = parse(" ".join(words), SELECTIONS)
    except ConditionError:
        return
    assert holds(node, frozenset()) in {True, False}


@pytest.mark.parametrize(
    ("condition", "why"),
    [
        ("", "missing"),
        ("a and", "missing"),
        ("or a", "missing"),
        ("a b", "not expected"),
        ("(a", "parenthesis"),
        ("a)", "not expected"),
        ("nosuch", "no selection 'nosuch'"),
        ("1 of nosuch*", "names no selection"),
        ("all of nosuch*", "names no selection"),
        ("1 of", "names no selection"),
        ("2 of them", "only '1 of'"),
        ("a | count() > 5", "not expected"),
        ("| count() > 5", "missing|deprecated"),
        ("a!", "no selection's name"),
        ("not " * 100 + "a", "nested deeper"),
        ("(" * 5000 + "a" + ")" * 5000, "nested deeper"),
    ],
)
def test_a_wrong_condition_is_refused_with_the_reason(condition: str, why: str) -> None:
    """Nothing is guessed: `1 of` that names nothing is an error, too."""
    with pytest.raises(ConditionError, match=why):
        parse(condition, SELECTIONS)
