"""`soc rules coverage` of correlations: they can fire where enough of what they refer to can."""

from pathlib import Path

import orjson
import pytest

from correlator.choice import Choice
from soc.rules import coverage
from soc.settings import Settings

RULE = """\
title: {title}
name: {title}
id: 00000000-0000-4000-8000-00000000000{number}
tags: [attack.t100{number}]
logsource: {{product: {product}, service: {service}}}
detection: {{sel: {{{field}: x}}, condition: sel}}
---
"""
CORRELATION = """\
title: Correlated
id: 00000000-0000-4000-8000-000000000008
level: high
tags: [attack.t1110]
correlation: {{type: {kind}, rules: [{rules}], group-by: [User], timespan: 10m, condition: {condition}}}
---
title: Above
id: 00000000-0000-4000-8000-000000000009
tags: [attack.t1111]
correlation: {{type: temporal_ordered, rules: [00000000-0000-4000-8000-000000000008, seen], group-by: [User], timespan: 1h}}
"""


def choice(folder: Path, kind: str, condition: str, rules: str) -> Choice:
    """A rule that sshd's events can fire, one that lacks a field, one that nothing here gives events, and correlations."""
    told = [
        ("seen", "linux", "sshd", "Action"),
        ("blind", "linux", "sshd", "Absent"),
        ("alien", "amiga", "x", "Action"),
    ]
    text = "".join(
        RULE.format(title=title, number=number, product=product, service=service, field=field)
        for number, (title, product, service, field) in enumerate(told, 1)
    )
    (folder / "rules.yml").write_text(text + CORRELATION.format(kind=kind, rules=rules, condition=condition), "utf-8")
    return Choice(paths=(folder / "rules.yml",))


def covered(folder: Path, chosen: Choice, files: list[Path], form: str = "json") -> list[str]:
    """Run it; return the techniques of the layer."""
    layer = folder / "layer.json"
    wanted = coverage.Wanted(form=form, navigator=layer, workers=1)
    assert coverage.run(Settings.model_validate({"correlate": {"cache": ""}}), files, chosen, wanted) == 0
    return [each["techniqueID"] for each in orjson.loads(layer.read_bytes())["techniques"]]


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """One login that was refused."""
    line = "<38>1 2024-11-22T15:00:00.000Z gw01 sshd 7 - - Failed password for an from 203.0.113.77 port 40112 ssh2\n"
    (tmp_path / "auth.log").write_text(line)
    return tmp_path / "auth.log"


Asked = tuple[str, str, str]


@pytest.mark.parametrize(
    ("asked", "cannot"),
    [
        (("event_count", "{gte: 2}", "seen, blind, alien"), None),
        (("event_count", "{gte: 2}", "blind, alien"), ["blind", "alien"]),
        (("temporal", "seen or alien", "seen, alien"), None),
        (("temporal", "seen and not alien", "seen, alien"), None),
        (("temporal", "seen and alien", "seen, alien"), ["alien"]),
        (("temporal", "{gte: 2}", "seen, alien"), ["alien"]),
        (("temporal", "{gte: 1}", "seen, alien"), None),
        (("temporal_ordered", "{gte: 2}", "seen, blind"), ["blind"]),
    ],
)
def test_a_correlation_can_fire_where_enough_of_its_rules_can(
    tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str], asked: Asked, cannot: list[str] | None
) -> None:
    """All of them, or as many as its condition needs; one above it with it. Its techniques are in the layer then."""
    techniques = covered(tmp_path, choice(tmp_path, *asked), [recording])
    correlated, above = orjson.loads(capsys.readouterr().out)["correlations"]
    assert (correlated["able"], above["able"]) == (cannot is None, cannot is None)
    assert above["cannot"] == ([] if cannot is None else ["Correlated"])
    if cannot is not None:
        assert correlated["cannot"] == cannot
    assert techniques == (["T1001", "T1110", "T1111"] if cannot is None else ["T1001"])


def test_the_table_counts_correlations(tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below the rules."""
    covered(tmp_path, choice(tmp_path, "event_count", "{gte: 2}", "blind"), [recording], "table")
    assert "2 correlations: 0 can fire, 2 refer to rules that cannot" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["table", "json"])
def test_without_recordings_what_is_collected_counts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    """By the logsources of what they rest on."""
    techniques = covered(tmp_path, choice(tmp_path, "event_count", "{gte: 2}", "blind"), [], form)
    out = capsys.readouterr().out
    if form == "json":
        assert [each["able"] for each in orjson.loads(out)["correlations"]] == [True, True]
    else:
        assert "2 correlations: 2 can fire, 0 refer to rules that cannot" in out
    assert techniques == ["T1001", "T1002", "T1110", "T1111"]


def test_rules_without_correlations_are_counted_as_before(
    tmp_path: Path, recording: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is said of none."""
    chosen = choice(tmp_path, "event_count", "{gte: 2}", "seen")
    file = tmp_path / "rules.yml"
    file.write_text(file.read_text("utf-8").split("---\n")[0], "utf-8")
    covered(tmp_path, chosen, [recording], "table")
    assert "correlations" not in capsys.readouterr().out
