"""Rules that change while the service runs: what asks for a reload, what replaces what, and what stays in force."""

import asyncio
import os
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from correlator import reload as reloading
from correlator.reload import AGAIN, STILL, Reloader, stamp
from correlator.rules import RuleSet
from soc.clock import SECOND, SystemClock
from soc.errors import RulesError
from soc.events import LogSource
from soc.metrics import Metrics
from soc.settings import Settings
from soc.testing import ManualClock

RULE = """\
title: Rule {number}
id: 00000000-0000-4000-8000-{number:012}
logsource: {{product: linux}}
detection:
    sel: {{Action: "{action}"}}
    condition: sel
"""

CORRELATION = """\
title: Many of rule 1
correlation:
    type: event_count
    rules: [00000000-0000-4000-8000-000000000001]
    timespan: 1m
    condition: {gte: 5}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two rules."""
    folder = tmp_path / "rules"
    folder.mkdir()
    write(folder, 1)
    write(folder, 2)
    return folder


@pytest.fixture
def chosen(settings: Settings, folder: Path) -> Settings:
    """Settings that name it."""
    changes = {"rules": (folder,), "cache": "", "reload_seconds": 5.0}
    return settings.model_copy(update={"correlate": settings.correlate.model_copy(update=changes)})


def write(folder: Path, number: int, action: str = "login_failed") -> None:
    """Write a rule."""
    folder.mkdir(exist_ok=True)
    (folder / f"rule{number}.yml").write_text(RULE.format(number=number, action=action), encoding="utf-8")


def spoil(folder: Path, text: str | None) -> None:
    """Write this into every file of the folder, or remove it with the folder."""
    for file in folder.iterdir():
        if text is None:
            file.unlink()
        else:
            file.write_text(text, encoding="utf-8")
    if text is None:
        folder.rmdir()


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """Return a metric's value."""
    return metrics.registry.get_sample_value(f"vonggac_{name}", labels) or 0.0


async def until(condition: Callable[[], bool], seconds: float = 200) -> None:
    """Wait until the condition holds, bounded."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        await asyncio.sleep(0.01)


CHANGED = "the rule files have changed"
"""What the log says before the files are loaded for that."""


class Kept:
    """A reloader at work, and the rules that it put in force."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.asked = asyncio.Event()
        self.clock = ManualClock()
        self.reloader = Reloader(settings, metrics, self.clock, self.asked)
        self.adopted: list[RuleSet] = []
        self.looking = 2 if settings.correlate.reload_seconds else 1  # for expired filters, always

    @asynccontextmanager
    async def running(self) -> AsyncIterator[RuleSet]:
        """Load the rules, and keep them up to date while the block runs."""
        first = await self.reloader.load()
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self.reloader.keep(first, self.adopted.append)),
                group.create_task(self.reloader.watch()),
            ]
            yield first
            for task in tasks:
                task.cancel()

    async def looked(self, seconds: float) -> None:
        """Let the time of a look pass, and the look be done: who looks at files or for expired filters sleeps again."""
        await self.rested()
        self.clock.advance(seconds)
        await self.rested()

    async def rested(self) -> None:
        """Wait until all who look are asleep."""
        await until(lambda: len(self.clock._sleepers) == self.looking)


@pytest.fixture
def kept(chosen: Settings, metrics: Metrics) -> Kept:
    """A reloader of the folder's rules."""
    return Kept(chosen, metrics)


async def test_correlations_count_and_the_rules_that_they_silence_are_named(
    kept: Kept, folder: Path, metrics: Metrics
) -> None:
    """While the correlation is in force, and no longer."""
    silenced = {"rule": "00000000-0000-4000-8000-000000000001", "by": "Many of rule 1"}
    file = folder / "many.yml"
    file.write_text(CORRELATION, encoding="utf-8")
    async with kept.running() as first:
        assert [each.correlation.ref.title for each in first.plan.linked.values()] == ["Many of rule 1"]
        assert value(metrics, "rules_loaded") == 3
        assert value(metrics, "rules_silenced", **silenced) == 1
        file.unlink()
        with capture_logs() as logs:
            kept.asked.set()
            await until(lambda: len(kept.adopted) == 1)
    (told,) = [each for each in logs if each["event"] == "rules"]
    assert (told["removed"], told["correlations"], told["silenced"]) == (1, 0, 0)
    assert value(metrics, "rules_loaded") == 2
    assert metrics.registry.get_sample_value("vonggac_rules_silenced", silenced) is None


async def test_what_is_asked_for_is_loaded_and_told(kept: Kept, folder: Path, metrics: Metrics) -> None:
    """Added, removed and changed rules are counted; so are the reload and when it was."""
    async with kept.running() as first:
        kept.clock.advance(100)
        write(folder, 1, "login")
        write(folder, 3)
        (folder / "rule2.yml").unlink()
        with capture_logs() as logs:
            kept.asked.set()
            await until(lambda: len(kept.adopted) == 1)
    assert [rule.ref.title for rule in first.rules] == ["Rule 1", "Rule 2"]
    assert [rule.ref.title for rule in kept.adopted[0].rules] == ["Rule 1", "Rule 3"]
    (told,) = [each for each in logs if each["event"] == "rules"]
    assert (told["added"], told["removed"], told["changed"]) == (1, 1, 1)
    assert value(metrics, "rules_reloads_total", outcome="done") == 1
    assert value(metrics, "rules_loaded") == 2
    assert value(metrics, "rules_load_timestamp_seconds") * 1e6 == kept.clock.now()


async def test_the_new_rules_are_ready_for_the_events_that_the_old_have_seen(kept: Kept) -> None:
    """The first event after a reload does not wait for what is built at a first event."""
    async with kept.running() as first:
        first.evaluate(LogSource("linux", None, "sshd"), {"Action": "x"})
        kept.asked.set()
        await until(lambda: len(kept.adopted) == 1)
    assert set(kept.adopted[0]._sources) == set(first._sources) != set()


@pytest.mark.parametrize("broken", ["title: x\n", "", None])
async def test_rules_that_cannot_be_had_leave_those_before_in_force(
    kept: Kept, folder: Path, metrics: Metrics, broken: str | None
) -> None:
    """No rule that compiles, none at all, no folder: an error in the log and in the metrics; then it is made good."""
    async with kept.running():
        spoil(folder, broken)
        with capture_logs() as logs:
            kept.asked.set()
            await until(lambda: value(metrics, "rules_reloads_total", outcome="failed") == 1)
        assert not kept.adopted
        assert str(folder) in next(each["reason"] for each in logs if each["log_level"] == "error")
        assert (value(metrics, "rules_stale"), value(metrics, "rules_loaded")) == (1, 2)
        write(folder, 7)
        kept.asked.set()
        await until(lambda: len(kept.adopted) == 1)
    assert value(metrics, "rules_stale") == 0


async def test_an_unexpected_fault_of_a_reload_ends_nothing(
    kept: Kept, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Detection with yesterday's rules is better than none."""

    def fault(*_: object) -> None:
        raise MemoryError

    async with kept.running():
        monkeypatch.setattr(reloading, "compile_rules", fault)
        kept.asked.set()
        await until(lambda: value(metrics, "rules_reloads_total", outcome="failed") == 1)
        monkeypatch.undo()
        kept.asked.set()
        await until(lambda: len(kept.adopted) == 1)


async def test_a_failure_that_is_known_is_not_told_again(kept: Kept, folder: Path) -> None:
    """After a reload the log names what is new."""
    (folder / "bad1.yml").write_text("title: x\n", encoding="utf-8")
    async with kept.running():
        (folder / "bad2.yml").write_text("title: y\n", encoding="utf-8")
        with capture_logs() as logs:
            kept.asked.set()
            await until(lambda: len(kept.adopted) == 1)
    assert [Path(each["file"]).name for each in logs if each["event"] == "rule not evaluated"] == ["bad2.yml"]


async def test_requests_that_come_together_are_one_reload(kept: Kept, metrics: Metrics) -> None:
    """Those during a reload are one more, since files may have changed after they were read."""
    async with kept.running():
        for _ in range(5):
            kept.asked.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for _ in range(5):
            kept.asked.set()
        await until(lambda: len(kept.adopted) == 2)
        await asyncio.sleep(0.1)
    assert value(metrics, "rules_reloads_total", outcome="done") == 2


async def test_files_that_change_are_loaded_when_they_are_left_alone(kept: Kept, folder: Path) -> None:
    """Half of a copy that goes on for seconds is no rule set."""
    with capture_logs() as logs:
        async with kept.running():
            await kept.looked(5)
            for number in range(3, 6):
                write(folder, number)
                await kept.looked(5 if number == 3 else STILL)
            assert CHANGED not in [each["event"] for each in logs]
            await kept.looked(STILL)
            await until(lambda: len(kept.adopted) == 1)
            for _ in range(3):
                await kept.looked(5)
    assert [len(rules.rules) for rules in kept.adopted] == [5]
    assert [each["event"] for each in logs].count(CHANGED) == 1


async def test_files_that_never_rest_are_loaded_all_the_same(
    kept: Kept, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something that writes there without end must not keep new rules out."""
    monkeypatch.setattr(reloading, "MAX_LOOKS", 3)
    async with kept.running():
        for number in range(3, 7):
            assert not kept.adopted
            write(folder, number)
            await kept.looked(5)
        await until(lambda: len(kept.adopted) == 1)


async def test_looking_at_the_files_can_be_switched_off(settings: Settings, folder: Path, metrics: Metrics) -> None:
    """Then nobody looks."""
    changes = {"rules": (folder,), "cache": "", "reload_seconds": 0}
    off = settings.model_copy(update={"correlate": settings.correlate.model_copy(update=changes)})
    async with asyncio.timeout(30):
        await Reloader(off, metrics, SystemClock(), asyncio.Event()).watch()


# Filters --------------------------------------------------------------------------------------------------------------

FILTER = """\
title: Backup
logsource: {{product: linux}}
expires: {expires}
filter:
    rules: any
    sel: {{User: backup}}
    condition: not sel
"""
FIELDS = {"Action": "login_failed", "User": "backup"}
SSHD = LogSource("linux", None, "sshd")


@pytest.fixture
def unwatched(chosen: Settings, metrics: Metrics) -> Kept:
    """A reloader that does not look at the files by itself."""
    return Kept(
        chosen.model_copy(update={"correlate": chosen.correlate.model_copy(update={"reload_seconds": 0})}), metrics
    )


async def test_a_filter_ends_while_the_service_runs(unwatched: Kept, folder: Path, metrics: Metrics) -> None:
    """When its day begins in UTC, a day and ten hours from now, and not before; the log says so."""
    (folder / "filter.yml").write_text(FILTER.format(expires="2026-09-23"), "utf-8")
    async with unwatched.running() as first:
        assert not first.evaluate(SSHD, dict(FIELDS))
        assert value(metrics, "rule_filters", state="applied") == 1
        for _ in range(3):
            await unwatched.looked(3600)
        assert not unwatched.adopted
        unwatched.clock.advance(
            (1_790_121_600 * SECOND - unwatched.clock.now()) / SECOND - 1
        )  # a second before that day
        await unwatched.rested()
        assert not unwatched.adopted
        with capture_logs() as logs:
            await unwatched.looked(1)
            await until(lambda: len(unwatched.adopted) == 1)
    assert len(unwatched.adopted[0].evaluate(SSHD, dict(FIELDS))) == 2
    assert (value(metrics, "rule_filters", state="applied"), value(metrics, "rule_filters", state="expired")) == (0, 1)
    assert any("expired on 2026-09-23" in each.get("remark", "") for each in logs if each["log_level"] == "warning")


async def test_a_filter_that_cannot_end_is_tried_again(unwatched: Kept, folder: Path, metrics: Metrics) -> None:
    """Rules that cannot be had at that time are looked for every few minutes, not without pause."""
    (folder / "filter.yml").write_text(FILTER.format(expires="2026-09-22"), "utf-8")
    async with unwatched.running():
        spoil(folder, "title: x\n")
        await unwatched.looked(36_000)
        await until(lambda: value(metrics, "rules_reloads_total", outcome="failed") == 1)
        await unwatched.looked(AGAIN - 1)
        assert value(metrics, "rules_reloads_total", outcome="failed") == 1
        write(folder, 1)
        await unwatched.looked(1)
        await until(lambda: len(unwatched.adopted) == 1)
        for _ in range(3):
            await unwatched.looked(AGAIN)
    assert value(metrics, "rules_reloads_total", outcome="done") == 1


async def test_filters_that_fail_or_are_for_nothing_are_counted(kept: Kept, folder: Path, metrics: Metrics) -> None:
    """One of each kind."""
    broken, unused = FILTER.format(expires="soon"), FILTER.format(expires="2027-03-31").replace("linux", "macos")
    (folder / "filter.yml").write_text(f"{broken}---\n{unused}", "utf-8")
    await kept.reloader.load()
    assert [value(metrics, "rule_filters", state=each) for each in ("applied", "unused", "failed")] == [0, 1, 1]


SLEEPER = textwrap.dedent("""\
    #!{python}
    import os, sys, time
    from pathlib import Path
    Path({file!r}).write_text(str(os.getpid()))
    time.sleep(600)
""")


async def test_a_reload_in_flight_is_given_up_and_its_compiler_killed(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stop does not wait for rules that nobody will evaluate, and leaves no process behind."""
    program, file = tmp_path / "compiler", tmp_path / "pid"
    program.write_text(SLEEPER.format(python=sys.executable, file=str(file)), encoding="utf-8")
    program.chmod(0o700)
    async with kept.running():
        monkeypatch.setattr(sys, "executable", str(program))
        kept.asked.set()
        await until(lambda: file.exists() and bool(file.read_text("utf-8")))
    pid = int(file.read_text("utf-8"))
    await until(lambda: not _alive(pid))


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_the_first_load_tells_why_there_are_no_rules(chosen: Settings, folder: Path, metrics: Metrics) -> None:
    """Its error ends the start; there is nothing before that could stay in force."""
    spoil(folder, "")
    with pytest.raises(RulesError, match="no rule to evaluate"):
        await Reloader(chosen, metrics, SystemClock(), asyncio.Event()).load()


def test_a_stamp_tells_new_changed_and_missing_files(folder: Path) -> None:
    """In folders below and behind links, one that leads back included; other files do not matter."""
    outside = folder.parent / "outside"
    outside.mkdir()
    (folder / "link").symlink_to(outside)
    (outside / "back").symlink_to(folder)
    (folder / "dangling.yml").symlink_to("nowhere")
    stamps = [stamp([folder])]
    write(outside, 3)
    stamps.append(stamp([folder]))
    write(outside, 3, "another")
    stamps.append(stamp([folder]))
    (folder / "rule1.yml").unlink()
    stamps.append(stamp([folder]))
    (folder / "notes.txt").write_text("x", encoding="utf-8")
    assert stamp([folder]) == stamps[-1]
    assert len({tuple(sorted(each.items())) for each in stamps}) == 4


def test_a_stamp_of_what_is_not_there_is_none(tmp_path: Path) -> None:
    """When it comes back, that is a change."""
    file = tmp_path / "rule.yml"
    assert stamp([file]) == {}
    write(tmp_path, 1)
    assert stamp([tmp_path / "rule1.yml"])


async def test_that_hyperscan_is_missing_is_said_once(
    chosen: Settings, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same matches take longer: an operator must not wonder why."""
    monkeypatch.setattr(reloading, "AVAILABLE", False)
    reloader = Reloader(chosen, metrics, SystemClock(), asyncio.Event())
    with capture_logs() as logs:
        await reloader.load(await reloader.load())
    assert [entry["log_level"] for entry in logs if "hyperscan" in entry["event"]] == ["warning"]


async def test_a_folder_that_cannot_be_read_loses_no_rules(
    chosen: Settings, folder: Path, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A share that is away for a moment: the rules before it stay in force, and the reload failed."""
    reloader = Reloader(chosen, metrics, SystemClock(), asyncio.Event())
    before = await reloader.load()
    (folder / "rule2.yml").unlink()
    (folder / "rule2.yml").symlink_to(folder / "away")
    with pytest.raises(RulesError, match=r"cannot be read.*rule2\.yml"):
        await reloader.load(before)
