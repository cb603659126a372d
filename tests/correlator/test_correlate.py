"""The correlate stage's handler on a real bus: exact matches whatever is killed, whoever comes back, whatever comes again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import orjson
import pytest

from correlator.correlate import NAME
from correlator.correlation.hits import Detected, Hit
from correlator.correlation.plan import Plan
from correlator.correlation.rule import Bound, Correlation, Kind
from correlator.correlation.state import Outcome
from correlator.flood import FLOOD_RULE
from correlator.hitting import records
from correlator.outgoing import Outgoing
from correlator.owned import Owned, Replay
from correlator.remembered import read
from correlator.rules import RuleSet
from soc.bus.base import DEADLETTER, HITS, MATCHES, Commit, Message, Record, TopicPartition
from soc.bus.deadletters import Letter
from soc.bus.groups import Group
from soc.clock import SECOND, SystemClock
from soc.errors import Abandon
from soc.metrics import Metrics
from soc.settings import Settings
from soc.testing import ManualClock
from tests.correlator.correlation.desk import Desk, at_least, hit, linked
from tests.correlator.correlation.model import Happening, expected, first_copies
from tests.correlator.correlation.strategies import Lives, correlation, correlations, in_time, plan_of
from tests.correlator.crashing import CrashingBus, Scene, Steps, detected, ids, in_force

LATENESS = 8
SEEDS = 6


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Settings with a lateness of a few seconds."""
    return settings.model_copy(
        update={"correlate": settings.correlate.model_copy(update={"lateness_seconds": float(LATENESS)})}
    )


@pytest.fixture
async def crashing(settings: Settings, metrics: Metrics) -> AsyncIterator[CrashingBus]:
    """An open bus that crashes when told to."""
    async with CrashingBus(settings.bus, metrics, SystemClock()) as opened:
        assert isinstance(opened, CrashingBus)
        yield opened


def drawn(seed: int, number: int = 40) -> tuple[list[Correlation], list[tuple[int, Happening]]]:
    """Return made correlations, three levels deep, and events for them."""
    random = Random(seed)
    made = correlations(random)
    return made, Lives(random, 2, LATENESS * SECOND).events(number, in_time(LATENESS * SECOND))


def wanted(made: Sequence[Correlation], events: Sequence[tuple[int, Happening]]) -> set[str]:
    """Return the ids of the matches that brute force finds."""
    happenings = first_copies(each for _, each in events)
    return ids(expected(happenings, made, LATENESS * SECOND))


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_crashes_and_outages_at_random_steps_change_no_match(
    settings: Settings, metrics: Metrics, crashing: CrashingBus, seed: int
) -> None:
    """Correlations of correlations, judged at hits and once a window: as brute force says, after dozens of each."""
    made, events = drawn(seed)
    scene = Scene(settings, crashing, plan_of(made), metrics)
    await scene.begin()
    await detected(crashing, scene.plan, events, LATENESS, at_once=1)
    crashing.steps = Steps(seed, crashes=0.08, retries=0.08)
    while not await scene.live(5):
        assert crashing.steps.crashed < 500
    assert set(await scene.matches()) == wanted(made, events)
    assert crashing.steps.crashed + crashing.steps.failed > 0


# Every step -----------------------------------------------------------------------------------------------------------

SMALL = (
    correlation("A", Kind.EVENT_COUNT, ["Da"], 10 * SECOND, bounds=((Bound.GTE, 2),), group_by=("host",)),
    correlation("B", Kind.EVENT_COUNT, ["A"], 20 * SECOND, bounds=((Bound.GTE, 2),), group_by=("host",)),
    correlation("C", Kind.EVENT_COUNT, ["Da", "A"], 20 * SECOND, bounds=((Bound.LTE, 4),), group_by=("host",)),
)


def happening(number: int, time: float, host: str = "h", rule: str = "Da") -> Happening:
    """Return an event at so many seconds, which arrives at once."""
    at = round(time * SECOND)
    return Happening(f"e{number}", at, at, {"host": host}, (rule,))


@asynccontextmanager
async def opened(settings: Settings, metrics: Metrics, folder: Path) -> AsyncIterator[CrashingBus]:
    """Open a bus in a folder of its own."""
    own = settings.bus.model_copy(update={"url": f"sqlite:///{folder}"})
    async with CrashingBus(own, metrics, SystemClock()) as bus:
        assert isinstance(bus, CrashingBus)
        yield bus


async def test_every_step_may_be_a_process_last_one(settings: Settings, metrics: Metrics, tmp_path: Path) -> None:
    """A chain and a judged window: a crash at each step of a run, one by one, gives the matches of a run in peace."""
    events = [(number % 2, happening(number, time)) for number, time in enumerate((1, 3, 5, 14, 16, 28, 41))]
    want = wanted(SMALL, events)
    step, crashed = 0, True
    while crashed:
        step += 1
        async with opened(settings, metrics, tmp_path / str(step)) as bus:
            scene = Scene(settings, bus, plan_of(SMALL), metrics)
            await scene.begin()
            await detected(bus, scene.plan, events, LATENESS, at_once=4)
            bus.steps = Steps(step, at=step)
            crashed = not await scene.live(8)
            await scene.live(8)
            assert set(await scene.matches()) == want, step
    assert step > 12
    assert len(want) == 5


# Several members ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
async def test_members_that_come_and_go_change_no_match(
    settings: Settings, metrics: Metrics, crashing: CrashingBus, seed: int
) -> None:
    """Two correlators share the partitions; whenever one crashes, the other takes over, and gives back."""
    made, events = drawn(100 + seed, 80)
    scene = Scene(settings, crashing, plan_of(made), metrics)
    await scene.begin()
    await detected(crashing, scene.plan, events, LATENESS, at_once=1)
    crashing.steps = Steps(seed, crashes=0.03, retries=0.03)

    async def lives() -> None:
        while not await scene.live(5):
            pass

    await asyncio.gather(lives(), lives())
    crashing.steps = Steps()
    assert await scene.live()
    assert set(await scene.matches()) == wanted(made, events)
    assert sum((await crashing.lag(NAME, HITS)).values()) == 0


@pytest.mark.parametrize("seed", range(3))
async def test_a_zombie_does_no_harm(settings: Settings, metrics: Metrics, crashing: CrashingBus, seed: int) -> None:
    """A member hangs in the middle of a batch, loses its partitions, and goes on when another has done its work."""
    made, events = drawn(200 + seed, 60)
    scene = Scene(settings, crashing, plan_of(made), metrics)
    await scene.begin()
    await detected(crashing, scene.plan, events, LATENESS, at_once=1)
    async with CrashingBus(settings.bus, metrics, SystemClock()) as own:
        assert isinstance(own, CrashingBus)
        own.gate, own.open_until = asyncio.Event(), 1 + seed * 3
        zombie = asyncio.create_task(Scene(settings, own, scene.plan, metrics).live(5))
        await asyncio.wait_for(own.hangs.wait(), 100)
        group = Group(own.folder / "groups", NAME, 30.0)
        for member in group.members()[1]:
            group.leave(member.id)
        group.close()
        assert await scene.live(5)
        assert set(await scene.matches()) == wanted(made, events)
        own.gate.set()
        assert await asyncio.wait_for(zombie, 100)
    assert await scene.live()
    assert set(await scene.matches()) == wanted(made, events)


async def test_a_partition_that_stays_is_not_read_again(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """Another member comes: what was committed as it is in memory goes on; what this one lost and got back does not."""
    scene = Scene(settings, crashing, plan_of(SMALL), metrics)
    await scene.begin()
    await detected(crashing, scene.plan, [(0, happening(number, number)) for number in range(5)], LATENESS, end=0)
    async with crashing.consumer(NAME, [HITS]) as first, crashing.consumer(NAME, [HITS]) as second:
        ours = scene.correlator(first)

        async def handle() -> list[Record]:
            batch = await first.poll(500, 0.2)
            metadata = await ours.correlate(batch)
            ends = {TopicPartition(HITS, each.partition): each.offset + 1 for each in batch}
            await first.commit({place: Commit(ends[place], metadata[place]) for place in ends})
            return batch

        while await handle():
            pass
        await second.poll(1, 0.1)
        while await handle():
            pass
        assert len(first.assignment()) == 1
        assert value(metrics, "correlate_replayed_records_total") == 0
        await second.aclose()
        await handle()
        assert len(first.assignment()) == 2
        assert value(metrics, "correlate_replayed_records_total") > 0


# What comes with a batch ----------------------------------------------------------------------------------------------


async def letters(scene: Scene) -> list[Letter]:
    """Return the dead letters."""
    return [Letter.from_record(record) for record in await scene.read(DEADLETTER)]


async def test_what_is_no_hit_becomes_a_dead_letter_once(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """The records around it count, and reading it again for the state says nothing."""
    scene = Scene(settings, crashing, plan_of(SMALL), metrics)
    await scene.begin()
    for number in range(2):
        garbage = [
            Message(b"", value, (), number)
            for value in (b"{", b"[]", b'{"hits": {"A": [[1]]}, "origins": [], "clocks": []}')
        ]
        await crashing.publish(HITS, garbage)
    events = [(0, happening(number, number)) for number in range(5)]
    await detected(crashing, scene.plan, events, LATENESS)
    for _ in range(2):
        assert await scene.live()
    assert set(await scene.matches()) == wanted(SMALL, events)
    assert [(each.stage, each.reason) for each in await letters(scene)] == [(NAME, "malformed_hits")] * 6


async def test_nothing_is_done_without_correlations(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """What comes is committed, and nothing else happens."""
    scene = Scene(settings, crashing, Plan(), metrics)
    await detected(crashing, plan_of(SMALL), [(0, happening(1, 1))], LATENESS)
    before = len(await scene.read(HITS))
    assert await scene.live()
    assert sum((await crashing.lag(NAME, HITS)).values()) == 0
    assert (len(await scene.read(HITS)), await scene.read(MATCHES)) == (before, [])


async def test_a_flood_is_counted_exactly_and_stored_bare(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """Beyond the bound matches keep their group and leave their contributions; one match tells of the flood."""
    every = correlation("A", Kind.EVENT_COUNT, ["Da"], 10 * SECOND, bounds=((Bound.GTE, 1),), group_by=("host",))
    scene = Scene(settings, crashing, plan_of([every]), metrics)
    events = [(0, happening(number, 5, f"h{number}")) for number in range(130)]
    await detected(crashing, scene.plan, events, LATENESS, at_once=50)
    assert await scene.live()
    found = (await scene.matches()).values()
    ours = [match.correlation for match in found if match.correlation]
    assert len(ours) == 130
    assert sum(bool(evidence.contributions) for evidence in ours) == settings.correlate.flood_per_minute
    assert {evidence.group[0][0] for evidence in ours} == {"host"}
    assert [match.rule.id for match in found if not match.correlation] == [FLOOD_RULE]
    assert value(metrics, "rule_matches_total", rule="A") == 130
    assert value(metrics, "rule_floods_total", rule="A") == 1


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """Return a metric's value."""
    return metrics.registry.get_sample_value(f"vonggac_{name}", labels) or 0.0


async def test_a_match_that_is_too_large_keeps_its_latest_contributions(
    settings: Settings, metrics: Metrics, tmp_path: Path
) -> None:
    """As many as the bus takes."""
    small = settings.model_copy(update={"bus": settings.bus.model_copy(update={"max_message_bytes": 240})})
    many = correlation("A", Kind.EVENT_COUNT, ["Da"], 100 * SECOND, bounds=((Bound.GTE, 60),), group_by=("host",))
    async with opened(small, metrics, tmp_path / "small") as bus:
        scene = Scene(small, bus, plan_of([many]), metrics)
        events = [(0, happening(number, number)) for number in range(60)]
        await detected(bus, scene.plan, events, LATENESS)
        assert await scene.live()
        (match,) = (await scene.matches()).values()
    assert match.correlation is not None
    kept = [each.event_id for each in match.correlation.contributions]
    assert match.correlation.hits == 60
    assert 5 < len(kept) < 60
    assert kept == [f"e{number}" for number in range(60 - len(kept), 60)]


async def test_a_hit_too_large_for_the_bus_is_buried(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """The others go on."""
    outgoing = Outgoing(settings, crashing, metrics, ManualClock(0))
    outgoing.begin(2)
    fed = [
        ("B", Hit("[]", f"e{size}", 1, 1, 0, None, ("s", "h"), {"f": "x" * size}))
        for size in (1, settings.bus.max_value_bytes, 2)
    ]
    await outgoing.add(Outcome([], fed), plan_of(SMALL))
    await outgoing.publish()
    scene = Scene(settings, crashing, plan_of(SMALL), metrics)
    assert [each.reason for each in await letters(scene)] == ["too_large"]
    hits = [orjson.loads(record.value)["hits"]["B"] for record in await scene.read(HITS)]
    assert {each for _, _, ids, *_ in hits for each in ids} == {"e1", "e2"}


# Clocks ---------------------------------------------------------------------------------------------------------------


async def told(scene: Scene) -> list[tuple[int, int, int]]:
    """Return what correlations' clocks were told: on which partition, of which, until when in milliseconds."""
    found = []
    for record in await scene.read(HITS):
        for kind, *clock in orjson.loads(record.value)["clocks"]:
            found += [(record.partition, clock[0], clock[2] // 1000)] if kind == "c" else []
    return sorted(found, key=lambda each: each[2])  # they only advance: what is new is behind


async def watermark(bus: CrashingBus, milliseconds: int) -> list[Message]:
    """Let both partitions of soc.events be read up to a time."""
    messages = records([], [Detected(p, 1, milliseconds * 1000) for p in (0, 1)], 2, 4096)
    await bus.publish(HITS, messages)
    return messages


async def test_clocks_are_told_everywhere_when_they_advanced(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """Not for every bit of time while there is more to do; when there is nothing to do, whatever there is; never twice."""
    scene = Scene(settings, crashing, plan_of(SMALL), metrics)
    async with crashing.consumer(NAME, [HITS]) as consumer:
        correlator = scene.correlator(consumer)

        async def handle(idle: bool = False) -> list[tuple[int, int, int]]:
            before = len(await told(scene))
            batch = [] if idle else await consumer.poll(500, 0.2)
            deaf = b'{"hits": {}, "origins": [], "clocks": []}'  # to what it told itself
            heard = [each if b'"d"' in each.value else each._replace(value=deaf) for each in batch]
            await correlator.correlate(heard)
            return sorted((await told(scene))[before:])

        await watermark(crashing, 1000)
        assert await handle() == [(p, of, 1000) for p in (0, 1) for of in (0, 1)]
        await watermark(crashing, 1100)
        assert await handle() == []
        assert await handle(idle=True) == [(p, of, 1100) for p in (0, 1) for of in (0, 1)]
        assert await handle(idle=True) == []
        await watermark(crashing, 1400)
        assert len(await handle()) == 4


# Reloads --------------------------------------------------------------------------------------------------------------


def few(rule: str, timespan: int = 10) -> Correlation:
    """Return a correlation that is judged once a window: few events."""
    return correlation(rule, Kind.EVENT_COUNT, ["Da"], timespan * SECOND, bounds=((Bound.LTE, 3),), group_by=("host",))


async def windows(scene: Scene) -> set[tuple[str, int]]:
    """Return rule and beginning, in seconds, of the windows that have matches."""
    found = (await scene.matches()).values()
    return {(match.rule.id, match.correlation.bucket // SECOND) for match in found if match.correlation}


async def test_other_rules_come_into_force_between_batches(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """What stays keeps its state; a judged rule begins with the first window after it came, whatever is restarted."""
    rules = in_force(plan_of([few("J")]))
    scene = Scene(settings, crashing, plan_of([few("J"), few("K")]), metrics)
    scene.clock.advance(5)
    events = [(0, happening(number, 2 + 10 * number)) for number in range(6)]
    async with crashing.consumer(NAME, [HITS]) as consumer:
        correlator = scene.correlator(consumer, rules)

        async def handle() -> None:
            batch = await consumer.poll(500, 0.2)
            metadata = await correlator.correlate(batch)
            ends = {TopicPartition(HITS, each.partition): each.offset + 1 for each in batch}
            await consumer.commit({place: Commit(ends[place], metadata[place]) for place in ends})

        await detected(crashing, plan_of([few("J")]), events[:3], LATENESS, end=23)
        await handle()
        assert await windows(scene) == {("J", 10)}
        scene.clock.advance(20)
        rules.put(RuleSet((), plan=scene.plan))
        await detected(crashing, scene.plan, events[3:5], LATENESS, end=45)
        await handle()
        assert await windows(scene) == {("J", 10), ("J", 20), ("J", 30), ("K", 30)}
    scene.clock.advance(10**6)
    await detected(crashing, scene.plan, events[5:], LATENESS)
    assert await scene.live()
    assert await windows(scene) == {("J", at) for at in (10, 20, 30, 40, 50)} | {("K", at) for at in (30, 40, 50)}


async def test_when_a_rule_began_is_committed_though_nothing_comes(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """Else a restart before the first hit would begin it again, and again."""
    scene = Scene(settings, crashing, plan_of([few("J")]), metrics)
    scene.clock.advance(7)
    assert await scene.live()
    async with crashing.consumer(NAME, [HITS]) as consumer:
        commits = [await consumer.committed(TopicPartition(HITS, number)) for number in (0, 1)]
    remembered = [read(commit.metadata) for commit in commits if commit]
    assert [list(each.begins.values()) for each in remembered if each] == [[7 * SECOND]] * 2


# Reading again --------------------------------------------------------------------------------------------------------


class Stateless:
    """Notes which offsets it was given."""

    def __init__(self) -> None:
        """Begin with none."""
        self.offsets: list[int] = []
        self.gaps: list[int] = []

    def take(self, _value: bytes, offset: int) -> Outcome:
        """Note the offset."""
        self.offsets.append(offset)
        return Outcome()

    def replayed(self) -> None:
        """Have nothing to tell."""

    def gap(self, begin: int) -> None:
        """Note from when windows are whole."""
        self.gaps.append(begin)


def without_state(taken: int) -> Owned:
    """Return a partition, taken so far, with one judged correlation."""
    return Owned(TopicPartition(HITS, 0), Stateless(), {"judged": 0}, taken, taken, unsaved=False)  # type: ignore[arg-type]


async def test_what_retention_took_is_told_and_passed_over(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """The state is what the rest gives: something may be missed."""
    await crashing.publish(HITS, [Message(b"", b"{}", (), 0) for _ in range(10)])
    read_all = crashing.read

    async def read_rest(partition: TopicPartition, offset: int, limit: int) -> list[Record]:
        return await read_all(partition, max(offset, 4), min(limit, 2))

    crashing.read = read_rest  # type: ignore[method-assign]
    owned = without_state(9)
    await Replay(crashing, metrics, ManualClock(7), lambda: False).into(owned, 1)
    assert owned.state.offsets == [4, 5, 6, 7, 8]  # type: ignore[attr-defined]
    assert owned.state.gaps == [7]  # type: ignore[attr-defined]
    assert owned.begins == {"judged": 7}
    assert owned.unsaved
    assert value(metrics, "bus_lost_records_total", topic=HITS, stage=NAME) == 3
    assert value(metrics, "correlate_replayed_records_total") == 5


async def test_a_stop_ends_the_reading(crashing: CrashingBus, metrics: Metrics) -> None:
    """However much is left."""
    replay = Replay(crashing, metrics, ManualClock(), lambda: True)
    with pytest.raises(Abandon):
        await replay.into(without_state(10**9), 0)


async def test_windows_that_may_lack_what_is_lost_have_no_verdict(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """Few are left of a window with many: who reads them again does not call it quiet."""
    scene = Scene(settings, crashing, plan_of([few("J")]), metrics)
    await scene.begin()
    events = [(0, happening(number, number)) for number in range(8)]
    await detected(crashing, scene.plan, events, LATENESS, at_once=1, end=5)
    assert await scene.live()
    (place,) = {TopicPartition(HITS, each.partition) for each in await scene.read(HITS) if b'"e0"' in each.value}
    oldest = next(each.offset for each in await scene.read(HITS) if b'"e6"' in each.value)
    read_all = crashing.read

    async def read_rest(partition: TopicPartition, offset: int, limit: int) -> list[Record]:
        return await read_all(partition, max(offset, oldest) if partition == place else offset, limit)

    crashing.read = read_rest  # type: ignore[method-assign]
    await detected(crashing, scene.plan, [], LATENESS)
    assert await scene.live()
    crashing.read = read_all  # type: ignore[method-assign]
    assert await scene.matches() == {}


def test_who_was_too_slow_judges_no_window_that_lacks_something() -> None:
    """Offsets that jump: retention took what was not read. The next commit says from when windows are judged."""
    owned = without_state(4)
    owned.take(Record(HITS, 0, 4, 0, b"", b"{}"), 50)
    assert (owned.begins, owned.unsaved) == ({"judged": 0}, False)
    owned.take(Record(HITS, 0, 6, 0, b"", b"{}"), 60)
    assert (owned.begins, owned.unsaved) == ({"judged": 60}, True)
    assert owned.state.gaps == [60]  # type: ignore[attr-defined]
    assert owned.state.offsets == [4, 6]  # type: ignore[attr-defined]


async def test_a_batch_that_comes_again_shorter_is_committed_with_what_it_needs(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """The state went on and dropped a window's hits: who begins at the commit, before the window's end, needs them all."""
    scene = Scene(settings, crashing, plan_of([few("J")]), metrics)
    await scene.begin()
    events = [(0, happening(number, number)) for number in range(4)]
    await detected(crashing, scene.plan, events, LATENESS, at_once=3)
    (place,) = {TopicPartition(HITS, each.partition) for each in await scene.read(HITS) if b'"e0"' in each.value}
    async with crashing.consumer(NAME, [HITS]) as consumer:
        correlator = scene.correlator(consumer)
        batch = [each for _ in range(4) for each in await consumer.poll(500, 0.2) if each.partition == place.partition]
        everything = await correlator.correlate(batch)
        first = await correlator.correlate(batch[:1])
        await consumer.commit({place: Commit(batch[0].offset + 1, first[place])})
    assert first != everything
    assert await scene.live()
    assert await windows(scene) == set()


async def test_only_what_the_state_needs_is_read_again(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """Hits that every clock has passed are not."""
    scene = Scene(settings, crashing, plan_of(SMALL[:1]), metrics)
    events = [(0, happening(number, number * 20)) for number in range(30)]
    await detected(crashing, scene.plan, events, LATENESS)
    for _ in range(2):
        assert await scene.live()
    assert 0 < value(metrics, "correlate_replayed_records_total") <= 4


# Figures --------------------------------------------------------------------------------------------------------------


async def test_what_is_held_and_left_out_is_told(settings: Settings, metrics: Metrics, crashing: CrashingBus) -> None:
    """Groups, hits, open windows, late hits, hits of nobody, the clock of each level, sources that stand still."""
    scene = Scene(settings, crashing, plan_of(SMALL), metrics)
    await scene.begin()
    await detected(
        crashing, plan_of([*SMALL, few("Z")]), [(0, happening(1, 1)), (0, happening(2, 30))], LATENESS, end=22
    )
    late = happening(3, 2)._replace(arrival=60 * SECOND)
    await detected(crashing, scene.plan, [(0, late)], LATENESS, end=22)
    async with crashing.consumer(NAME, [HITS]) as consumer:
        await scene.correlator(consumer).correlate(await consumer.poll(500, 0.2))
    assert value(metrics, "correlate_unknown_hits_total") == 2
    assert value(metrics, "correlate_late_hits_total", rule="C") == 1
    assert value(metrics, "correlate_groups", rule="A") == 1
    assert value(metrics, "correlate_hits", rule="A") == 2
    assert value(metrics, "correlate_clock_delay_seconds", level="1") == 10**6 - 22
    assert value(metrics, "correlate_sources_standing") == 4


async def test_a_match_that_cannot_be_written_is_a_dead_letter(
    settings: Settings, metrics: Metrics, crashing: CrashingBus
) -> None:
    """Times that no collector lets in, a group that is none: they must not end the stage, and the other matches go out."""
    desk = Desk(linked(Kind.EVENT_COUNT, at_least(1)))
    wild, none = hit(-(2**63) / SECOND, user="wild"), hit(2)._replace(group="no JSON")
    found = [*desk.take(hit(1)), *desk.take(wild), *desk.take(none)]
    outgoing = Outgoing(settings, crashing, metrics, ManualClock(0))
    outgoing.begin(2)
    await outgoing.add(Outcome(found, []), desk.plan)
    await outgoing.publish()
    scene = Scene(settings, crashing, desk.plan, metrics)
    assert [each.reason for each in await letters(scene)] == ["unencodable"] * 2
    assert (len(found), len(await scene.matches())) == (3, 1)
