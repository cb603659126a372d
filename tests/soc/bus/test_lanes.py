"""A lane delivers in order, one batch at a time, whatever fails."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

import pytest

from soc.bus.base import Message
from soc.bus.lanes import BATCH_BYTES, Lane, wait_for
from soc.errors import DeadLetter, Retry, VonggacError


class Log:
    """A partition: what was delivered, and what the next deliveries do."""

    def __init__(self) -> None:
        self.batches: list[list[bytes]] = []
        self.errors: list[VonggacError] = []
        self.open = asyncio.Event()
        self.open.set()

    async def deliver(self, messages: Sequence[Message], wanted: Callable[[], bool]) -> None:
        while not self.open.is_set():
            if not wanted():
                raise Retry("given up")
            await asyncio.sleep(0.001)
        if self.errors:
            raise self.errors.pop(0)
        self.batches.append([message.value for message in messages])


def values(*numbers: int) -> list[Message]:
    return [Message(b"", b"%d" % number) for number in numbers]


class TestLane:
    """One partition's way out."""

    @pytest.fixture
    def log(self) -> Log:
        return Log()

    @pytest.fixture
    async def lane(self, log: Log) -> AsyncIterator[Lane]:
        async with asyncio.TaskGroup() as tasks:
            lane = Lane(log.deliver, 0.02)
            running = tasks.create_task(lane.run())
            yield lane
            running.cancel()

    async def test_company_travels_together(self, lane: Lane, log: Log) -> None:
        """Publishes within the linger share a batch."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(3):
                tasks.create_task(wait_for(lane.put(values(number)), 5))
        assert log.batches == [[b"0", b"1", b"2"]]

    async def test_a_full_batch_leaves_at_once(self, lane: Lane, log: Log) -> None:
        """Large publishes are cut at BATCH_BYTES, in order."""
        big = [Message(b"", b"%d" % n + bytes(BATCH_BYTES // 3)) for n in range(7)]
        await wait_for(lane.put(big), 5)
        assert [len(batch) for batch in log.batches] == [2, 2, 2, 1]
        assert [value[:1] for batch in log.batches for value in batch] == [b"%d" % n for n in range(7)]

    async def test_a_message_larger_than_a_batch_travels_alone(self, lane: Lane, log: Log) -> None:
        """Its neighbours keep their places."""
        await wait_for(lane.put([*values(1), Message(b"", bytes(2 * BATCH_BYTES)), *values(2)]), 5)
        assert [len(batch) for batch in log.batches] == [1, 1, 1]

    async def test_an_error_reaches_its_publishers_alone(self, lane: Lane, log: Log) -> None:
        """The next batch goes its way."""
        log.errors.append(DeadLetter("too_large"))
        with pytest.raises(DeadLetter):
            await wait_for(lane.put(values(1)), 5)
        await wait_for(lane.put(values(2)), 5)
        assert log.batches == [[b"2"]]

    async def test_what_nobody_waits_for_is_not_sent(self, lane: Lane, log: Log) -> None:
        """A publisher that gave up sends again itself: its queued batches are dropped, in order."""
        log.open.clear()
        with pytest.raises(Retry):
            await wait_for(lane.put(values(1)), 0.05)
        with pytest.raises(Retry):
            await wait_for(lane.put(values(2)), 0.05)
        await asyncio.sleep(0.02)
        log.open.set()
        await wait_for(lane.put(values(1)), 5)
        await wait_for(lane.put(values(2)), 5)
        assert log.batches == [[b"1"], [b"2"]]

    async def test_closing_tells_who_waits(self, log: Log) -> None:
        """Publishers hear Retry when the lane ends."""
        log.open.clear()
        lane = Lane(log.deliver, 0.001)
        running = asyncio.ensure_future(lane.run())
        first = asyncio.ensure_future(wait_for(lane.put(values(1)), 60))
        await asyncio.sleep(0.01)
        second = asyncio.ensure_future(wait_for(lane.put(values(2)), 60))
        await asyncio.sleep(0.01)
        running.cancel()
        for waiting in (first, second):
            with pytest.raises(Retry, match="closed"):
                await waiting
