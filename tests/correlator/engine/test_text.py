"""Folding and wildcards, against an oracle that is too slow to be wrong."""

import time

from hypothesis import given
from hypothesis import strategies as st

from correlator.engine.text import fold, glob
from correlator.syntax import Part, Wildcard

LETTERS = "aAbBßéÉ\n*?.\\"
TEXTS = st.text(LETTERS, max_size=12)
PART: st.SearchStrategy[Part] = st.sampled_from([Wildcard.ANY, Wildcard.ONE]) | st.text(LETTERS, max_size=3)
PARTS = st.lists(PART, max_size=6)


def oracle(parts: list[Part], text: str) -> bool:
    """Match by trying every way, character by character."""
    if not parts:
        return not text
    first, rest = parts[0], parts[1:]
    if first is Wildcard.ANY:
        return any(oracle(rest, text[at:]) for at in range(len(text) + 1))
    if first is Wildcard.ONE:
        return bool(text) and oracle(rest, text[1:])
    return text.startswith(str(first)) and oracle(rest, text[len(str(first)) :])


@given(PARTS, TEXTS)
def test_a_pattern_matches_as_the_oracle_says(parts: list[Part], text: str) -> None:
    """Any pattern, any text."""
    assert glob(parts)(text) is oracle(parts, text)


@given(TEXTS, st.data())
def test_a_pattern_made_from_a_text_matches_it(text: str, data: st.DataObject) -> None:
    """Characters become `?` and stretches become `*`: the text still matches."""
    choices: list[list[Part]] = [[char, Wildcard.ONE, Wildcard.ANY] for char in text]
    parts = [data.draw(st.sampled_from(choice)) for choice in choices]
    assert glob(parts)(text)


@given(st.text())
def test_folding_keeps_the_length_and_is_idempotent(text: str) -> None:
    """One character in, one out, for all of Unicode."""
    assert len(fold(text)) == len(text)
    assert fold(fold(text)) == fold(text)


@given(st.text(), st.text())
def test_folding_is_character_by_character(one: str, other: str) -> None:
    """So a folded needle is found exactly where it stands."""
    assert fold(one + other) == fold(one) + fold(other)


def test_many_wildcards_do_not_backtrack() -> None:
    """A hostile value costs time in proportion to its length, not to a power of it."""
    parts: list[Part] = []
    for _ in range(20):
        parts += [Wildcard.ANY, "a", Wildcard.ONE, "a"]
    check = glob([*parts, Wildcard.ANY, "b"])
    began = time.process_time()
    assert not check("a" * 60_000)
    assert time.process_time() - began < 5
