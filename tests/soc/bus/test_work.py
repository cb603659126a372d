"""The loop of every consuming stage: what it commits, and what each error makes it do."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import orjson
import pytest

from soc import bus as buses
from soc.alerts import Level, Match
from soc.bus.base import MATCHES, Bus, Commit, Consumer, Record, TopicPartition
from soc.bus.work import work
from soc.clock import SystemClock
from soc.errors import Abandon, Conflict, Lost, Retry, SlowDown, Stop, VonggacError
from soc.metrics import Metrics
from soc.settings import BusSettings
from soc.testing import ManualClock

P0, P1 = TopicPartition("t", 0), TopicPartition("t", 1)


def records(*offsets: int, partition: int = 0) -> list[Record]:
    return [Record("t", partition, offset, 0, b"", b"%d" % offset) for offset in offsets]


class End(Exception):
    """Nothing more is scripted."""


class ScriptedConsumer(Consumer):
    """Polls what it was given, raises what it was given, and remembers what it was asked for."""

    def __init__(self, *polls: list[Record] | VonggacError) -> None:
        self.polls = list(polls)
        self.commits: list[dict[TopicPartition, Commit]] = []
        self.commit_errors: list[VonggacError] = []
        self.rewinds = 0

    async def poll(self, max_records: int = 500, timeout: float = 1.0) -> list[Record]:
        await asyncio.sleep(0)
        if not self.polls:
            raise End
        found = self.polls.pop(0)
        if isinstance(found, VonggacError):
            raise found
        return found

    async def commit(self, positions: Mapping[TopicPartition, Commit]) -> None:
        if self.commit_errors:
            raise self.commit_errors.pop(0)
        self.commits.append(dict(positions))

    async def committed(self, partition: TopicPartition) -> Commit | None:
        return None

    async def position(self, partition: TopicPartition) -> int:
        return 42

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset({P0, P1})

    @property
    def generation(self) -> int:
        return 1

    async def rewind(self) -> None:
        self.rewinds += 1
        raise Retry("away")

    async def aclose(self) -> None:
        pass


class Handler:
    """Remembers batches; raises or returns what it was given."""

    def __init__(self, *outcomes: VonggacError | Mapping[TopicPartition, str] | None) -> None:
        self.outcomes = list(outcomes)
        self.batches: list[list[bytes]] = []

    async def __call__(self, batch: Sequence[Record]) -> Mapping[TopicPartition, str] | None:
        self.batches.append([record.value for record in batch])
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, VonggacError):
            raise outcome
        return outcome


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    """The embedded bus, on which the loop puts alerts about ourselves."""
    settings = BusSettings(url=f"sqlite:///{tmp_path}/bus", partitions=1)
    async with buses.connect(settings, Metrics(), SystemClock()) as opened:
        yield opened


async def run(consumer: Consumer, handler: Handler, bus: Bus, on_lost: str = "stop") -> tuple[Metrics, float]:
    """Run the loop to the end of the script, moving the clock whenever it sleeps; return metrics and seconds slept."""
    metrics, clock = Metrics(), ManualClock()

    async def advance() -> None:
        while True:
            await asyncio.sleep(0.001)
            if clock._sleepers:
                clock.advance(0.05)

    advancing = asyncio.ensure_future(advance())
    try:
        with pytest.raises(End):
            await work(consumer, handler, bus=bus, metrics=metrics, clock=clock, name="stage", on_lost=on_lost)
    finally:
        advancing.cancel()
    return metrics, clock.monotonic()


def retries(metrics: Metrics) -> float:
    return float(metrics.stage_retries.labels("stage")._value.get())


async def test_commits_behind_the_last_record_of_each_partition(bus: Bus) -> None:
    """One commit a batch, after the handler returned."""
    consumer = ScriptedConsumer(records(3, 4, 5) + records(9, partition=1), records(6))
    handler = Handler()
    await run(consumer, handler, bus)
    assert consumer.commits == [{P0: Commit(6), P1: Commit(10)}, {P0: Commit(7)}]
    assert handler.batches == [[b"3", b"4", b"5", b"9"], [b"6"]]


async def test_an_idle_stage_is_called_and_commits_nothing(bus: Bus) -> None:
    """A poll without records calls the handler with none, so that it can act on time."""
    consumer, handler = ScriptedConsumer([], []), Handler()
    await run(consumer, handler, bus)
    assert handler.batches == [[], []]
    assert consumer.commits == []


async def test_metadata_is_committed_also_where_there_were_no_records(bus: Bus) -> None:
    """Metadata of another partition stands at that partition's position."""
    consumer = ScriptedConsumer(records(3), [])
    await run(consumer, Handler({P0: "a", P1: "b"}, {P1: "c"}), bus)
    assert consumer.commits == [{P0: Commit(4, "a"), P1: Commit(42, "b")}, {P1: Commit(42, "c")}]


@pytest.mark.parametrize("error", [Retry("away"), Conflict("other")])
async def test_retry_and_conflict_begin_the_batch_again(bus: Bus, error: VonggacError) -> None:
    """It pauses, longer each time, rewinds, and commits nothing of the failed try."""
    consumer = ScriptedConsumer(records(3), records(3), records(3))
    handler = Handler(error, error)
    metrics, slept = await run(consumer, handler, bus)
    assert handler.batches == [[b"3"]] * 3
    assert consumer.commits == [{P0: Commit(4)}]
    assert consumer.rewinds == 2
    assert retries(metrics) == 2
    assert 0.29 < slept < 1


async def test_slow_down_waits_as_long_as_it_says(bus: Bus) -> None:
    """The other side knows best."""
    metrics, slept = await run(ScriptedConsumer(records(3), records(3)), Handler(SlowDown("full", 7.0)), bus)
    assert 7 <= slept < 8
    assert retries(metrics) == 1


async def test_a_poll_or_commit_that_fails_is_tried_again(bus: Bus) -> None:
    """The bus away is no end."""
    consumer = ScriptedConsumer(Retry("away"), records(3), records(3))
    consumer.commit_errors = [Retry("away")]
    await run(consumer, Handler(), bus)
    assert consumer.commits == [{P0: Commit(4)}]


async def test_abandon_drops_the_batch_without_a_pause(bus: Bus) -> None:
    """Another member has the partitions: poll again at once."""
    consumer = ScriptedConsumer(records(3), records(8))
    consumer.commit_errors = [Abandon("moved")]
    metrics, slept = await run(consumer, Handler(), bus)
    assert consumer.commits == [{P0: Commit(9)}]
    assert consumer.rewinds == 1
    assert slept == 0
    assert retries(metrics) == 0


async def test_lost_records_stop_the_stage(bus: Bus) -> None:
    """Unless a setting says otherwise; counted either way."""
    consumer, metrics = ScriptedConsumer(Lost("t", 0, 3, 10)), Metrics()
    with pytest.raises(Lost):
        await work(consumer, Handler(), bus=bus, metrics=metrics, clock=ManualClock(), name="stage")
    assert metrics.bus_lost_records.labels("t", "stage")._value.get() == 7


async def test_lost_records_are_passed_by_setting(bus: Bus) -> None:
    """on_lost = continue: counted, and on behind the gap."""
    consumer = ScriptedConsumer(Lost("t", 0, 3, 10), records(10))
    metrics, _slept = await run(consumer, Handler(), bus, on_lost="continue")
    assert metrics.bus_lost_records.labels("t", "stage")._value.get() == 7
    assert consumer.commits == [{P0: Commit(11)}]


async def test_lost_records_raise_one_alert_about_ourselves(bus: Bus) -> None:
    """Found twice, also by a stage that stops: one match id, critical, naming the stage and the gap."""
    for _ in range(2):
        with pytest.raises(Lost):
            await work(
                ScriptedConsumer(Lost("t", 0, 3, 10)),
                Handler(),
                bus=bus,
                metrics=Metrics(),
                clock=ManualClock(),
                name="stage",
            )
    found = [Match.from_document(orjson.loads(r.value)) for r in await bus.read(TopicPartition(MATCHES, 0), 0, 10)]
    assert len({match.id for match in found}) == 1
    assert found[0].rule.level is Level.CRITICAL
    assert "stage" in found[0].rule.title
    assert "offsets 3 to 9" in found[0].reasons[0].value


async def test_stop_ends_the_loop(bus: Bus) -> None:
    """Nothing is committed."""
    consumer = ScriptedConsumer(records(3))
    with pytest.raises(Stop):
        await work(consumer, Handler(Stop("no")), bus=bus, metrics=Metrics(), clock=ManualClock(), name="stage")
    assert consumer.commits == []
