"""The commands for people who write rules: what they print, what they refuse, and with which status they end."""

import io
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest

from correlator.choice import Choice
from soc.errors import RulesError, Stop
from soc.events import LogSource
from soc.rules import checked, explained, listed, tested
from soc.rules.app import LevelName, Selection, Status
from soc.settings import Settings
from tests.soc.command import Command

OURS = Path(__file__).parents[3] / "rules"
HOSTILE = "\x1b[2J[red]x[/red]"

RULE = """\
title: Encoded PowerShell [bold]
id: 00000000-0000-4000-8000-00000000000{number}
level: {level}
status: test
logsource: {{product: windows, category: process_creation}}
detection:
    sel_img: {{Image|endswith: ['\\powershell.exe', '\\pwsh.exe']}}
    sel_cli: {{CommandLine|contains: ' -enc'}}
    filter: {{User: SYSTEM}}
    condition: all of sel_* and not filter
"""


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal on which nothing is wrapped."""
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a rule, `encoded.yml`."""
    (tmp_path / "encoded.yml").write_text(RULE.format(number=1, level="high"))
    return tmp_path


def chosen(*paths: Path, **selection: Any) -> Choice:
    """The choice of these paths, as the command line narrows it."""
    return Selection(**selection).choice(Settings(), paths)


def event(folder: Path, *events: dict[str, Any]) -> str:
    """A file with process creations, each with these fields besides."""
    common = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "Computer": "WS-1"}
    file = folder / "events.json"
    file.write_bytes(b"\n".join(orjson.dumps(common | each) for each in events))
    return str(file)


# check ---------------------------------------------------------------------------------------------------------------


def check(choice: Choice, *, strict: bool = False, every: bool = False, form: str = "text") -> int:
    """Run it."""
    return checked.run(Settings(), choice, strict=strict, every=every, form=form)


def test_our_own_rules_have_neither_error_nor_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """Without paths they are what is checked."""
    assert check(chosen(), strict=True) == 0
    assert "none fails; no warnings" in capsys.readouterr().out


def test_errors_are_named_by_file_and_line_and_end_with_one(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The sound rules are counted beside them; where no rule is left too."""
    (folder / "bad.yml").write_text(
        "title: x\nlogsource: {product: linux}\ndetection:\n    sel: {A: x}\n    condition: no\n"
    )
    assert check(chosen(folder)) == 1
    output = capsys.readouterr().out
    assert "bad.yml:5: error: there is no selection 'no'; the rule has sel" in output
    assert "1 rules compile, 1 do not" in output
    assert check(chosen(folder / "bad.yml")) == 1


def test_warnings_end_with_one_only_where_that_is_asked(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rules repository may begin without --strict."""
    file = folder / "encoded.yml"
    file.write_text(file.read_text().replace("all of sel_* and not filter", "sel_img"))
    assert [check(chosen(folder)), check(chosen(folder), strict=True)] == [0, 1]
    assert "encoded.yml:8: warning: the condition does not use the selection sel_cli" in capsys.readouterr().out


def test_what_many_rules_have_is_told_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Unless all is asked for."""
    for number in range(2, 7):
        text = RULE.format(number=number, level="low").replace("product: windows, category", "product: amiga, category")
        (folder / f"{number}.yml").write_text(text)
    check(chosen(folder))
    assert capsys.readouterr().out.count("[no-event]") == 1
    check(chosen(folder), every=True)
    assert capsys.readouterr().out.count("[no-event]") == 5


def test_a_program_reads_what_a_person_does(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Errors and warnings with file and line."""
    (folder / "bad.yml").write_text("title: x\nlogsource: {product: amiga}\ndetection: {sel: {A: x}, condition: sel}\n")
    (folder / "worse.yml").write_text("a: [}")
    check(chosen(folder), form="json")
    found = orjson.loads(capsys.readouterr().out)
    assert found["rules"] == 2
    assert [(Path(each["file"]).name, each["line"]) for each in found["errors"]] == [("worse.yml", 1)]
    assert {each["kind"] for each in found["warnings"]} == {"no-id", "no-level", "no-event"}


# list ----------------------------------------------------------------------------------------------------------------


def test_rules_are_listed_gravest_first_with_totals(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A title is data, whatever stands in it."""
    (folder / "2.yml").write_text(RULE.format(number=2, level="critical").replace("[bold]", "[red]"))
    listed.run(Settings(), chosen(folder), "table")
    output = capsys.readouterr().out
    assert output.index("Encoded PowerShell [red]") < output.index("Encoded PowerShell [bold]")
    assert "windows/process_creation/*" in output
    assert "2 rules: 1 critical, 1 high" in output


def test_rules_are_listed_as_ids_and_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    listed.run(Settings(), chosen(folder), "ids")
    assert capsys.readouterr().out == "00000000-0000-4000-8000-000000000001\n"
    listed.run(Settings(), chosen(folder), "json")
    (rule,) = orjson.loads(capsys.readouterr().out)
    assert (rule["level"], rule["logsource"]["product"], rule["line"]) == ("high", "windows", 1)


@pytest.mark.parametrize(
    ("selection", "count"),
    [
        ({}, 1),
        ({"level": [LevelName.high]}, 1),
        ({"level": [LevelName.low]}, 0),
        ({"min_level": LevelName.medium}, 1),
        ({"min_level": LevelName.critical}, 0),
        ({"status": [Status.test]}, 1),
        ({"status": [Status.stable]}, 0),
        ({"logsource": ["*/process_creation"]}, 1),
        ({"logsource": ["linux"]}, 0),
        ({"tag": ["attack.*"]}, 0),
        ({"author": ["nobody"]}, 0),
    ],
)
def test_the_command_line_narrows_the_choice(
    folder: Path, capsys: pytest.CaptureFixture[str], selection: dict[str, Any], count: int
) -> None:
    """By each of its options."""
    listed.run(Settings(), chosen(folder, **selection), "table")
    assert f"{count} rules" in capsys.readouterr().out


# test ----------------------------------------------------------------------------------------------------------------

SAMPLES = """\
match:
- logsource: {{product: windows, category: process_creation}}
  fields: {{Image: 'C:\\pwsh.exe', CommandLine: 'pwsh -enc x', User: {user}}}
no_match:
- syslog: '<38>Nov 22 15:24:13 gw01 sshd[406]: Failed password for bob from 192.0.2.51 port 38054 ssh2'
"""


def try_samples(choice: Choice, *more: Path, every: bool = False, form: str = "text") -> int:
    """Run it."""
    return tested.run(Settings(), choice, more, every=every, form=form)


def test_samples_beside_a_rule_are_tried(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Passed: 0; failed: 1, and the sample is named."""
    samples = folder / "encoded.samples.yml"
    samples.write_text(SAMPLES.format(user="lan"))
    assert [try_samples(chosen(folder)), try_samples(chosen(folder / "encoded.yml"))] == [0, 0]
    assert "2 samples of 1 rules: 2 passed, 0 failed; 0 rules have no samples" in capsys.readouterr().out
    samples.write_text(SAMPLES.format(user="SYSTEM"))
    assert try_samples(chosen(folder)) == 1
    assert "encoded.samples.yml: match 1: it did not fire, and must; nothing else fired" in capsys.readouterr().out


def test_what_fired_instead_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next question, answered."""
    (folder / "encoded.samples.yml").write_text(SAMPLES.format(user="SYSTEM"))
    other = RULE.format(number=2, level="low").replace("[bold]", "by the system").replace(" and not filter", "")
    (folder / "other.yml").write_text(other)
    assert try_samples(chosen(folder)) == 1
    assert "what fired: Encoded PowerShell by the system" in capsys.readouterr().out


def regression(folder: Path, info: str) -> Path:
    """A rule in SigmaHQ's layout, its recording, and what is said of it; the folder of rules."""
    mirror = folder / "regression_data" / "rules" / "windows" / "encoded"
    mirror.mkdir(parents=True)
    (folder / "rules" / "windows").mkdir(parents=True)
    (folder / "encoded.yml").rename(folder / "rules" / "windows" / "encoded.yml")
    recording = event(folder, {"Image": "C:\\pwsh.exe", "CommandLine": "pwsh -enc x"})
    Path(recording).rename(mirror / "sample.json")
    (mirror / "info.yml").write_text(f"rule_metadata:\n- id: 00000000-0000-4000-8000-000000000001\n{info}")
    return folder / "rules"


@pytest.mark.parametrize(
    ("info", "status"),
    [
        ("", 0),
        ("regression_tests_info:\n- path: regression_data/sample.json\n  match_count: 1\n", 0),
        ("regression_tests_info:\n- path: regression_data/sample.json\n  match_count: 2\n", 1),
        ("regression_tests_info:\n- path: regression_data/sample.json\n  match_count: 0\n", 1),
    ],
)
def test_regression_data_beside_the_rules_is_tried(
    folder: Path, capsys: pytest.CaptureFixture[str], info: str, status: int
) -> None:
    """Of the folder, of one below it and of one rule."""
    rules = regression(folder, info)
    for path in (rules, rules / "windows", rules / "windows" / "encoded.yml"):
        assert try_samples(chosen(path)) == status
        assert "1 samples of 1 rules" in capsys.readouterr().out


def test_samples_of_rules_that_were_not_chosen_are_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of rules that did not compile fail."""
    (folder / "encoded.samples.yml").write_text(SAMPLES.format(user="lan"))
    assert try_samples(chosen(folder, level=[LevelName.low])) == 0
    assert "0 samples of 0 rules" in capsys.readouterr().out
    (folder / "encoded.yml").write_text("title: broken\n")
    assert try_samples(chosen(folder)) == 1
    assert "is not among the rules" in capsys.readouterr().out


def test_samples_are_a_programs_too(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each with what was wanted and what came."""
    (folder / "encoded.samples.yml").write_text(SAMPLES.format(user="lan"))
    assert try_samples(chosen(folder), form="json") == 0
    found = orjson.loads(capsys.readouterr().out)
    assert (found["passed"], found["failed"], found["untested"]) == (2, 0, [])
    assert [(each["sample"], each["wanted"], each["fired"]) for each in found["samples"]] == [
        ("match 1", 1, 1),
        ("no_match 1", 0, 0),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("- x", "samples are a map"),
        ("matches: []", "'matches'"),
        ("match: x", "two lists"),
        ("match:\n- fields: {}", "match 1: a sample is"),
        ("match:\n- syslog: ' '", "no syslog message"),
        ("match: [", "encoded.samples.yml:2: not YAML"),
    ],
)
def test_samples_that_are_none_say_what_they_should_be(folder: Path, text: str, reason: str) -> None:
    """With file, and line where there is one."""
    (folder / "encoded.samples.yml").write_text(text + "\n")
    with pytest.raises(RulesError, match=reason) as raised:
        try_samples(chosen(folder))
    assert "encoded.samples.yml" in str(raised.value)


# explain -------------------------------------------------------------------------------------------------------------


def explain(folder: Path, rule: str, source: str, **options: Any) -> None:
    """Run it."""
    settings = {"record": None, "logsource": LogSource(), "every": False, "group": "", "form": "text"} | options
    explained.run(Settings(), chosen(folder), rule, source, **settings)


def test_a_rule_that_fires_says_by_what(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And which event of the file it took."""
    source = event(folder, {"Image": "C:\\a.exe"}, {"Image": "C:\\pwsh.exe", "CommandLine": "pwsh -enc " + "x" * 999})
    explain(folder, str(folder / "encoded.yml"), source)
    output = capsys.readouterr().out
    assert "✓ FIRES  Encoded PowerShell [bold]  high" in output
    assert "record 2 of events.json, the first that it fires on · windows process_creation sysmon · WS-1" in output
    assert 'Image is "C:\\pwsh.exe", ends with "\\pwsh.exe"' in output
    assert "(sel_img and sel_cli) and not filter" in output
    assert "x" * 500 not in output


def test_a_rule_that_does_not_fire_says_why_first(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that differs in case only is offered; content never drives the terminal."""
    source = event(folder, {"Image": f"C:\\{HOSTILE}\\pwsh.exe", "commandline": "pwsh -enc"})
    explain(folder, "Encoded", source, every=True)
    output = capsys.readouterr().out
    assert "✗ DOES NOT FIRE" in output
    assert "CommandLine is missing (the event has commandline: names are case-sensitive)" in output
    assert output.index("Why") < output.index("CommandLine is missing") < output.index("Condition")
    assert "C:\\\\x1b[2J[red]x[/red]\\pwsh.exe" in output


def test_a_filter_that_suppresses_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By its name and value."""
    explain(folder, "encoded", event(folder, {"Image": "\\pwsh.exe", "CommandLine": " -enc", "User": "system"}))
    assert 'not filter User is "system", is "SYSTEM"' in " ".join(capsys.readouterr().out.split())


def test_an_event_that_the_rule_does_not_see_says_so(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which part of the logsource is another."""
    file = folder / "line.log"
    file.write_text("<38>Nov 22 15:24:13 gw01 sshd[406]: Failed password for bob from 192.0.2.51 port 38054 ssh2\n")
    explain(folder, "00000000-0000-4000-8000-000000000001", str(file))
    assert (
        "the rule is for product windows and category process_creation, the event is linux" in capsys.readouterr().out
    )


def test_an_event_is_read_from_standard_input(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As from a file, and for a program."""
    data = Path(event(folder, {"Image": "\\pwsh.exe", "CommandLine": " -enc", "User": None})).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    explain(folder, "encoded", "-", form="json")
    found = orjson.loads(capsys.readouterr().out)
    assert (found["covered"], found["fired"]) == (True, True)
    leaf = found["tree"]["parts"][1]["parts"][0]["parts"][0]
    assert (leaf["field"], leaf["holds"], leaf["absence"]) == ("User", False, "null")


def test_a_long_list_is_folded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What holds is shown, the rest counted; all of it with --all."""
    file = folder / "encoded.yml"
    values = ", ".join(f"'\\{number}.exe'" for number in range(300))
    file.write_text(file.read_text().replace("'\\powershell.exe'", values))
    source = event(folder, {"Image": "C:\\pwsh.exe", "CommandLine": "x"})
    explain(folder, "encoded", source)
    output = capsys.readouterr().out
    assert "ends with any of 301 values  1 true" in output
    assert "… 300 more, none true (--all)" in output
    explain(folder, "encoded", source, every=True)
    assert "\\299.exe" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rule", "record", "reason"),
    [
        ("Encodd PowerShell [bold]", None, "did you mean 'Encoded PowerShell"),
        ("nothing like it", None, "no rule has 'nothing like it'"),
        ("encoded", 3, "has 1 records, there is no record 3"),
    ],
)
def test_what_is_not_there_is_said(folder: Path, rule: str, record: int | None, reason: str) -> None:
    """With what there is."""
    with pytest.raises(Stop, match=reason):
        explain(folder, rule, event(folder, {}), record=record)


def test_a_name_of_several_rules_lists_them(folder: Path) -> None:
    """With their ids."""
    (folder / "2.yml").write_text(RULE.format(number=2, level="low"))
    with pytest.raises(Stop, match="2 rules are meant by PowerShell") as raised:
        explain(folder, "PowerShell", event(folder, {}))
    assert "00000000-0000-4000-8000-000000000002  Encoded PowerShell" in str(raised.value)


def test_a_rule_that_takes_for_ever_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And told, with its file."""
    monkeypatch.setattr(explained, "SECONDS", 0.2)
    file = folder / "encoded.yml"
    file.write_text(file.read_text().replace("CommandLine|contains: ' -enc'", "CommandLine|re: '(a+)+$'"))
    with pytest.raises(Stop, match="not evaluated within"):
        explain(folder, "encoded", event(folder, {"Image": "\\pwsh.exe", "CommandLine": "a" * 40 + "b"}))


# The command line ----------------------------------------------------------------------------------------------------


def test_the_commands_take_their_options(soc: Command) -> None:
    """As a user runs them, in a folder where nothing is left behind."""
    before = set(soc.folder.iterdir())
    assert soc("rules", "check", str(OURS / "web"), "--strict").returncode == 0
    done = soc("rules", "list", str(OURS), "--min-level", "critical", "--format", "ids")
    assert 1 <= len(done.stdout.splitlines()) < 10
    wrong = soc("rules", "list", "--logsource", "a/b/c/d")
    assert (wrong.returncode, "PRODUCT/CATEGORY/SERVICE" in wrong.stderr) == (1, True)
    recording = OURS.parent / "deploy" / "recordings" / "nginx.log"
    done = soc("rules", "explain", "sql_injection", str(recording))
    assert (done.returncode, "FIRES" in done.stdout) == (0, True)
    assert set(soc.folder.iterdir()) == before


# A site's filters ----------------------------------------------------------------------------------------------------

FILTER = """\
title: "Admins \\e[2J[red]x[/red]"
owner: me
expires: {expires}
logsource: {{product: windows}}
filter:
    rules: any
    account: {{User|startswith: adm_}}
    condition: not account
"""


def filtered(folder: Path, expires: str = "2999-01-01") -> Choice:
    """The choice of the folder, with a filter."""
    (folder / "filter.yml").write_text(FILTER.format(expires=expires))
    return chosen(folder)


def test_filters_are_checked_and_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each warning with file and line; what fails ends with one."""
    assert check(filtered(folder)) == 0
    output = capsys.readouterr().out
    assert "filter.yml:1: warning: the filter has no reason" in output
    assert "1 rules and 1 filter compile" in output
    assert check(filtered(folder, "2020-01-01")) == 0
    assert "filter.yml:3: warning: the filter expired on 2020-01-01" in capsys.readouterr().out
    assert check(filtered(folder, "soon")) == 1
    assert "filter.yml:3: error: expires: a day is expected" in capsys.readouterr().out


def test_filters_are_listed_by_what_becomes_of_them(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the totals."""
    listed.run(Settings(), filtered(folder), "table")
    listed.run(Settings(), filtered(folder, "2020-01-01"), "table")
    output = capsys.readouterr().out
    assert "1 rules: 1 high; filters: 1 applied" in output
    assert "1 rules: 1 high; filters: 1 expired" in output


def test_an_explanation_names_the_filter(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By its title, beside the selection that made it true."""
    filtered(folder)
    shell = {"Image": "C:\\powershell.exe", "CommandLine": "x -enc", "User": "adm_jane"}
    explain(folder, "encoded", event(folder, shell))
    output = capsys.readouterr().out
    assert "DOES NOT FIRE" in output
    assert "not filter: Admins \\x1b[2J[red]x[/red]: account" in output
