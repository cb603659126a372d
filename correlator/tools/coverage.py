"""Which rules could fire on what is really collected: events of their logsource, with the fields that they ask for."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any as Anything
from typing import Final, NamedTuple

from correlator.rules import RuleSet
from correlator.source import Rule
from correlator.syntax import All, Any, Exists, FieldRef, Glob, Named, Node, Not, Test
from soc.events import LogSource

EVENT_ID: Final = "EventID"
"""The field of which the values count too: it tells Windows' events apart, as other logs do by their logsource."""

MAX_NAMES: Final = 20_000
"""Names of fields of a logsource that are remembered; a record may invent them."""

MAX_SOURCES: Final = 10_000
"""Logsources that are told apart; further ones are counted with those that state nothing."""


@dataclass
class Census:
    """What was seen of one logsource: how many events, the names of their fields, their EventIDs as text."""

    events: int = 0
    names: set[str] = field(default_factory=set)
    event_ids: set[str] = field(default_factory=set)

    def add(self, other: "Census") -> None:
        """Take in what was seen elsewhere."""
        self.events += other.events
        self.names |= other.names if len(self.names) < MAX_NAMES else set()
        self.event_ids |= other.event_ids if len(self.event_ids) < MAX_NAMES else set()

    def count(self, fields: Mapping[str, Anything]) -> None:
        """Take in one event."""
        self.events += 1
        if len(self.names) < MAX_NAMES:
            self.names.update(fields)
        number = fields.get(EVENT_ID)
        if isinstance(number, int | str) and len(self.event_ids) < MAX_NAMES:
            self.event_ids.add(str(number))


Seen = Mapping[LogSource, Census]


class State(StrEnum):
    """What keeps a rule from firing."""

    ABLE = "able"
    UNSEEN = "unseen"
    """No event of a logsource that it covers."""
    BLIND = "blind"
    """Events, but none with the fields, or the EventID, that it asks for."""


class Sight(NamedTuple):
    """A rule, what keeps it from firing, how many events it sees, and which fields none of them has."""

    rule: Rule
    state: State
    events: int
    missing: tuple[str, ...]


class Row(NamedTuple):
    """The rules of one logsource: how many in each state, the events that they see, and the fields most often missing."""

    logsource: LogSource
    rules: int
    events: int
    states: Counter[State]
    missing: Counter[str]


def sights(rules: RuleSet, seen: Seen) -> Iterator[Sight]:
    """Yield each rule with what keeps it from firing."""
    able: set[int] = set()
    events: Counter[int] = Counter()
    missing: dict[int, set[str]] = {}
    for logsource, census in seen.items():
        for each in rules.covering(logsource):
            key = id(each.rule)
            events[key] += census.events
            if _may_hold(each.condition, census):
                able.add(key)
            else:
                lacks = set(_lacking(each.condition, census))
                missing[key] = missing[key] & lacks if key in missing else lacks
    for rule in rules.rules:
        state = State.ABLE if id(rule) in able else State.BLIND if id(rule) in events else State.UNSEEN
        lacks = missing.get(id(rule), set()) if state is State.BLIND else set()
        yield Sight(rule, state, events[id(rule)], tuple(sorted(lacks)))


def by_logsource(found: Iterable[Sight]) -> list[Row]:
    """Return a row for each logsource that rules state: those that are seen first, then by the number of rules."""
    grouped: dict[LogSource, list[Sight]] = {}
    for sight in found:
        grouped.setdefault(sight.rule.logsource, []).append(sight)
    rows = [_row(logsource, each) for logsource, each in grouped.items()]
    return sorted(rows, key=lambda row: (-row.events, -row.rules, [part or "" for part in row.logsource]))


def _row(logsource: LogSource, found: Sequence[Sight]) -> Row:
    missing = Counter(name for sight in found for name in sight.missing)
    states = Counter(sight.state for sight in found)
    return Row(logsource, len(found), found[0].events, states, missing)


def unwatched(rules: RuleSet, seen: Seen) -> list[tuple[LogSource, int]]:
    """Return the logsources of events that no rule sees, with how many events they have."""
    found = [(logsource, census.events) for logsource, census in seen.items() if not rules.covering(logsource)]
    return sorted(found, key=lambda each: -each[1])


def _may_hold(node: Node, census: Census) -> bool:
    """Tell whether some event with some of the fields that were seen satisfies the node."""
    match node:
        case Test():
            return _test(node, census)[0]
        case Named():
            return _may_hold(node.node, census)
        case Not():
            return _may_fail(node.node, census)
        case All():
            return all(_may_hold(each, census) for each in node.nodes)
        case Any():
            return any(_may_hold(each, census) for each in node.nodes)


def _may_fail(node: Node, census: Census) -> bool:
    match node:
        case Test():
            return _test(node, census)[1]
        case Named():
            return _may_fail(node.node, census)
        case Not():
            return _may_hold(node.node, census)
        case All():
            return any(_may_fail(each, census) for each in node.nodes)
        case Any():
            return all(_may_fail(each, census) for each in node.nodes)


def _test(test: Test, census: Census) -> tuple[bool, bool]:
    """Return whether a test may be true, and whether it may be false."""
    if not _has(test, census):
        absent = test.atom == Exists(wanted=False)
        return absent, not absent
    if test.field == EVENT_ID and isinstance(test.atom, Glob):
        match test.atom.parts:
            case (str(text),) if text.isdigit():
                return text in census.event_ids, True
    return True, True


def _has(test: Test, census: Census) -> bool:
    wanted = {test.field, test.atom.other if isinstance(test.atom, FieldRef) else None} - {None}
    return wanted <= census.names


def _lacking(node: Node, census: Census) -> Iterator[str]:
    """Yield what is missing of that without which a node that cannot hold never does."""
    match node:
        case Test():
            if not _has(node, census):
                other = node.atom.other if isinstance(node.atom, FieldRef) else None
                yield from (name for name in (node.field, other) if name and name not in census.names)
            elif not _test(node, census)[0]:
                yield f"{EVENT_ID}={node.atom}"
        case Named():
            yield from _lacking(node.node, census)
        case All() | Any():
            for each in node.nodes:
                if not _may_hold(each, census):
                    yield from _lacking(each, census)
        case Not():
            return
