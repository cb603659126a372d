"""Loading through the child process, and the index by logsource."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from correlator import load as loading
from correlator.choice import Choice
from correlator.engine.record import Record
from correlator.limit import Overtime
from correlator.load import builtin, load
from correlator.rules import MAX_LOGSOURCES, RuleSet
from soc.errors import RulesError
from soc.events import LogSource
from tests.correlator.flaky import fallen_back

SSHD = LogSource("linux", None, "sshd")

RULE = """\
title: Rule {number}
id: 00000000-0000-4000-8000-{number:012}
logsource:
    product: linux
    service: sshd
detection:
    sel:
        User: user{number}
    condition: sel
"""


def write(folder: Path, count: int) -> Path:
    """Write so many rules into a folder."""
    for number in range(count):
        (folder / f"rule{number}.yml").write_text(RULE.format(number=number), encoding="utf-8")
    return folder


def test_a_rule_set_is_loaded_and_evaluated(tmp_path: Path) -> None:
    """The child's answer is made into closures here."""
    (tmp_path / "bad.yml").write_text("title: x\n", encoding="utf-8")
    loaded = load(Choice((write(tmp_path, 3),)))
    assert len(loaded.rules) == 3
    assert [failure.file for failure in loaded.failures] == [str(tmp_path / "bad.yml")]
    (hit,) = loaded.evaluate(SSHD, {"User": "user1"})
    assert hit.rule.ref.title == "Rule 1"


def test_placeholders_reach_the_compiler(tmp_path: Path) -> None:
    """What the settings say stands in the place of %name%."""
    text = RULE.format(number=1).replace("User: user1", "User|expand: '%admins%'")
    (tmp_path / "rule.yml").write_text(text, encoding="utf-8")
    loaded = load(Choice((tmp_path,), {"admins": ["alice"]}))
    assert loaded.evaluate(SSHD, {"User": "Alice"})


def test_no_rule_is_an_error_that_says_what_failed(tmp_path: Path) -> None:
    """A correlator without rules must not look healthy."""
    (tmp_path / "bad.yml").write_text("title: x\n", encoding="utf-8")
    with pytest.raises(RulesError, match=r"no rule to evaluate.*bad\.yml:1"):
        load(Choice((tmp_path,)))


def test_without_paths_the_rules_that_come_with_vonggac_are_loaded() -> None:
    """From the wheel or from a checkout: both have them."""
    assert {Path(rule.file).is_relative_to(builtin()) for rule in load(Choice()).rules} == {True}


def test_a_rule_that_fails_does_not_take_the_others_along(tmp_path: Path) -> None:
    """The caller is told; the other rules fire."""

    def broken(_record: Record) -> bool:
        raise RecursionError

    loaded = load(Choice((write(tmp_path, 2),)))
    told: list[tuple[str, Exception]] = []
    with fallen_back(loaded, SSHD, broken):
        hits = loaded.evaluate(SSHD, {"User": "user1"}, lambda rule, error: told.append((rule.ref.title, error)))
    assert [hit.rule.ref.title for hit in hits] == ["Rule 1"]
    assert [(title, type(error)) for title, error in told] == [("Rule 0", RecursionError)]


def test_a_missing_path_is_an_error_that_names_it(tmp_path: Path) -> None:
    """A mistyped folder is not an empty one."""
    with pytest.raises(RulesError, match="nosuch"):
        load(Choice((tmp_path / "nosuch",)))


def test_a_compiler_that_hangs_or_fails_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The time is bounded, and the child's last words are passed on."""
    write(tmp_path, 1)
    monkeypatch.setattr(loading, "TIMEOUT", 0.001)
    with pytest.raises(RulesError, match="not compiled within"):
        load(Choice((tmp_path,)))
    monkeypatch.setattr(loading, "TIMEOUT", 60.0)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RulesError, match="compiler failed"):
        load(Choice((tmp_path,)))


def test_thirty_rules_load_quickly_and_without_pysigma_in_this_process(tmp_path: Path) -> None:
    """PySigma's memory and import time stay in the child."""
    write(tmp_path, 30)
    program = (
        "import sys, pathlib; from correlator.choice import Choice; from correlator.load import load; "
        f"loaded = load(Choice((pathlib.Path({str(tmp_path)!r}),))); "
        "print(len(loaded.rules), 'sigma' in sys.modules, 'yaml' in sys.modules)"
    )
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["30", "False", "False"]
    assert time.perf_counter() - began < 50  # about 0.6 s on an idle machine; this one may be busy


def test_logsources_that_are_remembered_are_bounded() -> None:
    """Agents that invent logsources do not fill the memory."""
    loaded = RuleSet([])
    for number in range(MAX_LOGSOURCES + 10):
        loaded.covering(LogSource("linux", None, f"service{number}"))
    assert len(loaded._sources) <= MAX_LOGSOURCES


ENDLESS = "a" * 100 + "đ"
"""What SLOW's expression would search for ever; beyond ASCII, so that `re` alone judges it."""

SLOW = """\
title: Slow
id: 00000000-0000-4000-8000-999999999999
logsource:
    product: linux
detection:
    sel:
        - User: {user}
        - F|re: '(a+)+$'
    condition: sel
"""


def test_a_pattern_that_would_not_end_fails_and_the_other_rules_are_evaluated(tmp_path: Path) -> None:
    """An attacker's value costs a bounded time, and the rule that it defeated is named."""
    (tmp_path / "a.yml").write_text(SLOW.format(user="nobody"), encoding="utf-8")
    loaded = load(Choice((write(tmp_path, 2),)))
    told: list[tuple[str, type[Exception]]] = []
    fields = {"User": "user1", "F": ENDLESS}
    began = time.process_time()
    hits = loaded.evaluate(SSHD, fields, lambda rule, error: told.append((rule.ref.title, type(error))))
    assert time.process_time() - began < 3
    assert told == [("Slow", Overtime)]
    assert [hit.rule.ref.title for hit in hits] == ["Rule 1"]


def test_when_the_budget_is_exhausted_again_the_rules_that_are_left_fail(tmp_path: Path) -> None:
    """None of them is passed over in silence."""
    for number in range(3):
        text = SLOW.format(user="nobody").replace("999", f"99{number}", 1).replace("$", "x?" * number + "$")
        (tmp_path / f"a{number}.yml").write_text(text, encoding="utf-8")
    loaded = load(Choice((write(tmp_path, 1),)))
    told: list[str] = []
    hits = loaded.evaluate(SSHD, {"User": "user0", "F": ENDLESS}, lambda rule, _: told.append(rule.ref.title))
    assert told == ["Slow", "Slow", "Slow", "Rule 0"]
    assert not hits


def test_reasons_that_would_not_end_are_left_out(tmp_path: Path) -> None:
    """`or` stops at the first that holds; the search for reasons does not, and must not hang there."""
    (tmp_path / "a.yml").write_text(SLOW.format(user="root"), encoding="utf-8")
    (hit,) = load(Choice((tmp_path,))).evaluate(SSHD, {"User": "root", "F": ENDLESS})
    assert hit.reasons == ()


def test_long_logsources_are_not_remembered() -> None:
    """Four thousand names of 64 KiB would be a quarter of a gigabyte."""
    loaded = RuleSet([])
    loaded.covering(LogSource("linux", None, "s" * 65_536))
    assert not loaded._sources


def test_an_expression_that_would_not_end_fails_the_rules_that_hang_on_it_alone(tmp_path: Path) -> None:
    """Where the other alternative holds the rule fires; rules without the expression are evaluated as ever."""
    (tmp_path / "a.yml").write_text(SLOW.format(user="root"), encoding="utf-8")
    (tmp_path / "b.yml").write_text(SLOW.format(user="nobody").replace("999", "998", 1), encoding="utf-8")
    told: list[str] = []
    hits = load(Choice((tmp_path,))).evaluate(
        SSHD, {"User": "root", "F": ENDLESS}, lambda rule, _: told.append(rule.file)
    )
    assert [Path(hit.rule.file).name for hit in hits] == ["a.yml"]
    assert [Path(file).name for file in told] == ["b.yml"]
