"""A real server as a child process: started, waited for, killed, restarted on its own port and data, and never left.

Plain synchronous code, for fixtures, benches and crash tests alike, callable from any thread. Every call blocks, so
async code goes through `asyncio.to_thread`.
"""

import os
import random
import signal
import socket
import subprocess
import time
import weakref
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ClassVar, Self

JAVA_OPTIONS = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError")
QUICK = "-XX:TieredStopAtLevel=1"
READY_SECONDS = 120.0
STOP_SECONDS = 20.0
POLL_SECONDS = 0.1
LOG_LINES = 30

# Below Linux's range for outgoing connections: no client, not even one that calls a dead server again and again, can
# come to sit on a server's port while that server is down.
_PORTS = range(20_000, 32_000)

# A child's death signal fires when the *thread* that started it ends: one thread starts them all, and lasts as long as
# the interpreter.
_STARTER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="service-starter")


class ServiceError(RuntimeError):
    """A service ended, or was not ready in time; the message ends with its log's last lines."""


class Port:
    """A free loopback TCP port, kept from every other user of this class while the object lives.

    The reservation is an abstract Unix socket's name: it needs no file and dies with the process.
    """

    def __init__(self) -> None:
        """Take a free port."""
        name = socket.socket(socket.AF_UNIX)
        self.number = next(port for port in random.sample(_PORTS, len(_PORTS)) if _reserve(name, port))
        weakref.finalize(self, os.close, name.detach())


def _reserve(name: socket.socket, port: int) -> bool:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
        name.bind(f"\0vonggac-test-port-{port}")
    except OSError:
        return False
    return True


class Service(ABC):
    """A server with a work folder of its own. As a context manager: started on entry, stopped on exit.

    `work` holds its data and its log (NAME.log) and stays afterwards: whoever chose it removes it. The port is chosen
    once, so `restart`, and `start` after `stop`, come back at the same address with the same data.

    `quick` leaves out Java's optimizing compiler: half the CPU to start and to serve a test's few requests, slower under
    a steady load; benches turn it off.
    """

    name: ClassVar[str]

    def __init__(self, work: Path, *, quick: bool = True) -> None:
        """Reserve a port; nothing is written before `start`."""
        self.work = work.resolve()
        self.log = self.work / f"{self.name}.log"
        self._port = Port()
        self._options = (*JAVA_OPTIONS, QUICK) if quick else JAVA_OPTIONS
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def port(self) -> int:
        """The TCP port on 127.0.0.1 that clients use."""
        return self._port.number

    @property
    def pid(self) -> int | None:
        """The server's process id while it runs, else None."""
        process = self._process
        return process.pid if process and process.poll() is None else None

    def start(self) -> None:
        """Start and wait until it answers; raise ServiceError if it ends or takes longer than READY_SECONDS."""
        if self.pid is not None:
            raise ServiceError(f"{self.name} runs already")
        self.work.mkdir(parents=True, exist_ok=True)
        command = self._command()
        self._process = _STARTER.submit(self._launch, command).result()
        try:
            self._wait_until_ready(self._process)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End it without warning (SIGKILL), whether it runs, is paused, or has ended already."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def restart(self) -> None:
        """Start it again on the same port and data, after a kill -9 if it still runs."""
        self.kill()
        self.start()

    def pause(self) -> None:
        """Freeze it (SIGSTOP): connections stay open and nothing answers, until `resume`."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # the signal takes a moment to act

    def resume(self) -> None:
        """Let a paused server go on (SIGCONT)."""
        self._running().send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """Ask it to end, and after STOP_SECONDS make it; nothing happens if it does not run."""
        if self.pid is None:
            return
        process = self._running()
        process.terminate()
        process.send_signal(signal.SIGCONT)  # a paused process hears nothing else
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def ending(self) -> str:
        """Say how it ended, with its log's last lines."""
        status = self._process.returncode if self._process else None
        return f"{self.name} ended with {status}\n{self._last_lines()}"

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_error: object) -> None:
        """Stop it."""
        self.stop()

    @abstractmethod
    def _command(self) -> list[str]:
        """Write what the server needs under `work`; return the command that runs it in the foreground."""

    @abstractmethod
    def _answers(self) -> bool:
        """Ask once, within seconds, whether it serves clients; OSError means not yet."""

    def _launch(self, command: list[str]) -> subprocess.Popen[bytes]:
        guarded = ["setpriv", "--pdeathsig", "KILL", *command]  # it does not outlive us, however we end
        with self.log.open("ab") as log:
            return subprocess.Popen(
                guarded, cwd=self.work, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise ServiceError(f"{self.name} does not run")
        return self._process

    def _wait_until_ready(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ServiceError(self.ending())
            try:
                if self._answers():
                    return
            except OSError:
                pass
            time.sleep(POLL_SECONDS)
        raise ServiceError(f"{self.name} is not ready after {READY_SECONDS:.0f} s\n{self._last_lines()}")

    def _last_lines(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join([f"last lines of {self.log}:", *lines[-LOG_LINES:]])
