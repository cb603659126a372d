"""Warnings about rules that compile: each on the rule that it is for, and none on a sound one."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from correlator.compiler.compile import compile_files
from correlator.tools.checking import Warned, check, misnamed
from correlator.tools.slowness import slow_group
from correlator.tools.written import written

HEAD = (
    "title: A rule\nid: 00000000-0000-4000-8000-000000000001\nlevel: low\nlogsource:\n    product: linux\ndetection:\n"
)

Check = Callable[..., list[Warned]]


@pytest.fixture
def warnings(tmp_path: Path) -> Check:
    """Return a function that checks a detection part, or a whole rule."""

    def run(detection: str, head: str = HEAD, *, unseen: bool = False) -> list[Warned]:
        file = tmp_path / "rule.yml"
        file.write_text(head + textwrap.indent(textwrap.dedent(detection), "    "))
        (rule,) = compile_files([file], {}).rules
        return list(check(rule, written(file.read_text())[rule.line], lambda _: unseen))

    return run


@pytest.mark.parametrize(
    ("detection", "kind", "line"),
    [
        ("sel: {A: x}\nother: {B: x}\ncondition: sel", "unused", 8),
        ("sel:\n    A:\n        - x\n        - y\n        - X\ncondition: sel", "repeated", 11),
        ("sel: {A: x}\ncondition: sel and not sel", "never", 6),
        ("sel: {A: x}\ncondition: sel or not sel", "always", 6),
        ("sel: {A: x}\ncondition: not sel", "no-field", 6),
        ("sel: {A: '*'}\ncondition: sel", "any-value", 6),
        ("sel: {A|re: '.*'}\ncondition: sel", "any-value", 7),
        ("sel: {A|re: 'x(a+)+y'}\ncondition: sel", "slow", 7),
        ("sel: ['ab']\ncondition: sel", "short-keyword", 7),
    ],
)
def test_each_warning_on_its_rule_and_line(warnings: Check, detection: str, kind: str, line: int) -> None:
    """One rule, one thing wrong, one warning."""
    assert [(each.kind, each.line) for each in warnings(detection)] == [(kind, line)]


@pytest.mark.parametrize(
    "detection",
    [
        "sel: {A|cased: [x, X]}\ncondition: sel",
        "sel: {A|re: ['x', 'X']}\ncondition: sel",
        "sel: {A: [x, y], B: [x]}\ncondition: sel",
        "sel:\n    '|all': ['ab', 'abcdef']\ncondition: sel",
        "sel: {A: x}\n_part: {B: y}\ncondition: sel and not _part",
        "sel: {A|re: '(?:,[0-9]+)+x'}\ncondition: sel",
        "sel: {A|exists: true, B: x}\ncondition: sel",
    ],
)
def test_a_sound_rule_has_none(warnings: Check, detection: str) -> None:
    """What looks like a fault and is none."""
    assert warnings(detection) == []


def test_an_id_and_a_level_are_asked_for(warnings: Check) -> None:
    """At the rule's first line."""
    found = warnings("sel: {A: x}\ncondition: sel", "title: A rule\nlogsource: {product: linux}\ndetection:\n")
    assert [(each.kind, each.line) for each in found] == [("no-id", 1), ("no-level", 1)]


def test_a_logsource_that_nothing_has_is_told_at_its_line(warnings: Check) -> None:
    """The rule waits for ever."""
    (found,) = warnings("sel: {A: x}\ncondition: sel", unseen=True)
    assert (found.kind, found.line) == ("no-event", 4)
    assert "linux/*/*" in found.text


def test_a_field_that_others_write_otherwise_is_told(tmp_path: Path) -> None:
    """Names are case-sensitive: the one rule never sees what the many see."""
    for number in range(5):
        name = "commandline" if number == 4 else "CommandLine"
        (tmp_path / f"{number}.yml").write_text(
            HEAD.replace("0001", f"000{number}") + f"    sel: {{{name}: x}}\n    condition: sel\n"
        )
    rules = compile_files([tmp_path], {}).rules
    (found,) = misnamed(rules, lambda rule: written(Path(rule.file).read_text())[rule.line])
    assert (found.kind, Path(found.file).name, found.line) == ("field-case", "4.yml", 7)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(?:a|a)*b", r"(\w+\s?)*\.", r"(?:.*\)){1,}", "([a]|a)+x"])
def test_groups_that_can_be_repeated_in_many_ways_are_slow(pattern: str) -> None:
    """Found by trying them."""
    assert slow_group(pattern, 0) is not None


@pytest.mark.parametrize(
    "pattern", ["", "(ab)+", r"(?:\d{1,3}\.){3}\d+", r"[(](a+)[)]+", r"\((a+)\)", "(a)(?:\\1b)+", "[]a(]+"]
)
def test_groups_that_are_repeated_in_one_way_are_not(pattern: str) -> None:
    """Neither are brackets that are characters."""
    assert slow_group(pattern, 0) is None


def test_several_rules_in_a_file_have_their_own_lines() -> None:
    """Documents are told apart by their first lines."""
    rules = written("a: 1\ndetection: {sel: {A: x}}\n---\nb: 2\n")
    assert {line: (each.keys, each.selections) for line, each in rules.items()} == {
        1: ({"a": 1, "detection": 2}, {"sel": 2}),
        4: ({"b": 4}, {}),
    }
