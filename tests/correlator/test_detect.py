"""The detect stage's handler on a real bus: what is published, what is buried, and what comes again."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson

from correlator.costs import MINUTE, PERIOD
from correlator.detect import MAX_PUBLISH, Detector
from correlator.engine.record import Record as Fields
from correlator.flood import FLOOD_RULE
from correlator.rules import RuleSet
from soc.alerts import Match
from soc.bus.base import DEADLETTER, EVENTS, MATCHES, Message, Record
from soc.bus.deadletters import Letter
from soc.clock import SystemClock
from soc.errors import DeadLetter, Retry
from soc.events import to_wire
from soc.metrics import Metrics
from soc.settings import BusSettings, Settings
from soc.testing import ManualClock, make_event
from tests.correlator.flaky import FlakyBus, fallen_back

RuleFrom = Callable[..., RuleSet]
Read = Callable[[str], Awaitable[list[Record]]]
LOGSOURCE = make_event().logsource
FAILED_LOGIN = "sel:\n    Action: login_failed\ncondition: sel\n"


async def events(bus: FlakyBus, read: Read, numbers: Sequence[int]) -> list[Record]:
    """Publish events and return their records."""
    await bus.publish(EVENTS, [Message(b"district-1/web01", to_wire(make_event(number))) for number in numbers])
    return await read(EVENTS)


def value(metrics: Metrics, name: str, **labels: str) -> float:
    """Return a metric's value."""
    return metrics.registry.get_sample_value(f"vonggac_{name}", labels) or 0.0


async def test_matches_are_published_under_their_alert_key(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """One message a match, keyed so that an alert's matches keep their order; everything counted."""
    detector = Detector(settings, rule_from(FAILED_LOGIN), bus, metrics, SystemClock())
    await detector.detect(await events(bus, read, range(10)))
    records = await read(MATCHES)
    matches = [Match.from_document(orjson.loads(record.value)) for record in records]
    assert {match.event_id for match in matches} == {make_event(number).id for number in range(10)}
    assert {record.key for record in records} == {matches[0].alert_key.encode()}
    assert value(metrics, "events_evaluated_total") == 10
    assert value(metrics, "rule_matches_total", rule=matches[0].rule.id) == 10
    assert value(metrics, "detect_delay_seconds_count") == 10


async def test_what_is_no_event_is_buried_and_the_others_are_evaluated(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """The dead letter names the stage, the reason and where it came from."""
    await bus.publish(EVENTS, [Message(b"district-1/web01", b"{broken")])
    detector = Detector(settings, rule_from(FAILED_LOGIN), bus, metrics, SystemClock())
    await detector.detect(await events(bus, read, [1]))
    assert len(await read(MATCHES)) == 1
    (letter,) = [Letter.from_record(record) for record in await read(DEADLETTER)]
    assert (letter.stage, letter.reason, letter.text, letter.topic) == ("detect", "malformed_event", "{broken", EVENTS)
    assert value(metrics, "deadletters_total", stage="detect", reason="malformed_event") == 1


async def test_a_batch_that_could_not_be_published_comes_again_and_is_counted_once(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """99 of 100 allowed matches, tried twice, are no flood; each match is there, whatever landed before."""
    detector = Detector(settings, rule_from(FAILED_LOGIN), bus, metrics, SystemClock())
    records = await events(bus, read, range(99))
    bus.failures = 1
    try:
        await detector.detect(records)
    except Retry:
        await detector.detect(records)
    matches = [Match.from_document(orjson.loads(record.value)) for record in await read(MATCHES)]
    assert {match.rule.id for match in matches}.isdisjoint({FLOOD_RULE})
    assert len({match.id for match in matches}) == 99
    assert value(metrics, "events_evaluated_total") == 99


async def test_a_flood_keeps_every_match_and_raises_one_of_its_own(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """150 matches in a minute, 100 allowed: 150 ids, 100 events, one flood."""
    detector = Detector(settings, rule_from(FAILED_LOGIN), bus, metrics, SystemClock())
    minute = 60_000_000
    records = [r._replace(timestamp=r.timestamp // minute * minute) for r in await events(bus, read, range(150))]
    await detector.detect(records)
    matches = [Match.from_document(orjson.loads(record.value)) for record in await read(MATCHES)]
    floods = [match for match in matches if match.rule.id == FLOOD_RULE]
    assert len(floods) == 1
    assert len({match.id for match in matches}) == 151
    assert sum(match.event is not None for match in matches) == 100
    assert value(metrics, "rule_floods_total", rule="00000000-0000-4000-8000-000000000001") == 1


async def test_a_match_too_large_for_the_bus_leaves_its_event_behind(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """The event may be as large as the bus allows; the match still arrives."""
    small = settings.model_copy(update={"bus": BusSettings(max_message_bytes=1024)})
    event = make_event(1, raw="x" * (16 * 1024 - 900))
    await bus.publish(EVENTS, [Message(b"k", to_wire(event))])
    detector = Detector(small, rule_from(FAILED_LOGIN), bus, metrics, SystemClock())
    await detector.detect(await read(EVENTS))
    (record,) = await read(MATCHES)
    match = Match.from_document(orjson.loads(record.value))
    assert match.event is None
    assert match.reasons


async def test_an_event_that_nests_as_deep_as_json_goes_leaves_its_match_behind_it(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """Within the match it stands a level deeper than the encoder goes; that must not stop the stage for good."""
    deepest = max(depth for depth in range(1, 300) if encodes(depth))
    event = make_event(1, fields={"Action": "login_failed", "x": nested(deepest)})
    await bus.publish(EVENTS, [Message(b"k", to_wire(event))])
    await Detector(settings, rule_from(FAILED_LOGIN), bus, metrics, SystemClock()).detect(await read(EVENTS))
    (record,) = await read(MATCHES)
    assert Match.from_document(orjson.loads(record.value)).event is None


def nested(depth: int) -> Any:
    """Return so many lists within each other."""
    found: Any = "x"
    for _ in range(depth):
        found = [found]
    return found


def encodes(depth: int) -> bool:
    """Tell whether an event with a value that nests so deep has a wire form."""
    try:
        to_wire(make_event(1, fields={"x": nested(depth)}))
    except DeadLetter:
        return False
    return True


async def test_matches_are_encoded_a_few_megabytes_at_a_time(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """Large events that fire many rules must not stand in memory once for each rule."""
    (rule,) = rule_from(FAILED_LOGIN).rules
    rules = [replace(rule, ref=replace(rule.ref, id=f"rule {number}")) for number in range(40)]
    await bus.publish(EVENTS, [Message(b"k", to_wire(make_event(1, raw="x" * 500_000)))])
    sizes: list[int] = []
    publish = bus.publish

    async def measured(topic: str, messages: Sequence[Message], *, draining: bool = False) -> None:
        sizes.append(sum(len(message.value) for message in messages))
        await publish(topic, messages, draining=draining)

    bus.publish = measured  # type: ignore[method-assign]  # to see what is published at once
    await Detector(settings, RuleSet(rules), bus, metrics, SystemClock()).detect(await read(EVENTS))
    assert len(sizes) > 1
    assert max(sizes) <= MAX_PUBLISH
    assert len({Match.from_document(orjson.loads(record.value)).id for record in await read(MATCHES)}) == 40


async def test_even_its_reasons_may_be_too_large(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """What is left is what counts: rule, time, alert key."""
    small = settings.model_copy(update={"bus": BusSettings(max_message_bytes=1024)})
    selections = "".join(f"s{n}:\n    F{n}: '*'\n" for n in range(32))
    await bus.publish(EVENTS, [Message(b"k", to_wire(make_event(1, fields={f"F{n}": "đ" * 300 for n in range(32)})))])
    detector = Detector(small, rule_from(selections + "condition: all of s*"), bus, metrics, SystemClock())
    await detector.detect(await read(EVENTS))
    (record,) = await read(MATCHES)
    match = Match.from_document(orjson.loads(record.value))
    assert (match.event, match.reasons) == (None, ())


async def test_a_rule_that_fails_is_counted_and_the_event_goes_on(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """A fault of the evaluator is visible and stops nothing; the event is kept, so that a retry can complete it."""

    def broken(_fields: Fields) -> bool:
        raise RecursionError

    rules = rule_from(FAILED_LOGIN)
    (rule,) = rules.rules
    with fallen_back(rules, LOGSOURCE, broken):
        await Detector(settings, rules, bus, metrics, SystemClock()).detect(await events(bus, read, [1]))
    assert value(metrics, "rule_errors_total", rule=rule.ref.id) == 1
    (letter,) = [Letter.from_record(record) for record in await read(DEADLETTER)]
    assert (letter.reason, letter.retriable) == ("rule_failed", True)
    assert rule.ref.title in letter.detail
    assert value(metrics, "events_evaluated_total") == 1


async def test_a_slow_batch_lets_the_loop_take_its_turn(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """The consumer's heartbeat must beat while rules are evaluated."""

    def slow(_fields: Fields) -> bool:
        until = clock.monotonic() + 0.01
        while clock.monotonic() < until:
            pass
        return False

    clock = SystemClock()
    rules = rule_from(FAILED_LOGIN)
    records = await events(bus, read, range(40))
    beats = 0

    async def heart() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0)
            beats += 1

    beating = asyncio.ensure_future(heart())
    with fallen_back(rules, LOGSOURCE, slow):
        await Detector(settings, rules, bus, metrics, clock).detect(records)
    beating.cancel()
    assert beats >= 10


async def test_what_a_rule_costs_is_told(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """Evaluations and seconds by rule, and how much was remembered; a poll that finds nothing tells it too."""
    clock = ManualClock()
    detector = Detector(settings, rule_from(FAILED_LOGIN), bus, metrics, clock)
    await detector.detect(await events(bus, read, range(10)))
    clock.advance(PERIOD)
    await detector.detect([])
    (rule,) = detector.rules.rules
    assert value(metrics, "rule_evaluations_total", rule=rule.ref.id) >= 1
    assert 0 < value(metrics, "rule_cost_seconds_total", rule=rule.ref.id) < 60
    assert 1 <= value(metrics, "events_undecided_total") <= 10
    assert value(metrics, "values_judged_total") >= 1


async def test_other_rules_are_in_force_from_the_next_batch_on(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """Those that come while a batch is evaluated wait for its end; the counts of floods go on."""
    first = rule_from(FAILED_LOGIN)
    (rule,) = first.rules
    detector = Detector(settings, first, bus, metrics, SystemClock())
    minute = 60_000_000
    records = [r._replace(timestamp=r.timestamp // minute * minute) for r in await events(bus, read, range(120))]
    publish = bus.publish

    async def meanwhile(topic: str, messages: Sequence[Message], *, draining: bool = False) -> None:
        detector.adopt(RuleSet([replace(rule, ref=replace(rule.ref, title="Changed"))]))
        assert detector.rules is first
        await publish(topic, messages, draining=draining)

    bus.publish = meanwhile  # type: ignore[method-assign]  # to adopt in the middle of a batch
    await detector.detect(records[:60])
    bus.publish = publish  # type: ignore[method-assign]
    await detector.detect(records[60:])
    matches = [Match.from_document(orjson.loads(record.value)) for record in await read(MATCHES)]
    titles = [match.rule.title for match in matches if match.rule.id == rule.ref.id]
    assert (titles.count(rule.ref.title), titles.count("Changed")) == (60, 60)
    assert sum(match.rule.id == FLOOD_RULE for match in matches) == 1


async def test_nothing_to_do_is_done(settings: Settings, bus: FlakyBus, metrics: Metrics, rule_from: RuleFrom) -> None:
    """A poll that found nothing publishes nothing."""
    bus.failures = 1
    await Detector(settings, rule_from(FAILED_LOGIN), bus, metrics, SystemClock()).detect([])


async def test_a_slow_rule_is_named_though_all_of_its_events_fail(
    settings: Settings, bus: FlakyBus, metrics: Metrics, read: Read, rule_from: RuleFrom
) -> None:
    """One that never comes to an end within the time for an event is the slowest of all."""
    clock = ManualClock()
    detector = Detector(settings, rule_from("sel:\n    message|re: '(a+)+$'\ncondition: sel\n"), bus, metrics, clock)
    event = make_event(1, fields={"message": "a" * 100 + "đ"})
    await bus.publish(EVENTS, [Message(b"k", to_wire(event))] * 3)
    await detector.detect(await read(EVENTS))
    clock.advance(MINUTE)
    await detector.detect([])
    assert value(metrics, "rule_slow_total", rule=detector.rules.rules[0].ref.id) == 1
