"""The reasons that a match gives. What matches what is in tests/correlator/semantics."""

from collections.abc import Callable

from correlator.engine.plain import MAX_REASONS, MAX_VALUE
from correlator.rules import RuleSet
from soc.alerts import Reason
from soc.events import LogSource

RuleFrom = Callable[..., RuleSet]
SSHD = LogSource("linux", None, "sshd")


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
