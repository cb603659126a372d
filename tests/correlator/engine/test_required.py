"""What an expression cannot be found without."""

import re

import pytest
from hypothesis import example, given

from correlator.engine.required import DOTLESS, required
from correlator.engine.text import fold
from correlator.syntax import Regex
from tests.correlator.engine.test_expressions import texts
from tests.correlator.strategies import regexes


@given(regexes, texts)
@example(Regex("(?i)k", 0), "\N{KELVIN SIGN}")
@example(Regex("s", re.IGNORECASE), "\u017f")
@example(Regex("i", re.IGNORECASE), "\u0131")
@example(Regex("a(?:b|c)d", 0), "acd")
@example(Regex("(?x) a # b\n c", 0), "ac")
@example(Regex("(a|b)(?(1)c|d)", 0), "bc")
@example(Regex("É", 0), "É")
def test_no_text_without_it_holds_the_expression(atom: Regex, value: str) -> None:
    """Whatever its flags; but for the letters that `re` alone takes for an i."""
    if re.search(atom.pattern, value, atom.flags) and not any(letter in value for letter in DOTLESS):
        assert all(each in fold(value) for each in required(atom.pattern, atom.flags))


@pytest.mark.parametrize(
    ("pattern", "flags", "expected"),
    [
        ("evil", 0, "evil"),
        ("EVIL", 0, "evil"),
        ("a+evil[0-9]", 0, "evil"),
        ("(evil)(one)", 0, "evilone"),
        (r"\bevil\b", 0, "evil"),
        ("evil|good", 0, ""),
        ("x(evil|good)yy", 0, "yy"),
        ("(?:evil)?ab", 0, "ab"),
        ("(?:evil){2}ab", 0, "evil"),
        (r"\w+`(?:\w+|-|.)`[\w+|\s]", 0, "`"),
        ("é", re.IGNORECASE, ""),
        (r"\x41\u0062", 0, "ab"),
    ],
)
def test_the_longest_is_taken(pattern: str, flags: int, expected: str) -> None:
    """Of what stands together in every text."""
    assert "".join(required(pattern, flags)[:1]) == expected
