"""What an uninterrupted run gives: the rules evaluated on every acknowledged event, in order, and its matches grouped."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from correlator.choice import Choice
from correlator.load import load
from correlator.matching import alert_key
from soc.clock import SECOND
from soc.events import Event, digest, from_wire, to_wire
from tests.chaos.events import WINDOW, event


@dataclass(frozen=True)
class Expected:
    """One match."""

    id: str
    key: str
    rule: str
    time: int
    site: str
    host: str


@dataclass(frozen=True)
class Span:
    """One alert: how many matches, and the times of its first and last."""

    count: int
    first_seen: int
    last_seen: int


def matches(rules: Path, events: Iterable[Event]) -> list[Expected]:
    """Return the matches of the events, in order."""
    loaded = load(Choice(paths=(rules,)))
    assert not loaded.failures, loaded.failures
    found = []
    for made in events:
        for hit in loaded.evaluate(made.logsource, made.fields):
            rule = hit.rule.ref.id
            key = alert_key(hit.rule, made)
            found.append(Expected(digest(rule, made.id), key, rule, made.time, made.site, made.host))
    return found


def load_of(began: int, count: int) -> Iterator[Event]:
    """Yield the first `count` events of the load, as they come from the bus."""
    return (from_wire(to_wire(event(number, began))) for number in range(count))


def alerts(expected: Sequence[Expected]) -> dict[str, list[Span]]:
    """Return each key's alerts in order, where nobody closes any."""
    spans: dict[str, list[Span]] = {}
    for match in expected:
        ours = spans.setdefault(match.key, [])
        if ours and match.time - ours[-1].last_seen <= WINDOW * SECOND:
            ours[-1] = Span(ours[-1].count + 1, ours[-1].first_seen, match.time)
        else:
            ours.append(Span(1, match.time, match.time))
    return spans
