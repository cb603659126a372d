"""Pushing to the National SOC: numbered without gaps, in order, each content once, whatever fails."""

import asyncio
import random
from typing import cast

import pytest

from alerting.mock.control import Control
from alerting.mock.server import running
from alerting.post import Poster
from alerting.push import GROUP, Push
from soc.bus.base import DEADLETTER, NATIONAL, Bus, Commit, Consumer, Message, TopicPartition
from soc.clock import SystemClock
from soc.errors import Retry
from soc.metrics import Metrics
from soc.testing import ManualClock
from tests.alerting.conftest import beside, caught_up, until, values_of
from tests.alerting.nationals import pushing, received, settings_for, urgent_content, write
from tests.services.process import Port

URGENT = TopicPartition(NATIONAL, 0)


def contents(*numbers: int) -> list[tuple[int, str]]:
    """Return what the mock has received when these contents came, numbered from 1."""
    return [(seq, f"content-{number}") for seq, number in enumerate(numbers, 1)]


async def test_contents_arrive_numbered_in_order(bus: Bus, metrics: Metrics) -> None:
    """The numbers are 1, 2, 3..., the epoch is the log's identity, and everything is committed."""
    async with running("127.0.0.1", 0) as (url, mock), pushing(bus, settings_for(url), metrics):
        await write(bus, 0, 1, 2)
        await caught_up(bus, GROUP, NATIONAL)
        assert received(mock) == contents(0, 1, 2)
        (stream,) = mock.ledger.streams()
        assert (stream.stream, stream.epoch) == ("urgent", await bus.identity(NATIONAL))


async def test_numbers_go_on_after_a_restart(bus: Bus, metrics: Metrics) -> None:
    """The last number stands in the commit."""
    async with running("127.0.0.1", 0) as (url, mock):
        for number in range(3):
            async with pushing(bus, settings_for(url), metrics):
                await write(bus, number)
                await caught_up(bus, GROUP, NATIONAL)
        assert received(mock) == contents(0, 1, 2)


async def test_a_content_that_is_written_again_is_sent_once(bus: Bus, metrics: Metrics) -> None:
    """In the same batch, later, and after a restart."""
    async with running("127.0.0.1", 0) as (url, mock):
        async with pushing(bus, settings_for(url), metrics):
            await write(bus, 0, 0, 1, 0)
            await caught_up(bus, GROUP, NATIONAL)
        async with pushing(bus, settings_for(url), metrics):
            await write(bus, 1, 0, 2)
            await caught_up(bus, GROUP, NATIONAL)
        assert received(mock) == contents(0, 1, 2)
        assert mock.ledger.counters()["replays"] == 0


async def test_the_streams_are_numbered_apart(bus: Bus, metrics: Metrics) -> None:
    """Urgent messages never wait for regular ones."""
    async with running("127.0.0.1", 0) as (url, mock), pushing(bus, settings_for(url), metrics):
        messages = [urgent_content(0).to_message("urgent"), urgent_content(1).to_message("regular")]
        await bus.publish(NATIONAL, messages)
        await caught_up(bus, GROUP, NATIONAL)
        assert sorted(received(mock)) == [(1, "content-0"), (1, "content-1")]


@pytest.mark.parametrize("after", [False, True])
async def test_a_failing_other_side_gets_everything_in_order_once(bus: Bus, metrics: Metrics, after: bool) -> None:
    """503 three times, before or after the message was taken in: the same message is repeated until its receipt."""
    async with running("127.0.0.1", 0) as (url, mock), pushing(bus, settings_for(url), metrics, batch=2):
        mock.control = Control(fail=3, after=after)
        await write(bus, *range(5))
        await caught_up(bus, GROUP, NATIONAL)
        assert received(mock) == contents(*range(5))
        assert mock.ledger.counters()["conflicts"] == 0


async def test_an_other_side_that_is_away_is_waited_for(bus: Bus, metrics: Metrics) -> None:
    """Nobody listens; once somebody does, everything arrives."""
    port = Port()
    url = f"http://127.0.0.1:{port.number}"
    async with pushing(bus, settings_for(url), metrics):
        await write(bus, 0, 1)
        await until(lambda: metrics.national_messages.labels("urgent", "failed")._value.get() > 1)
        async with running("127.0.0.1", port.number) as (_, mock):
            await caught_up(bus, GROUP, NATIONAL)
            assert received(mock) == contents(0, 1)


async def test_an_other_side_that_stalls_is_given_up_and_asked_again(bus: Bus, metrics: Metrics) -> None:
    """The message was taken in behind the deadline: its repetition gets the receipt."""
    async with running("127.0.0.1", 0) as (url, mock), pushing(bus, settings_for(url, timeout=0.2), metrics):
        mock.control = Control(stall=0.4)
        await write(bus, 0, 1)
        await until(lambda: metrics.national_messages.labels("urgent", "failed")._value.get() > 1)
        mock.control = Control()
        await caught_up(bus, GROUP, NATIONAL)
        assert received(mock) == contents(0, 1)


async def test_a_content_refused_for_good_is_parked_and_its_number_taken(bus: Bus, metrics: Metrics) -> None:
    """A dead letter, a tombstone with its number, and nothing behind it waits; no gap."""
    async with running("127.0.0.1", 0) as (url, mock), pushing(bus, settings_for(url), metrics):
        mock.ledger.refuse("content-1")
        await write(bus, 0, 1, 2)
        await caught_up(bus, GROUP, NATIONAL)
        assert received(mock) == [(1, "content-0"), (2, "-content-1"), (3, "content-2")]
        assert mock.ledger.streams()[0].gaps == ()
    letters = await values_of(bus, DEADLETTER)
    assert [(letter["stage"], letter["reason"]) for letter in letters] == [("push", "refused")]


async def test_away_then_failing_then_refusing_one_loses_nothing_else(bus: Bus, metrics: Metrics) -> None:
    """The whole story of a bad day: everything else arrives, in order, once; one dead letter."""
    port = Port()
    url = f"http://127.0.0.1:{port.number}"
    async with pushing(bus, settings_for(url), metrics, batch=3):
        await write(bus, *range(4))
        await until(lambda: metrics.national_messages.labels("urgent", "failed")._value.get() > 0)
        async with running("127.0.0.1", port.number) as (_, mock):
            mock.control = Control(fail=4)
            await write(bus, *range(4, 8))
            await until(lambda: mock.ledger.counters()["failed"] == 4)
            mock.ledger.refuse("content-8")
            mock.control = Control(fail=1, after=True)
            await write(bus, *range(8, 12))
            await caught_up(bus, GROUP, NATIONAL)
            expected = contents(*range(12))
            expected[8] = (9, "-content-8")
            assert received(mock) == expected
            assert mock.ledger.counters()["conflicts"] == 0
    assert len(await values_of(bus, DEADLETTER)) == 1


async def test_a_number_that_is_taken_parks_the_message(bus: Bus, metrics: Metrics) -> None:
    """409 is a refusal for good: the stage goes on instead of waiting for ever."""
    async with running("127.0.0.1", 0) as (url, mock), pushing(bus, settings_for(url), metrics):
        epoch = await bus.identity(NATIONAL)
        taken = {"province": "x", "stream": "urgent", "epoch": epoch, "seq": 1, "id": "thief", "type": "urgent"}
        mock.ledger.receive("thief", taken, b'{"seq": 1, "type": "urgent", "id": "thief"}', "now")
        await write(bus, 0, 1)
        await caught_up(bus, GROUP, NATIONAL)
        assert received(mock) == [(1, "thief"), (2, "content-1")]


async def test_malformed_contents_take_no_number(bus: Bus, metrics: Metrics) -> None:
    """They become dead letters; the next content has the next number."""
    async with running("127.0.0.1", 0) as (url, mock), pushing(bus, settings_for(url), metrics):
        broken = [b"{", b"[]", b'{"id": 1, "type": "urgent", "body": {}}', b'{"id": "x"}']
        await bus.publish(NATIONAL, [Message(b"k", value, partition=0) for value in broken])
        await write(bus, 0)
        await caught_up(bus, GROUP, NATIONAL)
        assert received(mock) == contents(0)
    assert [letter["reason"] for letter in await values_of(bus, DEADLETTER)] == ["malformed_content"] * 4


async def test_a_kill_between_receipt_and_commit_repeats_under_the_same_number(bus: Bus, metrics: Metrics) -> None:
    """Ten times killed at a random moment: every content once, no gap, no conflict."""
    async with running("127.0.0.1", 0) as (url, mock):
        for number in range(10):
            async with pushing(bus, settings_for(url), metrics, batch=3):
                await write(bus, *range(number * 5, number * 5 + 5))
                await asyncio.sleep(0.003 * number)
        async with pushing(bus, settings_for(url), metrics):
            await caught_up(bus, GROUP, NATIONAL)
        assert received(mock) == contents(*range(50))
        assert mock.ledger.counters()["conflicts"] == 0


class Member:
    """A member of the group that is driven by hand: what it has and what was committed."""

    def __init__(self, commit: Commit | None = None) -> None:
        self.commit = commit
        self.generation = 1

    def assignment(self) -> frozenset[TopicPartition]:
        """It has the urgent stream."""
        return frozenset({URGENT})

    async def committed(self, _partition: TopicPartition) -> Commit | None:
        """Return the commit that it was given."""
        return self.commit


def by_hand(bus: Bus, url: str, poster: Poster, commit: Commit | None = None) -> Push:
    """Return a push stage whose batches the test hands over."""
    consumer = cast("Consumer", Member(commit))
    return Push(settings_for(url), bus, consumer, poster, metrics=Metrics(), clock=SystemClock())


async def test_a_zombie_and_its_successor_give_the_same_numbers(bus: Bus) -> None:
    """Both send the same contents at random paces: replays, no conflict, no gap, nothing twice."""
    chance = random.Random(7)
    await write(bus, *(chance.randrange(30) for _ in range(60)))
    records = await bus.read(URGENT, 0, 100)
    async with running("127.0.0.1", 0) as (url, mock), Poster(60) as poster:
        mock.ledger.refuse("content-3")
        commits: dict[int, str] = {0: ""}
        for _ in range(20):
            start = chance.choice(sorted(commits))
            push = by_hand(bus, url, poster, Commit(start, commits[start]) if start else None)
            for _ in range(chance.randrange(1, 6)):
                end = min(60, start + chance.randrange(1, 12))
                if start == end:
                    break
                metadata = await push.handle(records[start:end])
                assert commits.setdefault(end, metadata[URGENT]) == metadata[URGENT]
                start = end
        await by_hand(bus, url, poster).handle(records)
        (stream,) = mock.ledger.streams()
        assert (stream.gaps, mock.ledger.counters()["conflicts"]) == ((), 0)
        assert stream.received == len({record.key for record in records})


async def test_a_batch_that_comes_again_shorter_commits_the_number_of_its_end(bus: Bus) -> None:
    """Three of four records were sent before the failure; the next poll brings two: their number is committed."""
    await write(bus, 0, 1, 2, 3)
    records = await bus.read(URGENT, 0, 10)
    async with running("127.0.0.1", 0) as (url, mock), Poster(60) as poster:
        push = by_hand(bus, url, poster)
        await push.handle(records[:1])
        assert '"seq":1' in (await push.handle(records[:1]))[URGENT]
        await push.handle(records[:3])
        mock.control = Control(fail=1)
        with pytest.raises(Retry):
            await push.handle(records)
        assert '"seq":2' in (await push.handle(records[:2]))[URGENT]
        assert '"seq":4' in (await push.handle(records))[URGENT]
        assert received(mock) == contents(0, 1, 2, 3)


async def test_heartbeats_carry_the_last_number_of_each_stream(bus: Bus, metrics: Metrics) -> None:
    """They are sent on a timer, directly, and never claim more than was received."""
    clock = ManualClock()
    async with (
        running("127.0.0.1", 0) as (url, mock),
        pushing(bus, settings_for(url, heartbeat_seconds=60), metrics, clock=clock) as push,
        beside(push.beat()),
    ):
        await until(mock.ledger.heartbeats)
        await write(bus, 0, 1)
        await caught_up(bus, GROUP, NATIONAL)
        await until(lambda: clock._sleepers)
        clock.advance(60)
        await until(lambda: mock.ledger.heartbeats()[0]["number"] == 2)
        (beat,) = mock.ledger.heartbeats()
        assert sorted((each["stream"], each["seq"]) for each in beat["last"]) == [("regular", 0), ("urgent", 2)]
        assert (beat["province"], beat["ahead"]) == ("Quảng Trị", 0)


async def test_the_token_is_sent(bus: Bus, metrics: Metrics) -> None:
    """As a bearer token; a wrong one is waited out, for it says nothing about the message."""
    async with running("127.0.0.1", 0) as (url, mock), pushing(bus, settings_for(url, token="t"), metrics):
        mock.control = Control(fail=2, status=401)
        await write(bus, 0)
        await caught_up(bus, GROUP, NATIONAL)
        assert received(mock) == contents(0)
