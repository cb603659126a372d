"""Regular expressions: hyperscan only says which to try, so it must never miss what `re` finds."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from correlator.engine import expressions as module
from correlator.engine.expressions import Expressions
from correlator.syntax import Regex
from tests.correlator.strategies import long_text, regexes, text

ascii_text = st.text(st.sampled_from("abks1 \n\r\t\v\f\0\x1c\x1f\x7fAKS{}"), max_size=8)
texts = st.one_of(ascii_text, ascii_text, text, long_text)


def found(atoms: list[Regex], value: str) -> set[int]:
    """Return the places of the expressions that are found."""
    built = Expressions({atom: number for number, atom in enumerate(atoms)})
    return {number for number, search in built.candidates(value, range(len(atoms))) if search(value)}


def by_re(atoms: list[Regex], value: str) -> set[int]:
    """Return what `re` says, one by one."""
    return {number for number, atom in enumerate(atoms) if re.search(atom.pattern, value, atom.flags)}


@given(st.lists(regexes, min_size=1, max_size=8, unique=True), st.lists(texts, min_size=1, max_size=6))
def test_what_re_finds_is_found(atoms: list[Regex], values: list[str]) -> None:
    """Anchors, classes, flags, lookarounds, bounds: with those beside it that hyperscan refuses."""
    for value in values:
        assert found(atoms, value) == by_re(atoms, value)


DIFFERENT = [
    ("a quantifier on a character of two bytes", "é?x", 0, "x"),
    ("a star on a character of two bytes", "é*x", 0, "x"),
    ("the long s", "\u017f", re.IGNORECASE, "s"),
    ("the Kelvin sign", "\N{KELVIN SIGN}", re.IGNORECASE, "k"),
    ("the i without a dot", "\u0131", re.IGNORECASE, "i"),
    ("the I with a dot", "İ", re.IGNORECASE, "i"),
    ("a range of letters beyond ASCII", "[\u017f-ƀ]", re.IGNORECASE, "s"),
    ("no lower bound", "^a{,3}$", 0, "aa"),
    ("no bound", "^a{,}b", 0, "aab"),
    ("a vertical tab in a class", r"a[^\v]b", 0, "a\nb"),
    ("a NUL in the pattern", "a\0b|c", 0, "c"),
    ("a line that begins after the last newline", "^$", re.MULTILINE, "a\n"),
    ("the same, inline", "(?m)^$", 0, "a\n"),
    ("the same, in a group", "(?m:^$)", 0, "a\n"),
    ("the same, among other flags", "(?si-m:a)|(?im:^$)", 0, "b\n"),
    ("a POSIX class", "[[:alpha:]]", 0, ":]"),
    ("blanks in a pattern", "a b", re.VERBOSE, "ab"),
    ("blanks, inline", "(?x)a b # c", 0, "ab"),
    ("a character by its name", r"\N{LATIN SMALL LETTER A}", 0, "a"),
    ("a character by its number", r"\u0061", 0, "a"),
    ("separators as space", r"^\s$", 0, "\x1c"),
    ("separators as no space", r"^\S$", 0, "a"),
    ("a vertical tab as space", r"\s", 0, "\v"),
    ("the end before a last newline", "a$", 0, "a\n"),
    ("only the end", r"a\Z", 0, "a\n"),
    ("nothing", "", 0, ""),
    ("a word's edge", r"\bk\b", 0, "a k"),
    ("possessive", "a++b", 0, "aab"),
    ("atomic", "(?>a|ab)c", 0, "ac"),
    ("conditional", "(a)?(?(1)b|c)", 0, "c"),
    ("a dot and a carriage return", "a.b", 0, "a\rb"),
    ("a group without case", "(?i:a)b", 0, "Ab"),
    ("a group with case", "(?-i:a)b", re.IGNORECASE, "aB"),
    ("ASCII's own flag", "(?a)a", 0, "a"),
    ("never", "a^b", 0, "ab"),
    ("no repetition", "a{0}b", 0, "b"),
    ("a DEL", "\x7f", 0, "\x7f"),
    ("a brace", "a{x}", 0, "a{x}"),
    ("an octal", r"\101", 0, "A"),
]


@pytest.mark.parametrize("others", [[], ["zz(?=z)"], ["a|b", "[^a]"]], ids=["alone", "beside a refused one", "beside"])
@pytest.mark.parametrize(("pattern", "flags", "value"), [c[1:] for c in DIFFERENT], ids=[c[0] for c in DIFFERENT])
@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
def test_what_hyperscan_reads_differently(pattern: str, flags: int, value: str, others: list[str]) -> None:
    """Each is where the two differ, or are said to."""
    atoms = [Regex(pattern, flags), *map(Regex, others)]
    assert found(atoms, value) == by_re(atoms, value)


@given(regexes, texts)
@example(Regex("a"), "a")
def test_without_hyperscan(atom: Regex, value: str) -> None:
    """`re` alone is enough."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "AVAILABLE", False)
        assert found([atom], value) == by_re([atom], value)


def test_expressions_that_are_too_much_together_are_searched_by_re() -> None:
    """Whatever hyperscan says to the whole set, none is lost."""
    atoms = [Regex(f"x{number}.{{1000}}y{number}.{{1000}}(a|b){{1000}}c") for number in range(20)]
    value = "x7" + "." * 1000 + "y7" + "." * 1000 + "ab" * 500 + "c"
    assert found([*atoms, Regex("a(?=b)")], value) == {7, 20}
