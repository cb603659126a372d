"""Atoms in words."""

import re

import pytest

from correlator.syntax import (
    Anchor,
    Atom,
    Cidr,
    Compare,
    Exists,
    FieldRef,
    Glob,
    Null,
    Regex,
    Relation,
    TimePart,
    TimeUnit,
    Wildcard,
)
from correlator.tools.wording import wording

STAR = Wildcard.ANY


@pytest.mark.parametrize(
    ("atom", "said"),
    [
        (Glob(("x",)), 'is "x"'),
        (Glob(("x", STAR)), 'starts with "x"'),
        (Glob((STAR, "x")), 'ends with "x"'),
        (Glob((STAR, "x*", STAR)), 'contains "x*"'),
        (Glob(("x*", STAR, "y")), 'is like "x\\**y"'),
        (Glob((STAR, "x", STAR), cased=True), 'contains, in this case, "x"'),
        (Glob(()), "is empty "),
        (Glob((STAR, STAR)), "has a value "),
        (Regex("a.b", re.IGNORECASE | re.DOTALL), "matches /a.b/is"),
        (Cidr("10.0.0.0/8"), "is in 10.0.0.0/8"),
        (Compare(Relation.GTE, 5), "is >= 5"),
        (TimePart(TimeUnit.HOUR, Relation.LT, 6), "has a hour < 6"),
        (FieldRef("Other", Anchor.ENDS), "ends with the field Other"),
        (Exists(wanted=True), "is present "),
        (Exists(wanted=False), "is absent "),
        (Null(), "is null"),
    ],
)
def test_each_atom_says_what_it_asks(atom: Atom, said: str) -> None:
    """As a person would, and not the same where it fails."""
    words = wording(atom)
    assert f"{words.does} {words.wanted}" == said
    assert words.does != words.does_not
