"""A province under test: load, roles, receivers, an analyst, the National SOC's mock; everything in one folder."""

import asyncio
import json
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from soc import bus as buses
from soc.bus.base import ALERTS, CASES, EVENTS, MATCHES, NATIONAL, Bus
from soc.clock import SystemClock
from soc.errors import Retry
from soc.metrics import Metrics
from soc.settings import Settings, load
from tests.chaos.analyst import Analyst
from tests.chaos.events import WINDOW
from tests.chaos.processes import Journal, Program
from tests.chaos.publisher import acknowledged
from tests.chaos.receivers import MailServer, National, Webhook
from tests.services.process import Port

SESSION: float = 2.0
"""Seconds of bus.session_timeout: a paused process loses its partitions soon."""

RULES = Path(__file__).with_name("rules")
RAISED_RULE = "sudo_refused.yml"
"""Its level rises in the middle of a run, so that alerts' levels do."""

MAIL_LEVEL, HOOK_LEVEL, URGENT_LEVEL = "high", "medium", "critical"


@dataclass(frozen=True)
class Backends:
    """Where the bus and the store are."""

    bus: str
    store: str


class Province:
    """See the module. Made by `province`."""

    def __init__(self, folder: Path, seed: int, backends: Backends, outside: dict[str, str]) -> None:
        """`outside`: SOC_ variables that name the receivers and the National SOC."""
        self.folder = folder
        self.seed = seed
        self.random = random.Random(seed)
        self.journal = Journal(f"seed {seed}, {backends}")
        self.began = time.time_ns() // 1000
        self.later_rules = self._rules()
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SOC_")},
            "SOC_BUS__URL": backends.bus,
            "SOC_BUS__SESSION_TIMEOUT": str(SESSION),
            "SOC_STORE__URL": backends.store,
            "SOC_STORE__PREFIX": f"chaos-{seed}",
            "SOC_CORRELATE__RULES": json.dumps([str(RULES)]),
            "SOC_CORRELATE__FLOOD_PER_MINUTE": "1000000",
            "SOC_ALERT__WINDOW_SECONDS": str(WINDOW),
            "SOC_COLLECT__DOOR": "",
            **outside,
        }
        variables = {name: value for name, value in self.environment.items() if name.startswith("SOC_")}
        self.settings: Settings = load(None, variables)
        self.programs: list[Program] = []
        self._ports: list[Port] = []
        self.publisher = self._add(Program("publisher", folder, ["tests.chaos.publisher", str(folder)], {}))
        self.correlate = self.role("correlate")
        self.alert = self.role("alert")
        self.analyst = Analyst(f"http://{self.alert.environment['CHAOS_CONSOLE']}", seed)

    def role(self, name: str, suffix: str = "") -> Program:
        """Return a process of that role, on ports of its own; not started."""
        ports = {each: self._port() for each in ("collect", "correlate", "alert")}
        console = self._port()
        environment = {
            **self.environment,
            **{f"SOC_HEALTH__{each.upper()}": str(port) for each, port in ports.items()},
            "SOC_CONSOLE__LISTEN": json.dumps({"host": "127.0.0.1", "port": console}),
            "CHAOS_CONSOLE": f"127.0.0.1:{console}",
        }
        return self._add(Program(f"{name}{suffix}", self.folder, ["soc", name], environment, ports[name]))

    def set_rate(self, rate: float) -> None:
        """Say how many events a second the publisher publishes from its next start on."""
        load = {
            "bus": self.environment["SOC_BUS__URL"],
            "partitions": self.settings.bus.partitions,
            "publish_timeout": 5.0,
            "began": self.began,
            "rate": rate,
        }
        (self.folder / "load.json").write_text(json.dumps(load), "utf-8")

    def raise_level(self) -> None:
        """Let correlators that start from now on know a rule at a higher level."""
        self.correlate.environment["SOC_CORRELATE__RULES"] = json.dumps([str(self.later_rules)])
        self.journal.note("a rule's level rises")

    def kill(self, program: Program) -> None:
        """Kill -9, and start again at once."""
        program.check()
        program.kill()
        self.journal.note(f"killed {program.name} at event {acknowledged(self.folder)}")
        program.start()

    async def ready(self, program: Program, seconds: float = 120.0) -> None:
        """Return once it is ready. Raises AssertionError with its log."""
        await until(lambda: asyncio.to_thread(program.ready), seconds, program)

    # Lag ------------------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def bus(self) -> AsyncIterator[Bus]:
        """The bus, seen from outside of all roles."""
        async with buses.connect(self.settings.bus, Metrics(), SystemClock()) as bus:
            yield bus

    def groups(self) -> list[tuple[str, str]]:
        """Return every consumer group and its topic, in the order in which records pass."""
        told = [(f"notify-{receiver.name}", ALERTS) for receiver in self.settings.receivers]
        return [
            ("detect", EVENTS),
            ("forward", MATCHES),
            ("group", CASES),
            *told,
            ("report", ALERTS),
            ("push", NATIONAL),
        ]

    async def lag(self, bus: Bus, group: str, topic: str) -> int:
        """Return how many records the group has still to commit."""
        return sum((await bus.lag(group, topic)).values())

    async def drain(self, seconds: float) -> None:
        """Return once no group has anything left. Raises AssertionError naming who has, after so many seconds."""
        deadline = time.monotonic() + seconds
        lags: dict[str, int] = {}
        async with self.bus() as bus:
            while time.monotonic() < deadline:
                for program in self.programs:
                    if program.lives and program is not self.publisher:
                        program.check()
                try:
                    lags = {group: await self.lag(bus, group, topic) for group, topic in self.groups()}
                except Retry:
                    continue
                if not any(lags.values()):
                    self.journal.note("drained")
                    return
                await asyncio.sleep(0.25)
        raise AssertionError(f"not drained in {seconds} s: {lags}")

    # Ending ---------------------------------------------------------------------------------------------------------

    def end(self) -> None:
        """Kill whatever runs."""
        for program in self.programs:
            program.kill()

    def report(self) -> str:
        """Return seed, journal and the ends of the logs."""
        return "\n\n".join([str(self.journal), *(each.tail() for each in self.programs if each.lives)])

    def _port(self) -> int:
        """Return a port that is ours until the end."""
        self._ports.append(Port())
        return self._ports[-1].number

    def _add(self, program: Program) -> Program:
        self.programs.append(program)
        return program

    def _rules(self) -> Path:
        """Write the rules again, one of them at another level."""
        later = self.folder / "rules"
        shutil.copytree(RULES, later)
        rule = later / RAISED_RULE
        rule.write_text(rule.read_text("utf-8").replace("level: low", "level: high"), "utf-8")
        return later


async def until(
    true: Callable[[], Any], seconds: float, program: Program | None = None, what: str = "", pause: float = 0.1
) -> None:
    """Wait until an async predicate holds. Raises AssertionError after so many seconds, or when the process ended."""
    deadline = time.monotonic() + seconds
    while not await true():
        if program is not None:
            program.check()
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what or (program and program.name)}")
        await asyncio.sleep(pause)


@dataclass
class Outside:
    """The other sides: never killed."""

    mail: MailServer
    hook: Webhook
    national: National


@asynccontextmanager
async def province(folder: Path, seed: int, backends: Backends) -> AsyncIterator[tuple[Province, Outside]]:
    """Yield a province whose roles are not started yet. Whatever happens, all its processes are ended.

    An AssertionError inside is raised again with seed, journal and logs.
    """
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(MailServer(seed))
        hook = await stack.enter_async_context(Webhook(seed))
        national = await stack.enter_async_context(National(folder / "national"))
        receivers = [
            {
                "kind": "mail",
                "name": "mail",
                "host": "127.0.0.1",
                "port": mail.port,
                "sender": "soc@example.org",
                "to": ["duty@example.org"],
                "tls": "none",
                "min_level": MAIL_LEVEL,
            },
            {"kind": "webhook", "name": "hook", "url": f"http://127.0.0.1:{hook.port}/", "min_level": HOOK_LEVEL},
        ]
        outside = {
            "SOC_RECEIVERS": json.dumps(receivers),
            "SOC_NATIONAL__URL": national.url,
            "SOC_NATIONAL__INTERVAL_SECONDS": "5",
            "SOC_NATIONAL__HEARTBEAT_SECONDS": "1",
            "SOC_NATIONAL__URGENT_LEVEL": URGENT_LEVEL,
            "SOC_NATIONAL__TIMEOUT": "5",
        }
        made = Province(folder, seed, backends, outside)
        try:
            yield made, Outside(mail, hook, national)
        except* AssertionError as errors:
            raise AssertionError(f"{_said(errors)}\n\n{made.report()}") from None
        finally:
            made.end()


def _said(errors: BaseExceptionGroup) -> str:
    """Return what the assertions said, the tasks' around them left out."""
    said = (_said(each) if isinstance(each, BaseExceptionGroup) else str(each) for each in errors.exceptions)
    return "\n".join(said)
