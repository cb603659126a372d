"""Rule files in, rules and failures out: each failure with file, line and reason, and the others still compiled."""

import os
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from correlator.compiler import compile as compile_module
from correlator.compiler.compile import answer, compile_files
from correlator.compiler.files import MAX_FILE
from correlator.engine.plain import predicate, reasons
from correlator.engine.record import Record
from correlator.source import Failure
from soc.alerts import Level
from soc.events import LogSource

RULE = """\
title: Root logs in
id: 6a4dcd1b-0f4e-4cf0-a3ab-3bf5a6a51d4e
description: Somebody is root
level: critical
tags:
    - attack.t1078
falsepositives:
    - Console work
alert_key: [User, SourceIp]
logsource:
    product: Linux
    service: sshd
detection:
    sel:
        User: root
    condition: sel
"""


def write(folder: Path, name: str, text: str) -> Path:
    """Write one rule file and return its path."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def failure_of(tmp_path: Path, text: str) -> Failure:
    """Compile one file that must fail."""
    compiled = compile_files([write(tmp_path, "rule.yml", text)], {})
    assert not compiled.rules
    assert len(compiled.failures) == 1
    return compiled.failures[0]


def test_a_rule_keeps_what_its_matches_need(tmp_path: Path) -> None:
    """Identity, title, level, tags, description, false positives, logsource in lower case, alert key and place."""
    (rule,) = compile_files([write(tmp_path, "rule.yml", RULE)], {}).rules
    assert rule.ref.id == "6a4dcd1b-0f4e-4cf0-a3ab-3bf5a6a51d4e"
    assert rule.ref.title == "Root logs in"
    assert rule.ref.level is Level.CRITICAL
    assert rule.ref.tags == ("attack.t1078",)
    assert rule.ref.description == "Somebody is root"
    assert rule.ref.falsepositives == ("Console work",)
    assert rule.logsource == LogSource("linux", None, "sshd")
    assert rule.alert_key == ("User", "SourceIp")
    assert (rule.file, rule.line) == (str(tmp_path / "rule.yml"), 1)


def test_a_rule_without_id_and_level_gets_both(tmp_path: Path) -> None:
    """The id depends on the title alone, so that match ids do not change with the file's place."""
    text = RULE.replace("id: 6a4dcd1b-0f4e-4cf0-a3ab-3bf5a6a51d4e\n", "").replace("level: critical\n", "")
    (one,) = compile_files([write(tmp_path, "a/rule.yml", text)], {}).rules
    (two,) = compile_files([write(tmp_path, "b/other.yml", text)], {}).rules
    assert one.ref.id == two.ref.id
    assert one.ref.level is Level.MEDIUM


def test_folders_are_read_in_order_and_only_rules_in_them(tmp_path: Path) -> None:
    """Recursive, .yml and .yaml, without samples and other files."""
    for number, name in enumerate(["b/one.yml", "a/two.yaml", "a/two.samples.yml", "a/notes.txt"]):
        write(tmp_path, name, RULE.replace("6a4dcd1b", f"6a4dcd1{number}"))
    compiled = compile_files([tmp_path], {})
    assert [Path(rule.file).name for rule in compiled.rules] == ["two.yaml", "one.yml"]
    assert not compiled.failures


def test_a_file_of_several_documents_gives_several_rules_with_their_lines(tmp_path: Path) -> None:
    """Each document is a rule; a bad one between good ones is reported and does not take them along."""
    bad = RULE.replace("condition: sel", "condition: nosuch")
    text = RULE + "---\n" + bad + "---\n" + RULE.replace("6a4dcd1b", "7a4dcd1b") + "---\n"
    compiled = compile_files([write(tmp_path, "rule.yml", text)], {})
    lines = len(RULE.splitlines()) + 1
    assert [rule.line for rule in compiled.rules] == [2 - 1, 2 * lines + 1]
    assert [failure.line for failure in compiled.failures] == [2 * lines - 1]


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ("condition: sel", "condition: nosuch", 16, "no selection 'nosuch'"),
        ("condition: sel", "condition: 1 of nosuch*", 16, "names no selection"),
        ("    condition: sel\n", "", 13, "condition"),
        ("User: root", "User|nosuch: root", 15, "nosuch"),
        ("User: root", "User|re: '('", 15, "invalid"),
        ("User: root", "User|expand: '%admins%'", 15, "%admins%"),
        ("        User: root", "        - A: 1\n        - B|gt: x", 16, "incompatible"),
        ("        User: root", "        {}", 14, "empty"),
        ("level: critical", "level: urgent", 4, "urgent"),
        ("id: 6a4dcd1b", "id: xyz", 2, "UUID"),
        ("title: Root logs in\n", "", 1, "title"),
        ("title: Root logs in", "title: 7", 1, "title"),
        ("    product: Linux\n    service: sshd", "    definition: none", 10, "can't be empty"),
        ("alert_key: [User, SourceIp]", "alert_key: User", 9, "alert_key"),
        ("level: critical", "level: critical\nlevel: low", 5, "Duplicate"),
        ("level: critical", "level: critical\ntaxonomy: ecs", 5, "taxonomy 'ecs'"),
        ("    condition: sel", "    timeframe: 5m\n    condition: sel", 13, "timeframe"),
        ("User: root", "User|windash: ['-a -b -c -d -e -f']", 15, "more than five flags"),
        ("    - attack.t1078", "    - [", 8, "not YAML"),
        ("detection:", "correlation: x\ndetection:", 14, "either 'correlation' or 'detection'"),
        ("detection:\n    sel:\n        User: root\n    condition: sel", "detection: 7", 13, "map"),
    ],
)
def test_a_rule_that_cannot_be_compiled_names_line_and_reason(
    tmp_path: Path, old: str, new: str, line: int, why: str
) -> None:
    """The line is that of the part at fault."""
    assert old in RULE
    failure = failure_of(tmp_path, RULE.replace(old, new))
    assert why in failure.reason
    assert failure.line == line
    assert str(failure).startswith(f"{tmp_path / 'rule.yml'}:{line}: ")


@pytest.mark.parametrize(
    "text", ["7\n", "- a\n- b\n", "text\n", "a: &x [*x]\n", "? [a]\n: b\n", "\x00", "!!python/object:os.system {}\n"]
)
def test_what_is_no_rule_is_a_failure_and_no_crash(tmp_path: Path, text: str) -> None:
    """Whatever YAML can say."""
    assert failure_of(tmp_path, text).line >= 1


@pytest.mark.parametrize("deep", ["[" * 200_000, "{a: " * 100_000, "- " * 200_000, "? " * 200_000])
def test_yaml_that_nests_without_end_is_a_failure(tmp_path: Path, deep: str) -> None:
    """Libyaml would overflow the stack, and the whole rule set would be lost."""
    assert "nested deeper" in failure_of(tmp_path, deep).reason


@pytest.mark.parametrize(("levels", "compiles"), [(60, True), (66, False)])
def test_yaml_that_nests_deeper_than_any_rule_is_a_failure_of_its_document(
    tmp_path: Path, levels: int, compiles: bool
) -> None:
    """The other documents of the file are rules."""
    deep = RULE.replace("6a4dcd1b", "7a4dcd1b").replace("level:", f"x: {'[' * levels}{']' * levels}\nlevel:")
    compiled = compile_files([write(tmp_path, "rule.yml", f"{RULE}---\n{deep}---\n{RULE}")], {})
    assert len(compiled.rules) == 2 + compiles
    assert [failure.line for failure in compiled.failures] == [] if compiles else [len(RULE.splitlines()) + 5]


def test_aliases_that_multiply_are_a_failure(tmp_path: Path) -> None:
    """Ten lines that stand for ten thousand million values."""
    lines = ["a: &a0 [x, x]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11))]
    text = "\n".join(lines) + "\n" + RULE.replace("User: root", "User: *a10")
    assert "aliases" in failure_of(tmp_path, text).reason


def test_aliases_that_repeat_a_little_are_yaml(tmp_path: Path) -> None:
    """They are part of the language."""
    text = RULE.replace("User: root", "User: &names [root, toor]\n        Target: *names")
    assert len(compile_files([write(tmp_path, "rule.yml", text)], {}).rules) == 1


def test_a_rule_that_explodes_is_a_failure_in_bounded_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three placeholders of a thousand values are a thousand million values."""
    monkeypatch.setattr(compile_module, "MAX_SECONDS", 0.2)
    text = RULE.replace("User: root", "User|expand: '%a%%a%%a%'")
    compiled = compile_files([write(tmp_path, "rule.yml", text)], {"a": [str(n) for n in range(1000)]})
    (failure,) = compiled.failures
    assert "processor time" in failure.reason


def test_an_answer_that_lacked_time_is_not_worth_keeping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that failed in a busy minute gets another try; one that is wrong does not."""
    monkeypatch.setattr(compile_module, "MAX_SECONDS", 0.2)
    file = write(tmp_path, "rule.yml", RULE.replace("User: root", "User|expand: '%a%%a%%a%'"))
    request = {"paths": [str(file)], "placeholders": {"a": [str(n) for n in range(1000)]}, "pipelines": []}
    fingerprint, compiled = answer(orjson.dumps(request))
    assert compiled.failures[0].passing
    assert not fingerprint
    fingerprint, compiled = answer(orjson.dumps({**request, "placeholders": {}}))
    assert not compiled.failures[0].passing
    assert fingerprint


@pytest.mark.parametrize(
    ("written", "matches"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("on", "ON"),
        ("true", True),
        ("010", "010"),
        ("00000429", "00000429"),
        ("0x10", 16),
        ("0o10", 8),
        ("10:30", "10:30"),
        ("1_000", "1_000"),
        ("0b11", "0b11"),
        ("2020-01-01", "2020-01-01"),
        ("1.5", 1.5),
        ("12e5", "12e5"),
        ("-7", -7),
    ],
)
def test_scalars_are_those_of_yaml_1_2(tmp_path: Path, written: str, matches: Any) -> None:
    """The specification names YAML 1.2.2; PyYAML reads 1.1, where `no` is false and 10:30 is 630."""
    (source,) = compile_files([write(tmp_path, "rule.yml", RULE.replace("root", written))], {}).rules
    assert predicate(source.condition).holds(Record({"User": matches}))


def test_a_file_that_is_not_utf8_is_a_failure(tmp_path: Path) -> None:
    """Sigma files are UTF-8."""
    path = tmp_path / "rule.yml"
    path.write_bytes(b"title: \xff\n")
    (failure,) = compile_files([path], {}).failures
    assert "cannot be read" in failure.reason


def test_the_line_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    """As in any other failure."""
    path = tmp_path / "rule.yml"
    path.write_bytes(b"title: x\nid: y\nlevel: \xff\n")
    assert [failure.line for failure in compile_files([path], {}).failures] == [3]


def test_a_file_over_the_limit_is_a_failure(tmp_path: Path) -> None:
    """A rule file is never a megabyte; what is, is no rule file."""
    assert "larger than" in failure_of(tmp_path, RULE + "#" * MAX_FILE).reason


def test_a_folder_that_cannot_be_read_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rules would be missing without a word."""
    write(tmp_path, "good.yml", RULE)
    (tmp_path / "locked").mkdir()
    scan = os.scandir

    def refuse(path: Path) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    compiled = compile_files([tmp_path], {})
    assert len(compiled.rules) == 1
    assert [failure.file for failure in compiled.failures] == [str(tmp_path / "locked")]


def test_an_empty_file_holds_no_rule_and_no_failure(tmp_path: Path) -> None:
    """A file of comments alone is fine."""
    compiled = compile_files([write(tmp_path, "rule.yml", "# nothing\n---\n")], {})
    assert not compiled.rules
    assert not compiled.failures


def test_rules_that_share_an_id_are_all_returned(tmp_path: Path) -> None:
    """Which of them is evaluated is the choice's to say."""
    write(tmp_path, "a.yml", RULE)
    write(tmp_path, "b.yml", RULE)
    compiled = compile_files([tmp_path], {})
    assert [Path(rule.file).name for rule in compiled.rules] == ["a.yml", "b.yml"]
    assert not compiled.failures


def test_a_failure_tells_the_rule_s_id_where_it_can_be_read(tmp_path: Path) -> None:
    """The site may name it, to have no rule and no failure of it."""
    assert failure_of(tmp_path, RULE.replace("condition: sel", "condition: x")).id.startswith("6a4dcd1b")
    assert not failure_of(tmp_path, "- no rule\n").id


def test_several_conditions_are_alternatives(tmp_path: Path) -> None:
    """A list of conditions is OR."""
    text = RULE.replace("    condition: sel", "    other:\n        User: toor\n    condition: [sel, other]")
    (rule,) = compile_files([write(tmp_path, "rule.yml", text)], {}).rules
    assert "toor" in repr(rule.condition)


DEFINITIONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["A", "B|contains", "C|re", "D|cidr", "|all", "E|base64offset", "F|windash", "G|gt", "H|hour|lt"]
            )
            | st.text(max_size=5),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(["sel", "_sel", "condition", "x y"]), DEFINITIONS, max_size=3))
def test_any_detection_compiles_and_evaluates_or_is_refused(tmp_path: Path, detection: dict[str, Any]) -> None:
    """Whatever a rule's author writes, nothing else is raised."""
    document = {**yaml.safe_load(RULE), "detection": {"condition": "1 of them", **detection}}
    compiled = compile_files([write(tmp_path, "rule.yml", yaml.safe_dump(document))], {})
    assert len(compiled.rules) + len(compiled.failures) == 1
    for source in compiled.rules:
        fields = {"A": "a", "B": 1, "C": None, "D": "::1", "E": ["x"], "G": "7", "H": "2026-01-01T01:01:01"}
        record = Record(fields)
        if (made := predicate(source.condition)).holds(record):
            reasons(made, record)
