"""`soc rules match` with correlations: one place puts together what all workers found, in whatever order it lies."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from correlator.choice import Choice
from soc.alerts import Level
from soc.rules.match import FAILED_ON, Wanted, run
from soc.settings import Settings

RULES = """\
title: Refused
id: 00000000-0000-4000-8000-000000000001
name: refused
level: informational
logsource: {product: linux, service: sshd}
detection: {selection: {Action: login_failed}, condition: selection}
---
title: Guessing
id: 00000000-0000-4000-8000-000000000002
name: guessing
level: medium
correlation: {type: event_count, rules: [refused], group-by: [User, SourceIp], timespan: 10m, condition: {gte: 4}}
---
title: Guessing at many accounts
id: 00000000-0000-4000-8000-000000000003
level: high
correlation: {type: value_count, rules: [guessing], group-by: [SourceIp], timespan: 1h, condition: {field: User, gte: 2}}
"""
LINE = "<38>2024-01-22T{time}Z {host} sshd[7310]: Failed password for {user} from {address} port 40112 ssh2"


def line(minute: int, second: int, user: str, address: str = "203.0.113.77", host: str = "gw01") -> str:
    """Return a refused login."""
    return LINE.format(time=f"15:{minute:02}:{second:02}", host=host, user=user, address=address)


LINES = [
    *(line(2, second, "an.nv") for second in range(5)),
    *(line(22, second, "binh.tt", host="gw02") for second in range(4)),
    *(line(23, second, "hoa.dt", "198.51.100.9") for second in range(4)),
    *(line(24, 20 * second, "nga.lt", "198.51.100.9") for second in range(3)),
]

Ran = Callable[..., tuple[int, list[dict[str, Any]]]]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """No cache, and times in UTC."""
    return Settings.model_validate(
        {"site": "hanoi", "collect": {"timezone": "UTC"}, "correlate": {"cache": "", "max_groups": 64}}
    )


@pytest.fixture
def ran(tmp_path: Path, settings: Settings) -> Ran:
    """Return a function that writes recordings, runs the command, and returns its status and what it told."""

    def tell(*texts: str, suffix: str = ".log", read: bool = True, **wanted: Any) -> tuple[int, list[dict[str, Any]]]:
        folder, output, rules = tmp_path / "evidence", tmp_path / "out", tmp_path / "rules.yml"
        folder.mkdir(exist_ok=True)
        rules.write_text(RULES, "utf-8")
        for number, text in enumerate(texts):
            (folder / f"{number}{suffix}").write_text(text, "utf-8")
        asked = Wanted(**{"format": "jsonl", "output": output, "workers": 1, **wanted})
        status = run(settings, [folder], Choice(paths=(rules,)), asked)
        return status, [orjson.loads(each) for each in output.read_bytes().splitlines() if read]

    return tell


@pytest.mark.parametrize("workers", [1, 3])
def test_the_order_and_the_files_do_not_matter(ran: Ran, workers: int) -> None:
    """What lies scattered over files is put together, and what correlations silence is not told."""
    lines = list(LINES)
    random.Random(7).shuffle(lines)
    parts = ["\n".join(lines[start::3]) for start in range(3)]
    _, told = ran(*parts, workers=workers)
    assert [(each["title"], each["time"], each["correlation"]["group"]) for each in told] == [
        ("Guessing at many accounts", "2024-01-22T15:22:03.000Z", {"SourceIp": "203.0.113.77"})
    ]


def test_a_match_says_what_it_was_made_of(ran: Ran) -> None:
    """Each contribution names its record, so that a person finds the line."""
    _, (told,) = ran("\n".join(LINES))
    assert (told["file"], told["record"], told["level"], told["rule"][-1]) == (None, None, "high", "3")
    made = told["correlation"]
    assert (made["kind"], made["counted"], made["hits"], made["incomplete"]) == ("value_count", "2", 3, [])
    assert {each["value"] for each in made["contributions"]} == {"an.nv", "binh.tt"}
    assert [each["record"].rpartition("/")[2] for each in made["contributions"]] == ["0.log:4", "0.log:5", "0.log:9"]


def test_a_table_has_a_row_for_each_group(ran: Ran, tmp_path: Path) -> None:
    """Two sources are two rows, though the rule is one and the host may be any."""
    lines = [each.replace("203.0.113.77", address) for each in LINES[:9] for address in ("192.0.2.1", "192.0.2.2")]
    ran("\n".join(lines), format="table", read=False)
    table = (tmp_path / "out").read_text("utf-8")
    assert table.count("Guessing at many accounts") == 2
    assert "SourceIp=192.0.2.1  3 events  value_count of User=2" in table


def test_the_exit_status_tells_of_correlations_too(ran: Ran) -> None:
    """Whoever asks for a grave match means these most."""
    assert ran("\n".join(LINES), fail_on=Level.HIGH)[0] == FAILED_ON
    assert ran("\n".join(LINES[:5]), fail_on=Level.INFORMATIONAL) == (0, [])


def test_what_could_not_be_counted_is_said(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    """An event without a time is in no window, one without the field in no group; both are told of."""
    fields = {"Action": "login_failed", "User": "an.nv", "SourceIp": "192.0.2.1"}
    logsource = {"product": "linux", "service": "sshd"}
    dated = {"id": "1", "time": 1_767_225_600_000_000, "received": 0, "site": "s", "host": "h", "source": {}}
    events = [
        {**dated, "logsource": logsource, "fields": fields, "source": {"clock": "missing"}},
        {**dated, "logsource": logsource, "fields": {"Action": "login_failed", "User": "an.nv"}},
    ]
    _, told = ran("\n".join(orjson.dumps(each).decode() for each in events * 4), suffix=".jsonl")
    errors = capsys.readouterr().err
    assert told == []
    assert "4 events state no time: correlations left them out" in errors
    assert "Guessing: 4 hits lacked a field of the group" in errors


def test_what_was_forgotten_is_said(ran: Ran, capsys: pytest.CaptureFixture[str]) -> None:
    """More groups at once than the settings allow."""
    ran("\n".join(line(number // 60, number % 60, f"user{number}") for number in range(600)))
    assert "hits were more than are remembered (correlate.max_groups, max_hits)" in capsys.readouterr().err
