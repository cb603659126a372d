"""One Kafka and one Elasticsearch for a whole test run, however many pytest workers share it.

The first test that asks starts a keeper, `python -m tests.services --only NAME --owner PID`: a process of its own, which runs
the service until the pytest controller ends it (`end_run`) or is gone. The service in turn dies with its keeper. So no
worker owns it, and nothing outlives the run, also when a worker crashes or the controller is killed.
"""

import contextlib
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.services.jars import locked
from tests.services.process import ServiceError

_ROOT = Path(__file__).parents[2]
_RUN, _OWNER = "VONGGAC_TEST_RUN", "VONGGAC_TEST_OWNER"  # workers inherit the controller's environment


@dataclass(frozen=True)
class KafkaAddress:
    """Where the run's broker is: `bootstrap` is "127.0.0.1:PORT"."""

    bootstrap: str


@dataclass(frozen=True)
class ElasticAddress:
    """Where the run's Elasticsearch node is: `url` is "http://127.0.0.1:PORT"."""

    url: str


def begin_run(config: pytest.Config) -> None:
    """Name the run's folder and owner, in the controller; a worker finds them named."""
    if not hasattr(config, "workerinput"):
        os.environ[_RUN] = tempfile.mkdtemp(prefix="vonggac-tests-")
        os.environ[_OWNER] = str(os.getpid())


def end_run(config: pytest.Config) -> None:
    """End the run's services, wait until they have ended, and remove its folder; only the controller does."""
    if not hasattr(config, "workerinput"):
        run = Path(os.environ.pop(_RUN))
        for keeper in run.glob("*.keeper"):
            _end_keeper(keeper)
        for errors in run.glob("*.errors"):
            sys.stderr.write(errors.read_text())  # of a service that ended in the middle of the run
        shutil.rmtree(run, ignore_errors=True)


def kafka() -> KafkaAddress:
    """Return where the run's Kafka is, started if nobody has yet; raise ServiceError, at every call, if it cannot."""
    return KafkaAddress(_address("kafka").removeprefix("kafka://"))


def elastic() -> ElasticAddress:
    """Return where the run's Elasticsearch is, started if nobody has yet; errors as in `kafka`."""
    return ElasticAddress(_address("elasticsearch"))


def _address(name: str) -> str:
    run = Path(os.environ[_RUN])
    url, errors = run / f"{name}.url", run / f"{name}.errors"
    with locked(run / f"{name}.lock"):
        if not url.exists():
            url.write_text(_start_keeper(run, name, errors))
    if found := url.read_text():
        return found
    raise ServiceError(errors.read_text())


def _start_keeper(run: Path, name: str, errors: Path) -> str:
    """Return the service's URL, or nothing if it did not start; `errors` then says why.

    The file NAME.keeper holds the keeper's process id and is locked while the keeper lives: it inherits the lock.
    """
    command = [sys.executable, "-m", "tests.services", "--quick", "--only", name]
    command += ["--work", str(run / name), "--owner", os.environ[_OWNER]]
    with (run / f"{name}.keeper").open("w") as file, errors.open("w") as stderr:
        fcntl.flock(file, fcntl.LOCK_EX)
        keeper = subprocess.Popen(
            command,
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            pass_fds=[file.fileno()],
            start_new_session=True,  # Ctrl-C is for pytest, which then ends the keeper
        )
        file.write(str(keeper.pid))
    threading.Thread(target=keeper.wait, daemon=True, name=f"{name}-keeper").start()  # no zombie, no warning of one
    assert keeper.stdout
    with keeper.stdout as lines:
        return lines.readline().strip().partition("=")[2]


def _end_keeper(path: Path) -> None:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if pid := file.read():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGTERM)
                fcntl.flock(file, fcntl.LOCK_EX)
