"""Compiled rules on the disk: served whole and to their owner, else compiled again and the reason logged."""

import os
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from correlator import cache as caching
from correlator.cache import ABANDONED, KEPT, Cache, decoded
from correlator.correlation.rule import Bound, Condition, Correlation, Either, Every, Kind, Refers, Without
from correlator.source import Compiled, Failure, Filter, Rule
from correlator.syntax import (
    All,
    Anchor,
    Cidr,
    Compare,
    Exists,
    FieldRef,
    Glob,
    Named,
    Not,
    Null,
    Regex,
    Relation,
    Test,
    TimePart,
    TimeUnit,
    Wildcard,
)
from correlator.syntax import Any as Alternatives
from soc.alerts import Level, RuleRef
from soc.events import LogSource

KEY = "ab" * 32

ATOMS = (
    Glob(("a", Wildcard.ANY, Wildcard.ONE), cased=True),
    Regex("x", 2),
    Cidr("10.0.0.0/8"),
    Compare(Relation.LT, 1.5),
    TimePart(TimeUnit.HOUR, Relation.EQ, 3),
    FieldRef("G", Anchor.ENDS),
    Exists(wanted=False),
    Null(),
)
RULE = Rule(
    ref=RuleRef("a1", "Title", Level.HIGH, ("attack.t1078",), "why", ("never",)),
    logsource=LogSource("linux", None, "sshd"),
    alert_key=("User",),
    file="/rules/a.yml",
    line=1,
    condition=All((Not(Alternatives(tuple(Test("F", atom) for atom in ATOMS))), Named("sel", Test(None, Null())))),
)
CORRELATION = Correlation(
    ref=RULE.ref,
    name="burst",
    kind=Kind.TEMPORAL,
    rules=("a", "b"),
    group_by=("User",),
    aliases=(("user", (("a", "User"), ("b", "Account"))),),
    timespan=1,
    condition=Condition(((Bound.GTE, 2),), ("F",), 50.0, Every((Refers(0), Either((Refers(1), Without(Refers(0))))))),
    generate=True,
    file="/rules/c.yml",
    line=3,
)
FILTER = Filter("f", "Filter", RULE.logsource, ("a",), Not(RULE.condition), "/rules/d.yml", 4, expires="2027-03-31")
COMPILED = Compiled((RULE,), (Failure("/rules/b.yml", 2, "why"),), correlations=(CORRELATION,), filters=(FILTER,))
PAYLOAD = pickle.dumps(COMPILED, pickle.HIGHEST_PROTOCOL)


class Evil:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> Any:
        return os.system, ("false",)


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The file of one kept answer."""
    Cache(tmp_path / "rules").write(KEY, PAYLOAD)
    return tmp_path / "rules" / f"{KEY}.rules"


def refusal(file: Path) -> str:
    """Return why an answer is not read, from the log."""
    with capture_logs() as logs:
        assert Cache(file.parent).read(KEY) is None
    (line,) = logs
    assert line["log_level"] == "warning"
    return str(line["reason"])


def test_what_was_kept_is_read_again(kept: Path) -> None:
    """Every kind of value that rules are made of."""
    assert Cache(kept.parent).read(KEY) == COMPILED


def test_nothing_kept_is_nothing_said(tmp_path: Path) -> None:
    """A first start has no cache."""
    with capture_logs() as logs:
        assert Cache(tmp_path / "nosuch").read(KEY) is None
    assert not logs


def test_only_we_may_read_and_write_it(kept: Path) -> None:
    """Rules tell what is looked for; and who may write pickles may run code."""
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700


def test_no_cut_of_the_file_is_read(kept: Path) -> None:
    """A disk that was full, a machine that lost its power: in and around the head, and anywhere behind it."""
    whole = kept.read_bytes()
    for size in (*range(130), *range(130, len(whole), 29), len(whole) - 1):
        kept.write_bytes(whole[:size])
        assert "damaged" in refusal(kept)


def test_no_byte_may_change(kept: Path) -> None:
    """The digest covers the answer, its fingerprint and the format's version."""
    whole = kept.read_bytes()
    for position in (*range(130), *range(130, len(whole), 29), len(whole) - 1):
        kept.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        assert "damaged" in refusal(kept)
    kept.write_bytes(whole + b"x")
    assert "damaged" in refusal(kept)


def test_an_answer_under_another_s_name_is_not_read(kept: Path) -> None:
    """It would be other files' rules."""
    other = "cd" * 32
    kept.rename(kept.with_name(f"{other}.rules"))
    with capture_logs() as logs:
        assert Cache(kept.parent).read(other) is None
    assert "damaged" in logs[0]["reason"]


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_is_not_read(kept: Path, mode: int) -> None:
    """The remedy is in the log."""
    kept.chmod(mode)
    assert "chmod go-w" in refusal(kept)


@pytest.mark.parametrize("mode", [0o720, 0o707, 0o1777])
def test_a_folder_that_others_may_write_is_neither_read_nor_written(kept: Path, mode: int) -> None:
    """They could put a file of ours in another's place."""
    kept.parent.chmod(mode)
    assert "chmod go-w" in refusal(kept)
    with capture_logs() as logs:
        Cache(kept.parent).write("ef" * 32, PAYLOAD)
    assert "chmod go-w" in logs[0]["reason"]
    assert len(list(kept.parent.iterdir())) == 1


def test_another_s_file_is_not_read(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever wrote it, it was not this service."""
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert "belongs to user" in refusal(kept)


def test_a_link_a_folder_and_a_fifo_are_not_read(kept: Path) -> None:
    """Nor waited for."""
    elsewhere = kept.rename(kept.parent.parent / "elsewhere")
    kept.symlink_to(elsewhere)
    assert refusal(kept)
    kept.unlink()
    kept.mkdir()
    assert refusal(kept)
    kept.rmdir()
    os.mkfifo(kept, 0o600)
    assert "not a file" in refusal(kept)


def test_a_folder_that_is_a_file_is_a_warning(tmp_path: Path) -> None:
    """The start goes on without a cache."""
    (tmp_path / "rules").write_text("x")
    with capture_logs() as logs:
        Cache(tmp_path / "rules").write(KEY, PAYLOAD)
        assert Cache(tmp_path / "rules").read(KEY) is None
        Cache(tmp_path / "rules" / "below").write(KEY, PAYLOAD)
    assert [line["log_level"] for line in logs] == ["warning"] * 3


def test_a_disk_that_is_full_is_a_warning_and_leaves_nothing(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a file is worth nothing."""

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with capture_logs() as logs:
        Cache(kept.parent).write("ef" * 32, PAYLOAD)
    assert "No space left" in logs[0]["reason"]
    assert list(kept.parent.iterdir()) == [kept]


def test_only_values_of_rules_are_made(tmp_path: Path) -> None:
    """A pickle of ours that names anything else runs nothing, and is compiled again."""
    Cache(tmp_path / "rules").write(KEY, pickle.dumps(Evil()))
    assert "no part of a rule" in refusal(tmp_path / "rules" / f"{KEY}.rules")


@pytest.mark.parametrize("value", [None, RULE, [COMPILED], Relation.LT])
def test_what_is_not_the_compiler_s_answer_is_refused(value: object) -> None:
    """Whole, ours, and still something else."""
    with pytest.raises(OSError, match="not what the compiler writes"):
        decoded(pickle.dumps(value))


@given(st.binary(max_size=200))
def test_bytes_that_are_no_pickle_are_refused(data: bytes) -> None:
    """With one exception, whatever pickle makes of them."""
    with pytest.raises(OSError, match="not what the compiler writes"):
        decoded(data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.integers(0, len(PAYLOAD) - 1), st.integers(1, 255))
def test_an_answer_that_is_wrong_within_is_refused_or_an_answer(position: int, change: int) -> None:
    """Even where a digest would be right: nothing but OSError comes out."""
    wrong = PAYLOAD[:position] + bytes([PAYLOAD[position] ^ change]) + PAYLOAD[position + 1 :]
    with suppress(OSError):
        assert isinstance(decoded(wrong), Compiled)


def test_a_few_answers_are_kept_and_those_read_last(tmp_path: Path) -> None:
    """A change that is taken back finds its rules; old ones do not fill the disk."""
    cache = Cache(tmp_path)
    tmp_path.chmod(0o700)
    keys = [f"{number:064}" for number in range(KEPT)]
    for age, key in enumerate(keys):
        cache.write(key, PAYLOAD)
        os.utime(tmp_path / f"{key}.rules", (1_000_000 - age, 1_000_000 - age))
    assert cache.read(keys[-1]) == COMPILED  # the oldest, read now
    cache.write(KEY, PAYLOAD)
    assert cache.read(keys[-2]) is None
    assert all(cache.read(key) for key in (*keys[:-2], keys[-1], KEY))


def test_files_that_were_begun_and_left_are_removed(tmp_path: Path) -> None:
    """A process that was killed left its file; one that is at work keeps its own."""
    tmp_path.chmod(0o700)
    (tmp_path / "old.begun").touch()
    os.utime(tmp_path / "old.begun", (1, 1))
    (tmp_path / "new.begun").touch()
    Cache(tmp_path).write(KEY, PAYLOAD)
    assert {file.name for file in tmp_path.iterdir()} == {"new.begun", f"{KEY}.rules"}
    assert ABANDONED < 24 * 3600


def test_a_file_that_another_process_removes_meanwhile_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes prune one folder."""
    tmp_path.chmod(0o700)
    gone = [tmp_path / f"gone{number}.rules" for number in range(KEPT + 1)]
    monkeypatch.setattr(Path, "glob", lambda _self, pattern: gone if pattern.endswith(".rules") else [])
    with capture_logs() as logs:
        Cache(tmp_path).write(KEY, PAYLOAD)
    assert not logs


PROGRAM = """
import sys
from contextlib import suppress
from pathlib import Path
from correlator.cache import Cache
payload = Path(sys.argv[2]).read_bytes()
cache = Cache(Path(sys.argv[1]))
for number in range(50):
    key = f"{number % 3:064}"
    cache.write(key, payload)
    assert cache.read(key) is not None
print(all(cache.read(f"{number:064}") for number in range(3)))
"""


def test_two_processes_write_the_same_answers_at_once(tmp_path: Path) -> None:
    """Each replaces the other's whole file by its own."""
    (tmp_path / "payload").write_bytes(PAYLOAD)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "rules"), str(tmp_path / "payload")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in "ab"]
    assert [process.communicate(timeout=60)[0].strip() for process in running] == ["True", "True"]
    assert len(list((tmp_path / "rules").iterdir())) == 3


def test_every_value_of_rules_is_known() -> None:
    """A class that is added to the neutral form can be read back without more ado."""
    assert {kind.__name__ for kind in caching._VALUES.values()} >= {
        "Compiled",
        "Rule",
        "Failure",
        "TimePart",
        "Wildcard",
    }
