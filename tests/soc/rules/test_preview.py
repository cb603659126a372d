"""`soc rules preview`: what a filter would hide is told by rule, with the matches, and what it hides is data."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from typer.testing import CliRunner

from correlator.choice import Choice
from soc import logs
from soc.errors import Stop
from soc.rules import running
from soc.rules.app import app
from soc.rules.preview import Wanted, run, verdict
from soc.settings import Settings
from tests.soc.rules.test_match import HOSTILE, SYSMON

RULES: Final = """\
title: A shell was started
id: 00000000-0000-4000-8000-000000000001
name: shell
level: high
logsource: {product: windows, category: process_creation}
detection: {selection: {Image|endswith: '\\sh.exe'}, condition: selection}
---
title: Anything was started
id: 00000000-0000-4000-8000-000000000002
level: low
logsource: {product: windows, category: process_creation}
detection: {selection: {Image: '*'}, condition: selection}
---
title: A login
id: 00000000-0000-4000-8000-000000000003
level: low
logsource: {product: linux}
detection: {selection: {Action: login}, condition: selection}
"""
FILTER: Final = """\
title: Backup of the night
id: 00000000-0000-4000-8000-00000000000f
owner: me
reason: nightly
expires: 2999-01-01
logsource: {product: windows}
filter:
    rules: any
    account: {User|startswith: backup}
    program: {ParentProcessId: 7, ProcessId: 8}
    condition: not account and not program
"""
EVENT: Final = {
    "Channel": SYSMON, "EventID": 1, "Computer": "pc", "UtcTime": "2024-01-02 03:04:05.678", "Image": "C:\\sh.exe",
}  # fmt: skip
SECURITY: Final = {
    "Channel": "Security", "EventID": 4688, "Computer": "dc", "NewProcessName": "C:\\sh.exe", "ProcessId": 7,
    "NewProcessId": 8,
}  # fmt: skip
RECORDS: Final = (
    {**EVENT, "User": "backup" + HOSTILE, "Computer": "pc" + HOSTILE},
    {**EVENT, "User": "jane", "Image": "C:\\x.exe"},
    {**EVENT, "User": "BACKUP2", "Image": "C:\\y.exe", "UtcTime": "?"},
    EVENT,
    SECURITY,
)

Preview = Callable[..., int]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Rules, a filter beside them, and a recording."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "cache").mkdir(mode=0o700)
    (tmp_path / "rules" / "rules.yml").write_text(RULES, "utf-8")
    (tmp_path / "filter.yml").write_text(FILTER, "utf-8")
    (tmp_path / "events.jsonl").write_bytes(b"\n".join(map(orjson.dumps, RECORDS)))
    return tmp_path


@pytest.fixture
def preview(folder: Path) -> Preview:
    """Return a function that previews a filter on the recording."""
    settings = Settings.model_validate({"correlate": {"cache": str(folder / "cache")}})

    def previewed(name: str = "filter.yml", **wanted: Any) -> int:
        given = str(folder / name) if (folder / name).is_file() else name
        choice = Choice(paths=(folder / "rules",))
        return run(settings, given, [folder / "events.jsonl"], choice, Wanted(**{"workers": 1, **wanted}))

    return previewed


def lines(file: Path, kind: str) -> list[dict[str, Any]]:
    """Return the documents of a kind."""
    found = [orjson.loads(line) for line in file.read_bytes().splitlines()]
    return [each for each in found if each["kind"] == kind]


def counts(file: Path) -> dict[str, tuple[int, int]]:
    """Return of each rule what is hidden and what is kept."""
    return {each["title"]: (each["hidden"], each["kept"]) for each in lines(file, "rule")}


@pytest.mark.parametrize("workers", [1, 2])
def test_hidden_and_kept_matches_are_counted_a_rule(preview: Preview, folder: Path, workers: int) -> None:
    """Each hidden one with time, host, and the fields that the filter tested, by the names that the event has."""
    assert preview(format="jsonl", output=folder / "out", workers=workers) == 0
    assert counts(folder / "out") == {"A shell was started": (2, 1), "Anything was started": (3, 2)}
    hidden = lines(folder / "out", "hidden")
    assert [(each["record"], each["title"]) for each in hidden] == [
        (1, "A shell was started"),
        (1, "Anything was started"),
        (3, "Anything was started"),
        (5, "A shell was started"),
        (5, "Anything was started"),
    ]
    assert hidden[0]["filters"] == ["Backup of the night"]
    assert hidden[0]["time"] == "2024-01-02T03:04:05.678Z"
    assert hidden[0]["host"] == "pc" + HOSTILE
    assert hidden[0]["fields"] == {"User": "backup" + HOSTILE, "ParentProcessId": None, "ProcessId": None}
    assert hidden[3]["fields"] == {"User": None, "ProcessId": 7, "NewProcessId": 8}


def test_the_table_shows_the_first_hidden_matches(
    preview: Preview, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those rules first that lose most; what the log holds is text."""
    monkeypatch.setenv("COLUMNS", "220")
    assert preview(samples=1) == 0
    captured = capsys.readouterr()
    rows = [" ".join(line.split()) for line in captured.out.splitlines() if line.strip()][2:]
    assert [rows[0], rows[2]] == ["low 3 2 Anything was started", "high 2 1 A shell was started"]
    assert rows[1].startswith("2024-01-02 03:04:05 pc\\x1b")
    assert 'User="backup\\x1b' in rows[1]
    assert "[red]x[/red]" in rows[1]
    assert "ParentProcessId=missing" in rows[1]
    assert "\x1b" not in captured.out + captured.err
    assert "8 matches of 2 rules: 3 high, 5 low" in captured.err
    assert "the filter hides 5 of 8 matches, of 2 rules; 3 stay" in captured.err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("not account and not program", "not (account and program)"), "hides nothing here: all 8 matches"),
        (("not account and not program", "not account and account"), "hides everything here: all 8 matches"),
        (("{User|startswith: backup}", "{Image: '*'}"), "hides everything here: all 8 matches"),
        (("not account and not program", "account"), "has no `not`: its rules fire only where its condition is true"),
        (("rules: any", "rules: shell"), "the filter hides 2 of 3 matches, of 1 rule; 1 stays"),
        (("2999-01-01", "2020-01-01"), "expired on 2020-01-01: the service does not apply it any more"),
        (("{User|startswith: backup}", "{Image|endswith: sh.exe}"), "of 2 rules, 1 of which fall silent here"),
    ],
)
def test_what_a_filter_does_is_said_plainly(
    preview: Preview, folder: Path, capsys: pytest.CaptureFixture[str], change: tuple[str, str], said: str
) -> None:
    """Nothing, everything, or some of it."""
    assert change[0] in FILTER
    (folder / "filter.yml").write_text(FILTER.replace(*change), "utf-8")
    assert preview() == 0
    assert said in " ".join(capsys.readouterr().err.split())


def test_that_nothing_matched_is_no_word_on_the_filter() -> None:
    """A recording without a match shows nothing."""
    assert verdict([]).startswith("nothing to hide: none of the 0 rules")


def test_other_filters_of_the_site_stay(preview: Preview, folder: Path) -> None:
    """What they hide is not this one's; the one that is in force already is not applied twice."""
    other = (
        FILTER.replace("Backup of the night", "Others")
        .replace("000f", "000e")
        .replace("|startswith: backup", ": BACKUP2")
    )
    (folder / "rules" / "filters.yml").write_text(f"{other}---\n{FILTER}", "utf-8")
    for name in ("filter.yml", "000000f", "backup of"):
        preview(name, format="jsonl", output=folder / "out")
        assert counts(folder / "out") == {"A shell was started": (1, 1), "Anything was started": (1, 2)}, name


def test_the_filters_of_a_file_are_previewed_together(preview: Preview, folder: Path) -> None:
    """What any of them hides is hidden."""
    second = (
        FILTER.replace("000f", "000e").replace("|startswith: backup", ": jane").replace("rules: any", "rules: shell")
    )
    (folder / "filter.yml").write_text(f"{second}---\n{FILTER}", "utf-8")
    preview(format="jsonl", output=folder / "out")
    assert counts(folder / "out") == {"A shell was started": (2, 1), "Anything was started": (3, 2)}


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("filter.yml", FILTER.replace("2999-01-01", "soon"), r"does not compile: .*filter\.yml:5: expires"),
        ("filter.yml", RULES, "no filter in this file"),
        ("filter.yml", FILTER.replace("rules: any", "rules: nobody"), "changes no rule: it names 'nobody': no rule"),
        ("nobody", FILTER, "no filter has 'nobody' in its id"),
        ("events.jsonl", FILTER, "does not compile"),
    ],
)
def test_what_cannot_be_previewed(preview: Preview, folder: Path, name: str, text: str, said: str) -> None:
    """With the reason."""
    (folder / "filter.yml").write_text(text, "utf-8")
    with pytest.raises(Stop, match=said):
        preview(name)


def test_a_name_that_means_several(preview: Preview, folder: Path) -> None:
    """They are listed."""
    (folder / "rules" / "filters.yml").write_text(f"{FILTER.replace('000f', '000e')}---\n{FILTER}", "utf-8")
    with pytest.raises(Stop, match=r"2 filters are meant by backup; name one by its id:\n  0000"):
        preview("backup")


def test_correlations_that_lose_hits_are_named(
    preview: Preview, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What they find changes too; those that other rules feed are not."""
    burst = "title: {} shells\ncorrelation: {{type: event_count, rules: [{}], timespan: 1h, condition: {{gte: 9}}}}\n"
    text = "---\n".join(
        (
            RULES.replace("A login\n", "A login\nname: login\n"),
            burst.format("Many", "shell"),
            burst.format("No", "login"),
        )
    )
    (folder / "rules" / "rules.yml").write_text(text, "utf-8")
    preview()
    said = " ".join(capsys.readouterr().err.split())
    assert "missing in the correlations that these rules feed, too: 'Many shells'" in said
    assert "No shells" not in said


def test_the_recording_is_not_written_over(preview: Preview, folder: Path) -> None:
    """A slip of the hand must not cost evidence."""
    with pytest.raises(Stop, match="write to another file"):
        preview(output=folder / "events.jsonl")


def test_the_command_takes_its_options(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `soc rules match` does."""
    assert running.preview.__doc__
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SOC_CORRELATE__CACHE", str(folder / "cache"))
    arguments = [
        "preview",
        "filter.yml",
        "events.jsonl",
        "--rules",
        "rules",
        "--level",
        "high",
        "-f",
        "jsonl",
        "-o",
        "out",
    ]
    monkeypatch.setattr(
        logs, "to_stderr", lambda _level: None
    )  # the log is the process's, and the runner's output is not
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert counts(folder / "out") == {"A shell was started": (2, 1)}
