"""What detect gives to correlations, on a real bus: hits, silence, and watermarks that never run ahead of them."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import orjson
import pytest

from correlator.correlation.hits import partition_of
from correlator.correlation.plan import Plan
from correlator.detect import Detector
from correlator.flood import FLOOD_RULE
from correlator.rules import RuleSet
from soc.alerts import Match
from soc.bus.base import DEADLETTER, EVENTS, HITS, MATCHES, Commit, Consumer, Ends, Message, Record, TopicPartition
from soc.clock import SECOND
from soc.errors import Retry, SlowDown
from soc.events import to_wire
from soc.metrics import Metrics
from soc.settings import Settings
from soc.testing import ManualClock, make_event
from tests.correlator.flaky import FlakyBus
from tests.correlator.plans import RULE, linked, plan_of

RuleFrom = Callable[..., RuleSet]
Read = Callable[[str], Awaitable[list[Record]]]
Detects = Callable[..., Detector]
FAILED_LOGIN = "sel:\n    Action: login_failed\ncondition: sel\n"
LATENESS, DIFFERENCE = 60 * SECOND, 2 * SECOND
VERSION = "v-event_count"


@pytest.fixture
def clock() -> ManualClock:
    """The clock of detect and of the bus that appends."""
    return ManualClock()


@pytest.fixture
async def bus(settings: Settings, metrics: Metrics, clock: ManualClock) -> AsyncIterator[FlakyBus]:
    """An open bus that can be told to fail, with two partitions."""
    async with FlakyBus(settings.bus, metrics, clock) as opened:
        assert isinstance(opened, FlakyBus)
        yield opened


@pytest.fixture
def detects(settings: Settings, bus: FlakyBus, metrics: Metrics, clock: ManualClock, rule_from: RuleFrom) -> Detects:
    """Return a function that makes a detector with one rule and this plan, and other settings."""

    def make(plan: Plan, changed: Settings = settings) -> Detector:
        return Detector(changed, RuleSet(rule_from(FAILED_LOGIN).rules, plan=plan), bus, metrics, clock)

    return make


@pytest.fixture
def detector(detects: Detects) -> Detector:
    """Detect with one rule, which feeds a correlation by account and makes matches of its own too."""
    return detects(plan_of(linked(("User",))))


async def publish(bus: FlakyBus, numbers: Sequence[int], partition: int | None = None, **fields: Any) -> None:
    """Publish failed logins, of ten accounts, to soc.events."""
    await bus.publish(
        EVENTS,
        [
            Message(
                b"district-1/web%d" % number,
                to_wire(make_event(number, fields={"Action": "login_failed", "User": f"u{number % 10}"} | fields)),
                partition=partition,
            )
            for number in numbers
        ],
    )


def said(records: Sequence[Record]) -> list[tuple[int, list[Any]]]:
    """Return the watermarks, each with the partition of soc.hits that it is on."""
    return [(record.partition, clock) for record in records for clock in orjson.loads(record.value)["clocks"]]


def ids(records: Sequence[Record], version: str = VERSION) -> list[str]:
    """Return the ids of the hits."""
    return [each for record in records for each in columns(record, version)[2]]


def columns(record: Record, version: str = VERSION) -> list[list[Any]]:
    """Return a record's hits of a correlation: groups, times, ids, arrivals and so on."""
    return orjson.loads(record.value)["hits"].get(version, [[]] * 8)  # type: ignore[no-any-return]


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """Return a metric's value."""
    return metrics.registry.get_sample_value(f"vonggac_{name}", labels) or 0.0


async def test_hits_go_to_their_groups_partition_with_watermarks_behind_them(
    bus: FlakyBus, detector: Detector, read: Read, metrics: Metrics
) -> None:
    """Every hit once, with when soc.events had its event; what was read less the lateness, on every partition."""
    await publish(bus, range(40))
    events = await read(EVENTS)
    await detector.detect(events)
    hits = await read(HITS)
    assert sorted(ids(hits)) == sorted(make_event(number).id for number in range(40))
    for record in hits:
        groups, _, _, arrivals, *_ = columns(record)
        assert {partition_of(VERSION, group, 2) for group in groups} == {record.partition}
        assert set(arrivals) == {events[0].timestamp}
    last = {record.partition: record for record in events}
    expected = [["d", number, each.offset + 1, each.timestamp - LATENESS] for number, each in sorted(last.items())]
    assert said(hits) == [(number, clock) for number in (0, 1) for clock in expected]
    assert len(await read(MATCHES)) == 40
    assert value(metrics, "hits_fed_total", rule="c-event_count") == 40


async def test_a_silenced_rule_makes_no_matches_and_no_flood(
    bus: FlakyBus, metrics: Metrics, read: Read, detects: Detects
) -> None:
    """150 matches, 100 allowed in a minute: nothing on soc.matches, all on soc.hits."""
    await publish(bus, range(150))
    await detects(plan_of(linked(("User",)), silenced=True)).detect(await read(EVENTS))
    assert await read(MATCHES) == []
    assert len(ids(await read(HITS))) == 150
    assert value(metrics, "rule_floods_total", rule=RULE) == 0
    assert value(metrics, "events_evaluated_total") == 150


async def test_hits_that_cannot_be_grouped_are_counted(
    bus: FlakyBus, detector: Detector, read: Read, metrics: Metrics
) -> None:
    """And the match is there all the same."""
    await publish(bus, range(3), User=None)
    await publish(bus, [3])
    await detector.detect(await read(EVENTS))
    assert ids(await read(HITS)) == [make_event(3).id]
    assert len(await read(MATCHES)) == 4
    assert value(metrics, "hits_refused_total", rule="c-event_count", cause="ungrouped") == 3


async def test_a_value_that_is_missing_is_counted(
    bus: FlakyBus, metrics: Metrics, read: Read, detects: Detects
) -> None:
    """The hit is fed."""
    await publish(bus, [1])
    await detects(plan_of(linked(("User",), values=("Port",)))).detect(await read(EVENTS))
    assert len(ids(await read(HITS))) == 1
    assert value(metrics, "hits_valueless_total", rule="c-event_count") == 1


async def test_without_correlations_nothing_is_said(
    bus: FlakyBus, read: Read, detects: Detects, detector: Detector, clock: ManualClock
) -> None:
    """Until rules with one are in force; those that take them away end it."""
    without, rules = detects(Plan()).rules, detector.rules
    detector.adopt(without)
    await publish(bus, range(10))
    await detector.detect(await read(EVENTS))
    assert await read(HITS) == []
    detector.adopt(rules)
    await detector.detect(await read(EVENTS))
    count = len(await read(HITS))
    assert count > 0
    detector.adopt(without)
    clock.advance(10)
    await detector.detect(await read(EVENTS))
    assert len(await read(HITS)) == count


@pytest.mark.parametrize("seed", range(6))
async def test_no_watermark_is_ahead_of_a_hit(
    bus: FlakyBus, detector: Detector, read: Read, clock: ManualClock, seed: int
) -> None:
    """Publications that fail half-way, batches that come again: what a watermark says is behind every hit that it covers.

    On each partition of soc.hits, whatever a reader of that partition has by then.
    """
    bus.random.seed(seed)
    async with bus.consumer("detect", [EVENTS]) as consumer:
        detector.follow(consumer)
        for first in range(0, 60, 6):
            await publish(bus, range(first, first + 6))
            clock.advance(0.2)
            await until_done(bus, detector, consumer)
    events = {(record.partition, record.offset): orjson.loads(record.value) for record in await read(EVENTS)}
    hits = await read(HITS)
    for number in (0, 1):
        seen: set[str] = set()
        for record in (record for record in hits if record.partition == number):
            seen.update(ids([record]))
            for _, (_, partition, offset, watermark) in said([record]):
                due = [
                    event["id"]
                    for place, event in events.items()
                    if place[0] == partition and place[1] < offset and on_partition(event) == number
                ]
                assert set(due) <= seen
                later = [at for (p, o), at in arrivals(await read(EVENTS)).items() if p == partition and o >= offset]
                assert all(at >= watermark + LATENESS for at in later)
    assert set(ids(hits)) == {make_event(number).id for number in range(60)}
    assert len({Match.from_document(orjson.loads(record.value)).id for record in await read(MATCHES)}) == 60


def arrivals(records: Sequence[Record]) -> dict[tuple[int, int], int]:
    """Return when each record was appended."""
    return {(record.partition, record.offset): record.timestamp for record in records}


def on_partition(event: Mapping[str, Any]) -> int:
    """Return the partition of soc.hits on which an event's hit is."""
    return partition_of(VERSION, orjson.dumps([event["fields"]["User"]]).decode(), 2)


async def until_done(bus: FlakyBus, detector: Detector, consumer: Consumer) -> None:
    """Handle what there is as soc.bus.work does, on a bus that fails now and then."""
    while True:
        records = await consumer.poll(4, 0.05)
        bus.rate = 0.4
        try:
            await detector.detect(records)
        except Retry:
            await consumer.rewind()
            continue
        finally:
            bus.rate = 0.0
        if not records:
            return
        await consumer.commit({TopicPartition(EVENTS, r.partition): Commit(r.offset + 1) for r in records})


async def test_what_landed_is_not_repeated_while_hits_do_not(
    bus: FlakyBus, detector: Detector, read: Read, metrics: Metrics
) -> None:
    """soc.hits may be full for hours, and each try would put the same matches and dead letters on the bus again."""
    publish_all, full = bus.publish, True

    async def refusing(topic: str, messages: Sequence[Message], *, draining: bool = False) -> None:
        if topic == HITS and full:
            raise SlowDown("full")
        await publish_all(topic, messages, draining=draining)

    bus.publish = refusing  # type: ignore[method-assign]  # soc.hits alone is full
    await bus.publish(EVENTS, [Message(b"k", b"{broken")])
    await publish(bus, range(10))
    events = await read(EVENTS)
    for batch in (events, events, events[:7]):
        with pytest.raises(SlowDown):
            await detector.detect(batch)
    full = False
    await detector.detect(events)
    assert len(await read(MATCHES)) == len(ids(await read(HITS))) == 10
    assert len(await read(DEADLETTER)) == 1
    assert (
        value(metrics, "rule_matches_total", rule=RULE) == value(metrics, "hits_fed_total", rule="c-event_count") == 10
    )
    await detector.detect(events)
    assert len(await read(MATCHES)) == 20, "a log that was lost begins anew: nothing is remembered for good"


async def test_at_the_end_time_itself_goes_on(
    bus: FlakyBus, detector: Detector, read: Read, clock: ManualClock
) -> None:
    """Also of a partition on which there never was a record; with the difference of clocks kept clear of."""
    async with bus.consumer("detect", [EVENTS]) as consumer:
        detector.follow(consumer)
        await publish(bus, range(5), partition=0)
        begun = clock.now()
        clock.advance(1)
        await detector.detect(await consumer.poll(500, 5))
        assert [clock for number, clock in said(await read(HITS)) if number == 0] == [
            ["d", 0, 5, begun - LATENESS],
            ["d", 1, 0, clock.now() - LATENESS - DIFFERENCE],
        ]
        clock.advance(30)
        await detector.detect([])
        assert said(await read(HITS))[-2:] == [
            (1, ["d", number, offset, clock.now() - LATENESS - DIFFERENCE]) for number, offset in ((0, 5), (1, 0))
        ]


async def test_before_the_end_only_what_was_read_counts(
    bus: FlakyBus, detector: Detector, read: Read, clock: ManualClock
) -> None:
    """However long ago that was: the records behind it hold the clock."""
    async with bus.consumer("detect", [EVENTS]) as consumer:
        detector.follow(consumer)
        await publish(bus, range(5), partition=0)
        begun = clock.now()
        clock.advance(100)
        await publish(bus, range(5, 10), partition=0)
        await detector.detect(await consumer.poll(7, 5))
        clock.advance(100)
        await detector.detect([])
    mine = [clock for _, clock in said(await read(HITS)) if clock[1] == 0]
    assert {tuple(clock) for clock in mine} == {("d", 0, 7, begun + 100 * SECOND - LATENESS)}


async def test_what_comes_while_the_end_is_asked_for_is_not_passed_over(
    settings: Settings, bus: FlakyBus, read: Read, detects: Detects, clock: ManualClock
) -> None:
    """Just before the answer, just after it: no watermark covers a record that was not read."""
    exact = settings.correlate.model_copy(update={"clock_difference_seconds": 0.0})  # nothing hides a wrong order
    detector = detects(plan_of(linked(("User",))), settings.model_copy(update={"correlate": exact}))
    ask, numbers = bus.ends, iter(range(100))

    async def busy(topic: str) -> Mapping[int, Ends]:
        if topic == EVENTS:
            clock.advance(5)
            await publish(bus, [next(numbers)], partition=0)
            clock.advance(5)
        found = await ask(topic)
        if topic == EVENTS:
            clock.advance(5)
            await publish(bus, [next(numbers)], partition=1)
            clock.advance(5)
        return found

    bus.ends = busy  # type: ignore[method-assign]  # events come while it is asked
    async with bus.consumer("detect", [EVENTS]) as consumer:
        detector.follow(consumer)
        for _ in range(4):
            await detector.detect(await consumer.poll(500, 0.05))
    times = arrivals(await read(EVENTS))
    marks = said(await read(HITS))
    assert marks
    for _, (_, partition, offset, watermark) in marks:
        assert all(at >= watermark + LATENESS for (p, o), at in times.items() if p == partition and o >= offset)


async def test_watermarks_alone_are_few(bus: FlakyBus, detector: Detector, read: Read, clock: ManualClock) -> None:
    """Four a second and partition at most; with hits always, where it costs no record; none that is no news."""
    async with bus.consumer("detect", [EVENTS]) as consumer:
        detector.follow(consumer)
        for step in range(10):
            await publish(bus, [step], partition=0, Action="nothing")
            await detector.detect(await consumer.poll(500, 5))
            clock.advance(0.05)
        alone = await read(HITS)
        assert [record.partition for record in alone] == [0, 0, 1, 1]
        await publish(bus, [100], partition=0)
        clock.advance(0.25)
        await detector.detect(await consumer.poll(500, 5))
        await publish(bus, [100], partition=0)
        await detector.detect(await consumer.poll(500, 5))
        found = [record for record in await read(HITS) if ids([record])]
        assert len(found) == 2
        assert all(said([record]) for record in found)
        clock.advance(1)
        await detector.detect([])
        count = len(await read(HITS))
        for _ in range(3):
            await detector.detect([])
        assert len(await read(HITS)) == count
    marks = [tuple(mark) for number, mark in said(await read(HITS)) if number == 0]
    for partition in (0, 1):
        assert all(a <= b for a, b in pairwise(mark[3] for mark in marks if mark[1] == partition))


async def test_nothing_is_said_of_partitions_that_others_read(
    bus: FlakyBus, read: Read, detector: Detector, clock: ManualClock
) -> None:
    """Two members: each speaks of its own; when one leaves, the other speaks of both."""
    async with bus.consumer("detect", [EVENTS]) as one:
        detector.follow(one)
        await one.poll(500, 0.05)
        async with bus.consumer("detect", [EVENTS]) as other:
            await other.poll(500, 0.05)
            await one.poll(500, 0.05)
            (mine,) = one.assignment()
            await detector.detect([])
            assert {clock[1] for _, clock in said(await read(HITS))} == {mine.partition}
        await one.poll(500, 0.05)
        clock.advance(1)
        await detector.detect([])
        assert {clock[1] for _, clock in said(await read(HITS))} == {0, 1}


async def test_a_flooding_rule_feeds_every_hit(bus: FlakyBus, detector: Detector, read: Read) -> None:
    """The gate bounds what is stored, not what is counted."""
    await publish(bus, range(150))
    await detector.detect(await read(EVENTS))
    matches = [Match.from_document(orjson.loads(record.value)) for record in await read(MATCHES)]
    assert sum(match.rule.id == FLOOD_RULE for match in matches) == 1
    assert len(ids(await read(HITS))) == 150


async def test_many_hits_go_out_in_records_that_the_bus_takes(
    settings: Settings, bus: FlakyBus, read: Read, detects: Detects
) -> None:
    """A bus for short records, a batch of thousands of hits."""
    small = settings.model_copy(update={"bus": settings.bus.model_copy(update={"max_message_bytes": 1024})})
    await publish(bus, range(500))
    await detects(plan_of(linked(("User",))), small).detect(await read(EVENTS))
    records = await read(HITS)
    assert len(ids(records)) == 500
    assert max(len(record.value) for record in records) <= small.bus.max_value_bytes
