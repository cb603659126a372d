"""Hypothesis strategies: conditions of every kind, and events that nearly, or just, satisfy them.

The alphabet is small, so that what a rule names is often there, and nasty: characters that fold oddly, wildcards,
the engine's own edge mark, separators that only `re` takes for space.
"""

import re
from typing import Any, Final

from hypothesis import strategies as st

from correlator.source import Rule
from correlator.syntax import (
    All,
    Anchor,
    Atom,
    Cidr,
    Compare,
    Exists,
    FieldRef,
    Glob,
    Named,
    Node,
    Not,
    Null,
    Regex,
    Relation,
    Test,
    TimePart,
    TimeUnit,
    Wildcard,
)
from correlator.syntax import Any as Either
from soc.alerts import Level, RuleRef
from soc.events import LogSource

LOGSOURCE: Final = LogSource("linux", None, "sshd")
FIELDS: Final = ("F", "G", "H", "EventID")

LETTERS: Final = "abAksi01"
ODD: Final = "ßİ\u0131\u017f\N{KELVIN SIGN}σςΣđĐé\\*?\n\0\x0b\x1c\x1d\x1e\x1f\r\"' .-/{😀🎉"
WORDS: Final = ("evil", "EvilKs", "4688", "true", "null", "1.5", "1e15", "192.168.1.7", "::1", "2024-05-01T10:11:12Z")

piece = st.one_of(st.sampled_from(LETTERS), st.sampled_from(LETTERS), st.sampled_from(ODD), st.sampled_from(WORDS))
text = st.lists(piece, max_size=4).map("".join)

# Conditions -----------------------------------------------------------------------------------------------------------

part = st.one_of(text, piece, st.just(Wildcard.ANY), st.just(Wildcard.ANY), st.just(Wildcard.ONE))
contains = piece.map(lambda needle: (Wildcard.ANY, needle, Wildcard.ANY))
globs = st.builds(
    Glob, st.one_of(contains, text.map(lambda exact: (exact,)), st.lists(part, max_size=6).map(tuple)), st.booleans()
)

_ONE: Final = st.sampled_from((
    *"abks1", "é", "\u017f", "\N{KELVIN SIGN}", "\u0131", "\0", "\n",
    ".", r"\d", r"\w", r"\s", r"\S", r"\W", r"\x41", r"\u0061", r"\v", r"\t", r"\N{LATIN SMALL LETTER B}",
    "[ab]", "[^a]", "[^é]", "[a-é]", r"[^\v]", r"[\s\d]", "(a|bk)", "(?:é|)", "(?i:k)", "(?m:^)", "{", "evil",
))  # fmt: skip
_BOUND: Final = st.sampled_from(("", "", "", "?", "{,2}", "{2}", "{1,3}", "??", "?+", "{0}", "{,1}"))
_ZERO: Final = st.sampled_from(("", "", "^", "$", r"\b", r"\B", r"\A", r"\Z", "(?=a)", "(?!b)", "(?<=a)", "(?<!k)"))
_MANY: Final = st.sampled_from(("", ".*", "a+", r"\s*", r"\w+?", "b++", "(?>a+)", r"(a)\1", "(?P<n>k)(?P=n)"))
_INLINE: Final = st.sampled_from(("", "", "", "", "(?i)", "(?m)", "(?s)", "(?im)", "(?a)"))


def _compiles(atom: Regex) -> bool:
    try:
        re.compile(atom.pattern, atom.flags)
    except re.error:
        return False
    return True


def _alternatives(inline: str, branches: list[tuple[str, ...]]) -> str:
    return inline + "|".join("".join(branch) for branch in branches)


_branch = st.tuples(_ZERO, _ONE, _BOUND, _MANY, _ZERO, _ONE, _BOUND, _ZERO)  # one endless quantifier: quadratic at most
_short = st.tuples(_ZERO, _ONE, _BOUND, _ZERO)
patterns = st.builds(_alternatives, _INLINE, st.lists(st.one_of(_short, _short, _branch), min_size=1, max_size=2))
flags = st.lists(st.sampled_from((re.IGNORECASE, re.MULTILINE, re.DOTALL)), max_size=2, unique=True)
regexes = st.builds(Regex, patterns, flags.map(lambda chosen: int(sum(chosen)))).filter(_compiles)

numbers = st.sampled_from((0, 1, 2, 1.5, 10, 4688, 10**15, 2024))
others = st.one_of(
    st.sampled_from(("192.168.0.0/16", "0.0.0.0/0", "::/0", "::1/128", "10.0.0.0/8")).map(Cidr),
    st.builds(Compare, st.sampled_from(Relation), numbers),
    st.builds(TimePart, st.sampled_from(TimeUnit), st.sampled_from(Relation), st.sampled_from((1, 5, 10, 18, 2024))),
)
bound = st.one_of(
    st.builds(FieldRef, st.sampled_from(FIELDS), st.sampled_from(Anchor), st.booleans()),
    st.builds(Exists, st.booleans()),
    st.just(Null()),
)
keywords: st.SearchStrategy[Atom] = st.one_of(
    contains.map(Glob), st.lists(part, min_size=1, max_size=4).map(lambda p: Glob((Wildcard.ANY, *p, Wildcard.ANY))),
    globs, regexes, others,
)  # fmt: skip
EVENT_IDS: Final = ("1", "4688", "1000000000000000", "true", "x1", "")
event_id = st.one_of(
    st.sampled_from(EVENT_IDS).map(lambda value: Glob((value,))),
    st.sampled_from(((Wildcard.ANY,), ("46", "88"), ("46", Wildcard.ANY), ("", "1"))).map(Glob),
    bound,
    others,
)
leaves = st.one_of(
    st.builds(Test, st.sampled_from(FIELDS[:3]), st.one_of(globs, globs, regexes, others, bound)),
    st.builds(Test, st.sampled_from(FIELDS[:3]), globs),
    st.builds(Test, st.just("EventID"), event_id),
    st.builds(Test, st.none(), keywords),
)


def _over(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(inner, max_size=3).map(tuple)
    return st.one_of(
        st.builds(All, several), st.builds(Either, several), st.builds(Not, inner), st.builds(Named, text, inner)
    )


def _deeper(inner: st.SearchStrategy[Node], depth: int) -> st.SearchStrategy[Node]:
    return inner if depth == 0 else _deeper(st.one_of(leaves, _over(inner)), depth - 1)


conditions: st.SearchStrategy[Node] = _deeper(leaves, 4)
"""Conditions nested up to four deep."""


def rule_of(condition: Node, number: int = 1, logsource: LogSource = LOGSOURCE) -> Rule:
    """Return a rule that sees events of the logsource, and whose id is its number."""
    return Rule(RuleRef(str(number), f"Rule {number}", Level.HIGH, (), "", ()), logsource, (), "file", 1, condition)


rules = st.lists(conditions, min_size=1, max_size=12).map(
    lambda nodes: [rule_of(node, number) for number, node in enumerate(nodes)]
)

# Events ---------------------------------------------------------------------------------------------------------------

LONG: Final = (390, 401, 2047, 2049, 3000)
"""Around the lengths from which hyperscan searches and from which nothing is remembered."""


def _long(unit: str, end: str, size: int) -> str:
    return (unit * (1 + size // max(1, len(unit))))[: size - len(end)] + end


long_text = st.builds(_long, text, text, st.sampled_from(LONG))
scalars = st.one_of(
    text, text, text, st.none(), st.booleans(),
    st.sampled_from((0, 1, -1, 7, 4688, 10**15, 2**63, 2**64 - 1)),
    st.sampled_from((0.0, -0.0, 1.0, 1.5, 4688.0, 1e15, 2.0**63, 1e300, -1.5e-7)),
)  # fmt: skip
nested = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=2),
                      max_leaves=4)  # fmt: skip
values: st.SearchStrategy[Any] = st.one_of(scalars, scalars, scalars, scalars, nested, long_text)
event_ids: st.SearchStrategy[Any] = st.one_of(
    st.sampled_from((1, 4688, 4711, "1", "4688", "x1", "", 10**15, 1e15, 1.0, 4688.0, True, False, None)), values
)
events: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {}, optional={"F": values, "G": values, "H": values, "EventID": event_ids, "other": values, "\u0131": scalars}
)
