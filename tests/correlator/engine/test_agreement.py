"""The engine equals the plain evaluator on conditions and events that are made to tell them apart.

Under `make fuzz` more than a million pairs of rule and event are compared; the run's end says how many.
"""

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from correlator import rules as rule_sets
from correlator.compiler.compile import compile_files
from correlator.engine.memory import Memory
from correlator.source import Rule
from tests.correlator.engine.agreement import Tally, agree, no_fallback
from tests.correlator.strategies import events, rules
from tests.correlator.written import files

FUZZ: Final = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"
EXAMPLES: Final = 14_000 if FUZZ else 200
"""Of each of the five settings. An example has 20 pairs of rule and event on average: more than a million in all."""

Record = Callable[[str, object], None]

pytestmark = [pytest.mark.hypothesis, pytest.mark.timeout(3600 if FUZZ else 300)]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no failure of the engine be hidden."""
    no_fallback(monkeypatch)


def compare(record_property: Record) -> None:
    """Draw rules and events, compare, and report how many pairs that were."""
    tally = Tally()

    @settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
    @given(rules, st.lists(events, min_size=1, max_size=8))
    def check(drawn: list[Rule], sequence: list[dict[str, Any]]) -> None:
        agree(drawn, sequence, tally)

    check()
    record_property("pairs", tally.pairs)
    assert tally.fired > tally.pairs / 10, "rules that never fire show nothing"


def test_as_it_runs(record_property: Record) -> None:
    """With everything that is installed here."""
    compare(record_property)


def test_without_hyperscan(record_property: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no wheel of it."""
    for module in ("judge", "expressions", "whole"):
        monkeypatch.setattr(f"correlator.engine.{module}.AVAILABLE", False)
    compare(record_property)


def test_while_it_forgets(record_property: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is reached within nearly every event."""
    monkeypatch.setattr(rule_sets, "Memory", partial(Memory, limit=1500))
    compare(record_property)


def test_with_every_value_searched_as_a_long_one(record_property: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hyperscan takes what the automaton would."""
    monkeypatch.setattr("correlator.engine.judge.LONG", 0)
    compare(record_property)


def test_with_every_text_that_can_waiting(record_property: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are looked for after those that are guessed to be rarer, however short both are."""
    monkeypatch.setattr("correlator.engine.judge.LONG", 0)
    monkeypatch.setattr("correlator.engine.guard.RARE", 1.0)
    compare(record_property)


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of `re`, of what the compiler then refuses
def test_rules_as_they_are_written(record_property: Record, tmp_path: Path) -> None:
    """From the text of a rule, through its modifiers."""
    tally, compiled, refused = Tally(), 0, 0
    file = tmp_path / "rules.yml"

    @settings(max_examples=EXAMPLES // 5, suppress_health_check=[HealthCheck.too_slow])
    @given(files, st.lists(events, min_size=1, max_size=8))
    def check(written: str, sequence: list[dict[str, Any]]) -> None:
        nonlocal compiled, refused
        file.write_text(written, "utf-8")
        outcome = compile_files([file], {})
        compiled += len(outcome.rules)
        refused += len(outcome.failures)
        agree(outcome.rules, sequence, tally)

    check()
    record_property("pairs", tally.pairs)
    assert compiled > refused
    assert tally.fired > tally.pairs / 10
