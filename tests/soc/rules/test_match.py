"""`soc rules match`: the matches are those of the slow way, whatever the file holds, and data stays data."""

import gzip
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from collectors.sources import BadRecord, Options, Recording
from collectors.sources.parts import parts
from correlator.choice import Choice
from correlator.compiler.compile import compile_files
from correlator.load import load
from correlator.rules import RuleSet
from soc.alerts import Level
from soc.errors import Stop
from soc.events import LogSource
from soc.rules import match, shown
from soc.rules.match import LIMIT, Wanted, recordings, run
from soc.rules.scan import Done, Found, Scanner, Unreadable
from soc.settings import Settings

ROOT = Path(__file__).parents[3]
SIGMA = Path(os.environ.get("SOC_SIGMA_PATH", ROOT.parent / "shared" / "sigma"))
EVENTS = Path(os.environ.get("SOC_EVENTS_PATH", ROOT.parent / "shared" / "events")) / "windows-20k.jsonl.gz"

HOSTILE = "\x1b[2J\x1b]0;owned\x07[red]x[/red]"
SYSMON = "Microsoft-Windows-Sysmon/Operational"
RULES = """\
title: A shell was started
id: 00000000-0000-4000-8000-000000000001
level: high
tags: [attack.t1059]
logsource: {product: windows, category: process_creation}
detection:
    selection:
        Image|endswith: '\\sh.exe'
    condition: selection
---
title: A word anywhere
id: 00000000-0000-4000-8000-000000000002
level: low
logsource: {product: windows}
detection:
    keywords: ['mimi,katz', 'drei: 3', '},{']
    condition: keywords
---
title: A part of a nested field
id: 00000000-0000-4000-8000-000000000003
level: critical
logsource: {product: zeek}
detection:
    selection:
        a.b|contains: x
    condition: selection
"""
MATCH = {"Channel": SYSMON, "EventID": 1, "Computer": "pc", "UtcTime": "2024-01-02 03:04:05.678", "Image": "C:\\sh.exe"}


@pytest.fixture
def rules(tmp_path: Path) -> RuleSet:
    """Three rules."""
    file = tmp_path / "rules.yml"
    file.write_text(RULES, "utf-8")
    compiled = compile_files([file], {})
    assert not compiled.failures
    return RuleSet(compiled.rules)


def slow(rules: RuleSet, files: Sequence[Path], stated: LogSource) -> tuple[list[Any], list[Any]]:
    """What Recording and the engine without the JSON at hand find, and what cannot be read."""
    found, bad = [], []
    for file in files:
        for record in Recording(file, Options("test", limit=LIMIT, logsource=stated)):
            if isinstance(record, BadRecord):
                bad.append((file, record.number, record.reason))
                continue
            time = None if "clock" in record.source else record.time
            place = (file, record.source["record"])
            hits = rules.evaluate(record.logsource, record.fields)
            found += [(*place, hit.rule.ref.id, time, record.host, hit.reasons) for hit in hits]
    return found, bad


class Kept:
    """A sink that keeps what it takes."""

    def __init__(self) -> None:
        self.hits: list[shown.Hit] = []

    def take(self, hit: shown.Hit) -> None:
        self.hits.append(hit)

    def finish(self) -> None:
        pass


def quick(rules: RuleSet, files: Sequence[Path], stated: LogSource, workers: int) -> tuple[list[Any], list[Any]]:
    """What the command finds, and what it cannot read."""
    sink, bad = Kept(), []
    scanner = Scanner(rules, Options("test", limit=LIMIT, logsource=stated))
    match.scan(scanner, rules, files, sink, workers)
    for file in files:
        for part in parts(file):
            bad += [(file, item.number, item.reason) for item in scanner(part) if isinstance(item, Unreadable)]
    return [(h.path, h.found.number, h.rule.ref.id, *h.found[2:5]) for h in sink.hits], bad


HOSTILE_FILES = {
    "lines": b"\n".join(
        [
            orjson.dumps(MATCH),
            b"",
            b"\xef\xbb\xbf" + orjson.dumps(MATCH) + b"\r",
            b"  \r",
            b'{"a": ',
            b"[1, 2]",
            b'"text"',
            b"null",
            b"\xff\xfe{}",
            orjson.dumps({**MATCH, "Image": "x" * (LIMIT + 1) + "\\sh.exe"}),
            orjson.dumps({**MATCH, "Image": "x" * (LIMIT // 2) + "\\sh.exe"}),
            orjson.dumps({**MATCH, "EventID": "1"}),
            orjson.dumps({**MATCH, "EventID": [1]}),
            orjson.dumps({**MATCH, "Channel": {"x": 1}}),
            orjson.dumps({**MATCH, "UtcTime": "2999-01-01 00:00:00"}),
            orjson.dumps({**MATCH, "More": {"deep": "mimi,katz"}}),
            orjson.dumps({**MATCH, "More": [{"x": 1}, {"y": 2}]}),
            b'{"Channel": "System", "EventID": 1, "More": [{"x": 1}  ,  {"y": 2}]}',
            b'{"Channel": "System", "EventID": 1, "More": "mimi\\u002ckatz"}',
            b'{"Channel": "System", "EventID": 1, "More": {"drei": 3, "b": ["drei: 3"]}}',
            b'{"Event": {"System": {"Channel": "System", "EventID": 1}, "EventData": {"a": "mimi,katz"}}}',
            b'{"Channel": "System", "EventID": 1, "EventData": "{\\"Image\\": \\"mimi,katz\\"}"}',
            b'{"Channel": "System", "EventID": 1, "n": ' + b"9" * 400 + b"}",
            b'{"a": {"b": "xyz"}}',
            b'{"a.b": "x"}',
            b'{"a": ' * 2000,
            b'{"a": ' * 300 + b"1" + b"}" * 300,
        ]
    ),
    "documents": b"[\n" + orjson.dumps(MATCH) + b',\n{"Channel": "System", "EventID": 1,\n"x": "mimi,katz"}]\n{"x": }',
    "text": b"<38>Jan  1 00:00:00 host sshd[1]: hello\n\nworld",
    "empty": b"",
    "nothing": b"\x00\x01" * 1000,
}


@pytest.mark.parametrize("stated", [LogSource(), LogSource("zeek"), LogSource("windows", "process_creation")])
@pytest.mark.parametrize("name", HOSTILE_FILES)
@pytest.mark.parametrize("packed", [False, True])
def test_hostile_files_give_what_the_slow_way_gives(
    rules: RuleSet, tmp_path: Path, name: str, packed: bool, stated: LogSource
) -> None:
    """Matches with their times, hosts and reasons, and what cannot be read, each with its number."""
    file = tmp_path / name
    file.write_bytes(gzip.compress(HOSTILE_FILES[name]) if packed else HOSTILE_FILES[name])
    assert quick(rules, [file], stated, 1) == slow(rules, [file], stated)


def test_the_parts_of_a_large_file_make_one(rules: RuleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several workers give what one gives; records are numbered through."""
    file, other = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    line = orjson.dumps({**MATCH, "Image": "C:\\x.exe"})
    file.write_bytes(b"\n".join(orjson.dumps(MATCH) if n % 100 == 7 else line for n in range(5000)))
    other.write_bytes(file.read_bytes())
    monkeypatch.setattr(match, "parts", lambda path: parts(path, 10_000))
    expected = slow(rules, [file, other], LogSource())[0]
    assert len(expected) == 100
    for workers in (1, 3):
        assert quick(rules, [file, other], LogSource(), workers)[0] == expected


def test_real_events_give_what_the_slow_way_gives(tmp_path: Path) -> None:
    """Twenty thousand Windows events under all of SigmaHQ's rules for Windows."""
    rules = load(Choice(paths=(SIGMA / "rules" / "windows",)), tmp_path)
    expected, bad = slow(rules, [EVENTS], LogSource())
    assert len(expected) > 100
    assert quick(rules, [EVENTS], LogSource(), 1) == (expected, bad)


def test_an_event_log_of_windows_is_read(rules: RuleSet) -> None:
    """EVTX, as in a replay."""
    files = sorted(SIGMA.glob("regression_data/**/*.evtx"))[:3]
    assert files
    assert quick(rules, files, LogSource(), 2) == slow(rules, files, LogSource())


def test_a_rule_that_fails_is_counted_and_the_others_go_on(
    rules: RuleSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is named with the number of events."""
    file = tmp_path / "a"
    file.write_bytes(orjson.dumps(MATCH))

    def evaluate(_self: RuleSet, _logsource: LogSource, _fields: Any, failed: Any, _wire: Any) -> list[Any]:
        failed(rules.rules[1], ValueError())
        return []

    monkeypatch.setattr(RuleSet, "evaluate", evaluate)
    items = list(Scanner(rules, Options("test"))(next(parts(file))))
    assert items == [Done(1, 1, {1: 1})]
    summary = match.scan(Scanner(rules, Options("test")), rules, [file], Kept(), 1)
    assert summary.failed == {"A word anywhere": 1}


# Files ---------------------------------------------------------------------------------------------------------------


def test_folders_are_walked_for_recordings(tmp_path: Path) -> None:
    """By their names; a file that is named is taken whatever its name."""
    for name in ("a.evtx", "deep/b.JSONL.gz", "deep/c.yml", "deep/.hidden.json", "d"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    files, passed_over = recordings([tmp_path, tmp_path / "d", tmp_path / "a.evtx"])
    assert [file.name for file in files] == ["a.evtx", "b.JSONL.gz", "d"]
    assert passed_over == 2


@pytest.mark.parametrize("name", ["missing", "empty"])
def test_nothing_to_read_is_said(tmp_path: Path, name: str) -> None:
    """A path that is not there, a folder without recordings."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(Stop, match=name):
        recordings([tmp_path / name])


# The command ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose cache is this test's."""
    (tmp_path / "cache").mkdir(mode=0o700)
    return Settings.model_validate({"correlate": {"cache": str(tmp_path / "cache")}})


@pytest.fixture
def evidence(tmp_path: Path) -> Path:
    """Two matches of one rule on one host, one of another, and a broken line."""
    (tmp_path / "rules.yml").write_text(RULES, "utf-8")
    file = tmp_path / "evidence.jsonl"
    records = [MATCH, {**MATCH, "Computer": HOSTILE, "More": "mimi,katz" + HOSTILE}, {**MATCH, "UtcTime": "?"}]
    file.write_bytes(b"\n".join([*map(orjson.dumps, records), b"{"]))
    return file


def ran(settings: Settings, evidence: Path, **wanted: Any) -> int:
    """Run the command on the evidence."""
    return run(settings, [evidence], Choice(paths=(evidence.parent / "rules.yml",)), Wanted(workers=1, **wanted))


def test_the_table_tells_each_rule_and_host(
    settings: Settings, evidence: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Gravest first, with the count and the reasons; what the log holds is text."""
    monkeypatch.setenv("COLUMNS", "160")
    assert ran(settings, evidence) == 0
    captured = capsys.readouterr()
    rows = [" ".join(line.split()) for line in captured.out.splitlines() if line.strip()][2:]
    assert rows[0] == "high 2024-01-02 03:04:05 2 pc A shell was started"
    assert rows[1] == "Image=C:\\sh.exe"
    assert "low" in rows[4]
    assert "keyword=…mimi,katz\\x1b" in rows[5] or "keyword=mimi,katz\\x1b" in rows[5]
    assert "[red]x[/red]" in rows[5]
    assert "\x1b" not in captured.out
    assert "4 matches of 2 rules: 3 high, 1 low" in captured.err
    assert "evidence.jsonl:4: malformed_json" in captured.err
    assert "1 record could not be read: 1 malformed_json" in captured.err


def test_json_lines_and_one_document_hold_the_same(settings: Settings, evidence: Path, tmp_path: Path) -> None:
    """With the record's number, for a program; with the event's fields where they are wanted."""
    lines, document = tmp_path / "out.jsonl", tmp_path / "out.json"
    ran(settings, evidence, format="jsonl", output=lines)
    ran(settings, evidence, format="json", output=document, events=True)
    first, *others = [orjson.loads(line) for line in lines.read_bytes().splitlines()]
    assert first == {
        "time": "2024-01-02T03:04:05.678Z",
        "level": "high",
        "title": "A shell was started",
        "rule": "00000000-0000-4000-8000-000000000001",
        "tags": ["attack.t1059"],
        "host": "pc",
        "file": str(evidence),
        "record": 1,
        "reasons": [
            {
                "selection": "selection",
                "field": "Image",
                "value": "C:\\sh.exe",
                "pattern": first["reasons"][0]["pattern"],
            }
        ],
    }
    assert others[-1]["time"] is None
    array = orjson.loads(document.read_bytes())
    assert [{name: value for name, value in each.items() if name != "fields"} for each in array] == [first, *others]
    assert array[0]["fields"] == MATCH


def test_the_exit_status_tells_a_grave_match(settings: Settings, evidence: Path) -> None:
    """3 from that level on."""
    assert ran(settings, evidence, fail_on=Level.HIGH) == 3
    assert ran(settings, evidence, fail_on=Level.CRITICAL) == 0


def test_what_is_read_is_not_written_over(settings: Settings, evidence: Path) -> None:
    """A slip of the hand must not cost evidence."""
    with pytest.raises(Stop, match="write to another file"):
        ran(settings, evidence, output=evidence)


def test_rows_and_matches_are_limited(
    settings: Settings, evidence: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And it is said that there are more."""
    assert ran(settings, evidence, limit=1, each=True, sort="time") == 0
    assert "3 more rows" in capsys.readouterr().out
    ran(settings, evidence, limit=2, format="jsonl", output=tmp_path / "out")
    assert len((tmp_path / "out").read_bytes().splitlines()) == 2


def test_a_table_keeps_so_many_rows(
    rules: RuleSet, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Memory is bounded; what is beyond is counted."""
    monkeypatch.setattr(shown, "MOST_ROWS", 2)
    with shown.opened("table", None, "time", each=True, limit=0) as sink:
        for number in range(5):
            found = Found(0, number, None, "host", (), None)
            sink.take(shown.Hit(Path("file"), rules.rules[0], found))
    assert "3 more matches than a table holds" in capsys.readouterr().out


def test_compiled_rules_are_kept_where_the_service_or_the_user_keeps_them(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service's folder where there is one; nowhere where the settings say so."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert match.compiled_cache(settings) == tmp_path / "cache"
    assert match.compiled_cache(Settings.model_validate({"correlate": {"cache": ""}})) is None
    elsewhere = Settings.model_validate({"correlate": {"cache": str(tmp_path / "nothing")}})
    assert match.compiled_cache(elsewhere) == tmp_path / "vonggac" / "rules"
