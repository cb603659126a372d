"""`soc rules explain` of correlations: why one fired on a recording or did not, for people and for programs."""

from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from correlator.choice import Choice
from soc.errors import Stop
from soc.events import LogSource
from soc.rules import explained
from soc.rules.app import Selection
from soc.settings import Settings

RULES = """\
title: Failed [bold]login
name: failed
id: 00000000-0000-4000-8000-000000000001
logsource: {product: linux, service: sshd}
detection: {sel: {Action: login_failed}, condition: sel}
---
title: Accepted
name: accepted
id: 00000000-0000-4000-8000-000000000002
logsource: {product: linux, service: sshd}
detection: {sel: {Action: login_accepted}, condition: sel}
---
title: Many
name: many
id: 00000000-0000-4000-8000-000000000003
level: medium
correlation: {type: event_count, rules: [failed], group-by: [User], timespan: 10m, condition: {gte: 3}}
---
title: Then in
id: 00000000-0000-4000-8000-000000000004
level: high
correlation: {type: temporal_ordered, rules: [many, accepted], group-by: [User], timespan: 30m}
---
title: Never in
id: 00000000-0000-4000-8000-000000000005
correlation: {type: temporal, group-by: [User], timespan: 1h, condition: failed and not accepted}
---
title: By key
id: 00000000-0000-4000-8000-000000000006
correlation: {type: event_count, rules: [failed], group-by: [Key], timespan: 1h, condition: {gte: 2}}
---
title: All together
id: 00000000-0000-4000-8000-000000000007
correlation: {type: value_count, rules: [failed], timespan: 1h, condition: {gte: 9, field: User}}
"""
FAILED = "Failed password for {user} from 203.0.113.77 port 40112 ssh2"
ACCEPTED = "Accepted password for {user} from 203.0.113.77 port 40112 ssh2"


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal on which nothing is wrapped."""
    monkeypatch.setenv("COLUMNS", "300")


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """Two rules and five correlations."""
    (tmp_path / "rules.yml").write_text(RULES, "utf-8")
    return tmp_path / "rules.yml"


def recording(folder: Path, *lines: tuple[str, str], text: str = FAILED) -> str:
    """A file with a refused login for each (minute and second, user), or what a third says."""
    file = folder / "auth.log"
    with file.open("a") as out:
        for when, user in lines:
            out.write(f"<38>1 2024-11-22T15:{when}.000Z gw01 sshd 7 - - {text.format(user=user)}\n")
    return str(file)


def explain(rules: Path, name: str, source: str, **options: Any) -> None:
    """Run it."""
    chosen: Choice = Selection().choice(Settings(), [rules])
    settings = {"record": None, "logsource": LogSource(), "every": False, "group": "", "form": "table", **options}
    explained.run(Settings(), chosen, name, source, **settings)


def test_a_correlation_that_fires_shows_the_window(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The group that fired, its hits with the time between them, and the other groups; titles are data."""
    file = recording(tmp_path, *((f"00:{second:02}", "An.NV") for second in (0, 10, 30)), ("01:00", "binh"))
    explain(rules, "Many", file)
    out = capsys.readouterr().out
    assert "✓ FIRES  Many  medium" in out
    assert "asked  event_count: >= 3 within 10 min" in out
    assert "why    for an.nv: 3 counted; it holds at 1 of 3 hits" in out
    assert "20.0 s   2024-11-22 15:00:30Z   Failed [bold]login   gw01" in out
    assert "an.nv: 2024-11-22 14:50:30Z to 2024-11-22 15:00:30Z, 3 hits" in out
    assert [line.split() for line in out.splitlines()[-3:-1]] == [["1", "3", "3", "an.nv"], ["0", "1", "1", "binh"]]


def test_a_correlation_that_does_not_fire_says_how_near_it_came(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of the group that came nearest, or of the one that is asked about, in any case."""
    file = recording(tmp_path, ("00:00", "an"), ("00:10", "an"), ("01:00", "binh"))
    explain(rules, "Many", file)
    out = capsys.readouterr().out
    assert "✗ DOES NOT FIRE  Many" in out
    assert "why    for an: at the best 2 counted" in out
    explain(rules, "Many", file, group="BINH")
    assert "why    for binh: at the best 1 counted" in capsys.readouterr().out
    with pytest.raises(Stop, match=r"no group has 'cuong' in its values; there are: an, binh"):
        explain(rules, "Many", file, group="cuong")


def test_a_chain_names_what_is_missing_and_how_to_find_out(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rule that never fired, with the next command."""
    file = recording(tmp_path, *((f"00:{second:02}", "an") for second in (0, 10, 30)))
    explain(rules, "Then in", file)
    out = capsys.readouterr().out
    assert "for an: at the best 1 counted, missing: Accepted" in out
    assert f"why not: soc rules explain 00000000-0000-4000-8000-000000000002 {file}" in out
    recording(tmp_path, ("02:00", "an"), text=ACCEPTED)
    explain(rules, "Then in", file)
    out = capsys.readouterr().out
    assert "✓ FIRES  Then in  high" in out
    assert "90.0 s   2024-11-22 15:02:00Z   Accepted   gw01" in out
    assert "why not" not in out


def test_hits_in_another_order_are_told_from_missing_ones(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All of them are there."""
    file = recording(tmp_path, ("00:00", "an"), text=ACCEPTED)
    recording(tmp_path, *((f"01:{second:02}", "an") for second in (0, 10, 30)))
    explain(rules, "Then in", file)
    assert "all of them, but not in the order asked" in capsys.readouterr().out


def test_a_window_that_is_judged_once_counts_windows(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not hits; and what keeps it from holding is in the window."""
    file = recording(tmp_path, ("00:00", "an"), ("01:00", "an"), ("02:00", "binh"))
    recording(tmp_path, ("05:00", "binh"), text=ACCEPTED)
    explain(rules, "Never in", file)
    out = capsys.readouterr().out
    assert "for an: 1 counted; it holds in 1 window" in out
    assert "an: 2024-11-22 15:00:00Z to 2024-11-22 15:59:59Z, 2 hits" in out
    explain(rules, "Never in", file, group="binh")
    assert "for binh: at the best, a window has only Failed [bold]login, Accepted" in capsys.readouterr().out


def test_hits_without_a_group_are_told(rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are why nothing was counted."""
    explain(rules, "By key", recording(tmp_path, ("00:00", "an"), ("00:01", "an")))
    out = capsys.readouterr().out
    assert "why    all 2 hits lack a field that it groups by, or it is null" in out
    assert "2   without a field of group-by" in out


def test_no_group_by_is_one_group(rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which has a name for people."""
    explain(rules, "All together", recording(tmp_path, ("00:00", "an"), ("00:01", "\x1b[2Jbinh")))
    out = capsys.readouterr().out
    assert "for (all together): at the best 2 counted" in out
    assert "\x1b[2J" not in out


@pytest.mark.parametrize(
    ("lines", "said"),
    [("", "the recording has no event that can be read"), ("x\n", "none of the rules that it refers to fired")],
)
def test_a_recording_of_nothing_says_so(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], lines: str, said: str
) -> None:
    """No event, or none that a rule fires on."""
    (tmp_path / "auth.log").write_text(lines)
    explain(rules, "Many", str(tmp_path / "auth.log"))
    assert said in capsys.readouterr().out


def test_a_program_reads_the_window_too(rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With times as `match` writes them, and ids of events."""
    file = recording(tmp_path, *((f"00:{second:02}", "an") for second in (0, 10, 30)), ("01:00", "binh"))
    explain(rules, "Many", file, form="json")
    told = orjson.loads(capsys.readouterr().out)
    assert (told["fired"], told["events"], told["ungrouped"]) == (True, 4, 0)
    assert told["entered"] == {"00000000-0000-4000-8000-000000000001": 4}
    assert told["group"]["values"] == {"User": "an"}
    assert (told["group"]["counted"], told["group"]["holds"], len(told["group"]["hits"])) == (3, True, 3)
    end, first = (datetime.fromisoformat(each) for each in (told["group"]["end"], told["group"]["hits"][0]["time"]))
    assert (end - first).total_seconds() == 30
    assert [each["values"] for each in told["groups"]] == [["an"], ["binh"]]
    explain(rules, "By key", file, form="json")
    assert orjson.loads(capsys.readouterr().out)["group"] is None


def test_options_of_the_other_kind_are_refused(rules: Path, tmp_path: Path) -> None:
    """A rule has no groups, a correlation is about no single record."""
    file = recording(tmp_path, ("00:00", "an"))
    with pytest.raises(Stop, match="only a correlation has groups"):
        explain(rules, "Accepted", file, group="an")
    with pytest.raises(Stop, match="leave --record out"):
        explain(rules, "Many", file, record=1)


def test_a_correlation_that_is_not_in_force_says_why(rules: Path, tmp_path: Path) -> None:
    """With the reason of what it refers to."""
    rules.write_text(RULES.split("---\n", 1)[1], "utf-8")
    with pytest.raises(Stop, match=r"no rule has 'Many'|is not in force"):
        explain(rules, "Many", recording(tmp_path, ("00:00", "an")))


def test_a_file_is_tried_with_the_rules_that_it_refers_to(
    rules: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A correlation of one's own on rules that are in force."""
    own = tmp_path / "own" / "mine.yml"
    own.parent.mkdir()
    own.write_text(RULES.split("---\n")[2].replace("name: many\n", "").replace("000000000003", "000000000009"))
    explain(rules, str(own), recording(tmp_path, ("00:00", "an")))
    assert "✗ DOES NOT FIRE  Many" in capsys.readouterr().out


def test_a_rule_is_found_by_its_file_s_name(rules: Path, tmp_path: Path) -> None:
    """With its suffix or without, wherever it lies; this one holds several."""
    file = recording(tmp_path, ("00:00", "an"))
    for name in (rules.name, rules.stem):
        with pytest.raises(Stop, match=f"7 rules are meant by {name}; name one by its id"):
            explain(rules, name, file)
