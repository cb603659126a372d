"""Needles in a value, by either of the two automata."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.engine import needles as module
from correlator.engine.needles import LONG, Needles
from tests.correlator.strategies import long_text, piece, text

needles = st.lists(st.one_of(piece, text), min_size=1, max_size=30, unique=True).map(
    lambda drawn: {needle: 7 - 3 * number for number, needle in enumerate(filter(None, drawn))} or {"a": 0}
)


@given(needles, st.one_of(text, long_text))
def test_found_is_what_stands_in_the_text(wanted: dict[str, int], value: str) -> None:
    """Numbers may be negative; needles overlap and hold each other."""
    assert Needles(wanted).found(value) == {number for needle, number in wanted.items() if needle in value}


@given(needles, text)
def test_both_ways_find_the_same(wanted: dict[str, int], value: str) -> None:
    """On a text of any length."""
    padding = "\n" * (LONG + 1)
    ours = {needle: number for needle, number in wanted.items() if "\n" not in needle} or {"a": 0}
    built = Needles(ours)
    assert built.found(value + padding) == built.found(value)


@given(needles, long_text)
def test_without_hyperscan(wanted: dict[str, int], value: str) -> None:
    """The automaton alone is enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AVAILABLE", False)
        assert Needles(wanted).found(value) == {number for needle, number in wanted.items() if needle in value}


def test_surrogates_do_no_harm() -> None:
    """JSON cannot hold them alone, but a value that was not JSON may."""
    assert Needles({"a\ud800": 1, "a": 2}).found("x" * LONG + "a\ud800") == {1, 2}
