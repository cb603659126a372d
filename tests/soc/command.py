"""The `soc` command as a user runs it: a folder of its own, free ports, nothing left behind."""

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from tests.services.process import Port


class Command:
    """`soc ...` in a folder, with settings of its own in SOC_* variables."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ports = [Port() for _ in range(5)]  # ours until the end
        self.tcp, self.console, *self.health = (port.number for port in self._ports)
        roles = zip(("COLLECT", "CORRELATE", "ALERT"), self.health, strict=True)
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SOC_")},
            "SOC_COLLECT__UDP": "[]",
            "SOC_COLLECT__TCP": f'["127.0.0.1:{self.tcp}"]',
            "SOC_CONSOLE__LISTEN": f"127.0.0.1:{self.console}",
            **{f"SOC_HEALTH__{role}": str(port) for role, port in roles},
            "COLUMNS": "200",
        }
        self._started: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run to the end."""
        command, environment = self._line(arguments), self._with(settings)
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    def start(self, *arguments: str, **settings: str) -> subprocess.Popen[str]:
        """Run on; standard error goes to the file `errors`."""
        with (self.folder / "errors").open("w") as errors:
            self._started.append(
                subprocess.Popen(
                    self._line(arguments),
                    cwd=self.folder,
                    env=self._with(settings),
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                )
            )
        return self._started[-1]

    @property
    def errors(self) -> str:
        """What the last that was started has written to standard error."""
        return (self.folder / "errors").read_text("utf-8")

    def page(self, port: int, path: str = "/health/ready") -> str:
        """What a health port answers; "" where nobody does."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def ready(self) -> bool:
        """Tell whether all three roles are."""
        return all(self.page(port) for port in self.health)

    def end(self) -> None:
        """End what was started and has not ended."""
        for process in self._started:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()
            if process.stdout:
                process.stdout.close()

    def _with(self, settings: Mapping[str, str]) -> dict[str, str]:
        return {**self.environment, **settings}

    def _line(self, arguments: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-m", "soc", *arguments]


def wait_until(condition: object, seconds: float = 120) -> None:
    """Return once the condition holds; fail after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator] # a callable
        assert time.monotonic() < end, "not within the time"
        time.sleep(0.05)
