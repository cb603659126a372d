"""A thread that appends to one topic of the embedded bus. What waits together is written in one transaction."""

import asyncio
import queue
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from soc.bus.base import Message

_LARGEST = 8_192
"""Messages that one transaction takes, however many wait; one publish is never divided."""


class Request(NamedTuple):
    """One publish: its messages by partition, whom to tell, and whether it is never to be slowed down."""

    messages: dict[int, list[Message]]
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[None]
    draining: bool = False

    def answer(self, error: BaseException | None) -> None:
        """Tell the publisher, from any thread."""
        with suppress(RuntimeError):  # its loop has ended, and nobody waits
            self.loop.call_soon_threadsafe(self._answer, error)

    def _answer(self, error: BaseException | None) -> None:
        if self.done.done():
            return  # it waited no longer
        if error is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(error)


Append = Callable[[dict[int, list[Message]], bool], None]
"""Writes messages by partition, and is told whether their publisher is draining the topic."""


class Appender:
    """The thread. `append` writes durably or raises; it is called in the thread alone, as are `close` and opening."""

    def __init__(self, name: str, append: Append, close: Callable[[], None]) -> None:
        """Start it."""
        self._append = append
        self._close = close
        self._queue: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def put(self, request: Request) -> None:
        """Append later; requests land in the order in which they were put."""
        self._queue.put(request)

    def stop(self) -> None:
        """Write what waits, then end. Blocks."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            requests, last = self._gather(first)
            for draining, alike in groupby(requests, key=attrgetter("draining")):
                self._answer(list(alike), draining)
            if last:
                break
        self._close()

    def _gather(self, first: Request) -> tuple[list[Request], bool]:
        """Return what waits, and whether the end was among it."""
        requests, size = [first], _size(first)
        while size < _LARGEST:
            try:
                request = self._queue.get_nowait()
            except queue.Empty:
                break
            if request is None:
                return requests, True
            requests.append(request)
            size += _size(request)
        return requests, False

    def _answer(self, requests: Sequence[Request], draining: bool) -> None:
        error = self._write(requests, draining)
        for request in requests:
            request.answer(error)

    def _write(self, requests: Sequence[Request], draining: bool) -> BaseException | None:
        merged = requests[0].messages
        if len(requests) > 1:
            merged = {}
            for request in requests:
                for partition, messages in request.messages.items():
                    merged.setdefault(partition, []).extend(messages)
        try:
            self._append(merged, draining)
        except Exception as error:  # noqa: BLE001 - whatever it is, the publishers must hear of it
            return error
        return None


def _size(request: Request) -> int:
    return sum(map(len, request.messages.values()))
