"""Rules as queries for Elasticsearch, by pySigma's backends."""

from pathlib import Path

import orjson
import pytest

from correlator.compiler.convert import Place, convert, formats
from soc.errors import RulesError

RULE = """\
title: A shell
id: 00000000-0000-4000-8000-000000000001
level: high
logsource: {product: windows, category: process_creation}
detection:
    a: {Image|endswith: '\\sh.exe'}
    condition: a
---
title: A reference
logsource: {product: windows, category: process_creation}
detection:
    a: {Image|fieldref: ParentImage}
    condition: a
"""
PIPELINE = """\
name: Ours
priority: 10
transformations:
    - {id: a, type: field_name_mapping, mapping: {Image: our.image}}
"""


def every(_place: Place) -> bool:
    """All rules."""
    return True


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Two rules."""
    path = tmp_path / "rules.yml"
    path.write_text(RULE, "utf-8")
    return path


@pytest.mark.parametrize(
    ("target", "query", "converted"),
    [
        ("lucene", "process.executable.caseless:*\\\\sh.exe", 1),
        ("eql", 'any where process.executable.caseless:"*\\\\sh.exe"', 1),
        ("esql", 'ends_with(process.executable.caseless, "\\\\sh.exe")', 2),
    ],
)
def test_each_target_has_its_language(file: Path, target: str, query: str, converted: int) -> None:
    """What it cannot say is a failure with its place and reason."""
    made = convert([file], every, target, ["ecs_windows"], "default")
    assert query.lower() in made.output.splitlines()[0].lower()
    assert len(made.rules) == converted
    assert [failure.line for failure in made.failures] == ([9] if converted == 1 else [])
    assert all("field references" in failure.reason for failure in made.failures)


def test_only_the_wanted_rules_are_converted(file: Path) -> None:
    """By their places, which are those of compiled rules."""
    made = convert([file], {(str(file), 1)}.__contains__, "lucene", [], "default")
    assert [(each.title, each.place) for each in made.rules] == [("A shell", (str(file), 1))]
    assert made.output == "Image:*\\\\sh.exe"
    assert not made.failures


def test_a_pipeline_may_be_a_file(file: Path, tmp_path: Path) -> None:
    """Beside those that come with pySigma."""
    pipeline = tmp_path / "ours.yml"
    pipeline.write_text(PIPELINE, "utf-8")
    assert "our.image:" in convert([file], every, "lucene", [str(pipeline)], "default").output


def test_documents_are_a_line_each(file: Path) -> None:
    """As Kibana's import wants them."""
    output = convert([file], every, "lucene", ["ecs_windows"], "kibana_ndjson").output
    assert [orjson.loads(line)["attributes"]["title"] for line in output.splitlines()] == ["SIGMA - A shell"]


def test_every_format_can_be_written(file: Path) -> None:
    """Whatever the backend makes: queries, documents, one document."""
    for target in ("lucene", "eql", "esql"):
        for name in formats(target):
            assert not name.startswith("siem_rule")  # pySigma would ask the network
            assert convert([file], every, target, ["ecs_windows"], name).output


@pytest.mark.parametrize(("names", "form"), [(["nothing"], "default"), ([], "nothing")])
def test_what_is_unknown_is_refused_with_what_there_is(file: Path, names: list[str], form: str) -> None:
    """A pipeline, a format."""
    with pytest.raises(RulesError, match=r"nothing.*(ecs_windows|kibana_ndjson)"):
        convert([file], every, "lucene", names, form)


def test_a_broken_file_hides_no_other(file: Path, tmp_path: Path) -> None:
    """It is named with its line."""
    (tmp_path / "a.yml").write_text("title: [\n", "utf-8")
    (tmp_path / "b.yml").write_text("just text", "utf-8")
    made = convert([tmp_path], every, "esql", [], "default")
    assert len(made.rules) == 2
    assert [Path(failure.file).name for failure in made.failures] == ["a.yml", "b.yml"]
