"""What a condition's form decides: never more than is so."""

from collections.abc import Callable
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.engine.patterns import canonical
from correlator.engine.plain import predicate
from correlator.engine.record import Record
from correlator.engine.text import glob
from correlator.syntax import All, Any, Exists, Glob, Node, Not, Null, Test, Wildcard
from correlator.tools.logic import decided, implies
from tests.correlator.conftest import RuleFrom

STAR = Wildcard.ANY
GLOBS = (Glob(("a",)), Glob((STAR, "a")), Glob(("A", STAR)), Glob((STAR, "ab", STAR)), Glob((STAR,)), Glob(()))
VALUES = (..., None, "", "a", "ab", "xab", "b", ["a", "ab"])

atoms = st.one_of(st.sampled_from(GLOBS), st.builds(Exists, st.booleans()), st.builds(Null))
tests = st.builds(Test, st.sampled_from("fg"), atoms)
trees = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(All, st.lists(inner, min_size=2, max_size=3).map(tuple)),
        st.builds(Any, st.lists(inner, min_size=2, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(trees)
def test_what_is_decided_is_so_of_every_event(tree: Node) -> None:
    """Tried on every event of two fields."""
    outcome = decided(tree)
    if outcome is None:
        return
    for f, g in product(VALUES, VALUES):
        fields = {name: value for name, value in (("f", f), ("g", g)) if value is not ...}
        assert predicate(tree).holds(Record(fields)) is outcome, fields


parts = st.lists(st.sampled_from(["a", "b", "ab", STAR, Wildcard.ONE]), max_size=4).map(tuple)


@given(parts, parts, st.text(alphabet="ab", max_size=6))
def test_a_pattern_that_implies_another_matches_no_more(stronger: tuple[str], weaker: tuple[str], text: str) -> None:
    """Whatever the text."""
    first, second = canonical(Glob(stronger)), canonical(Glob(weaker))
    if implies(first, second) and glob(first.parts)(text):
        assert glob(second.parts)(text)


@pytest.mark.parametrize(
    ("detection", "outcome"),
    [
        ("sel: {A: x}\ncondition: sel and not sel", False),
        ("sel: {A: x}\ncondition: sel or not sel", True),
        ("sel: {A: x, B: y}\nfilter: {A: X}\ncondition: sel and not filter", False),
        ("sel: {A|endswith: ['/x.exe', '/y.exe']}\nfilter: {A|endswith: .exe}\ncondition: sel and not filter", False),
        ("sel: {A|exists: false, A|contains: x}\ncondition: sel", False),
        ("sel: {A: null}\nother: {A|startswith: x}\ncondition: sel and other", False),
        ("sel: {A: [x, y]}\nfilter: {A: x}\ncondition: sel and not filter", None),
        ("sel: {A: x}\nother: {A: y}\ncondition: sel and other", None),
        ("sel: {A|exists: false}\ncondition: sel", None),
        ("sel: {A|cased: x}\nfilter: {A|cased: X}\ncondition: sel and not filter", None),
    ],
)
def test_contradictions_of_rules_are_seen(rule_from: RuleFrom, detection: str, outcome: bool | None) -> None:
    """A list in an event may have both of two values; nothing has and has not one."""
    assert decided(rule_from(detection).rules[0].condition) is outcome


def test_a_rule_of_thousands_of_values_takes_no_time(rule_from: Callable[..., object]) -> None:
    """Values are compared with few others."""
    many = Any(tuple(Test("Hashes", Glob((STAR, f"{number:032x}", STAR))) for number in range(5000)))
    assert decided(All((many, Not(Test("Image", Glob(("x",))))))) is None
