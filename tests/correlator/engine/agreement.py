"""The oracle: the engine must fire what the plain evaluator fires, whatever it remembers and however the event is told."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

import orjson
import pytest

from correlator.engine.atlas import Masks
from correlator.rules import RuleSet, plain
from correlator.source import Rule
from soc.events import LogSource
from tests.correlator.strategies import LOGSOURCE

NO_MASKS = Masks(0, {}, {})
"""For a column whose verdicts are looked at for their atoms alone."""


class Tally:
    """Counts what was compared, so that a test can say how much that was."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self.pairs = 0
        self.fired = 0


def no_fallback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the engine's own failures raised, instead of hidden by evaluating rule by rule, and let it take its time."""

    def again(*_arguments: object) -> NoReturn:
        raise  # noqa: PLE0704 - called from where the engine's exception is handled

    monkeypatch.setattr("correlator.rules.plain", again)
    for module in ("rules", "engine.memory"):
        monkeypatch.setattr(f"correlator.{module}.BUDGET", 60.0)


def forms(fields: dict[str, Any]) -> tuple[bytes | None, ...]:
    """Return an event as it may arrive: without its JSON, with ours, and with another encoder's."""
    document = {"id": "x", "fields": fields}
    return None, orjson.dumps(document), json.dumps(document, indent=1).encode()


def agree(
    rules: Sequence[Rule], events: Sequence[dict[str, Any]], tally: Tally, logsource: LogSource = LOGSOURCE
) -> None:
    """Assert that engine and plain evaluator agree on each event in its turn, then on all once more."""
    rule_set = RuleSet(rules)
    expected = []
    for fields in events:
        expected.append(told(rule_set, logsource, fields))
        tally.pairs += len(rules)
        tally.fired += len(expected[-1])
        for wire in forms(fields):
            assert fired(rule_set, logsource, fields, wire) == expected[-1], (fields, wire)
    for fields, wanted in zip(events, expected, strict=True):
        assert fired(rule_set, logsource, fields, forms(fields)[1]) == wanted, ("again", fields)


def told(rule_set: RuleSet, logsource: LogSource, fields: dict[str, Any]) -> list[str]:
    """Return the ids of the rules that fire by the plain evaluator, in order."""
    return [hit.rule.ref.id for hit in plain(rule_set.covering(logsource), fields)]


def fired(rule_set: RuleSet, logsource: LogSource, fields: dict[str, Any], wire: bytes | None) -> list[str]:
    """Return the ids of the rules that fire by the engine, in order."""
    return [hit.rule.ref.id for hit in rule_set.evaluate(logsource, fields, wire=wire)]
