"""One partition's way out: messages gather in batches, and batches leave in order, one at a time.

Knows no broker: `deliver` does the sending. So what was not acknowledged is always sent again before anything later.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from soc.bus.base import Message
from soc.errors import Retry, VonggacError

BATCH_BYTES = 512 * 1024
"""A batch is sealed at this size, before compression. A larger message travels alone."""
_OVERHEAD = 64
"""Bytes that a record adds to its key and value, generously."""


class Batch:
    """Messages that travel together. `done`: answered when all are acknowledged. `waiters`: publishers that wait."""

    __slots__ = ("done", "messages", "sealed", "size", "waiters")

    def __init__(self) -> None:
        """Begin empty."""
        self.messages: list[Message] = []
        self.size = 0
        self.waiters = 0
        self.sealed = asyncio.Event()
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def wanted(self) -> bool:
        """Tell whether anybody still waits for it."""
        return self.waiters > 0

    def answer(self, error: VonggacError | None) -> None:
        """Tell whoever waits."""
        if self.done.done():
            return
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)
            self.done.exception()  # marks it as seen: perhaps nobody waits any more


Deliver = Callable[[Sequence[Message], Callable[[], bool]], Awaitable[None]]
"""Sends the messages in order and returns when all are acknowledged. Raises what their publishers are to be told. Gives
up, with Retry, when the function that it is given says that nobody waits any more."""


class Lane:
    """The queue of one partition. `run` empties it."""

    def __init__(self, deliver: Deliver, linger: float) -> None:
        """`linger`: seconds that a batch waits for company."""
        self._deliver = deliver
        self._linger = linger
        self._queue: deque[Batch] = deque()
        self._ready = asyncio.Event()

    def put(self, messages: Sequence[Message]) -> list[Batch]:
        """Queue the messages in order; return the batches that have them."""
        batches: list[Batch] = []
        batch = self._queue[-1] if self._queue and not self._queue[-1].sealed.is_set() else None
        for message in messages:
            size = len(message.value) + len(message.key) + _OVERHEAD
            if batch is None or (batch.size + size > BATCH_BYTES and batch.messages):
                batch = self._open()
            if not batches or batches[-1] is not batch:
                batches.append(batch)
            batch.messages.append(message)
            batch.size += size
        self._ready.set()
        return batches

    async def run(self) -> None:
        """Deliver batch after batch until cancelled."""
        batch: Batch | None = None
        try:
            while True:
                batch = await self._next()
                await self._finish(batch)
        finally:
            for each in [batch, *self._queue] if batch else self._queue:
                each.answer(Retry("the bus was closed"))

    def _open(self) -> Batch:
        if self._queue:
            self._queue[-1].sealed.set()
        self._queue.append(Batch())
        return self._queue[-1]

    async def _next(self) -> Batch:
        """Wait for a batch that is full or has waited long enough."""
        while not self._queue:
            self._ready.clear()
            await self._ready.wait()
        batch = self._queue[0]
        if not batch.sealed.is_set():
            try:
                async with asyncio.timeout(self._linger):
                    await batch.sealed.wait()
            except TimeoutError:
                batch.sealed.set()
        return self._queue.popleft()

    async def _finish(self, batch: Batch) -> None:
        if not batch.wanted():
            batch.answer(Retry("nobody waited for it"))  # given up before it was sent: it will come again
            return
        try:
            await self._deliver(batch.messages, batch.wanted)
        except VonggacError as error:
            batch.answer(error)
        else:
            batch.answer(None)


async def wait_for(batches: Sequence[Batch], seconds: float) -> None:
    """Return when all are acknowledged. Raises what their delivery raised, Retry after `seconds`."""
    for batch in batches:
        batch.waiters += 1
    try:
        async with asyncio.timeout(seconds):
            for batch in batches:
                await asyncio.shield(batch.done)
    except TimeoutError:
        raise Retry(f"not acknowledged in {seconds} s") from None
    finally:
        for batch in batches:
            batch.waiters -= 1
