"""Sorting patterns: one form for those that find the same, and each decided as the plain check would."""

from hypothesis import given
from hypothesis import strategies as st

from correlator.engine.column import Column
from correlator.engine.memory import Memory
from correlator.engine.patterns import canonical, sort
from correlator.engine.plain import predicate
from correlator.engine.record import Record
from correlator.engine.text import fold
from correlator.syntax import Glob, Test, Wildcard
from tests.correlator.engine.agreement import NO_MASKS
from tests.correlator.strategies import globs, long_text, text

ANY, ONE = Wildcard.ANY, Wildcard.ONE
texts = st.one_of(text, text, long_text)


def holds(pattern: Glob, value: str) -> bool:
    """Tell what the plain evaluator says."""
    return predicate(Test("F", pattern)).holds(Record({"F": value}))


@given(globs, texts)
def test_the_canonical_form_finds_the_same(pattern: Glob, value: str) -> None:
    """Whatever was joined, dropped or folded."""
    assert holds(canonical(pattern), value) == holds(pattern, value)


@given(globs)
def test_the_canonical_form_is_canonical(pattern: Glob) -> None:
    """Once more changes nothing."""
    assert canonical(canonical(pattern)) == canonical(pattern)


def test_patterns_that_find_the_same_have_one_form() -> None:
    """Case, split texts, empty parts, several stars."""
    assert canonical(Glob(("A", "", "b", ANY, ANY))) == canonical(Glob(("aB", ANY)))
    assert canonical(Glob(("A",), cased=True)) != canonical(Glob(("A",)))
    assert canonical(Glob((ANY, ONE))) != canonical(Glob((ONE,)))


@given(st.lists(globs, max_size=20), st.lists(texts, max_size=3))
def test_a_column_decides_each_pattern_as_the_plain_evaluator(patterns: list[Glob], values: list[str]) -> None:
    """Patterns that share needles, texts that are needles of others, the edge mark in both."""
    numbers = {pattern: number for number, pattern in enumerate({canonical(each): None for each in patterns})}
    memory = Memory()
    column = Column(dict(numbers.items()), NO_MASKS, memory)
    for value in [*values, *("".join(p for p in each.parts if isinstance(p, str)) for each in patterns)]:
        expected = {number for pattern, number in numbers.items() if holds(pattern, value)}
        found = column[value].atoms
        memory.timer.disarm()
        assert found == expected, value
        assert column[value].atoms == expected, ("again", value)
        memory.timer.disarm()


@given(st.lists(globs, max_size=20))
def test_each_pattern_is_in_one_place_and_its_needle_is_its_own(patterns: list[Glob]) -> None:
    """Numbers of needles that are no atoms are negative and differ."""
    numbers = {pattern: number for number, pattern in enumerate({canonical(each): None for each in patterns})}
    sorted_ = sort(numbers)
    looks = [look.number for each in sorted_.looks.values() for look in each]
    atoms = [number for number in sorted_.needles.values() if number >= 0]
    places = [*sorted_.exact.values(), *atoms, *looks, *(look.number for look in sorted_.always)]
    assert sorted(places) == sorted(numbers.values())
    assert len(set(sorted_.needles.values())) == len(sorted_.needles)
    assert all(needle and needle == fold(needle) for needle in sorted_.needles)
