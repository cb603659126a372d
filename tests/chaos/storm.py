"""Kills and pauses at random moments, and the comparison at the end."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from tests.chaos import oracle, verdict
from tests.chaos.events import HOSTS
from tests.chaos.processes import Program
from tests.chaos.province import HOOK_LEVEL, MAIL_LEVEL, RULES, URGENT_LEVEL, Outside, Province, until
from tests.chaos.publisher import acknowledged
from tests.services.process import Service

AFTERMATH = 15.0
"""Seconds after a kill or a pause within which what was in hand may be told again."""


class Storm:
    """One run: load, an analyst, misfortune, and the end."""

    def __init__(self, province: Province, outside: Outside, session: float) -> None:
        """`session`: seconds after which the backend gives a silent member's partitions away."""
        self.province = province
        self.outside = outside
        self.session = session
        self.interruptions: list[tuple[float, float]] = []
        self.takeovers = 0
        self._calm = asyncio.Event()

    async def run(self, misfortune: Callable[[], Awaitable[None]], rate: float) -> None:
        """Start everything, let the misfortune happen under load, and drain."""
        province = self.province
        province.set_rate(rate)
        for program in (province.publisher, province.correlate, province.alert):
            program.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(province.analyst.work(self._calm))
            failing = tasks.create_task(self._fail_now_and_then())
            await self._flowing()
            await misfortune()
            await self._flowing()  # what a killed publisher had landed is acknowledged by now
            await asyncio.to_thread(province.publisher.stop)
            await province.drain(300)
            self._calm.set()
            failing.cancel()

    async def _flowing(self) -> None:
        """Wait until every role is ready and more events are acknowledged."""
        province = self.province
        await province.ready(province.correlate)
        await province.ready(province.alert)
        before = acknowledged(province.folder)

        async def more() -> bool:
            return acknowledged(province.folder) > before

        await until(more, 60, province.publisher)

    async def judge(self, tombstones: int = 0) -> dict[str, int]:
        """Stop the roles and compare with a run in peace. Raises AssertionError with all that is wrong."""
        province, outside = self.province, self.outside
        await province.drain(300)  # what the analyst still did
        for program in province.programs:
            await asyncio.to_thread(program.stop)
        async with province.bus() as bus:
            end = await verdict.final(province.settings, bus)
        count = acknowledged(province.folder)
        expected = await asyncio.to_thread(oracle.matches, RULES, oracle.load_of(province.began, count))
        wrong = [
            *verdict.of_matches(end, expected, dead=tombstones),
            *verdict.of_alerts(end),
            *verdict.of_uninterrupted(end, expected),
            *verdict.of_inbox("mail", outside.mail.inbox, end, MAIL_LEVEL, self.interruptions),
            *verdict.of_inbox("webhook", outside.hook.inbox, end, HOOK_LEVEL, self.interruptions),
            *verdict.of_acts(end, province.analyst.acts),
            *verdict.of_national(outside.national.mock, end, URGENT_LEVEL, tombstones),
        ]
        assert not wrong, "\n".join(wrong)
        return self._figures(end, count)

    def _figures(self, end: verdict.Final, events: int) -> dict[str, int]:
        figures = {
            "events": events,
            "matches": len(end.matches),
            "alerts": len(end.alerts),
            "raised": sum(each.kind == "raised" for alert in end.alerts for each in alert.milestones),
            "mails": len(self.outside.mail.inbox.taken),
            "mails told again": len(list(self.outside.mail.inbox.repeated())),
            "webhooks": len(self.outside.hook.inbox.taken),
            "webhooks told again": len(list(self.outside.hook.inbox.repeated())),
            "acts": len(self.province.analyst.acts.applied),
            "national": sum(stream.received for stream in self.outside.national.mock.ledger.streams()),
            "takeovers": self.takeovers,
        }
        print(figures)
        assert figures["matches"] > events / 4, figures
        assert figures["alerts"] > HOSTS, figures
        return figures

    # Misfortune -----------------------------------------------------------------------------------------------------

    async def kill_many(self, number: int, seconds: float) -> None:
        """Kill processes at random within so many seconds, about: most times one that has come up again.

        Where the machine is too slow for that, it is one that is still starting.
        """
        province, choose = self.province, self.province.random
        programs = [province.correlate, province.correlate, province.alert, province.alert, province.publisher]
        began = time.monotonic()
        for done in range(number):
            program = choose.choice(programs)
            late = time.monotonic() - began > seconds * done / number
            if program is not province.publisher and not late:
                await province.ready(program)
            await asyncio.sleep(choose.uniform(0, seconds / number))
            self.kill(program)

    def kill(self, program: Program) -> None:
        """Kill it, and note when what it had in hand may be told again."""
        if program.name.startswith("alert"):
            self.interruptions.append((time.monotonic() - AFTERMATH, time.monotonic() + AFTERMATH))
        self.province.kill(program)

    async def kill_service(self, service: Service) -> None:
        """Kill a broker or a node under load, and start it again on its data."""
        self.province.journal.note(f"killed {service.name}")
        await asyncio.to_thread(service.restart)
        self.province.journal.note(f"{service.name} is back")

    async def pause_one(self, program: Program, group: str, topic: str) -> None:
        """Stop one of a role until another has its partitions and has done its work; then let it go on beside it."""
        province = self.province
        second = province.role(program.name, f"-second-{len(province.programs)}")
        second.environment["SOC_CORRELATE__RULES"] = program.environment["SOC_CORRELATE__RULES"]
        second.start()
        await province.ready(second)
        await province.ready(program)
        await asyncio.sleep(province.random.uniform(0, 1))
        paused = time.monotonic()
        program.pause()
        province.journal.note(f"paused {program.name}")
        await asyncio.sleep(self.session + 1)
        with suppress(AssertionError):  # a process that was paused inside a write keeps SQLite's lock
            await self._taken_over(group, topic)
        program.resume()
        province.journal.note(f"resumed {program.name}")
        if program.name.startswith("alert"):
            thrice = [(paused - AFTERMATH, time.monotonic() + AFTERMATH)] * 3  # the second joins, takes over, leaves
            self.interruptions += thrice
        await asyncio.sleep(province.random.uniform(1, 3))
        await asyncio.to_thread(second.stop)

    async def _taken_over(self, group: str, topic: str) -> None:
        """Wait until the group works through its topic without the paused process."""
        async with self.province.bus() as bus:

            async def little() -> bool:
                return await self.province.lag(bus, group, topic) < 60

            await until(little, 60, what=f"{group} taken over")
        self.takeovers += 1
        self.province.journal.note(f"{group} was taken over")

    async def _fail_now_and_then(self) -> None:
        """The National SOC fails a request now and then, before or after it has taken the message."""
        national, choose = self.outside.national, self.province.random
        while True:
            await asyncio.sleep(choose.uniform(1, 4))
            if national.there and not national.mock.control.fail:
                national.mock.control.after, national.mock.control.fail = choose.random() < 0.5, choose.randint(1, 3)
