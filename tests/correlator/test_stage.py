"""The stages as the service runs them: events in at one end, cases out at the other, and the stop."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson
import pytest

from correlator.inforce import RulesInForce
from correlator.stage import COMPILING, CorrelateStage, DetectStage, ForwardStage
from soc.alerts import Match
from soc.bus.base import CASES, EVENTS, HITS, MATCHES, Message, Record
from soc.clock import SECOND, SystemClock
from soc.errors import RulesError
from soc.events import digest, to_wire
from soc.metrics import Metrics
from soc.settings import Settings
from soc.testing import make_event
from tests.correlator.flaky import FlakyBus, FlakyStore

Read = Callable[[str], Awaitable[list[Record]]]
Until = Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]

RULE = """\
title: Failed login
id: 00000000-0000-4000-8000-000000000001
logsource: {product: linux}
detection:
    sel: {Action: login_failed}
    condition: sel
"""


@pytest.fixture
def with_rules(settings: Settings, tmp_path: Path) -> Settings:
    """Settings that name one good rule and a bad one."""
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "good.yml").write_text(RULE, encoding="utf-8")
    (folder / "bad.yml").write_text("title: x\n", encoding="utf-8")
    return settings.model_copy(update={"correlate": settings.correlate.model_copy(update={"rules": (folder,)})})


@asynccontextmanager
async def running(*stages: DetectStage | CorrelateStage | ForwardStage) -> AsyncIterator[None]:
    """Run the stages while the block runs, then stop them and wait."""
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group, asyncio.timeout(240):
        for stage in stages:
            group.create_task(stage.run(stop))
        yield
        stop.set()


async def count(read: Read, topic: str, wanted: int) -> list[Record]:
    """Wait until a topic has so many records, bounded, and return them."""
    until = time.monotonic() + 120
    while len(records := await read(topic)) < wanted and time.monotonic() < until:  # noqa: ASYNC110 - another task fills it
        await asyncio.sleep(0.02)
    assert len(records) == wanted
    return records


async def publish(bus: FlakyBus, numbers: range) -> None:
    """Put events on soc.events."""
    await bus.publish(EVENTS, [Message(b"d/%d" % number, to_wire(make_event(number))) for number in numbers])


async def test_events_become_cases(
    with_rules: Settings, bus: FlakyBus, store: FlakyStore, metrics: Metrics, read: Read
) -> None:
    """From soc.events over soc.matches and the store to soc.cases; the rules are counted; both stages are ready."""
    detect = DetectStage(with_rules, bus, metrics, SystemClock())
    forward = ForwardStage(with_rules, bus, store, metrics, SystemClock())
    assert detect.unready() == COMPILING
    assert forward.unready()
    async with running(detect, forward):
        await publish(bus, range(20))
        await count(read, CASES, 20)
        assert detect.unready() is None
        assert forward.unready() is None
    assert metrics.registry.get_sample_value("vonggac_rules_loaded") == 1
    assert metrics.registry.get_sample_value("vonggac_rules_failed") == 1


async def test_what_was_committed_is_not_done_again(
    with_rules: Settings, bus: FlakyBus, metrics: Metrics, read: Read
) -> None:
    """A stop finishes and commits the batch in hand; the next run goes on behind it."""
    for total in (5, 10):
        async with running(DetectStage(with_rules, bus, metrics, SystemClock())):
            await publish(bus, range(total - 5, total))
            await count(read, MATCHES, total)
    assert sum((await bus.lag("detect", EVENTS)).values()) == 0


async def test_detection_goes_on_while_the_store_is_away(
    with_rules: Settings, bus: FlakyBus, store: FlakyStore, metrics: Metrics, read: Read
) -> None:
    """The outage is lag on soc.matches; when the store is back, it catches up."""
    store.away = True
    detect = DetectStage(with_rules, bus, metrics, SystemClock())
    async with running(detect, ForwardStage(with_rules, bus, store, metrics, SystemClock())):
        await publish(bus, range(10))
        await count(read, MATCHES, 10)
        assert sum((await bus.lag("forward", MATCHES)).values()) == 10
        assert await read(CASES) == []
        store.away = False
        await count(read, CASES, 10)


async def test_other_rules_come_into_force_while_events_flow(
    with_rules: Settings, bus: FlakyBus, metrics: Metrics, read: Read
) -> None:
    """No event is missed and none evaluated twice; what floods is counted on."""
    reload = asyncio.Event()
    (folder,) = with_rules.correlate.rules
    async with running(DetectStage(with_rules, bus, metrics, SystemClock(), reload=reload)):
        await publish(bus, range(10))
        await count(read, MATCHES, 10)
        (folder / "more.yml").write_text(RULE.replace("-000000000001", "-000000000002"), encoding="utf-8")
        reload.set()
        while not metrics.registry.get_sample_value("vonggac_rules_reloads_total", {"outcome": "done"}):  # noqa: ASYNC110 - the stage counts it
            await asyncio.sleep(0.02)
        await publish(bus, range(10, 15))
        await count(read, MATCHES, 20)
    assert metrics.registry.get_sample_value("vonggac_events_evaluated_total") == 15


async def test_a_stop_does_not_wait_for_the_first_load(
    with_rules: Settings, bus: FlakyBus, metrics: Metrics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its compiler is killed."""
    compiler = tmp_path / "compiler"
    compiler.write_text("#!/bin/sh\nexec sleep 600\n", encoding="utf-8")
    compiler.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(compiler))
    without = with_rules.correlate.model_copy(update={"cache": ""})
    stage = DetectStage(with_rules.model_copy(update={"correlate": without}), bus, metrics, SystemClock())
    began = time.monotonic()
    async with running(stage):
        await asyncio.sleep(0.5)
    assert stage.unready() == COMPILING
    assert time.monotonic() - began < 120  # of the 600 s that the compiler sleeps


async def test_without_rules_the_stage_refuses_to_start(settings: Settings, bus: FlakyBus, metrics: Metrics) -> None:
    """A correlator that evaluates nothing must not look healthy."""
    folder = settings.correlate.model_copy(update={"rules": (Path(__file__).parent / "nosuch",)})
    stage = DetectStage(settings.model_copy(update={"correlate": folder}), bus, metrics, SystemClock())
    with pytest.raises(RulesError, match="nosuch"):
        await stage.run(asyncio.Event())


# Correlations ---------------------------------------------------------------------------------------------------------

CORRELATION = """\
title: Many failed logins
id: 00000000-0000-4000-8000-00000000000a
level: high
correlation:
    type: event_count
    rules: [00000000-0000-4000-8000-000000000001]
    group-by: [SourceIp]
    timespan: 10m
    condition: {gte: 3}
"""


def stages(
    settings: Settings, bus: FlakyBus, metrics: Metrics, reload: asyncio.Event
) -> list[DetectStage | CorrelateStage]:
    """Return the stages of a process, which share their rules."""
    rules = RulesInForce()
    return [
        CorrelateStage(settings, bus, metrics, SystemClock(), rules),
        DetectStage(settings, bus, metrics, SystemClock(), reload=reload, rules=rules),
    ]


SPAN = 600 * SECOND
BURST = SystemClock().now() // SPAN * SPAN - SPAN // 2
"""When it all happens: in the middle of a bucket, lest the matches are two."""


async def publish_failures(bus: FlakyBus, numbers: range, source: str) -> None:
    """Put failed logins from one source on soc.events, a second apart."""
    now = SystemClock().now()
    fields = {"program": "sshd", "Action": "login_failed", "SourceIp": source}
    made = [
        make_event(id=digest(now, source, number), time=BURST + number * SECOND, fields=fields) for number in numbers
    ]
    await bus.publish(EVENTS, [Message(event.id.encode(), to_wire(event)) for event in made])


async def correlated(read: Read, wanted: int) -> list[Match]:
    """Wait until there are so many matches of correlations, and return them."""
    until = time.monotonic() + 120
    found: list[Match] = []
    while len(found) < wanted and time.monotonic() < until:
        await asyncio.sleep(0.05)
        every = [Match.from_document(orjson.loads(record.value)) for record in await read(MATCHES)]
        found = [match for match in every if match.correlation]
    assert len(found) == wanted
    return found


async def test_events_are_correlated(with_rules: Settings, bus: FlakyBus, metrics: Metrics, read: Read) -> None:
    """The match says what was counted; the rule below makes none of its own; what was done is not done again."""
    (folder,) = with_rules.correlate.rules
    (folder / "many.yml").write_text(CORRELATION, encoding="utf-8")
    for source in ("203.0.113.7", "203.0.113.8"):
        correlate, detect = stages(with_rules, bus, metrics, asyncio.Event())
        assert correlate.unready() == COMPILING
        async with running(correlate, detect):
            await publish_failures(bus, range(4), source)
            await publish_failures(bus, range(4, 6), "198.51.100.1")
            await correlated(read, 1 if source.endswith("7") else 3)
            assert correlate.unready() is None
    groups = [match.correlation.group for match in await correlated(read, 3) if match.correlation]
    assert sorted(groups) == [(("SourceIp", each),) for each in ("198.51.100.1", "203.0.113.7", "203.0.113.8")]
    assert len(await read(MATCHES)) == 3


async def test_a_correlation_comes_into_force_while_events_flow(
    with_rules: Settings, bus: FlakyBus, metrics: Metrics, read: Read
) -> None:
    """It counts what is detected from then on: none of its hits comes before the one who takes them knows it."""
    reload = asyncio.Event()
    (folder,) = with_rules.correlate.rules
    async with running(*stages(with_rules, bus, metrics, reload)):
        await publish_failures(bus, range(3), "203.0.113.7")
        await count(read, MATCHES, 3)
        (folder / "many.yml").write_text(CORRELATION, encoding="utf-8")
        reload.set()
        while not metrics.registry.get_sample_value("vonggac_rules_reloads_total", {"outcome": "done"}):  # noqa: ASYNC110 - the stage counts it
            await asyncio.sleep(0.02)
        await publish_failures(bus, range(3, 6), "203.0.113.8")
        (match,) = await correlated(read, 1)
    assert match.correlation is not None
    assert match.correlation.group == (("SourceIp", "203.0.113.8"),)
    assert not metrics.registry.get_sample_value("vonggac_correlate_unknown_hits_total")


async def test_without_correlations_nothing_is_on_their_topic(
    with_rules: Settings, bus: FlakyBus, metrics: Metrics, read: Read
) -> None:
    """Who has none pays nothing for them."""
    async with running(*stages(with_rules, bus, metrics, asyncio.Event())):
        await publish(bus, range(5))
        await count(read, MATCHES, 5)
        await asyncio.sleep(0.6)
    assert await read(HITS) == []


async def test_who_waits_for_rules_stops_when_told(with_rules: Settings, bus: FlakyBus, metrics: Metrics) -> None:
    """Nobody loads them here."""
    stage = CorrelateStage(with_rules, bus, metrics, SystemClock(), RulesInForce())
    async with running(stage):
        await asyncio.sleep(0.05)
    assert stage.unready() == COMPILING
