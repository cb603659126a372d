"""Values, selections and keywords: what matches what, and the reasons that a match gives."""

from collections.abc import Callable
from typing import Any

import pytest

from correlator.engine.plain import MAX_REASONS, MAX_VALUE
from correlator.rules import RuleSet
from soc.alerts import Reason
from soc.events import LogSource

Fires = Callable[..., bool]
RuleFrom = Callable[..., RuleSet]
SSHD = LogSource("linux", None, "sshd")

VALUES: list[tuple[str, str, Any, bool]] = [
    ("text ignores case", "F: 'Root'", "rOOT", True),
    ("text is the whole value", "F: 'root'", "root2", False),
    ("case beyond ASCII", "F: 'ĐẶNG'", "đặng", True),
    ("case of Greek final sigma", "F: 'ΣΊΣΥΦΟΣ'", "σίσυφος", True),
    ("* is any text", "F: 'a*c'", "abbbc", True),
    ("* is no text", "F: 'a*c'", "ac", True),
    ("* crosses newlines", "F: 'a*c'", "a\nb\r\nc", True),
    ("? is one character", "F: 'a?c'", "abc", True),
    ("? is not none", "F: 'a?c'", "ac", False),
    ("? is not two", "F: 'a?c'", "abbc", False),
    ("? crosses newlines", "F: 'a?c'", "a\nc", True),
    ("? is one character even where folding would give two", "F: 'stra?e'", "STRAßE", True),
    ("?? beside *", "F: '??b*'", "aab", True),
    (r"\* is a star", r"F: 'a\*c'", "a*c", True),
    (r"\* is only a star", r"F: 'a\*c'", "abc", False),
    (r"\? is a question mark", r"F: 'a\?c'", "abc", False),
    (r"\\* is a backslash and a wildcard", r"F: 'C:\\*'", "C:\\x", True),
    (r"\\* needs the backslash", r"F: 'C:\\*'", "C:x", False),
    (r"\\\* is a backslash and a star", r"F: 'a\\\*'", "a\\*", True),
    (r"\\\* is no wildcard", r"F: 'a\\\*'", "a\\b", False),
    (r"\ alone is a backslash", r"F: 'C:\Windows'", "c:\\windows", True),
    (r"\\ is one backslash", r"F: 'C:\\Windows'", "c:\\windows", True),
    (r"\\\\ is two", r"F: '\\\\host'", "\\\\host", True),
    (r"\ at the end", "F: 'dir\\'", "dir\\", True),
    ("regexp characters are plain", "F: 'a.c'", "abc", False),
    ("an integer", "F: 4688", 4688, True),
    ("an integer matches its text", "F: 4688", "4688", True),
    ("text matches an integer", "F: '4688'", 4688, True),
    ("an integer matches its float", "F: 4688", 4688.0, True),
    ("a pattern on an integer", "F|startswith: '46'", 4688, True),
    ("an integer is not a longer text", "F: 4688", "04688", False),
    ("a float", "F: 1.5", "1.5", True),
    ("true", "F: true", True, True),
    ("true matches its text", "F: true", "True", True),
    ("text matches true", "F: 'TRUE'", True, True),
    ("true is not 1", "F: true", 1, False),
    ("1 is not true", "F: 1", True, False),
    ("0 is not false", "F: 0", False, False),
    ("false", "F: false", False, True),
    ("empty", "F: ''", "", True),
    ("empty is not null", "F: ''", None, False),
    ("empty is not text", "F: ''", "x", False),
    ("null", "F: null", None, True),
    ("null is not empty", "F: null", "", False),
    ("null is not 0", "F: null", 0, False),
    ("null is not missing", "G: null", "x", False),
    ("empty is not missing", "G: ''", "x", False),
    ("* needs a value", "F: '*'", "", True),
    ("* is not null", "F: '*'", None, False),
    ("* is not missing", "G: '*'", "x", False),
    ("a list of values is OR", "F: ['a', 'b*', 7]", "bcd", True),
    ("a list of values, an integer", "F: ['a', 'b*', 7]", "7", True),
    ("a list of values, none", "F: ['a', 'b*', 7]", "c", False),
    ("a list with null", "F: ['a', null]", None, True),
    ("an event's list: any element", "F: 'b'", ["a", "B"], True),
    ("an event's list: none", "F: 'b'", ["a", "ab"], False),
    ("field names are as written", "f: 'x'", "x", False),
]


@pytest.mark.parametrize(("selection", "value", "expected"), [c[1:] for c in VALUES], ids=[c[0] for c in VALUES])
def test_value(fires: Fires, selection: str, value: Any, expected: bool) -> None:
    """A field with one value satisfies the rule's value, or does not."""
    assert fires(selection, {"F": value}) is expected


def test_a_map_is_and(fires: Fires) -> None:
    """Every field of a map must match."""
    assert fires("A: 1\nB: 2", {"A": 1, "B": 2})
    assert not fires("A: 1\nB: 2", {"A": 1, "B": 3})
    assert not fires("A: 1\nB: 2", {"A": 1})


def test_a_list_of_maps_is_or(fires: Fires) -> None:
    """One map of a list is enough; within it every field must match."""
    for fields, expected in (({"A": 1, "B": 2}, True), ({"C": 3}, True), ({"A": 1}, False)):
        assert fires("- A: 1\n  B: 2\n- C: 3", fields) is expected


def test_not_of_a_missing_field_is_true(fires: Fires) -> None:
    """What is not there does not match, so its negation holds."""
    assert fires("sel:\n  A: 1\nfilter:\n  B: 2\ncondition: sel and not filter", {"A": 1})


def test_neq_and_not_agree_on_a_missing_field(fires: Fires) -> None:
    """`neq` is NOT of the whole list."""
    assert fires("B|neq: [1, 2]", {"A": 1})
    assert fires("sel:\n  B: [1, 2]\ncondition: not sel", {"A": 1})


KEYWORDS: list[tuple[str, str, dict[str, Any], bool]] = [
    ("stands anywhere", "- 'evil'", {"message": "an EVIL thing"}, True),
    ("in any field", "- 'evil'", {"message": "x", "program": "evild"}, True),
    ("or", "- 'one'\n- 'two'", {"message": "two"}, True),
    ("none", "- 'one'\n- 'two'", {"message": "three"}, False),
    ("all", "'|all':\n  - 'one'\n  - 'two'", {"message": "two one"}, True),
    ("all, over several fields", "'|all':\n  - 'one'\n  - 'two'", {"message": "two", "program": "one"}, True),
    ("all misses one", "'|all':\n  - 'one'\n  - 'two'", {"message": "two"}, False),
    ("with a wildcard", "- 'on*o'", {"message": "one two"}, True),
    ("sees integers", "- '4688'", {"pid": 4688}, True),
    ("an integer", "- 4688", {"message": "event 4688"}, True),
    ("sees lists", "- 'evil'", {"tags": ["good", "evil"]}, True),
    ("does not see names of fields", "- 'message'", {"message": "x"}, False),
    ("null is no text", "- 'none'", {"message": None}, False),
    ("re", "'|re': '^x\\d$'", {"message": "x7"}, True),
    ("cased", "'|cased': 'Evil'", {"message": "an evil thing"}, False),
    ("startswith", "'|startswith': 'evil'", {"message": "an evil thing"}, False),
    ("startswith holds", "'|startswith': 'evil'", {"message": "evil thing"}, True),
    ("a plain value", "'evil'", {"message": "an evil thing"}, True),
    ("mixed with a map", "- 'evil'\n- A: 1", {"A": 1}, True),
]


@pytest.mark.parametrize(("keywords", "fields", "expected"), [c[1:] for c in KEYWORDS], ids=[c[0] for c in KEYWORDS])
def test_keywords(fires: Fires, keywords: str, fields: dict[str, Any], expected: bool) -> None:
    """Values without a field are searched in every value of the event."""
    assert fires(keywords, fields) is expected


@pytest.mark.parametrize("keywords", ["- null", "'|gt': 5", "'|exists': true", "'|fieldref': A"])
def test_what_needs_a_field_is_refused_as_a_keyword(refused: Callable[[str], str], keywords: str) -> None:
    """A comparison without a field has no meaning."""
    assert "field" in refused(f"sel:\n  {keywords}\ncondition: sel")


def test_reasons_name_selection_field_value_and_pattern(rule_from: RuleFrom) -> None:
    """Each value that made the condition hold is a reason; what is negated is none."""
    rules = rule_from("""
        sel:
            Image|endswith: ['\\cmd.exe', '\\sh.exe']
            EventID: 1
        words:
            - 'evil'
        filter:
            User: 'x'
        condition: (sel or words) and not filter
    """)
    (hit,) = rules.evaluate(SSHD, {"Image": "C:\\SH.exe", "EventID": 1, "message": "Evil!", "User": "y"})
    assert hit.reasons == (
        Reason("sel", "Image", "C:\\SH.exe", "*\\sh.exe"),
        Reason("sel", "EventID", "1", "1"),
        Reason("words", None, "Evil!", "*evil*"),
    )


def test_reasons_tell_what_is_not_a_pattern(rule_from: RuleFrom) -> None:
    """Comparisons, networks, absence and references are written as a person reads them."""
    rules = rule_from("""
        sel:
            A|gte: 5
            B|cidr: 10.0.0.0/8
            C|exists: false
            D|fieldref: A
            E: null
            F|re: 'x+'
            G|hour|lt: 6
        condition: sel
    """)
    fields = {"A": 7, "B": "10.0.0.1", "D": "7", "E": None, "F": "axx", "G": "2026-01-02T03:04:05"}
    (hit,) = rules.evaluate(SSHD, fields)
    assert [(r.value, r.pattern) for r in hit.reasons] == [
        ("7", ">= 5"),
        ("10.0.0.1", "10.0.0.0/8"),
        ("", "absent"),
        ("7", "is A"),
        ("", "null"),
        ("axx", "/x+/"),
        ("2026-01-02T03:04:05", "hour < 6"),
    ]


def test_a_reason_gives_the_element_of_a_list_that_matched(rule_from: RuleFrom) -> None:
    """Of an event's list, the first element that satisfies the rule."""
    (hit,) = rule_from("sel:\n  F|startswith: 'b'\ncondition: sel").evaluate(SSHD, {"F": ["a", "B1", "b2"]})
    assert hit.reasons[0].value == "B1"


def test_reasons_are_bounded(rule_from: RuleFrom) -> None:
    """Neither a long value nor many selections make a match large."""
    selections = "".join(f"s{n}:\n  F|contains: 'x'\n  G{n}: '*'\n" for n in range(40))
    rules = rule_from(f"{selections}condition: all of s*")
    (hit,) = rules.evaluate(SSHD, {"F": "x" * 100_000, **{f"G{n}": "y" for n in range(40)}})
    assert len(hit.reasons) == MAX_REASONS
    assert max(len(reason.value) for reason in hit.reasons) == MAX_VALUE


def test_the_reason_shows_the_part_of_a_long_value_that_matched(rule_from: RuleFrom) -> None:
    """An attack at the end of a long request is seen, and the cut is marked."""
    rules = rule_from("sel:\n  F|contains: '../../etc/passwd'\ncondition: sel")
    (hit,) = rules.evaluate(SSHD, {"F": "/search?q=" + "a" * 5000 + "../../etc/passwd"})
    assert "../../etc/passwd" in hit.reasons[0].value
    assert hit.reasons[0].value.startswith("…")
    assert len(hit.reasons[0].value) <= MAX_VALUE


def test_a_rule_sees_only_events_that_its_logsource_covers(rule_from: RuleFrom) -> None:
    """The logsource decides before any field is read."""
    rules = rule_from("sel:\n  F: 'x'\ncondition: sel")
    assert rules.evaluate(SSHD, {"F": "x"})
    assert not rules.evaluate(LogSource("linux", None, "cron"), {"F": "x"})
    assert not rules.evaluate(LogSource("windows", None, "sshd"), {"F": "x"})
