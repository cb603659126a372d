"""Which rules are left of those that compiled, at which level, and what is said of names that no rule has."""

from dataclasses import replace
from pathlib import Path

import pytest

from correlator.choice import Choice, Selection, apply, at_least, logsource
from correlator.load import compile_rules
from correlator.source import Compiled, Failure, Rule
from correlator.syntax import Glob, Test
from soc.alerts import Level, RuleRef
from soc.errors import SettingsError
from soc.events import LogSource
from soc.settings import CorrelateSettings, OnlySettings, Settings, WithoutSettings

ROOT = Rule(
    ref=RuleRef("a1", "Root logs in", Level.HIGH, ("attack.t1078", "attack.initial-access")),
    logsource=LogSource("linux", None, "sshd"),
    alert_key=(),
    file="/rules/linux/root.yml",
    line=1,
    condition=Test("User", Glob(("root",))),
    status="stable",
    author="Ada Lovelace, Bob",
)
SHELL = replace(
    ROOT,
    ref=RuleRef("b2", "Shell", Level.LOW, ("attack.t1059.001",)),
    logsource=LogSource("windows", "process_creation", None),
    file="/rules/windows/shell.yml",
    status="experimental",
    author="Eve",
)
BARE = replace(ROOT, ref=RuleRef("c3", "Bare", Level.MEDIUM), logsource=LogSource(), status="", author="", file="c.yml")
COMPILED = Compiled((ROOT, SHELL, BARE), (Failure("/rules/broken.yml", 3, "why", "d4"),))


def left(choice: Choice, compiled: Compiled = COMPILED) -> list[str]:
    """Return the ids of the rules that are left."""
    return [rule.ref.id for rule in apply(choice, compiled).rules]


def test_nothing_said_leaves_every_rule_as_it_is() -> None:
    """The choice of somebody who wants all rules is empty."""
    assert apply(Choice(), COMPILED) == COMPILED


PARTS = [
    (Selection(levels=frozenset({Level.HIGH, Level.LOW})), ["a1", "b2"]),
    (Selection(levels=at_least(Level.MEDIUM)), ["a1", "c3"]),
    (Selection(statuses=frozenset({"stable"})), ["a1"]),
    (Selection(tags=("attack.t1059*",)), ["b2"]),
    (Selection(tags=("attack.t1059",)), []),
    (Selection(tags=("ATTACK.*",)), ["a1", "b2"]),
    (Selection(tags=("attack.t1078", "attack.t1059.001")), ["a1", "b2"]),
    (Selection(logsources=(LogSource("linux"),)), ["a1"]),
    (Selection(logsources=(LogSource(None, "process_creation"), LogSource(None, None, "sshd"))), ["a1", "b2"]),
    (Selection(logsources=(LogSource("linux", "process_creation"),)), []),
    (Selection(authors=("LOVELACE",)), ["a1"]),
]


@pytest.mark.parametrize(("part", "ids"), PARTS)
def test_of_one_part_any_value_is_enough(part: Selection, ids: list[str]) -> None:
    """`without` leaves out exactly what `only` leaves."""
    assert left(Choice(only=part)) == ids
    assert left(Choice(without=part)) == [name for name in ("a1", "b2", "c3") if name not in ids]


def test_only_wants_all_of_its_parts_and_without_any() -> None:
    """As one says it: only high ones of Windows; without deprecated ones and those by Eve."""
    both = Selection(levels=at_least(Level.MEDIUM), authors=("eve", "ada"))
    assert left(Choice(only=both)) == ["a1"]
    assert left(Choice(without=both)) == []
    assert left(Choice(only=Selection(tags=("attack.*",)), without=Selection(authors=("eve",)))) == ["a1"]


@pytest.mark.parametrize("name", ["a1", "A1", "Root logs in", "ROOT LOGS IN", "root.yml", " root.yml "])
def test_a_rule_is_disabled_by_id_title_or_file_name(name: str) -> None:
    """Whichever the site has at hand, in any case."""
    made = apply(Choice(disabled=(name,)), COMPILED)
    assert [rule.ref.id for rule in made.rules] == ["b2", "c3"]
    assert [(each.rule.ref.id, each.part) for each in made.skipped] == [("a1", "disabled")]
    assert not made.remarks


@pytest.mark.parametrize("name", ["d4", "broken.yml"])
def test_a_rule_that_fails_may_be_disabled_too(name: str) -> None:
    """What is not wanted need not be mended."""
    made = apply(Choice(disabled=(name,)), COMPILED)
    assert not made.failures
    assert not made.remarks


def test_names_that_no_rule_has_are_remarks() -> None:
    """A mistyped id must not leave a rule at work, or at its level, in silence."""
    made = apply(Choice(disabled=("a1", "nosuch"), changed_levels={"b3": Level.LOW, "d4": Level.LOW}), COMPILED)
    assert [remark.split(":")[0] for remark in made.remarks] == ["correlate.disabled", "correlate.levels"]
    assert "'nosuch'" in made.remarks[0]
    assert "'b3'" in made.remarks[1]


def test_the_site_s_level_is_the_rule_s_and_what_is_selected_by() -> None:
    """A site that makes a rule high means it where it selects high."""
    choice = Choice(only=Selection(levels=at_least(Level.HIGH)), changed_levels={"B2": Level.CRITICAL, "a1": Level.LOW})
    made = apply(choice, COMPILED)
    assert [(rule.ref.id, rule.ref.level) for rule in made.rules] == [("b2", Level.CRITICAL)]
    assert made.rules[0].condition is SHELL.condition


def test_what_left_a_rule_out_is_told() -> None:
    """The first part that does, the site's own word before all."""
    choice = Choice(only=Selection(levels=at_least(Level.LOW)), without=Selection(authors=("eve",)), disabled=("c3",))
    made = apply(choice, COMPILED)
    assert [(each.rule.ref.id, each.part) for each in made.skipped] == [("b2", "without.authors"), ("c3", "disabled")]


def test_of_rules_that_share_an_id_the_first_stays() -> None:
    """Match ids are made of rule ids."""
    twin = replace(SHELL, ref=replace(SHELL.ref, id="a1"))
    made = apply(Choice(), Compiled((ROOT, twin), ()))
    assert made.rules == (ROOT,)
    (failure,) = made.failures
    assert (failure.file, failure.line) == (SHELL.file, 1)
    assert "/rules/linux/root.yml:1" in failure.reason


def test_a_site_puts_its_own_rule_in_the_place_of_another() -> None:
    """The one that is not chosen does not stand in the way of its twin."""
    twin = replace(SHELL, ref=replace(SHELL.ref, id="a1"))
    made = apply(Choice(disabled=("root.yml",)), Compiled((ROOT, twin), ()))
    assert made.rules == (twin,)
    assert not made.failures


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("windows", LogSource("windows")),
        ("Windows/Process_Creation", LogSource("windows", "process_creation")),
        ("*/process_creation", LogSource(None, "process_creation")),
        ("linux/*/sshd", LogSource("linux", None, "sshd")),
        ("linux//sshd", LogSource("linux", None, "sshd")),
        ("//powershell-classic", LogSource(None, None, "powershell-classic")),
    ],
)
def test_a_logsource_is_written_as_a_path(text: str, expected: LogSource) -> None:
    """PRODUCT/CATEGORY/SERVICE, any of them `*`, empty or left out."""
    assert logsource(text) == expected


@pytest.mark.parametrize("text", ["", "*", "//", "a/b/c/d", "win dows", "win*"])
def test_what_is_no_logsource_is_refused(text: str) -> None:
    """The message quotes it."""
    with pytest.raises(SettingsError, match="logsource"):
        logsource(text)


def test_the_settings_say_it_all() -> None:
    """Every part of `correlate` that speaks of rules."""
    settings = Settings(
        correlate=CorrelateSettings(
            rules=(Path("r"),),
            only=OnlySettings(min_level="high", levels=("low",), statuses=("test",), tags=("a.b",)),
            without=WithoutSettings(logsources=("windows",), authors=("Eve",)),
            disabled=("x",),
            levels={"y": "low"},
            placeholders={"p": ("1",)},
            placeholder_files={"q": Path("q.txt")},
            pipelines=(Path("p.yml"),),
        )
    )
    made = Choice.of(settings)
    assert made == Choice(
        paths=(Path("r"),),
        placeholders={"p": ("1",)},
        placeholder_files={"q": Path("q.txt")},
        pipelines=(Path("p.yml"),),
        only=Selection(frozenset({Level.LOW, Level.HIGH, Level.CRITICAL}), statuses=frozenset({"test"}), tags=("a.b",)),
        without=Selection(logsources=(LogSource("windows"),), authors=("Eve",)),
        disabled=("x",),
        changed_levels={"y": Level.LOW},
    )
    assert made.files == (Path("r"), Path("q.txt"), Path("p.yml"))


def test_a_chosen_correlation_keeps_what_it_refers_to(tmp_path: Path) -> None:
    """A choice of high rules must not switch off the correlations of low ones; what is kept for them is silent."""
    (tmp_path / "rules.yml").write_text(_BURST, "utf-8")
    high = Selection(levels=frozenset({Level.HIGH}))
    compiled = compile_rules(Choice((tmp_path,), only=high))
    assert not compiled.failures
    assert {each.ref.title for each in compiled.correlations} == {"Burst", "Two bursts"}
    assert [each.rule.ref.title for each in compiled.inputs] == ["Burst", "Failed"]
    assert {compiled.plan.titles[rule] for rule in compiled.plan.silenced} == {"Burst", "Failed"}
    assert [each.rule.ref.title for each in compiled.skipped] == ["Other"]


def test_what_was_kept_for_nothing_is_left_out(tmp_path: Path) -> None:
    """A correlation that cannot be linked keeps nothing, and what is disabled is never kept."""
    (tmp_path / "rules.yml").write_text(_BURST.replace("- burst\n", "- burst\n    - nosuch\n"), "utf-8")
    compiled = compile_rules(Choice((tmp_path,), only=Selection(levels=frozenset({Level.HIGH}))))
    assert (compiled.rules, compiled.correlations, compiled.inputs) == ((), (), ())
    assert len(compiled.skipped) == 3
    (tmp_path / "rules.yml").write_text(_BURST, "utf-8")
    compiled = compile_rules(Choice((tmp_path,), disabled=("Failed",), only=Selection(levels=frozenset({Level.HIGH}))))
    assert not compiled.rules
    assert "correlate.disabled" in compiled.failures[0].reason


_BURST = """
title: Failed
name: failed
level: low
logsource: {product: linux}
detection: {selection: {A: b}, condition: selection}
---
title: Other
level: low
logsource: {product: linux}
detection: {selection: {A: b}, condition: selection}
---
title: Burst
name: burst
level: low
correlation:
    type: event_count
    rules: [failed]
    group-by: [User]
    timespan: 10m
    condition: {gte: 3}
generate: true
---
title: Two bursts
level: high
correlation:
    type: temporal
    rules:
    - burst
    group-by: [User]
    timespan: 1h
generate: true
"""
