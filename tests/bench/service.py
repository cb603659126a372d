"""Runs `soc up` as a user would, in a folder of its own, for benchmarks and crash tests."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.services.process import Port

ROOT = Path(__file__).parent.parent.parent


class Service:
    """One `soc ROLE` process (and, for `up`, its children), with free ports and its data in `folder`."""

    def __init__(self, folder: Path, role: str = "up", environment: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.role = role
        self._kept = [Port() for _ in range(5)]
        self.syslog, self.console, *health = [port.number for port in self._kept]
        self.health = dict(zip(("collect", "correlate", "alert"), health, strict=True))
        self.environment = {**self._ports(), **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None

    def _ports(self) -> dict[str, str]:
        listen = json.dumps([{"host": "127.0.0.1", "port": self.syslog}])
        return {
            "SOC_BUS__URL": f"sqlite:///{self.folder}/bus",
            "SOC_STORE__URL": f"sqlite:///{self.folder}/store",
            "SOC_COLLECT__TCP": listen,
            "SOC_COLLECT__UDP": listen,
            "SOC_COLLECT__DOOR": f"{self.folder}/door.sock",
            "SOC_CONSOLE__LISTEN": json.dumps({"host": "127.0.0.1", "port": self.console}),
            "SOC_LOG_LEVEL": "warning",
            **{f"SOC_HEALTH__{name.upper()}": str(port) for name, port in self.health.items()},
        }

    def start(self) -> None:
        """Start it; its messages go to FOLDER/ROLE.log."""
        with (self.folder / f"{self.role}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "soc", self.role],
                env={**os.environ, **self.environment},
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def wait_ready(self, seconds: float = 60) -> None:
        """Return once each of its roles says that it is ready. Raises TimeoutError with the log's end."""
        deadline = time.monotonic() + seconds
        roles = list(self.health) if self.role == "up" else [self.role]
        for role in roles:
            while (reason := self._unready(self.health[role])) is not None:
                if time.monotonic() > deadline or (self.process and self.process.poll() is not None):
                    raise TimeoutError(f"{role}: {reason}\n{self.log()[-3000:]}")
                time.sleep(0.02)

    def _unready(self, port: int) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=5):
                return None
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError as error:
            return str(error)

    def metric(self, role: str, name: str) -> float:
        """Return the sum of a metric's samples in one role's process."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health[role]}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

    def log(self) -> str:
        """Return what it has said."""
        return (self.folder / f"{self.role}.log").read_text("utf-8", "replace")

    def tree(self) -> list[int]:
        """Return the process and its children."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text("utf-8").split()
        return [self.process.pid, *map(int, children)]

    def kill(self) -> None:
        """Kill -9, and wait for the end."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> None:
        """SIGTERM, and wait for the end."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(30)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def pss_bytes(pids: list[int]) -> int:
    """Return the proportional set size of the processes together (Linux smaps_rollup)."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text("utf-8").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total
