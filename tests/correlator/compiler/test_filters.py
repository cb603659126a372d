"""Filter documents: what one gives, and what is refused on which line with which remedy."""

import textwrap
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.compiler import filters, pipelines
from correlator.compiler.compile import compile_files
from correlator.compiler.locate import Refused
from correlator.source import Compiled, Filter
from correlator.syntax import Glob, Named, Not, Test, Wildcard
from soc.events import LogSource

OF_THE_SPECIFICATION: Final = """\
title: Filter Administrator account
description: The valid administrator account start with adm_
logsource:
    category: process_creation
    product: windows
filter:
    rules:
        - 6f3e2987-db24-4c78-a860-b4f4095a7095 # Data Compressed - rar.exe
        - df0841c0-9846-4e9f-ad8a-7df91571771b # Login on jump host
    selection:
        User|startswith: 'adm_'
    condition: selection
"""
"""The example of the Sigma filters specification."""

HEAD: Final = "title: A filter\nlogsource:\n    product: linux\n"
SOUND: Final = "filter:\n    rules: any\n    sel:\n        User: backup\n    condition: not sel\n"

Read = Callable[..., Compiled]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Return a function that compiles a document."""

    def run(text: str, pipeline: str = "", **placeholders: list[str | int]) -> Compiled:
        file = tmp_path / "filter.yml"
        file.write_text(text, "utf-8")
        return compile_files([file], placeholders, pipelines.read([("p.yml", pipeline)] if pipeline else []))

    return run


def only(compiled: Compiled) -> Filter:
    """Return the filter of a document that gives nothing else."""
    assert not compiled.failures, compiled.failures
    (found,) = compiled.filters
    return found


def test_the_example_of_the_specification(read: Read) -> None:
    """Every part of it; what it does not say is empty."""
    found = only(read(OF_THE_SPECIFICATION))
    assert found.title == "Filter Administrator account"
    assert found.logsource == LogSource("windows", "process_creation", None)
    assert found.rules == ("6f3e2987-db24-4c78-a860-b4f4095a7095", "df0841c0-9846-4e9f-ad8a-7df91571771b")
    assert found.condition == Named("selection", Test("User", Glob(("adm_", Wildcard.ANY))))
    assert (found.owner, found.reason, found.expires, found.line) == ("", "", "", 1)


def test_what_a_site_says_of_its_filter(read: Read) -> None:
    """Whose it is, why, and until when; an id of its own."""
    own = "id: 00000000-0000-4000-8000-00000000000f\nowner: Network team\nreason: Nightly backup\nexpires: 2027-03-31\n"
    found = only(read(HEAD + own + SOUND))
    assert found.id == "00000000-0000-4000-8000-00000000000f"
    assert (found.owner, found.reason, found.expires) == ("Network team", "Nightly backup", "2027-03-31")


@pytest.mark.parametrize(
    ("written", "rules"), [("any", None), ("ANY", None), ("a_name", ("a_name",)), ("[a, b, a]", ("a", "b"))]
)
def test_the_rules_that_a_filter_is_for(read: Read, written: str, rules: tuple[str, ...] | None) -> None:
    """Any, one, or several; none twice."""
    assert only(read(HEAD + SOUND.replace("rules: any", f"rules: {written}"))).rules == rules


def test_placeholders_and_pipelines_are_those_of_rules(read: Read) -> None:
    """Fields are renamed, values put in, a filter may be refused."""
    rename = "transformations: [{id: x, type: field_name_mapping, mapping: {User: user.name}}]"
    found = only(read(HEAD + SOUND.replace("User: backup", "User|expand: '%admins%'"), rename, admins=["root"]))
    assert "user.name" in repr(found.condition)
    assert "root" in repr(found.condition)
    refuse = "transformations: [{id: x, type: rule_failure, message: not here}]"
    assert [each.reason for each in read(HEAD + SOUND, refuse).failures] == ["not here"]


REFUSED: Final = [
    (HEAD + "filter: x", 4, "a map with rules, selections and condition is expected"),
    (HEAD + SOUND + "detection: {sel: [x], condition: sel}", 4, "write two"),
    (HEAD + SOUND + "correlation: {}", 4, "write two"),
    (HEAD + SOUND.replace("    rules: any\n", ""), 4, "write rules: a list"),
    (HEAD + SOUND.replace("rules: any", "rules: []"), 5, "a list of ids or names"),
    (HEAD + SOUND.replace("rules: any", "rules: {a: b}"), 5, "a list of ids or names"),
    (HEAD + SOUND.replace("rules: any", "rules: [7]"), 5, "a list of ids or names"),
    (HEAD + SOUND.replace("rules: any", "rules: [a, Any]"), 5, "write rules: any"),
    (HEAD + SOUND.replace("condition: not sel", "condition: [sel]"), 8, "one condition"),
    (HEAD + SOUND.replace("    condition: not sel\n", ""), 4, "one condition"),
    (HEAD + SOUND.replace("condition: not sel", "condition: not other"), 8, "there is no selection 'other'"),
    (HEAD + SOUND.replace("    sel:\n        User: backup\n", ""), 4, "no selection"),
    (HEAD + SOUND.replace("User: backup", "User|re: '('"), 7, "Regular expression"),
    (HEAD + SOUND.replace("User: backup", "User|expand: '%nobody%'"), 7, "%nobody% has no value"),
    ("title: A filter\n" + SOUND, 1, "log source"),
    (HEAD + "taxonomy: mine\n" + SOUND, 4, "the taxonomy 'mine' is unknown"),
    (HEAD + "owner: [a]\n" + SOUND, 4, "owner: a text is expected"),
    (HEAD + "reason: 7\n" + SOUND, 4, "reason: a text is expected"),
    *((HEAD + f"{key}: 2027-03-31\n" + SOUND, 4, f"'{key}' is no key of a filter; write expires") for key in (
        "Expires", "expire", "expired", "exipres", "expiry", "expires_on", "expiration", "EXPIRE",
    )),
    (HEAD + "Owner: me\n" + SOUND, 4, "write owner"),
    (HEAD + SOUND + "    expires: 2027-03-31\n", 9, "write expires beside it, not indented"),
    (HEAD + SOUND + "    reason: backup\n", 9, "write reason beside it, not indented"),
    *((HEAD + f"expires: {written}\n" + SOUND, 4, "expires") for written in (
        "2026-02-30", "2026-13-01", "20270331", "'2027-3-31'", "31.03.2027", "never", "", "2027-W13-3", "'2027-03-31 '",
        "[2027-03-31]", "2027-03-31T00:00:00Z", "\u0662\u0660\u0662\u0667-03-31", "0000-01-01",
    )),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "reason"), REFUSED)
def test_what_is_refused(read: Read, text: str, line: int, reason: str) -> None:
    """With its line; and nothing is filtered by it. A typing error must never hide an attack."""
    compiled = read(text)
    (failure,) = compiled.failures
    assert not compiled.filters
    assert (failure.line, failure.kind) == (line, "filter")
    assert reason in failure.reason


def test_a_selection_may_have_any_name(read: Read) -> None:
    """Also that of a key that stands beside the filter."""
    found = only(read(HEAD + SOUND.replace("sel", "expired")))
    assert isinstance(found.condition, Not)


def test_filters_and_rules_share_a_file(read: Read) -> None:
    """Documents are told apart by what they hold."""
    rule = "title: A rule\nlogsource: {product: linux}\ndetection: {sel: {A: x}, condition: sel}\n"
    compiled = read(textwrap.dedent(f"{rule}---\n{HEAD}{SOUND}"))
    assert [rule.ref.title for rule in compiled.rules] == ["A rule"]
    assert [(each.title, each.line) for each in compiled.filters] == [("A filter", 5)]


DIGITS: Final = st.text("0123456789-/. T\u0662", max_size=12)
JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("any ", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner, max_size=2),
    max_leaves=5,
)


@given(st.one_of(DIGITS, st.dates().map(str), JSON))
def test_an_expiry_is_a_day_or_refused(written: Any) -> None:
    """Whatever stands there."""
    try:
        found = filters._expiry({"expires": written})
    except Refused:
        assert str(written) not in {str(date.min), str(date.max)}
    else:
        assert found == written == date.fromisoformat(written).isoformat()


@given(JSON)
def test_rules_are_names_or_any_or_refused(written: Any) -> None:
    """Whatever stands there; what stands for any stands alone."""
    try:
        found = filters._rules({"rules": written})
    except Refused:
        return
    if found is None:
        assert written.strip().lower() == "any"
    else:
        assert found
        assert all(each and each.lower() != "any" for each in found)
