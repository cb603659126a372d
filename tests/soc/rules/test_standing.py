"""`soc correlations`: what a page of metrics says of each correlation, for people and for programs."""

from pathlib import Path

import orjson
import pytest
from prometheus_client import exposition

from correlator.choice import Choice
from correlator.load import compile_rules
from soc.errors import Stop
from soc.metrics import Metrics
from soc.rules import asked, standing
from soc.rules.standing import State, state_of
from soc.settings import Settings

RULES = """\
title: Failed
name: failed
id: 00000000-0000-4000-8000-000000000001
logsource: {product: linux, service: sshd}
detection: {sel: {Action: login_failed}, condition: sel}
---
title: Many [bold]tries
name: many
id: 00000000-0000-4000-8000-000000000003
level: high
correlation: {type: event_count, rules: [failed], group-by: [User], timespan: 10m, condition: {gte: 3}}
---
title: Few
id: 00000000-0000-4000-8000-000000000004
level: critical
correlation: {type: event_count, rules: [many], group-by: [User], timespan: 1h, condition: {gte: 2, lt: 4}}
"""
MANY, FEW = "00000000-0000-4000-8000-000000000003", "00000000-0000-4000-8000-000000000004"


@pytest.fixture
def choice(tmp_path: Path) -> Choice:
    """A rule, a correlation of it, and one above that silences it."""
    (tmp_path / "rules.yml").write_text(RULES, "utf-8")
    return Choice(paths=(tmp_path / "rules.yml",))


@pytest.fixture
def metrics() -> Metrics:
    """What a service shows that has just begun."""
    metrics = Metrics()
    metrics.correlate_clock_delay.labels("1").set(62.4)
    for rule in (MANY, FEW):
        metrics.correlate_groups.labels(rule).set(0)
    return metrics


def page(metrics: Metrics) -> str:
    """The page as it is served."""
    return exposition.generate_latest(metrics.registry).decode()


def shown(choice: Choice, metrics: Metrics, monkeypatch: pytest.MonkeyPatch, form: str = "table") -> None:
    """Run the command against that page."""
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr(asked, "page", lambda _url: page(metrics))
    assert standing.run(Settings(), "", choice, form) == 0


@pytest.fixture
def busy(metrics: Metrics) -> Metrics:
    """What a service shows that has had everything happen to it."""
    metrics.correlate_clock_delay.labels("2").set(900)
    metrics.correlate_groups.labels(MANY).set(1234)
    metrics.correlate_hits.labels(MANY).set(5678)
    metrics.correlate_windows.labels(FEW).set(3)
    metrics.correlate_late.labels(FEW).inc(4)
    metrics.correlate_evicted.labels(MANY).inc(5)
    metrics.correlate_refused.labels(MANY).inc(6)
    metrics.hits_refused.labels(MANY, "ungrouped").inc(7)
    metrics.hits_refused.labels(MANY, "too_large").inc(8)
    metrics.rule_matches.labels(FEW).inc(9)
    metrics.bus_lag.labels("correlate", "soc.hits").set(10)
    metrics.bus_lag.labels("detect", "soc.events").set(1000)
    metrics.correlate_standing.set(2)
    metrics.correlate_replayed.inc(11)
    metrics.correlate_unknown.inc(12)
    return metrics


def state(metrics: Metrics, choice: Choice) -> State:
    """What is read of the page."""
    return state_of(page(metrics), compile_rules(choice).plan)


def test_a_service_that_has_just_begun_has_nothing_but_clocks(choice: Choice, metrics: Metrics) -> None:
    """Gravest first; of a level whose clock is not known, none."""
    found = state(metrics, choice)
    assert [(each.linked.correlation.ref.title, each.clock) for each in found.each] == [
        ("Few", None),
        ("Many [bold]tries", 62.4),
    ]
    assert not any(number for each in found.each for number in each.counts.values())
    assert (found.lag, found.whole) == (0, {"standing": 0, "replayed": 0, "unknown": 0})


def test_everything_that_is_counted_is_read(choice: Choice, busy: Metrics) -> None:
    """Each count of its own correlation; of lag only that of this stage."""
    few, many = state(busy, choice).each
    assert dict(many.counts) == {
        "groups": 1234,
        "hits": 5678,
        "windows": 0,
        "late": 0,
        "evicted": 5,
        "refused": 6,
        "ungrouped": 7,
        "too_large": 8,
        "matches": 0,
    }
    assert (few.clock, few.counts["windows"], few.counts["late"], few.counts["matches"]) == (900, 3, 4, 9)
    assert (state(busy, choice).lag, dict(state(busy, choice).whole)) == (
        10,
        {"standing": 2, "replayed": 11, "unknown": 12},
    )


def test_only_columns_that_tell_something_are_shown(
    choice: Choice, metrics: Metrics, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a quiet service fits a small terminal; what is silenced says by what."""
    shown(choice, metrics, monkeypatch)
    out = capsys.readouterr().out
    assert out.splitlines()[1].split() == ["Correlation", "Level", "Clock", "Groups", "Hits", "Matches"]
    assert "silenced by Few" in out
    assert "Many [bold]tries" in out
    assert "2 correlations; 0 records of soc.hits still to be read" in out
    assert "62 s of it are waited for late events" in out
    assert "still: windows wait" not in out


def test_what_an_operator_looks_into_is_shown(
    choice: Choice, busy: Metrics, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late hits, what was left out or not grouped, and what windows wait for."""
    shown(choice, busy, monkeypatch)
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines()]
    assert ["Few", "critical", "900", "s", "0", "0", "3", "4", "0", "0", "9"] in rows
    assert ["Many", "[bold]tries", "high", "62", "s", "1,234", "5,678", "0", "0", "7", "19", "0"] in rows
    assert "10 records of soc.hits still to be read; 11 read again" in out
    assert "2 sources of the clock stand still" in out
    assert "12 hits were of correlations that are not in force here" in out


def test_a_program_reads_it_too(
    choice: Choice, busy: Metrics, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the condition in words."""
    shown(choice, busy, monkeypatch, "json")
    told = orjson.loads(capsys.readouterr().out)
    few, many = told.pop("correlations")
    assert told == {"lag": 10, "standing": 2, "replayed": 11, "unknown": 12}
    assert (few["title"], few["clock_delay_seconds"], few["windows"]) == ("Few", 900, 3)
    assert many["condition"] == "event_count: >= 3 within 10 min"
    assert (many["silenced_by"], many["ungrouped"], many["too_large"]) == (["Few"], 7, 8)


def test_rules_without_correlations_are_said_to_have_none(
    tmp_path: Path, metrics: Metrics, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No empty table."""
    (tmp_path / "rules.yml").write_text(RULES.split("---\n", maxsplit=1)[0], "utf-8")
    shown(Choice(paths=(tmp_path / "rules.yml",)), metrics, monkeypatch)
    out = capsys.readouterr().out
    assert out.startswith("0 correlations; ")
    assert "Clock" not in out


def test_another_page_is_refused(choice: Choice) -> None:
    """It is said what was wanted."""
    with pytest.raises(Stop, match="no page of metrics"):
        state_of("<html>", compile_rules(choice).plan)
