"""The thread that appends: what waits together is written together, but nobody pays for another's topic being full."""

import asyncio
import threading

from soc.bus.appender import Appender, Request
from soc.bus.base import Message
from soc.errors import SlowDown


async def test_who_drains_is_written_apart_and_in_order() -> None:
    """A full topic refuses the others, and takes what its reader has to write, whatever waits in one line."""
    calls: list[tuple[bytes, bool]] = []
    begun, go = threading.Event(), threading.Event()

    def append(messages: dict[int, list[Message]], draining: bool) -> None:
        calls.append((b"".join(message.value for message in messages[0]), draining))
        if len(calls) == 1:
            begun.set()
            go.wait(10)
        elif not draining:
            raise SlowDown("full")

    loop = asyncio.get_running_loop()
    appender = Appender("test", append, lambda: None)

    def put(value: bytes, draining: bool) -> asyncio.Future[None]:
        done: asyncio.Future[None] = loop.create_future()
        appender.put(Request({0: [Message(b"", value)]}, loop, done, draining))
        return done

    first = put(b"first", draining=False)
    await asyncio.to_thread(begun.wait, 10)
    line = [put(b"%d" % number, draining=number in (2, 3)) for number in range(6)]
    go.set()
    answers = await asyncio.gather(first, *line, return_exceptions=True)
    await asyncio.to_thread(appender.stop)
    assert calls == [(b"first", False), (b"01", False), (b"23", True), (b"45", False)]
    assert [isinstance(answer, SlowDown) for answer in answers] == [False, True, True, False, False, True, True]
