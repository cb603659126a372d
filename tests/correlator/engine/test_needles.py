"""Needles in a value, by either of the two automata."""

from hypothesis import given
from hypothesis import strategies as st

from correlator.engine.guard import Guarded
from correlator.engine.needles import Needles
from correlator.engine.text import fold
from tests.correlator.strategies import long_text, piece, text

needles = st.lists(st.one_of(piece, text), min_size=1, max_size=30).map(
    lambda drawn: (
        {needle: 7 - 3 * n for n, needle in enumerate(dict.fromkeys(map(fold, filter(None, drawn))))} or {"a": 0}
    )
)


@given(needles, st.one_of(text, long_text))
def test_found_is_what_stands_in_the_text(wanted: dict[str, int], value: str) -> None:
    """Numbers may be negative; needles overlap and hold each other."""
    folded = fold(value)
    standing = {number for needle, number in wanted.items() if needle in folded}
    assert Needles(wanted).found(folded) == standing
    assert Needles(wanted).scanned(folded) == standing


@given(needles, st.one_of(text, long_text))
def test_a_scan_ignores_the_case_of_ascii(wanted: dict[str, int], value: str) -> None:
    """So such a text need not be folded first."""
    plain = value.encode("ascii", "replace").decode()
    built = Needles(wanted)
    assert built.scanned(plain) == built.found(fold(plain))


@given(needles, text, st.data())
def test_guarded_needles_are_found_where_a_guard_is(wanted: dict[str, int], value: str, data: st.DataObject) -> None:
    """Without one they may be left out, but for a text that is not the whole value."""
    numbers = st.frozensets(st.sampled_from(sorted(wanted.values())))
    guarded = Guarded(data.draw(numbers), data.draw(numbers))
    built, folded = Needles(wanted, None, guarded), fold(value)
    every = built.found(folded)
    guards = every & (guarded.by - guarded.atoms)
    assert built.scanned(folded) == (every if guards else every - guarded.atoms)
    assert built.scanned(folded, alone=False) == every


def test_surrogates_do_no_harm() -> None:
    """JSON cannot hold them alone, but a value that was not JSON may."""
    built = Needles({"a\ud800": 1, "a": 2})
    assert built.found("xa\ud800") == {1, 2}
    assert built.scanned("xa\ud800") == {1, 2}
