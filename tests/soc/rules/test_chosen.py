"""`soc rules check` and `list` of rules with correlations: what is silenced by what, whatever part of them is asked for."""

from pathlib import Path
from typing import Any

import orjson
import pytest

from correlator.choice import Choice
from soc.rules import checked, listed
from soc.rules.app import LevelName, Selection
from soc.settings import Settings

RULES = """\
title: Login [bold]failed[/bold]
name: failed
id: 00000000-0000-4000-8000-000000000001
level: informational
logsource: {product: linux, service: sshd}
detection: {sel: {Action: login_failed}, condition: sel}
---
title: Root came in
name: root
id: 00000000-0000-4000-8000-000000000002
level: high
logsource: {product: windows, service: security}
detection: {sel: {EventID: 4624}, condition: sel}
---
title: Guessing
name: guessing
id: 00000000-0000-4000-8000-000000000003
level: low
status: test
correlation:
    type: event_count
    rules: [failed]
    group-by: [User]
    timespan: 10m
    condition: {gte: 10}
---
title: Guessed
id: 00000000-0000-4000-8000-000000000004
level: critical
correlation:
    type: temporal
    rules: [guessing, root]
    group-by: [User]
    timespan: 10m
"""


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal on which nothing is wrapped."""
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two rules, a correlation of one, and one above."""
    (tmp_path / "rules.yml").write_text(RULES, "utf-8")
    return tmp_path / "rules.yml"


def chosen(file: Path, **selection: Any) -> Choice:
    """The choice of this file, as the command line narrows it."""
    return Selection(**selection).choice(Settings(), [file])


def titles(out: str) -> list[str]:
    """The titles of a JSON list."""
    return [each["title"] for each in orjson.loads(out)]


# list ----------------------------------------------------------------------------------------------------------------


def test_correlations_are_listed_with_what_they_refer_to(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By level among the rules; what is silenced says by what; a title is data."""
    listed.run(Settings(), chosen(file), "table")
    out = capsys.readouterr().out
    assert out.index("Guessed") < out.index("Root came in") < out.index("Login [bold]failed[/bold]")
    assert "temporal of Guessing, Root came in" in out
    assert "event_count of Login [bold]failed[/bold]" in out
    assert [out.count(f"silenced by {title}") for title in ("Guessing", "Guessed")] == [1, 2]
    assert "2 rules and 2 correlations: 1 critical, 1 high, 1 low, 1 informational; 3 silenced" in out


def test_a_program_reads_what_is_correlated_and_silenced(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Type, condition, what it refers to by id and title; a rule has a logsource, a correlation none."""
    listed.run(Settings(), chosen(file), "json")
    guessed, root, guessing, failed = orjson.loads(capsys.readouterr().out)
    assert guessing["correlation"] == {
        "type": "event_count",
        "condition": "event_count: >= 10 within 10 min",
        "group_by": ["User"],
        "rules": [{"id": failed["id"], "title": "Login [bold]failed[/bold]"}],
        "generate": False,
    }
    assert (guessing["logsource"], root["correlation"]) == (None, None)
    assert [each["silenced_by"] for each in (guessed, root, guessing, failed)] == [
        [],
        ["Guessed"],
        ["Guessed"],
        ["Guessing"],
    ]


def test_many_silencers_are_not_all_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table has room for few."""
    correlation = RULES.split("---\n")[2]
    several = [
        correlation.replace("title: Guessing", f"title: Guessing {number}")
        .replace("name: guessing\n", "")
        .replace("000000000003", f"00000000001{number}")
        for number in range(5)
    ]
    file = tmp_path / "rules.yml"
    file.write_text("---\n".join([RULES.split("---\n", maxsplit=1)[0], *several]))
    listed.run(Settings(), chosen(file), "table")
    out = capsys.readouterr().out
    assert out.count("silenced by Guessing") == listed.SILENCERS
    assert "and by 2 more" in out


def test_a_part_of_the_rules_stays_linked_with_the_rest(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not asked for is counted, and neither makes correlations fail nor rules speak again."""
    listed.run(Settings(), chosen(file, level=[LevelName.critical, LevelName.informational]), "table")
    out = capsys.readouterr().out
    assert "Root came in" not in out.replace("temporal of Guessing, Root came in", "")
    assert "silenced by Guessing" in out
    assert "1 rules and 1 correlations: 1 critical, 1 informational; 1 silenced; 2 were not asked for" in out


@pytest.mark.parametrize(
    ("logsource", "expected"),
    [
        ("linux", ["Guessed", "Guessing", "Login [bold]failed[/bold]"]),
        ("windows", ["Guessed", "Root came in"]),
        ("amiga", []),
    ],
)
def test_a_correlation_has_the_logsources_of_what_it_rests_on(
    file: Path, capsys: pytest.CaptureFixture[str], logsource: str, expected: list[str]
) -> None:
    """Through all levels."""
    listed.run(Settings(), chosen(file, logsource=[logsource]), "json")
    assert titles(capsys.readouterr().out) == expected


def test_what_the_settings_leave_out_is_silent_where_a_correlation_needs_it(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which is no fault of the correlation; what is disabled is not there for anybody."""
    settings = Settings.model_validate({"correlate": {"without": {"levels": ["low", "high"]}}})
    listed.run(settings, Selection().choice(settings, [file]), "table")
    assert "silenced by Guessed" in capsys.readouterr().out
    assert checked.run(settings, Selection().choice(settings, [file]), strict=True, every=False, form="text") == 0
    settings = Settings.model_validate({"correlate": {"disabled": ["00000000-0000-4000-8000-000000000001"]}})
    listed.run(settings, Selection().choice(settings, [file]), "table")
    assert "2 do not compile" in capsys.readouterr().out


# check ---------------------------------------------------------------------------------------------------------------


def test_every_silenced_rule_is_named_with_what_silences_it(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line; a warning where it may not be meant."""
    assert checked.run(Settings(), chosen(file), strict=False, every=False, form="text") == 0
    out = capsys.readouterr().out
    assert "note: 3 silenced, heard through correlations alone: Root came in (by Guessed); Guessing (by Guessed)" in out
    assert out.count("[silenced]") == 1
    assert "rules.yml:32: warning: it silences Guessing (low), Root came in (high);" in out
    assert "2 rules and 2 correlations compile, none fails; 1 warnings (1 silenced)" in out
    assert checked.run(Settings(), chosen(file), strict=True, every=False, form="text") == 1


def test_all_silenced_rules_have_a_line_where_all_is_asked_for(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """However many they are."""
    checked.run(Settings(), chosen(file), strict=False, every=True, form="text")
    out = capsys.readouterr().out
    assert out.count("note: silenced: ") == 3
    assert "note: silenced: Login [bold]failed[/bold] (by Guessing)" in out


def test_more_silenced_rules_than_a_line_holds_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The others are a question away."""
    rule, _, correlation, _ = RULES.split("---\n")
    rules = [
        rule.replace("name: failed", f"name: failed{number}").replace("000000000001", f"0000000001{number:02}")
        for number in range(13)
    ]
    names = ", ".join(f"failed{number}" for number in range(13))
    file = tmp_path / "rules.yml"
    file.write_text("---\n".join([*rules, correlation.replace("[failed]", f"[{names}]")]))
    checked.run(Settings(), chosen(file), strict=False, every=False, form="text")
    assert "note: 13 silenced" in (out := capsys.readouterr().out)
    assert "and 3 more (--all names them)" in out


def test_silenced_rules_are_a_programs_too(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the titles of all that silence them."""
    checked.run(Settings(), chosen(file), strict=False, every=False, form="json")
    found = orjson.loads(capsys.readouterr().out)
    assert (found["rules"], found["correlations"], found["errors"]) == (2, 2, [])
    assert [(each["title"], each["level"], each["by"]) for each in found["silenced"]] == [
        ("Root came in", "high", ["Guessed"]),
        ("Guessing", "low", ["Guessed"]),
        ("Login [bold]failed[/bold]", "informational", ["Guessing"]),
    ]


def test_a_check_of_a_part_finds_no_fault_with_the_rest(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What a correlation refers to need not be asked for."""
    assert (
        checked.run(Settings(), chosen(file, level=[LevelName.critical]), strict=False, every=False, form="text") == 0
    )
    out = capsys.readouterr().out
    assert "0 rules and 1 correlation compile, none fails" in out
    assert "3 were not asked for" in out
