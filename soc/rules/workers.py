"""Work done by several processes, its results in the order of the tasks."""

import gc
import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, Final, Generic, TypeVar

from soc.errors import Stop

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD: Final = 4
"""Tasks a worker that are begun before the first of them is done: what they give is held until it is its turn."""

HELD: Final = 64
"""Batches of one task that are held; its worker waits then."""

BATCH: Final = 256
BATCH_SECONDS: Final = 0.5
"""Results are sent when there are so many of them, or the last were sent so long ago."""

_DONE: Final = "done"
_FAILED: Final = "failed"


def in_order(
    work: Callable[[Task], Iterable[Result]], tasks: Iterable[Task], workers: int
) -> Iterator[tuple[Task, Result]]:
    """Yield each result of `work(task)` with its task: the tasks in their order, by so many processes.

    `work` is shared as it is now: processes are forked, before the first result is asked for. One worker works here.
    Memory is bounded. Raises Stop where a worker ends or fails. However the iteration ends, the processes end at once.
    """
    if workers <= 1 or not hasattr(os, "fork"):
        return ((task, result) for task in tasks for result in work(task))
    return _Crew(work, tasks, workers).results()


class _Worker(Generic[Task, Result]):
    """One process, and what it gave that is not yet wanted."""

    def __init__(self, work: Callable[[Task], Iterable[Result]], others: "list[_Worker[Task, Result]]") -> None:
        self.connection, theirs = multiprocessing.Pipe()
        parents = [self.connection, *(other.connection for other in others)]
        context = multiprocessing.get_context("fork")
        self.process = context.Process(target=_serve, args=(work, theirs, parents), daemon=True)
        self.process.start()
        theirs.close()
        self.job: _Job[Task, Result] | None = None


class _Job(Generic[Task, Result]):
    """A task, and the batches of results that wait for their turn."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.batches: deque[list[Result]] = deque()
        self.done = False


class _Crew(Generic[Task, Result]):
    """The workers and the tasks that are begun, in order."""

    def __init__(self, work: Callable[[Task], Iterable[Result]], tasks: Iterable[Task], workers: int) -> None:
        gc.freeze()  # what is shared stays shared: a collection would write to every object
        self._tasks = iter(tasks)
        self._jobs: deque[_Job[Task, Result]] = deque()
        self._workers: list[_Worker[Task, Result]] = []
        for _ in range(workers):
            self._workers.append(_Worker(work, self._workers))

    def results(self) -> Iterator[tuple[Task, Result]]:
        try:
            self._assign()
            while self._jobs:
                first = self._jobs[0]
                while first.batches:
                    yield from ((first.task, result) for result in first.batches.popleft())
                if first.done:
                    self._jobs.popleft()
                    self._assign()
                else:
                    self._receive()
        finally:
            self._end()

    def _assign(self) -> None:
        """Give each idle worker a task, if not too many are begun."""
        for worker in self._workers:
            if worker.job is None and len(self._jobs) < AHEAD * len(self._workers):
                for task in self._tasks:
                    worker.job = _Job(task)
                    self._jobs.append(worker.job)
                    self._told(worker, partial(worker.connection.send, task))
                    break

    def _receive(self) -> None:
        """Wait for what the workers tell, but not for those who are too far ahead."""
        heard = {
            worker.connection: worker
            for worker in self._workers
            if worker.job and (worker.job is self._jobs[0] or len(worker.job.batches) < HELD)
        }
        for connection in wait(list(heard)):
            worker = heard[connection]  # type: ignore[index] # what was waited for
            self._take(worker, self._told(worker, worker.connection.recv))
        self._assign()

    def _take(self, worker: _Worker[Task, Result], told: Any) -> None:
        job = worker.job
        assert job is not None  # noqa: S101 - only those that have one are heard
        kind, content = told
        if kind == _FAILED:
            raise Stop(f"{job.task}: a worker failed: {content}")
        job.batches.append(content)
        if kind == _DONE:
            job.done, worker.job = True, None

    @staticmethod
    def _told(worker: _Worker[Task, Result], exchange: Callable[[], Any]) -> Any:
        try:
            return exchange()
        except (EOFError, OSError):
            worker.process.join(1)
            task = worker.job.task if worker.job else None
            raise Stop(
                f"{task}: the process that worked on it ended with status {worker.process.exitcode}: "
                "out of memory? --workers 1 takes least"
            ) from None

    def _end(self) -> None:
        for worker in self._workers:
            worker.process.terminate()
        for worker in self._workers:
            worker.process.join()
            worker.connection.close()
        gc.unfreeze()


def _serve(work: Callable[[Any], Iterable[Any]], connection: Connection, parents: list[Connection]) -> None:
    """Work until the other side is gone. Ctrl-C is for it: it ends its workers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for each in parents:
        each.close()
    try:
        while True:
            _work(work, connection.recv(), connection)
    except (EOFError, OSError):
        return


def _work(work: Callable[[Any], Iterable[Any]], task: Any, connection: Connection) -> None:
    batch: list[Any] = []
    sent = time.monotonic()
    try:
        for result in work(task):
            batch.append(result)
            if len(batch) >= BATCH or time.monotonic() >= sent + BATCH_SECONDS:
                connection.send(("batch", batch))
                batch, sent = [], time.monotonic()
    except Exception:  # noqa: BLE001 - it is raised where the results are wanted
        connection.send((_FAILED, traceback.format_exc(limit=-3)))
    else:
        connection.send((_DONE, batch))
