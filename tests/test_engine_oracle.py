"""The engine fires what the plain evaluator fires: all of SigmaHQ's rules, on recorded events and on made ones.

`make test` takes a part of the recording and of the made events, `make fuzz` all; the run's end says how much that was.
"""

import os
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import pytest

from correlator.engine.tree import tests as all_tests
from correlator.rules import RuleSet, plain
from correlator.syntax import Cidr, Compare, Glob, Node, Test, Wildcard
from soc.events import Event, LogSource, to_wire
from soc.testing import make_event
from tests import sigmahq
from tests.correlator.engine.agreement import Tally, no_fallback

WHOLE: Final = os.environ.get("HYPOTHESIS_PROFILE") == "fuzz"
STEP: Final = 1 if WHOLE else 40
"""Of so many events one is taken."""

pytestmark = [
    pytest.mark.xdist_group("sigmahq"),  # the rules are compiled once
    pytest.mark.hypothesis,  # so that `make fuzz` runs the whole
    pytest.mark.timeout(3600 if WHOLE else 300),
]

Report = Callable[[str, object], None]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no failure of the engine be hidden."""
    no_fallback(monkeypatch)


@pytest.fixture
def tally(record_property: Report) -> Iterator[Tally]:
    """Count what is compared, and report it at the end."""
    counted = Tally()
    yield counted
    record_property("pairs", counted.pairs)


def agree(rules: RuleSet, event: Event, tally: Tally) -> None:
    """Assert that both fire the same on an event, with its JSON and without."""
    covering = rules.covering(event.logsource)
    expected = [hit.rule.ref.id for hit in plain(covering, event.fields)]
    tally.pairs += len(covering)
    tally.fired += len(expected)
    for wire in (to_wire(event), None):
        hits = rules.evaluate(event.logsource, event.fields, wire=wire)
        assert [hit.rule.ref.id for hit in hits] == expected, (event.logsource, event.fields)


def test_on_the_regression_data(tally: Tally) -> None:
    """Each folder's events, as EVTX and as JSON."""
    for event in sigmahq.regression_events():
        agree(sigmahq.rules(), event, tally)
    assert tally.fired > 200


def test_on_a_recorded_network(tally: Tally) -> None:
    """Windows events of attacks among ordinary ones."""
    for event in sigmahq.windows_events(STEP):
        agree(sigmahq.rules(), event, tally)
    assert tally.fired


def test_on_a_recorded_network_with_its_values_changed(tally: Tally) -> None:
    """Case, length, kind, lists, and what is missing."""
    chance = random.Random(7)
    for event in sigmahq.windows_events(2 * STEP):
        agree(sigmahq.rules(), event._replace(fields=_changed(event.fields, chance)), tally)
    assert tally.fired


def test_on_events_made_of_each_rules_own_words(tally: Tally) -> None:
    """So that many rules fire, or nearly do."""
    chance = random.Random(8)
    for rule in sigmahq.rules().rules[:: 1 if WHOLE else 8]:
        own = [each.condition for each in sigmahq.rules().covering(rule.logsource) if each.rule is rule]
        for condition in own * (4 if WHOLE else 1):  # none: a service by its former name covers that of today
            agree(sigmahq.rules(), _made(condition, rule.logsource, chance), tally)
    assert tally.fired > tally.pairs / 2000


def _changed(fields: Mapping[str, Any], chance: random.Random) -> dict[str, Any]:
    return {name: _otherwise(value, chance) for name, value in fields.items() if chance.random() > 0.05}


_CHANGES: Final[list[Callable[[str], Any]]] = [
    str.swapcase,
    lambda text: text + " " * 2000 + text,
    lambda text: text.replace("k", "\N{KELVIN SIGN}").replace("s", "\u017f"),
    lambda text: [text, None, "x"],
    lambda text: {"a": [text]},
    lambda text: int(text) if text.isascii() and text.isdigit() and len(text) < 19 else text,
    lambda text: f"\0{text}\0",
    lambda _text: None,
]


def _otherwise(value: Any, chance: random.Random) -> Any:
    text = value if isinstance(value, str) else str(value)
    return chance.choice(_CHANGES)(text) if chance.random() < 0.5 else value


def _made(condition: Node, logsource: LogSource, chance: random.Random) -> Event:
    """Return an event whose values are put together from what the condition asks for."""
    fields: dict[str, Any] = {}
    for test in all_tests(condition):
        name, text = test.field or "message", _text(test, chance)
        if text is None or chance.random() < 0.2:
            continue
        known = fields.get(name)
        fields[name] = text if known is None or chance.random() < 0.3 else known + text
    return make_event(logsource=logsource, fields=fields)


def _text(test: Test, chance: random.Random) -> str | None:
    match test.atom:
        case Glob(parts):
            text = "".join(_filled(part, chance) if isinstance(part, Wildcard) else part for part in parts)
            return text if chance.random() < 0.7 else text.swapcase()
        case Cidr(network):
            return network.partition("/")[0]
        case Compare(_, number):
            return str(number)
    return None


def _filled(part: Wildcard, chance: random.Random) -> str:
    return "x" if part is Wildcard.ONE else chance.choice(("", "", "\\", " ", "x\n", "é"))
