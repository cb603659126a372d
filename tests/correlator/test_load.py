"""Choice in, rule set out: compiled by a child once, from the disk afterwards, and never what is no longer true."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from threading import Event, Timer

import pytest
from structlog.testing import capture_logs

from correlator import load as loading
from correlator.choice import Choice, Selection
from correlator.compiler.files import FINGERPRINT
from correlator.correlation.draft import HOUR, Limits
from correlator.load import compile_rules, load
from correlator.source import Compiled
from soc.alerts import Level
from soc.errors import RulesError
from soc.events import LogSource
from soc.settings import CorrelateSettings, Settings

SSHD = LogSource("linux", None, "sshd")

RULE = """\
title: Rule {number}
id: 00000000-0000-4000-8000-{number:012}
level: low
tags:
    - attack.t100{number}
logsource:
    product: linux
    service: sshd
detection:
    sel:
        User: user{number}
    condition: sel
"""


def write(folder: Path, *numbers: int) -> Path:
    """Write rules into a folder."""
    folder.mkdir(exist_ok=True)
    for number in numbers:
        (folder / f"rule{number}.yml").write_text(RULE.format(number=number), encoding="utf-8")
    return folder


def identity(number: int) -> str:
    """Return a rule's id."""
    return f"00000000-0000-4000-8000-{number:012}"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A folder of two rules."""
    return write(tmp_path / "rules", 1, 2)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """A folder of a cache that is not there yet."""
    return tmp_path / "data" / "rules"


@pytest.fixture
def compiles(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The requests that a child was started for."""
    started: list[bytes] = []
    in_child = loading._in_child

    def counted(request: bytes, given_up: Event) -> bytes:
        started.append(request)
        return in_child(request, given_up)

    monkeypatch.setattr(loading, "_in_child", counted)
    return started


def test_the_second_load_compiles_nothing(rules: Path, cache: Path, compiles: list[bytes]) -> None:
    """And gives the same rules."""
    made = [compile_rules(Choice((rules,)), cache) for _ in range(3)]
    assert made[0] == made[1] == made[2]
    assert len(compiles) == 1
    assert load(Choice((rules,)), cache).evaluate(SSHD, {"User": "user2"})


CORRELATION = """\
title: Many
name: many
correlation:
    type: event_count
    rules: [{rules}]
    group-by: [User]
    timespan: 4w
    condition: {{gte: 2.5}}
---
title: Logic
correlation:
    type: temporal
    timespan: 1h
    condition: many and not {rules}
"""


def test_correlations_are_linked_from_the_disk_as_from_the_compiler(
    rules: Path, cache: Path, compiles: list[bytes]
) -> None:
    """Under the limits of the settings, which compile nothing anew."""
    (rules / "many.yml").write_text(CORRELATION.format(rules=identity(1)), encoding="utf-8")
    choice = Choice((rules,), limits=Limits(timespan=28 * 24 * HOUR))
    made = [compile_rules(choice, cache) for _ in range(2)]
    assert made[0] == made[1]
    assert [each.correlation.ref.title for each in load(choice, cache).plan.linked.values()] == ["Many", "Logic"]
    settings = Settings(correlate=CorrelateSettings(rules=(rules,), max_timespan_hours=24 * 28 - 1))
    refused = load(Choice.of(settings), cache)
    assert not refused.plan.linked
    assert "correlate.max_timespan_hours" in refused.failures[0].reason
    assert "'Many', which is not evaluated" in refused.failures[1].reason
    assert len(compiles) == 1


def test_correlations_of_rules_that_are_not_there_are_no_rules(rules: Path) -> None:
    """Nothing could make them fire; the refusal tells of the first."""
    text = CORRELATION.format(rules=identity(1)).replace("4w", "1h")
    (rules / "many.yml").write_text(text, encoding="utf-8")
    with pytest.raises(RulesError, match=r"no rule to evaluate.*2 left out by correlate\.disabled.*left out by corr"):
        load(Choice((rules,), disabled=(identity(1), identity(2))))


def test_without_a_cache_every_load_compiles(rules: Path, compiles: list[bytes]) -> None:
    """Nothing is kept that nobody asked for."""
    load(Choice((rules,)))
    load(Choice((rules,)))
    assert len(compiles) == 2


def test_a_file_that_changes_within_the_second_is_compiled_again(
    rules: Path, cache: Path, compiles: list[bytes]
) -> None:
    """Same name, same size, same time."""
    load(Choice((rules,)), cache)
    file = rules / "rule1.yml"
    found = file.stat()
    file.write_text(RULE.format(number=1).replace("user1", "user9"), encoding="utf-8")
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns))
    loaded = load(Choice((rules,)), cache)
    assert len(compiles) == 2
    assert loaded.evaluate(SSHD, {"User": "user9"})
    assert not loaded.evaluate(SSHD, {"User": "user1"})


def test_a_change_that_is_taken_back_finds_its_rules(rules: Path, cache: Path, compiles: list[bytes]) -> None:
    """A new rule, a removed one, and all as before."""
    load(Choice((rules,)), cache)
    write(rules, 3)
    assert len(load(Choice((rules,)), cache).rules) == 3
    (rules / "rule3.yml").unlink()
    assert len(load(Choice((rules,)), cache).rules) == 2
    assert len(compiles) == 2


def test_a_file_that_changes_while_it_is_compiled_is_kept_as_what_was_read(
    rules: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, compiles: list[bytes]
) -> None:
    """The answer stands under what the child read, not under what was there before it started."""
    counted = loading._in_child

    def changed_before(request: bytes, given_up: Event) -> bytes:
        write(rules, 3)
        return counted(request, given_up)

    with monkeypatch.context() as patched:
        patched.setattr(loading, "_in_child", changed_before)
        assert len(load(Choice((rules,)), cache).rules) == 3
    (rules / "rule3.yml").unlink()
    assert len(load(Choice((rules,)), cache).rules) == 2
    write(rules, 3)
    assert len(load(Choice((rules,)), cache).rules) == 3
    assert len(compiles) == 2


def test_selection_and_the_site_s_layer_compile_nothing(rules: Path, cache: Path, compiles: list[bytes]) -> None:
    """Disabling a rule or changing a level takes no longer than reading what was compiled."""
    choice = Choice((rules,))
    load(choice, cache)
    disabled = load(replace(choice, disabled=("rule1.yml",)), cache)
    assert [rule.ref.title for rule in disabled.rules] == ["Rule 2"]
    changed = load(replace(choice, changed_levels={identity(2): Level.CRITICAL}), cache)
    assert [rule.ref.level for rule in changed.rules] == [Level.LOW, Level.CRITICAL]
    assert len(load(replace(choice, only=Selection(tags=("attack.t1002",))), cache).rules) == 1
    assert len(compiles) == 1


def test_placeholders_and_pipelines_compile_anew(
    rules: Path, cache: Path, tmp_path: Path, compiles: list[bytes]
) -> None:
    """Their contents, not only their names."""
    values, pipeline = tmp_path / "values.txt", tmp_path / "pipeline.yml"
    values.write_text("alice\n", "utf-8")
    pipeline.write_text("transformations: []\n", "utf-8")
    choice = Choice((rules,))
    choices = [
        choice,
        replace(choice, placeholders={"a": ["1"]}),
        replace(choice, placeholder_files={"a": values}),
        replace(choice, pipelines=(pipeline,)),
    ]
    for each in choices:
        load(each, cache)
    assert len(compiles) == 4
    values.write_text("bob\n", "utf-8")
    load(choices[2], cache)
    pipeline.write_text("transformations: []\n# changed\n", "utf-8")
    load(choices[3], cache)
    assert len(compiles) == 6


@pytest.mark.parametrize("damage", [b"", b"vonggac", b"x" * 10_000])
def test_a_damaged_cache_is_built_again(rules: Path, cache: Path, damage: bytes, compiles: list[bytes]) -> None:
    """The log says so, and the next load reads it."""
    load(Choice((rules,)), cache)
    (file,) = cache.iterdir()
    file.write_bytes(damage)
    with capture_logs() as logs:
        assert len(load(Choice((rules,)), cache).rules) == 2
    assert [line["log_level"] for line in logs] == ["warning"]
    load(Choice((rules,)), cache)
    assert len(compiles) == 2


def test_a_cache_that_cannot_be_written_is_a_warning(rules: Path, tmp_path: Path) -> None:
    """The rules are loaded all the same."""
    (tmp_path / "file").touch()
    with capture_logs() as logs:
        assert len(load(Choice((rules,)), tmp_path / "file" / "below").rules) == 2
    assert {line["log_level"] for line in logs} == {"warning"}


def test_an_answer_that_is_not_worth_keeping_is_not_kept(
    rules: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy minute must not cost a rule for good."""
    in_child = loading._in_child

    def without_fingerprint(request: bytes, given_up: Event) -> bytes:
        return b" " * FINGERPRINT + in_child(request, given_up)[FINGERPRINT:]

    monkeypatch.setattr(loading, "_in_child", without_fingerprint)
    assert len(load(Choice((rules,)), cache).rules) == 2
    assert not cache.exists()


def test_two_processes_build_the_same_cache_at_once(rules: Path, cache: Path, compiles: list[bytes]) -> None:
    """Both get their rules, and one whole answer is kept."""
    program = (
        "from pathlib import Path; from correlator.choice import Choice; from correlator.load import load; "
        f"print(len(load(Choice((Path({str(rules)!r}),)), Path({str(cache)!r})).rules))"
    )
    running = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in "ab"]
    assert [process.communicate(timeout=60)[0].strip() for process in running] == ["2", "2"]
    assert len(list(cache.iterdir())) == 1
    load(Choice((rules,)), cache)
    assert not compiles


def test_values_of_placeholders_come_from_a_file_too(tmp_path: Path) -> None:
    """One a line, beside those of the settings; blank lines and comments are none."""
    text = RULE.format(number=1).replace("User: user1", "User|expand: '%admins%'")
    (tmp_path / "rule.yml").write_text(text, encoding="utf-8")
    values = tmp_path / "admins.txt"
    values.write_text("\ufeff# the admins\n\n  bob  \r\neve # not a comment\n", encoding="utf-8")
    loaded = load(Choice((tmp_path,), {"admins": ["alice"]}, {"admins": values}))
    fired = [
        name for name in ("alice", "BOB", "eve # not a comment", "eve", "") if loaded.evaluate(SSHD, {"User": name})
    ]
    assert fired == ["alice", "BOB", "eve # not a comment"]


def test_a_file_of_placeholders_that_is_no_text_is_an_error(rules: Path, tmp_path: Path) -> None:
    """It names the file and the setting."""
    (tmp_path / "values.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(RulesError, match=r"values\.txt: cannot be read.*correlate\.placeholder_files"):
        load(Choice((rules,), placeholder_files={"a": tmp_path / "values.txt"}))


def test_what_is_missing_is_named_with_its_setting(rules: Path, tmp_path: Path) -> None:
    """Each at its place in the settings."""
    gone = tmp_path / "gone"
    for choice, setting in (
        (Choice((gone,)), "correlate.rules"),
        (Choice((rules,), placeholder_files={"a": gone}), "correlate.placeholder_files"),
        (Choice((rules,), pipelines=(gone,)), "correlate.pipelines"),
    ):
        with pytest.raises(RulesError, match=rf"gone.*{setting}"):
            load(choice)


def test_what_may_not_be_looked_at_is_named(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder within one that we may not enter, or a name that is none, is not a missing one."""
    stat = Path.stat

    def refuse(path: Path, *, follow_symlinks: bool = True) -> os.stat_result:
        if path == rules:
            raise PermissionError(13, "Permission denied", str(path))
        return stat(path, follow_symlinks=follow_symlinks)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", refuse)
        with pytest.raises(RulesError, match=r"rules: cannot be read: .*Permission denied"):
            load(Choice((rules,)))
    with pytest.raises(RulesError, match="cannot be read: embedded null byte"):
        load(Choice((Path("a\0b"),)))


def test_a_name_that_is_no_text_is_an_error(tmp_path: Path) -> None:
    """The settings and the compiler speak UTF-8; files within a folder may be called anything."""
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff"))
    write(odd, 1)
    with pytest.raises(RulesError, match="no text"):
        load(Choice((odd,)))
    assert [rule.file for rule in load(Choice((tmp_path,)), tmp_path / "cache").rules] == [str(odd / "rule1.yml")]


def test_a_selection_that_leaves_nothing_is_named(rules: Path) -> None:
    """Which part of it took how many: a typing error is found at once."""
    choice = Choice((rules,), disabled=("rule1.yml",), only=Selection(levels=frozenset({Level.CRITICAL})))
    with pytest.raises(RulesError, match=r"no rule to evaluate.*1 left out by correlate\.disabled") as caught:
        load(choice)
    assert "1 left out by correlate.only.levels" in str(caught.value)


def test_names_that_no_rule_has_are_logged(rules: Path) -> None:
    """The start goes on: the other rules are worth it."""
    with capture_logs() as logs:
        load(Choice((rules,), disabled=("nosuch",)))
    assert [(line["log_level"], "nosuch" in line["remark"]) for line in logs] == [("warning", True)]


def test_a_compile_that_is_given_up_ends(rules: Path) -> None:
    """At once, with its child."""
    given_up = Event()
    timer = Timer(0.05, given_up.set)
    timer.start()
    with pytest.raises(RulesError, match="given up"):
        compile_rules(Choice((rules,)), None, given_up)
    timer.join()


def test_an_answer_that_is_none_is_an_error(rules: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that was killed in the middle of its answer."""
    monkeypatch.setattr(loading, "_in_child", lambda *_: b"x" * 100)
    with pytest.raises(RulesError, match="compiler failed: not what the compiler writes"):
        load(Choice((rules,)))


def test_a_pipeline_that_cannot_be_read_is_an_error_with_its_place(rules: Path, tmp_path: Path) -> None:
    """Without the child's traceback."""
    pipeline = tmp_path / "pipeline.yml"
    pipeline.write_text("transformations:\n  - id: x\n    type: [\n", "utf-8")
    with pytest.raises(RulesError, match=r"pipeline\.yml:4: not YAML") as caught:
        load(Choice((rules,), pipelines=(pipeline,)))
    assert "Traceback" not in str(caught.value)


def test_the_answer_is_the_same_from_the_child_and_from_the_disk(rules: Path, cache: Path) -> None:
    """Failures with their lines too."""
    (rules / "bad.yml").write_text("title: x\n", encoding="utf-8")
    first, second = (compile_rules(Choice((rules,)), cache) for _ in range(2))
    assert isinstance(first, Compiled)
    assert first == second
    assert len(first.failures) == 1


def test_what_lies_in_the_current_folder_is_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Evidence is looked at where it lies; a file there called yaml.py is not the library."""
    (tmp_path / "yaml.py").write_text("raise SystemExit('run')\n", "utf-8")
    monkeypatch.chdir(tmp_path)
    assert load(Choice()).rules
