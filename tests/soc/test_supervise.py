"""`soc up`: when one role ends, all end; nothing outlives the supervisor."""

import os
import pty
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

PROGRAM = textwrap.dedent("""
    import os, signal, sys, time
    from pathlib import Path
    from soc.errors import Stop
    from soc.supervise import supervise

    folder = Path(sys.argv[1])

    def run(role):
        (folder / role).write_text(str(os.getpid()))
        if role == sys.argv[2]:
            while not all((folder / each).exists() and (folder / each).stat().st_size for each in sys.argv[3:]):
                time.sleep(0.01)
            sys.exit(7)
        if role == "deaf":
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if role == "hears":
            signal.signal(signal.SIGHUP, lambda *_: (folder / "reloaded").write_text("x"))
            (folder / "listening").write_text("x")
        while True:
            time.sleep(0.05)

    import soc.supervise
    soc.supervise.STOP_SECONDS = 1.0
    try:
        supervise(sys.argv[3:], run)
    except Stop as error:
        sys.exit(str(error))
""")


def start(folder: Path, failing: str, *roles: str) -> subprocess.Popen[str]:
    """Start a supervisor of `roles`, of which `failing` ends by itself; return once the others are there."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(folder), failing, *roles], stderr=subprocess.PIPE, text=True
    )
    for role in roles:
        wait_for(lambda role=role: (folder / role).exists() and (folder / role).read_text("utf-8"))
    return process


def wait_for(condition: object, seconds: float = 60) -> None:
    """Return once the condition holds; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator] # a callable
        assert time.monotonic() < deadline, "not within the time"
        time.sleep(0.02)


def gone(folder: Path, role: str) -> bool:
    """Tell whether that role's process has ended."""
    pid = int((folder / role).read_text("utf-8"))
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text("utf-8")
    except (FileNotFoundError, ProcessLookupError):  # the latter where it ends while it is read
        return True


def test_when_one_role_ends_all_end_and_the_error_names_it(tmp_path: Path) -> None:
    """No half of a service runs on."""
    supervisor = start(tmp_path, "b", "a", "b", "c")
    _, errors = supervisor.communicate(timeout=60)
    assert supervisor.returncode == 1
    assert "soc b ended by itself (exit status 7)" in errors
    assert gone(tmp_path, "a")
    assert gone(tmp_path, "c")


def test_sigterm_ends_all_and_is_no_error(tmp_path: Path) -> None:
    """The supervisor's stop is everybody's."""
    supervisor = start(tmp_path, "none", "a", "b")
    supervisor.send_signal(signal.SIGTERM)
    supervisor.communicate(timeout=60)
    assert supervisor.returncode == 0
    assert gone(tmp_path, "a")


def test_sighup_is_passed_on_and_ends_nothing(tmp_path: Path) -> None:
    """Nor does it end a role that has nothing to reload."""
    supervisor = start(tmp_path, "none", "hears", "a")
    wait_for((tmp_path / "listening").exists)
    supervisor.send_signal(signal.SIGHUP)
    wait_for((tmp_path / "reloaded").exists)
    time.sleep(0.5)
    assert not gone(tmp_path, "a")
    supervisor.send_signal(signal.SIGTERM)
    supervisor.communicate(timeout=60)
    assert supervisor.returncode == 0


def test_when_the_terminal_goes_all_end(tmp_path: Path) -> None:
    """Nobody is left who could press Ctrl-C; its SIGHUP asks for no reload."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM, str(tmp_path), "none", "a"])
    wait_for(lambda: (tmp_path / "a").exists() and (tmp_path / "a").read_text("utf-8"))
    os.close(terminal)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert gone(tmp_path, "a")


def test_a_role_that_does_not_hear_is_killed_after_the_bound(tmp_path: Path) -> None:
    """A stuck role cannot hold the stop up for ever."""
    supervisor = start(tmp_path, "none", "deaf")
    time.sleep(0.2)
    supervisor.send_signal(signal.SIGTERM)
    supervisor.communicate(timeout=60)
    assert gone(tmp_path, "deaf")


def test_roles_do_not_outlive_a_killed_supervisor(tmp_path: Path) -> None:
    """Kill -9 of the supervisor leaves nothing behind."""
    supervisor = start(tmp_path, "none", "a", "b")
    supervisor.kill()
    supervisor.communicate(timeout=60)
    wait_for(lambda: gone(tmp_path, "a") and gone(tmp_path, "b"))


def test_a_stop_while_the_roles_are_started_ends_them() -> None:
    """It reaches a child before its first line, where Python forgets what came: the child would run on."""
    program = """if True:
        import os, signal, time, soc.supervise as supervise
        forks = []

        def forked():
            forks.append(1)
            if len(forks) == 3:
                os.kill(os.getpid(), signal.SIGTERM)

        def run(role):
            stopped = []
            signal.signal(signal.SIGTERM, lambda *_: stopped.append(1))
            while not stopped:
                time.sleep(0.01)

        os.register_at_fork(after_in_parent=forked)
        supervise.supervise(["collect", "correlate", "alert"], run)
    """
    for _ in range(4):
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
