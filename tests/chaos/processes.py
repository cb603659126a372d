"""Processes that are killed, paused and started again; none outlives the test run."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Program:
    """A Python module as a process of its own. Its output goes to FOLDER/NAME.log, through all its lives."""

    def __init__(
        self, name: str, folder: Path, arguments: list[str], environment: Mapping[str, str], port: int | None = None
    ) -> None:
        """`port`: where its /health/ready is, if it has one."""
        self.name = name
        self.log = folder / f"{name}.log"
        self.environment = dict(environment)
        self.lives = 0
        self._arguments = arguments
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; it dies with the thread that calls this, which is the test run's main one."""
        assert not self.running, f"{self.name} runs already"
        self.lives += 1
        with self.log.open("ab") as log:
            log.write(f"--- life {self.lives}\n".encode())
            log.flush()
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", sys.executable, "-m", *self._arguments],
                cwd=ROOT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def check(self) -> None:
        """Raise AssertionError where it has ended by itself: neither killed nor stopped by us."""
        if self._process is not None and (code := self._process.poll()) is not None:
            raise AssertionError(f"{self.name} ended by itself with {code}\n{self.tail()}")

    def ready(self) -> bool:
        """Ask once whether it is ready."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/health/ready", timeout=5):
                return True
        except urllib.error.HTTPError as error:
            error.close()
            return False
        except OSError:
            return False

    def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.partition("{")[0].partition(" ")[0] == name and all(each in line for each in wanted)
        )

    def kill(self) -> None:
        """SIGKILL, and wait for the end. Nothing happens where it does not run."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(30)
            self._process = None

    def pause(self) -> None:
        """SIGSTOP, and wait until it has stopped."""
        process = self._alive()
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)

    def resume(self) -> None:
        """SIGCONT."""
        self._alive().send_signal(signal.SIGCONT)

    def stop(self, seconds: float = 30.0) -> None:
        """SIGTERM, and wait for the end. Raises AssertionError where it does not come, or is no clean one."""
        self.check()
        if not self.running:
            return
        process = self._alive()
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGCONT)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end within {seconds} s of SIGTERM\n{self.tail()}") from None
        self._process = None
        assert process.returncode == 0, f"{self.name} ended with {process.returncode} at SIGTERM\n{self.tail()}"

    def tail(self, lines: int = 40) -> str:
        """Return the last lines that it wrote."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join([f"last lines of {self.log}:", *(line[:600] for line in text.splitlines()[-lines:])])

    def _alive(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        assert self.running, f"{self.name} does not run\n{self.tail()}"
        return self._process


class Journal:
    """What was done to which process, and when; shown when a test fails."""

    def __init__(self, title: str) -> None:
        """`title` names the run and its seed."""
        self._began = time.monotonic()
        self._lines = [title]

    def note(self, text: str) -> None:
        """Write one line."""
        self._lines.append(f"{time.monotonic() - self._began:8.2f}  {text}")

    def __str__(self) -> str:
        """Return all lines."""
        return "\n".join(self._lines)
