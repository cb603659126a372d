"""Warnings about filters that compile: each on the filter that it is for, and none on a sound one."""

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from correlator.compiler.compile import compile_files
from correlator.filters import apply
from correlator.source import Filter
from correlator.tools.checking import Warned
from correlator.tools.filtering import check
from correlator.tools.written import Written, written
from soc.testing import NOW

RULES: Final = """\
title: A shell
id: 00000000-0000-4000-8000-000000000001
logsource: {product: linux}
detection: {sel: {Action: exec, Image: [/bin/sh, /bin/bash]}, condition: sel}
---
title: A name
id: 00000000-0000-4000-8000-000000000002
logsource: {product: windows, category: dns_query}
detection: {sel: {QueryName: evil}, condition: sel}
---
"""
HEAD: Final = """\
title: A filter
id: 00000000-0000-4000-8000-00000000000{number}
owner: Network team
reason: Nightly backup
expires: 2027-03-31
logsource: {{product: {product}}}
filter:
    rules: any
"""
FIRST: Final = 11
"""The line of the first filter."""

Check = Callable[..., list[Warned]]


@pytest.fixture
def warnings(tmp_path: Path) -> Check:
    """Return a function that checks filters, each as its selections and condition or as a whole."""

    def run(*filters: str, product: str = "linux") -> list[Warned]:
        file = tmp_path / "rules.yml"
        whole = (
            each if "filter:" in each else HEAD.format(number=n, product=product) + textwrap.indent(each, "    ")
            for n, each in enumerate(filters, 1)
        )
        file.write_text(RULES + "\n---\n".join(whole), "utf-8")
        compiled = compile_files([file], {})
        assert not compiled.failures, compiled.failures

        def document(each: Filter) -> Written:
            return written(file.read_text())[each.line]

        return list(check(apply(compiled, NOW).effects, document))

    return run


@pytest.mark.parametrize(
    ("detection", "kind", "line"),
    [
        ("sel: {User: root}\ncondition: sel", "requires", 6),
        ("sel: {User: root}\ncondition: not (not sel)", "requires", 6),
        ("sel: {User: '*'}\ncondition: sel and not sel", "hides-all", 6),
        ("sel: {Action: exec}\ncondition: not sel", "hides-all", 6),
        ("sel: {Image|startswith: /bin/}\ncondition: not sel", "hides-all", 6),
        ("sel: {User: root}\ncondition: not sel or sel", "hides-nothing", 6),
        ("sel: {Action|exists: false}\ncondition: not sel", "hides-nothing", 6),
        ("sel: {User: root}\nother: {User: x}\ncondition: not sel", "unused", 9),
        ("sel:\n    User:\n        - x\n        - X\ncondition: not sel", "repeated", 11),
        ("sel: {User|re: 'x(a+)+y'}\ncondition: not sel", "slow", 8),
    ],
)
def test_each_warning_on_its_filter_and_line(warnings: Check, detection: str, kind: str, line: int) -> None:
    """One filter, one thing wrong, one warning."""
    assert [(each.kind, each.line) for each in warnings(detection)] == [(kind, FIRST + line)]


@pytest.mark.parametrize(
    "detection",
    [
        "sel: {User: root}\ncondition: not sel",
        "sel: {User|neq: root}\ncondition: sel",
        "sel: {User: root, Action: exec}\ncondition: not sel",
        "sel: {Image: /bin/sh}\ncondition: not sel",
        "a: {User: x}\nb: {User: y}\ncondition: a or not b",
    ],
)
def test_sound_filters_give_no_warning(warnings: Check, detection: str) -> None:
    """What may be meant is not warned of."""
    assert not warnings(detection)


def test_what_a_site_must_say_of_its_filter(warnings: Check) -> None:
    """Whose it is, why, until when; where the key is there and empty, on its line."""
    bare = "title: F\nlogsource: {product: linux}\nowner: ''\nfilter: {rules: any, sel: {A: x}, condition: not sel}"
    assert [(each.kind, each.line) for each in warnings(bare)] == [
        ("no-owner", FIRST + 2),
        ("no-reason", FIRST),
        ("no-expires", FIRST),
    ]


@pytest.mark.parametrize(
    ("changed", "to", "kind", "line"),
    [
        ("2027-03-31", "2026-09-21", "expired", 4),
        ("linux", "macos", "in-vain", 6),
        ("any", "nobody", "in-vain", 6),
    ],
)
def test_filters_that_change_nothing(warnings: Check, changed: str, to: str, kind: str, line: int) -> None:
    """Their day is over, or no rule is meant."""
    text = HEAD.format(number=1, product="linux") + "    sel: {A: x}\n    condition: not sel\n"
    assert [(each.kind, each.line) for each in warnings(text.replace(changed, to))] == [(kind, FIRST + line)]


def test_filters_that_hide_everything_together(warnings: Check) -> None:
    """Each leaves something; the warning is on the last of them."""
    (warned,) = warnings("sel: {Image: /bin/sh}\ncondition: not sel", "sel: {Image: /bin/bash}\ncondition: not sel")
    assert warned.kind == "hides-all"
    assert warned.rule == "00000000-0000-4000-8000-000000000002"
    assert "with 'A filter', the filter hides everything that 'A shell' can find" in warned.text


def test_events_that_cannot_tell_what_a_filter_asks(warnings: Check) -> None:
    """DNS Client does not name the program: a filter by the program hides all that it reports."""
    (warned,) = warnings("sel: {Image|endswith: chrome.exe}\ncondition: not sel", product="windows")
    assert (warned.kind, warned.line) == ("untold", FIRST + 6)
    assert "events of windows/dns_query/dns-client cannot tell Image" in warned.text
