"""The bound on processor time: what is interrupted, what is left alone."""

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from correlator.limit import Overtime, limited


def test_a_search_that_would_not_end_is_interrupted() -> None:
    """`(a+)+$` takes years on a hundred characters."""
    began = time.process_time()
    with pytest.raises(Overtime, match=r"0\.05 s"), limited(0.05):
        re.search("(a+)+$", "a" * 100 + "b")
    assert time.process_time() - began < 2


def test_what_ends_in_time_is_left_alone_and_so_is_what_comes_after() -> None:
    """The timer is off behind the block."""
    with limited(0.05):
        pass
    until = time.process_time() + 0.2
    while time.process_time() < until:
        pass


def test_an_error_within_the_block_passes_and_stops_the_time() -> None:
    """The block's own error is the one that is seen."""
    timer = limited(10)
    with pytest.raises(KeyError), timer:
        raise KeyError
    assert not timer.armed


def test_a_forked_process_is_bounded_too() -> None:
    """The clock of its parent is not its own."""
    with limited(1):
        pass
    child = os.fork()
    if child == 0:
        try:
            with limited(0.05):
                re.search("(a+)+$", "a" * 100 + "b")
        except Overtime:
            os._exit(42)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42


def test_in_another_thread_nothing_is_bounded_and_nothing_fails() -> None:
    """Only the main thread gets signals."""

    def work() -> int:
        with limited(0.001):
            return sum(range(1_000_000))

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(work).result() > 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_overtime_that_a_destructor_swallows_is_raised_again() -> None:
    """Python drops what is raised in a destructor; the work must end all the same."""

    class Slow:
        def __del__(self) -> None:
            until = time.process_time() + 0.1
            while time.process_time() < until:
                pass

    def work() -> None:
        with limited(0.05):
            Slow()  # ends at once, and takes the first signal with it
            until = time.process_time() + 2
            while time.process_time() < until:
                pass

    with pytest.raises(Overtime):
        work()


def test_the_clock_stops_before_the_process_does() -> None:
    """Python drops its handlers at the end, and the signal without one would kill: another exit status, lost words."""
    program = (
        "import time; from correlator.limit import limited\n"
        "with limited(1): pass\n"
        "class Late:\n"
        "    def __del__(self, now=time.process_time):\n"
        "        until = now() + 0.3\n"
        "        while now() < until: pass\n"
        "import sys; sys.late = Late()\n"
        "raise SystemExit(7)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == 7
