"""Several processes' results in the order of the tasks, and what happens when one of them does not go on."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from soc.errors import Stop
from soc.rules import workers
from soc.rules.workers import in_order

SLOW = """
import os, time
from soc.rules.workers import in_order
def work(task):
    os.write(1, b"working\\n")  # at once: two workers write
    yield 1
    time.sleep(60)
for _ in in_order(work, range(4), 2):
    pass
"""


def count_down(task: int) -> Iterator[tuple[int, int]]:
    """The later a task, the sooner it is done."""
    time.sleep((10 - task) / 200)
    for number in range(task * 100):
        yield task, number


@pytest.mark.parametrize("count", [1, 2, 3])
def test_results_come_in_the_order_of_the_tasks(count: int) -> None:
    """However many work on them."""
    expected = [(task, (task, number)) for task in range(10) for number in range(task * 100)]
    assert list(in_order(count_down, range(10), count)) == expected


def test_tasks_are_asked_for_as_they_are_needed() -> None:
    """So there may be any number of them, and the results of few are held."""
    begun: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(100_000):
            begun.append(number)
            yield 1

    results = in_order(count_down, tasks(), 2)
    next(results)
    assert len(begun) <= 2 * workers.AHEAD
    results.close()  # type: ignore[attr-defined] # it is a generator


def test_a_worker_that_is_far_ahead_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is lost of what it gives later."""
    monkeypatch.setattr(workers, "HELD", 2)
    monkeypatch.setattr(workers, "BATCH", 1)

    def work(task: int) -> Iterator[int]:
        time.sleep(0.3 if task == 0 else 0)
        yield from range(200)

    assert list(in_order(work, range(2), 2)) == [(task, number) for task in range(2) for number in range(200)]


def test_a_worker_that_dies_is_an_error() -> None:
    """The task is named, and so is how it ended."""

    def work(task: int) -> Iterator[int]:
        yield task
        if task == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(Stop, match=r"3: the process that worked on it ended with status -9"):
        list(in_order(work, range(6), 2))


def test_an_error_in_a_worker_is_told() -> None:
    """With where it was raised."""

    def work(task: int) -> Iterator[int]:
        yield task
        raise ZeroDivisionError("oh")

    with pytest.raises(Stop, match=r"(?s)[01]: a worker failed.*test_workers.*ZeroDivisionError: oh"):
        list(in_order(work, range(6), 2))


def test_ctrl_c_ends_everything_at_once() -> None:
    """As a terminal sends it: to the whole group of processes."""
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW],
        cwd=Path(__file__).parents[3],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["working\n"] * 2  # both are forked and at work
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=50)  # its end closes the pipes, which the workers hold too
    assert errors.count("Traceback") == 1
    assert errors.endswith("KeyboardInterrupt\n")
