"""Which atoms hold of a value, and what finding out may take."""

import time

import pytest

from correlator.engine import needles
from correlator.engine.guard import Guarded
from correlator.engine.judge import LONG, Judge
from correlator.engine.memory import Memory
from correlator.limit import Timer
from correlator.syntax import Atom, Glob, Wildcard

WORDS: dict[Atom, int] = {Glob((Wildcard.ANY, "needle", Wildcard.ANY)): 1, Glob(("exact",)): 2}


def test_building_for_long_values_is_not_at_the_expense_of_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer of the event that comes first would end the build, and the next event's the next: for ever."""

    class Slow:
        def __init__(self, _expressions: object, _flags: object) -> None:
            until = time.process_time() + 0.2
            while time.process_time() < until:
                pass

        def found(self, _data: bytes) -> list[int]:
            return [0]

    monkeypatch.setattr(needles, "Scanner", Slow)
    monkeypatch.setattr("correlator.engine.judge.AVAILABLE", True)
    memory = Memory()
    memory.timer = timer = Timer(0.05)
    judge = Judge(WORDS, memory)
    timer.arm()
    assert judge.of_value("x" * 1000 + "needle") == {1}
    assert not timer.armed


def test_a_text_may_hold_what_marks_its_edges() -> None:
    """NUL stands at both ends of what is searched; within the text it is a character like others."""
    starts: dict[Atom, int] = {Glob(("a", Wildcard.ANY)): 1, Glob((Wildcard.ANY, "b")): 2}
    judge = Judge(starts, Memory())
    assert judge.of_value("x\0a") == set()
    assert judge.of_value("b\0x") == set()
    assert judge.of_value("a\0b") == {1, 2}


def test_texts_wait_for_their_guard_wherever_it_is_in_a_list() -> None:
    """Each element has a search of its own, and a rule may take one text from one and another from another."""
    wait: dict[Atom, int] = {
        Glob((Wildcard.ANY, "guard", Wildcard.ANY)): 1,
        Glob((Wildcard.ANY, "common", Wildcard.ANY)): 2,
    }
    judge = Judge(wait, Memory(), Guarded(frozenset({1}), frozenset({2})))
    long = "x" * LONG
    assert judge.of_value([f"{long} Common", f"{long} Guard"]) == {1, 2}
    assert judge.of_value(f"{long} Common Guard") == {1, 2}
    assert judge.of_value("common") == {2}
    assert 1 not in judge.of_value(f"{long} Common")
