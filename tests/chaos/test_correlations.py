"""kill -9 of `soc correlate` at random moments: correlations find what brute force finds over all events, once each.

The seed is printed; CHAOS_SEED repeats a run's choices, CHAOS=long makes it ten times longer.
"""

import asyncio
import json
import os
import random
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import orjson
import pytest

from correlator.choice import Choice
from correlator.load import load as load_rules
from correlator.rules import RuleSet
from soc import bus as buses
from soc.alerts import Match
from soc.bus.base import EVENTS, HITS, MATCHES, Bus, Message, TopicPartition
from soc.clock import SECOND, SystemClock
from soc.events import digest, from_wire, to_wire
from soc.metrics import Metrics
from soc.settings import Settings, load
from soc.testing import make_event
from tests.chaos import verdict
from tests.chaos.processes import Program
from tests.correlator.correlation.model import Answer, Happening, expected, first_copies, judged_once
from tests.services.process import Port

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos")]

RULES = Path(__file__).with_name("correlations")
LATENESS = 1
WAIT = 120.0
"""Seconds within which the last windows are judged."""


@dataclass
class World:
    """A correlator that is killed, and the events of this run."""

    settings: Settings
    program: Program
    random: random.Random
    rules: RuleSet
    published: int = 0

    async def publish(self, bus: Bus, seconds: float) -> None:
        """Publish logins for so long, twenty a second however slow the disk is; some events are sent twice."""
        began, made = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds:
            due = max(2, round(20 * passed) - made)
            await bus.publish(EVENTS, [message for _ in range(due) for message in self._logins()])
            made += due
            await asyncio.sleep(0.1)

    def _logins(self) -> list[Message]:
        self.published += 1
        now = SystemClock().now()
        action = self.random.choice(("login_failed", "login_failed", "login_accepted"))
        fields = {"program": "sshd", "Action": action, "User": f"user{self.random.randrange(6)}"}
        fields["SourceIp"] = f"203.0.113.{self.random.randrange(4)}"
        delay = self.random.choice((0, 0, self.random.randrange(LATENESS * SECOND // 2)))
        event = make_event(id=digest("kills", self.published), time=now - delay, received=now, fields=fields)
        key = b"d/%d" % self.random.randrange(100)
        return [Message(key, to_wire(event))] * self.random.choice((1, 1, 1, 2))

    async def happenings(self, bus: Bus) -> list[Happening]:
        """Return all events as brute force takes them, of each the copy that arrived first."""
        found: list[Happening] = []
        for number, ends in (await bus.ends(EVENTS)).items():
            for record in await bus.read(TopicPartition(EVENTS, number), 0, ends.high):
                event = from_wire(record.value)
                met = tuple(hit.rule.ref.id for hit in self.rules.evaluate(event.logsource, event.fields))
                found.append(Happening(event.id, event.time, record.timestamp, event.fields, met))
        return first_copies(found)

    async def wanted(self, bus: Bus, since: int) -> set[str]:
        """Return the ids of the matches that there must be; of judged windows those that begin after `since`."""
        correlations = [each.correlation for each in self.rules.plan.linked.values()]
        silent = {each.correlation.ref.id for each in self.rules.plan.linked.values() if each.silent}
        begins = {each.ref.id: since if judged_once(each) else 0 for each in correlations}
        spans = {each.ref.id: each.timespan for each in correlations}
        answers = expected(await self.happenings(bus), correlations, LATENESS * SECOND)
        return {
            _id(each)
            for each in answers
            if each.rule not in silent and each.bucket * spans[each.rule] >= begins[each.rule]
        }


def _id(answer: Answer) -> str:
    return digest(answer.rule, orjson.dumps(list(answer.group)).decode(), answer.bucket)


async def found(bus: Bus) -> list[Match]:
    """Return the matches of correlations on soc.matches."""
    matches: list[Match] = []
    for number, ends in (await bus.ends(MATCHES)).items():
        records = await bus.read(TopicPartition(MATCHES, number), 0, ends.high)
        matches += [Match.from_document(orjson.loads(record.value)) for record in records]
    return [match for match in matches if match.correlation]


@pytest.fixture
def world(tmp_path: Path, seed: int) -> World:
    """A correlator on the embedded defaults, not started."""
    ports = {name: Port() for name in ("collect", "correlate", "alert")}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("SOC_")},
        "SOC_BUS__URL": f"sqlite:///{tmp_path}/bus",
        "SOC_BUS__SESSION_TIMEOUT": "2",
        "SOC_STORE__URL": f"sqlite:///{tmp_path}/store",
        "SOC_CORRELATE__RULES": json.dumps([str(RULES)]),
        "SOC_CORRELATE__CACHE": str(tmp_path / "cache"),
        "SOC_CORRELATE__LATENESS_SECONDS": str(LATENESS),
        "SOC_CORRELATE__CLOCK_DIFFERENCE_SECONDS": "0.2",
        **{f"SOC_HEALTH__{name.upper()}": str(port.number) for name, port in ports.items()},
    }
    settings = load(None, {name: value for name, value in environment.items() if name.startswith("SOC_")})
    program = Program("correlate", tmp_path, ["soc", "correlate"], environment, ports["correlate"].number)
    rules = load_rules(Choice.of(settings))
    assert not rules.failures, rules.failures
    return World(settings, program, random.Random(seed), rules)


async def ready(program: Program) -> None:
    """Wait until the process is at work."""
    until = time.monotonic() + 120
    while not await asyncio.to_thread(program.ready):
        program.check()
        assert time.monotonic() < until, program.tail()
        await asyncio.sleep(0.05)


async def begun(bus: Bus) -> None:
    """Wait until it is committed from when windows are judged: before that a kill would have them begin later."""
    async with bus.consumer("correlate", [HITS]) as looking, asyncio.timeout(120):  # it never polls, and so never joins
        for number in await bus.ends(HITS):
            while not await looking.committed(TopicPartition(HITS, number)):  # noqa: ASYNC110 - another process
                await asyncio.sleep(0.05)


async def kill_often(world: World, kills: int) -> None:
    """Kill the process and start it again, most times when it has come up, sometimes before."""
    for _ in range(kills):
        if world.random.random() < 0.8:
            await ready(world.program)
        await asyncio.sleep(world.random.uniform(0, 1.0))
        world.program.kill()
        world.program.start()
    await ready(world.program)


@pytest.mark.timeout(1500)
async def test_kills_change_no_match_of_a_correlation(world: World, longer: int) -> None:
    """Counts, an order, a chain, and a window judged once, over logins that go on all the while."""
    program = world.program
    async with buses.connect(world.settings.bus, Metrics(), SystemClock()) as bus:
        program.start()
        try:
            await ready(program)
            await begun(bus)
            since = SystemClock().now()
            kills = asyncio.create_task(kill_often(world, 6 * longer))
            while not kills.done():
                await world.publish(bus, 0.5)
            await kills
            await world.publish(bus, 1.0)
            want = await world.wanted(bus, since)
            got = await _until_found(bus, want, since)
            await asyncio.to_thread(program.stop)
        finally:
            program.kill()
        assert await _stored(world, bus, since) == Counter(dict.fromkeys(want, 1))
    print({"events": world.published, "matches": len(want), "published": len(got), "lives": program.lives})
    assert len(want) > 20
    assert len({match.rule.id for match in got}) == sum(not each.silent for each in world.rules.plan.linked.values())


async def _until_found(bus: Bus, want: set[str], since: int) -> Sequence[Match]:
    """Wait until all are there, and a little longer for those that must not be."""
    until = time.monotonic() + WAIT
    while want - {match.id for match in await found(bus)} and time.monotonic() < until:  # noqa: ASYNC110 - another process
        await asyncio.sleep(0.2)
    while any((await bus.lag("forward", MATCHES)).values()) or sum((await bus.lag("correlate", HITS)).values()) > 20:  # noqa: ASYNC110 - as above
        await asyncio.sleep(0.1)
    await asyncio.sleep(1.0)
    got = _judged_since(await found(bus), since)
    assert {match.id for match in got} == want
    return got


def _judged_since(matches: Sequence[Match], since: int) -> list[Match]:
    """Leave out the windows that had begun before: nobody says whether their rule was there."""
    kept = []
    for match in matches:
        evidence = match.correlation
        judged = evidence is not None and evidence.start == evidence.bucket
        if evidence is not None and not (judged and evidence.bucket < since):
            kept.append(match)
    return kept


async def _stored(world: World, bus: Bus, since: int) -> Counter[str]:
    """Return how often each match is in the store."""
    end = await verdict.final(world.settings, bus)
    return Counter(match.id for match in _judged_since([each for each in end.matches if each.correlation], since))
