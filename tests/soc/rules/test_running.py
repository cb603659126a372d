"""`soc rules coverage | convert | bench | top` as functions: what they print, and their exit status."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import orjson
import pytest
from prometheus_client import exposition

from correlator.choice import Choice
from soc.errors import RulesError, Stop
from soc.events import LogSource
from soc.metrics import Metrics
from soc.rules import bench, convert, coverage, top
from soc.rules.sample import sample
from soc.settings import Settings

RULES = """\
title: A shell was [red]started[/red]
id: 00000000-0000-4000-8000-000000000001
level: high
tags: [attack.t1059]
logsource: {product: windows, category: process_creation}
detection:
    a: {Image|endswith: '\\sh.exe', Absent: x}
    condition: a
---
title: A service
id: 00000000-0000-4000-8000-000000000002
tags: [attack.t1543]
logsource: {product: linux, service: auditd}
detection:
    a: {type: EXECVE}
    condition: a
---
title: A program
id: 00000000-0000-4000-8000-000000000003
tags: [attack.t1204]
logsource: {product: windows, category: process_creation}
detection:
    a: {Image|contains: sh}
    condition: a
"""
EVENT = {"Channel": "Microsoft-Windows-Sysmon/Operational", "EventID": 1, "Image": "C:\\sh.exe"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings whose cache is there, as in a running service."""
    (tmp_path / "cache").mkdir(mode=0o700)
    return Settings.model_validate({"correlate": {"cache": str(tmp_path / "cache")}})


@pytest.fixture
def choice(tmp_path: Path) -> Choice:
    """Three rules."""
    (tmp_path / "rules.yml").write_text(RULES, "utf-8")
    return Choice(paths=(tmp_path / "rules.yml",))


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Events of two logsources, one nested, and a broken line."""
    file = tmp_path / "events.jsonl"
    lines = [EVENT, {**EVENT, "More": {"a": 1}}, {"type": "x"}]
    file.write_bytes(b"\n".join([*map(orjson.dumps, lines), b"{"]))
    return file


# Coverage ------------------------------------------------------------------------------------------------------------


def test_coverage_tells_what_can_fire(
    settings: Settings, choice: Choice, recording: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """By logsource and by rule; the layer has the rules that can."""
    layer = tmp_path / "layer.json"
    assert coverage.run(settings, [recording], choice, coverage.Wanted(form="json", navigator=layer, workers=1)) == 0
    told = orjson.loads(capsys.readouterr().out)
    assert (told["events"], told["unreadable"]) == (3, 1)
    states = {each["title"]: (each["state"], each["missing_fields"]) for each in told["rules"]}
    assert states == {
        "A shell was [red]started[/red]": ("blind", ["Absent"]),
        "A service": ("unseen", []),
        "A program": ("able", []),
    }
    assert told["events_without_rules"] == [{"product": None, "category": None, "service": None, "events": 1}]
    assert [each["techniqueID"] for each in orjson.loads(layer.read_bytes())["techniques"]] == ["T1204"]


def test_coverage_is_a_table_for_people(
    settings: Settings,
    choice: Choice,
    recording: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With totals below, and what is not seen at all."""
    monkeypatch.setenv("COLUMNS", "140")
    coverage.run(settings, [recording], choice, coverage.Wanted(workers=2))
    out = capsys.readouterr().out
    assert "Absent (1)" in out
    assert "No event of 1 logsources that 1 rules are for: linux/*/auditd (1)" in out
    assert "3 rules: 1 can fire, 1 ask for what no event has, 1 have no events at all" in out


@pytest.mark.parametrize("form", ["table", "json"])
def test_coverage_without_recordings_tells_what_is_collected(
    settings: Settings, choice: Choice, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """By what Windows' logs and syslog can hold."""
    assert coverage.run(settings, [], choice, coverage.Wanted(form=form)) == 0
    out = capsys.readouterr().out
    if form == "json":
        assert {each["product"]: each["collected"] for each in orjson.loads(out)["logsources"]} == {
            "windows": True,
            "linux": False,
        }
    else:
        assert "2 of 3 rules are for what" in out


# Convert -------------------------------------------------------------------------------------------------------------


def test_convert_writes_queries(settings: Settings, choice: Choice, capsys: pytest.CaptureFixture[str]) -> None:
    """A line each on standard output; what was done on standard error."""
    assert convert.run(settings, choice, [], convert.Wanted(target="lucene")) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 3
    assert "process.executable" in captured.out
    assert "3 rules converted to lucene through ecs_windows, 0 not" in captured.err


def test_convert_has_a_format_of_its_own(settings: Settings, choice: Choice, tmp_path: Path) -> None:
    """Each rule with its title and place."""
    output = tmp_path / "out"
    assert convert.run(settings, choice, ["none"], convert.Wanted(target="eql", format="jsonl", output=output)) == 0
    first = orjson.loads(output.read_bytes().splitlines()[0])
    assert first["title"] == "A shell was [red]started[/red]"
    assert first["line"] == 1
    assert first["queries"] == ['any where Image:"*\\\\sh.exe" and Absent:"x"']


def test_a_rule_that_cannot_be_converted_is_an_exit_status(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named with file, line and reason."""
    (tmp_path / "rules.yml").write_text(RULES.replace("Absent: x", "Absent|fieldref: x"), "utf-8")
    choice = Choice(paths=(tmp_path / "rules.yml",))
    assert convert.run(settings, choice, [], convert.Wanted(target="lucene")) == 1
    assert "rules.yml:1: lucene: ES Lucene backend can't handle field references" in capsys.readouterr().err


def test_pipelines_are_told_from_files() -> None:
    """By pySigma's names."""
    assert convert.named([Path("sysmon"), Path("ours.yml"), Path("none")]) == (["sysmon", "none"], [Path("ours.yml")])


def test_an_unknown_format_is_refused(settings: Settings, choice: Choice) -> None:
    """With those that there are."""
    with pytest.raises(RulesError, match="kibana_ndjson"):
        convert.run(settings, choice, [], convert.Wanted(target="lucene", format="x"))


# Bench ---------------------------------------------------------------------------------------------------------------


def test_bench_measures_on_recordings(
    settings: Settings, choice: Choice, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its figures are numbers that fit together."""
    assert bench.run(settings, [recording], choice, "json") == 0
    told = orjson.loads(capsys.readouterr().out)
    assert (told["rules"], told["events"], told["matches"]) == (3, 3, 2)
    assert told["us"] > told["decode_us"] > 0
    assert told["load_seconds"] > told["cached_seconds"] > 0


def test_bench_has_a_sample(settings: Settings, choice: Choice, capsys: pytest.CaptureFixture[str]) -> None:
    """The same every time."""
    assert list(sample(500)) == list(sample(500))
    assert {logsource for logsource, _ in sample(500)} > {LogSource("linux", None, "sshd")}
    assert bench.run(settings, [], choice, "table") == 0
    assert "made-up events" in capsys.readouterr().out


def test_bench_without_an_event_says_so(settings: Settings, choice: Choice, tmp_path: Path) -> None:
    """There is nothing to measure."""
    (tmp_path / "empty").touch()
    with pytest.raises(Stop, match="nothing to measure"):
        bench.run(settings, [tmp_path / "empty"], choice, "table")


# Top -----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def page() -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers with what the list holds."""
    pages: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(pages[0])

        def log_message(self, *_arguments: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/metrics", pages
        server.shutdown()
        thread.join()


def metrics_page() -> bytes:
    """The page of a service in which two rules were evaluated."""
    metrics = Metrics()
    for number, seconds in ((1, 0.5), (3, 1.5)):
        rule = f"00000000-0000-4000-8000-00000000000{number}"
        metrics.rule_cost.labels(rule).inc(seconds)
        metrics.rule_evaluations.labels(rule).inc(1000)
        metrics.rule_matches.labels(rule).inc(number)
    metrics.rule_errors.labels("gone\x1b[2J").inc(2)
    metrics.events_evaluated.inc(4000)
    return exposition.generate_latest(metrics.registry)


def test_top_sorts_by_cost(
    settings: Settings,
    choice: Choice,
    page: tuple[str, list[bytes]],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With titles where the compiled rules are at hand; what is data stays data."""
    monkeypatch.setenv("COLUMNS", "140")
    url, pages = page
    pages.append(metrics_page())
    assert top.run(settings, url, choice, 0, "table") == 0
    out = capsys.readouterr().out
    rows = [" ".join(line.split()) for line in out.splitlines() if line.strip()][2:]
    assert rows[0] == "1.500 s 75.0% 1,500.0 1,000 3 0 medium A program"
    assert rows[1] == "0.500 s 25.0% 500.0 1,000 1 0 high A shell was [red]started[/red]"
    assert rows[2] == "0.000 s 0.0% 0.0 0 0 2 - gone\\x1b[2J"
    assert rows[3] == "3 rules took 2.000 s for 4,000 events, 500.00 us an event"


def test_top_is_json_for_a_program(
    settings: Settings, choice: Choice, page: tuple[str, list[bytes]], capsys: pytest.CaptureFixture[str]
) -> None:
    """The costliest so many."""
    url, pages = page
    pages.append(metrics_page())
    top.run(settings, url, choice, 1, "json")
    told = orjson.loads(capsys.readouterr().out)
    assert told["events"] == 4000
    assert [each["title"] for each in told["rules"]] == ["A program"]


@pytest.mark.parametrize(
    "answer", [b"<html>", b"# TYPE vonggac_rule_cost_seconds_total counter\nvonggac_rule_cost_seconds_total 1\n"]
)
def test_another_page_is_refused(
    settings: Settings, choice: Choice, page: tuple[str, list[bytes]], answer: bytes
) -> None:
    """It is said what was wanted."""
    url, pages = page
    pages.append(answer)
    with pytest.raises(Stop, match="no page of metrics"):
        top.run(settings, url, choice, 0, "table")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/metrics", "file:///etc/passwd", "http://[", "http://x y/"])
def test_a_service_that_is_not_there_is_said(settings: Settings, choice: Choice, url: str) -> None:
    """With the remedy."""
    with pytest.raises(Stop, match=r"soc correlate|want http"):
        top.run(settings, url, choice, 0, "table")
