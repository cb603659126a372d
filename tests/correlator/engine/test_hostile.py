"""Hostile input: each event costs a bounded time and memory, and is evaluated, told as failed, or a dead letter."""

import contextlib
import os
import sys
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson
import pytest

from correlator import rules as rule_sets
from correlator.engine.memory import Memory
from correlator.flood import FloodGate
from correlator.limit import Overtime
from correlator.matching import MAX_VALUES, Matcher
from correlator.rules import MAX_LOGSOURCES, RuleSet
from correlator.source import Rule
from correlator.syntax import All, Anchor, FieldRef, Glob, Named, Node, Not, Regex, Test, Wildcard
from correlator.syntax import Any as Either
from soc.alerts import Match
from soc.bus.base import EVENTS, Record
from soc.errors import DeadLetter
from soc.events import LogSource, to_wire
from soc.testing import NOW, make_event
from tests.correlator.strategies import LOGSOURCE, rule_of

ANY, ONE = Wildcard.ANY, Wildcard.ONE
MIB: Final = 1 << 20
WORDS: Final = tuple(f"needle{number}x" for number in range(2000))

NUMBER: Final = 300_000 if os.environ.get("HYPOTHESIS_PROFILE") == "fuzz" else 20_000
"""Distinct values of the flood that takes longest."""

Told = list[tuple[str, Exception]]


def contains(field: str | None, text: str) -> Test:
    """Return the test that a text stands in a field."""
    return Test(field, Glob((ANY, text, ANY)))


MANY: Final[list[Node]] = [
    *(Named("sel", contains("F", word)) for word in WORDS),
    Either(
        (Test("F", Glob((ANY, "a", ONE, "b", ANY, "c", ANY, "d?", ANY, "e", ANY, "end"))), Test("G", Regex("x+y$")))
    ),
    All((contains(None, "keyword"), Not(contains("F", "needle7x")))),
    Test("EventID", Glob(("4688",))),
]


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Assert that the block takes no more processor time."""
    begun = time.process_time()
    yield
    assert time.process_time() - begun < seconds


def rule_set(*conditions: Node) -> RuleSet:
    """Return rules that see LOGSOURCE, their ids their places."""
    return RuleSet([rule_of(each, number) for number, each in enumerate(conditions)])


def evaluated(rules: RuleSet, fields: dict[str, Any], logsource: LogSource = LOGSOURCE) -> tuple[list[str], Told]:
    """Return the ids of the rules that fire, and those that failed."""
    told: Told = []
    hits = rules.evaluate(
        logsource, fields, lambda rule, error: told.append((rule.ref.id, error)), orjson.dumps(fields)
    )
    return [hit.rule.ref.id for hit in hits], told


# One event ------------------------------------------------------------------------------------------------------------

CATASTROPHES = [
    (r"(a+)+$", "a" * 60 + "b"),
    (r"(a|aa)+$", "a" * 80 + "b"),
    (r"(.*)*x", "é" * 60),
    (r"^(\w+\s?)*$", "word " * 30 + "!é"),
    (r"(?=(a+)+$)b|c(?!(a+)+$)", "c" + "a" * 60 + "b"),
    (r"(a*)*\1z", "a" * 60),
    (r"\d+-\d+-\d+-\d+x", "1" * 20_000),
    (r"\w+`(?:\w+|-|.)`[\w+|\s]", "é" * 32_000),
    (r"(?i)(K+)+$", "\N{KELVIN SIGN}k" * 40 + "b"),
]


@pytest.mark.parametrize(("pattern", "value"), CATASTROPHES)
def test_an_expression_that_would_not_end_fails_alone(pattern: str, value: str) -> None:
    """The other rules fire, and the engine is as quick as ever on the next event."""
    rules = rule_set(contains("G", "evil"), Test("F", Regex(pattern)), contains("G", "evil"))
    evaluated(rules, {"F": "", "G": ""})
    with within(5):
        fired, told = evaluated(rules, {"F": value, "G": "evil"})
    assert fired == ["0", "2"]
    assert [(rule, type(error)) for rule, error in told] in ([("1", Overtime)], [])
    with within(0.2):
        assert evaluated(rules, {"F": "-", "G": "evil"}) == (["0", "2"], [])


BAD = "é" + "a" * 60 + "b"
ENDLESS, X = Test("F", Regex("(a+)+$")), contains("G", "x")
UNJUDGED: list[tuple[str, list[Node], dict[str, Any], list[str], list[str]]] = [
    ("alone", [ENDLESS, X], {"F": BAD, "G": "x"}, ["1"], ["0"]),
    ("negated", [Not(ENDLESS), X], {"F": BAD, "G": "x"}, ["1"], ["0"]),
    ("or what holds", [Either((ENDLESS, X)), X], {"F": BAD, "G": "x"}, ["0", "1"], []),
    ("or what does not", [Either((ENDLESS, X)), X], {"F": BAD, "G": "y"}, [], ["0"]),
    ("and what does not", [All((ENDLESS, X)), Not(X)], {"F": BAD, "G": "y"}, ["1"], []),
    ("in a list of which another element holds", [ENDLESS, X], {"F": [BAD, "aaa"], "G": "x"}, ["0", "1"], []),
    ("in a list of which none does", [ENDLESS, X], {"F": [BAD, "bbb"], "G": "x"}, ["1"], ["0"]),
    ("too long for re", [Test("F", Regex("a`b")), X], {"F": "é" * 40_000 + "a`b", "G": "x"}, ["1"], ["0"]),
    ("too long, but not there", [Test("F", Regex("a`b")), X], {"F": "é" * 40_000, "G": "x"}, ["1"], []),
    ("a keyword", [Test(None, Regex("(a+)+$")), X], {"F": BAD, "G": "x"}, ["1"], ["0"]),
    ("a reference", [All((ENDLESS, Test("F", FieldRef("G")))), X], {"F": BAD, "G": "x"}, ["1"], ["0"]),
]


@pytest.mark.parametrize(("nodes", "fields", "fired", "told"), [c[1:] for c in UNJUDGED], ids=[c[0] for c in UNJUDGED])
def test_what_cannot_be_judged_fails_the_rules_that_hang_on_it(
    nodes: list[Node], fields: dict[str, Any], fired: list[str], told: list[str]
) -> None:
    """Never in silence, also when the value comes again; and no other rule."""
    rules = rule_set(*nodes)
    for _ in range(3):
        found, failures = evaluated(rules, fields)
        assert (found, [rule for rule, _ in failures]) == (fired, told)
        assert evaluated(rules, {"F": "ab", "G": "z"})[1] == []


LONG_VALUES = {
    "ASCII": "needle" * (MIB // 6),
    "beyond ASCII": "đặng \u017fK" * (MIB // 12),
    "NULs": "\0" * MIB,
    "NULs and needles": "\0needle1x\0" * (MIB // 10),
    "every needle": "".join(WORDS) * (MIB // (len(WORDS) * 11)),
    "nearly a pattern": "a1b" + "c" * (MIB // 2) + "e" * (MIB // 2) + "en",
    "characters that fold to two": "ßİ" * (MIB // 4),
    "stars": "*?\\" * (MIB // 3),
}


@pytest.mark.parametrize("value", LONG_VALUES.values(), ids=LONG_VALUES)
def test_a_mebibyte_in_a_value(value: str) -> None:
    """Two thousand needles, patterns and an expression look at it; it is not remembered."""
    rules = rule_set(*MANY)
    evaluated(rules, {"F": "x" * 500, "G": "x" * 500})
    with within(5):
        fired, told = evaluated(rules, {"F": value, "G": value})
    assert {rule for rule, _ in told} <= {str(len(WORDS))}, "none but the expression's may be too much"
    assert set(fired) >= {str(n) for n, word in enumerate(WORDS) if word in value}
    assert rules._memory._used < MIB


def test_a_near_miss_of_a_pattern_with_many_wildcards() -> None:
    """No backtracking: linear in the value for each part."""
    parts = [part for letter in "abcdefghij" * 3 for part in (ANY, letter, ONE)]
    rules = rule_set(Test("F", Glob((*parts, ANY, "z"))), Test("F", Glob((*parts, "z"), cased=True)))
    with within(3):
        assert evaluated(rules, {"F": "abcdefghij" * 20_000}) == ([], [])


def test_lists_of_thousands_against_each_other() -> None:
    """A reference from a list to a list compares each with each; the time for that ends."""
    rules = rule_set(Test("F", FieldRef("G", Anchor.CONTAINS)), contains("G", "evil"))
    with within(3):
        fired, _ = evaluated(rules, {"F": ["a" * 100] * 10_000, "G": [*(["b" * 50] * 10_000), "evil"]})
    assert fired == ["1"]


def test_nested_as_deep_as_json_may_be() -> None:
    """What orjson reads, it may not write: its text is empty then, and no rule falls over it."""
    rules = rule_set(contains("F", "needle"), contains(None, "needle"), contains("G", "evil"))
    for depth in (50, 200, 260, 1000):
        wire = b'{"F":' + b"[" * depth + b'"needle"' + b"]" * depth + b',"G":"evil"}'
        hits = rules.evaluate(LOGSOURCE, orjson.loads(wire), wire=wire)
        assert [hit.rule.ref.id for hit in hits] == (["0", "1", "2"] if depth < 250 else ["2"])


def test_a_list_of_ten_thousand_distinct_texts() -> None:
    """Each is looked at, none is remembered."""
    rules = rule_set(*MANY)
    evaluated(rules, {"F": "x"})
    with within(3):
        fired, told = evaluated(rules, {"F": [f"needle{number}x" for number in range(10_000)]})
    assert len(fired) == len(WORDS)
    assert not told


# Through the matcher --------------------------------------------------------------------------------------------------


def matches(rules: RuleSet, value: bytes) -> list[Match]:
    """Return the matches of one record."""

    def failed(_rule: Rule, error: Exception) -> None:
        raise error

    return Matcher(rules, FloodGate(10_000, 10_000), failed).matches(Record(EVENTS, 0, 0, NOW, b"k", value, ()))


@pytest.mark.parametrize(
    "fields",
    [
        {f"f{n}": "x" for n in range(MAX_VALUES + 1)},
        {"F": ["x"] * (MAX_VALUES + 1)},
        {"F": ["x"] * MAX_VALUES, "G": ["y"]},
    ],
    ids=["fields", "elements", "elements of several"],
)
def test_too_many_values_are_a_dead_letter(fields: dict[str, Any]) -> None:
    """Before any rule looks at them."""
    wire = to_wire(make_event(fields=fields))
    rules = rule_set(*MANY)
    with within(0.5), pytest.raises(DeadLetter) as caught:
        matches(rules, wire)
    assert caught.value.reason == "too_many_values"


@pytest.mark.parametrize(
    "value",
    [
        b"[" * 100_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"\xff\xfe",
        b'{"fields":' + b"9" * 5000 + b"}",
        b"\0" * 1000,
    ],
    ids=["open lists", "nested maps", "no UTF-8", "a number of thousands of digits", "NULs"],
)
def test_json_that_is_none_or_too_deep_is_a_dead_letter(value: bytes) -> None:
    """The decoder's bounds are the first."""
    with pytest.raises(DeadLetter) as caught:
        matches(rule_set(*MANY), value)
    assert caught.value.reason == "malformed_event"


def test_values_beyond_what_json_integers_are() -> None:
    """They become floats, or the event a dead letter; neither stops the matcher."""
    wire = to_wire(make_event(fields={"F": "NUMBER", "EventID": "NUMBER"}))
    for number in (b"18446744073709551616", b"-9223372036854775809", b"1e308", b"1e999", b"-0.0", b"1" * 400):
        with contextlib.suppress(DeadLetter):
            assert matches(rule_set(*MANY), wire.replace(b'"NUMBER"', number)) == []


# Many events ----------------------------------------------------------------------------------------------------------


def grown(rules: RuleSet, events: Callable[[int], tuple[LogSource, dict[str, Any]]], number: int) -> float:
    """Return by how many MiB the memory grew over so many events, from when a tenth of them was done."""
    tracemalloc.start()
    try:
        for n in range(number):
            if n == number // 10:
                before = tracemalloc.get_traced_memory()[0]
            logsource, fields = events(n)
            rules.evaluate(logsource, fields)
        return (tracemalloc.get_traced_memory()[0] - before) / MIB
    finally:
        tracemalloc.stop()


FLOODS: dict[str, Callable[[int], tuple[LogSource, dict[str, Any]]]] = {
    "values": lambda n: (LOGSOURCE, {"F": f"value {n}", "G": f"other {n}"}),
    "long values": lambda n: (LOGSOURCE, {"F": f"{n}" * 300, "G": n}),
    "numbers": lambda n: (LOGSOURCE, {"F": n, "G": n / 7}),
    "names of fields": lambda n: (LOGSOURCE, {f"field{n}": "x", "F": "y"}),
    "long names of fields": lambda n: (LOGSOURCE, {f"{n}" * 1000: "x", "F": "y"}),
    "EventIDs": lambda n: (LOGSOURCE, {"EventID": n, "F": "y"}),
    "EventIDs as texts": lambda n: (LOGSOURCE, {"EventID": f"id{n}" * 500, "F": "y"}),
    "sets of atoms": lambda n: (LOGSOURCE, {"F": " ".join(WORDS[bit] for bit in range(20) if n >> bit & 1)}),
    "logsources": lambda n: (LogSource("linux", f"c{n % 7000}", "sshd"), {"F": "y"}),
    "long logsources": lambda n: (LogSource("linux", "c" * 500 + str(n), "sshd"), {"F": "y"}),
}


@pytest.mark.parametrize("flood", FLOODS.values(), ids=FLOODS)
def test_what_is_new_in_each_event_does_not_fill_the_memory(
    flood: Callable[[int], tuple[LogSource, dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a limit of 1 MiB, which floods of this size reach, memory stays within a few times that."""
    monkeypatch.setattr(rule_sets, "Memory", lambda: Memory(limit=MIB))
    assert grown(rule_set(*MANY[1990:]), flood, 20_000) < 6


def test_logsources_share_what_the_same_rules_cover() -> None:
    """A new logsource costs a look at the rules, not another engine."""
    rules = rule_set(*MANY)
    evaluated(rules, {"F": "x"})
    with within(10):
        for number in range(2 * MAX_LOGSOURCES // 10):
            assert evaluated(rules, {"F": WORDS[3]}, LogSource("linux", f"c{number}" * 50, "sshd"))[0] == ["3"]


def test_very_many_values_stay_within_the_limit() -> None:
    """What is estimated is what it takes, roughly; the events go on being evaluated."""
    rules = rule_set(*MANY[1900:])
    rules._memory = memory = Memory(limit=2 * MIB)
    tracemalloc.start()
    try:
        for number in range(NUMBER):
            fields = {"F": f"C:\\Users\\user{number}\\AppData\\needle1950x", "G": f"{number}"}
            assert len(rules.evaluate(LOGSOURCE, fields)) == 1
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert memory.resets > 1
    assert peak < 10 * MIB, f"{peak / MIB:.0f} MiB for an estimate of 2"
    assert sys.getsizeof(rules._sources) < MIB
