"""Events of one logsource: the rules that see them, and a route for each EventID that a rule names."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from correlator.engine.atlas import Atlas
from correlator.engine.column import is_key
from correlator.engine.memory import Memory, give_back
from correlator.engine.plain import Predicate, predicate
from correlator.engine.record import Record
from correlator.engine.route import Route, Unsure
from correlator.engine.tree import Both, Tree, numbered, tests
from correlator.source import Rule
from correlator.statistics import Cost
from correlator.syntax import Glob, Node, Test

EVENT_ID: Final = "EventID"
"""Sigma's name of the field that tells Windows events of one channel apart."""


MANY: Final = 100
"""Rules of a route whose building leaves megabytes behind."""

MAX_EVENT_ID: Final = 16
"""Characters of an EventID of which the route is remembered."""

MAX_ROUTES: Final = 4096
"""EventIDs of which the route is remembered; there are more only where somebody invents them."""


@dataclass(frozen=True)
class Seen:
    """A rule that sees events of a logsource, its fields under the names that they have in them.

    `parts`: what parts of conditions were compiled to, of all rules of that logsource.
    """

    rule: Rule
    condition: Node
    parts: dict[int, Predicate] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def predicate(self) -> Predicate:
        """The condition as closures, made when they are first wanted: few rules ever fire."""
        return predicate(self.condition, self.parts)


class Partly(Exception):
    """Some rules could not be evaluated on an event, for this reason; of the others these fire."""

    def __init__(self, fired: Sequence[Seen], failed: Sequence[Seen], reason: Exception) -> None:
        """Take all three."""
        super().__init__(str(reason))
        self.fired = fired
        self.failed = failed
        self.reason = reason


class Kind:
    """The rules for one logsource."""

    def __init__(self, seen: Sequence[Seen], memory: Memory) -> None:
        """Take the rules; a route is built when its first event comes."""
        self.seen = tuple(seen)
        self._memory = memory
        self._named = frozenset(_named(seen))
        self._timer = memory.timer
        self._routes: dict[Any, Route] = {}
        self._seen: dict[Route, tuple[Seen, ...]] = {}

    def fired(self, fields: dict[str, Any], wire: bytes | None) -> Sequence[Seen]:
        """Return the rules that fire on an event, with what they are evaluated as.

        Raises Partly where some could not be evaluated.
        """
        value = fields.get(EVENT_ID)
        try:
            route = self._routes[value]
        except (KeyError, TypeError):
            route = self._route(value)
        if value.__class__ is bool:  # a dictionary takes True for 1
            route = self._route(value)
        try:
            fired = route.fired(fields, wire)
        except Unsure as unsure:
            seen = self._seen[route]
            sure = self._settled(seen, unsure.fired, fields)
            raise Partly(sure, [seen[n] for n in unsure.failed], unsure.reason) from None
        finally:
            if self._timer.armed:
                self._timer.disarm()
        return self._settled(self._seen[route], fired, fields) if fired else ()

    def _settled(self, seen: Sequence[Seen], fired: Iterable[int], fields: dict[str, Any]) -> list[Seen]:
        """Return the rules by number; those that a reference from field to field decides are evaluated whole."""
        return [seen[max(n, ~n)] for n in fired if n >= 0 or self._refers(seen[~n], fields)]

    def _refers(self, seen: Seen, fields: dict[str, Any]) -> bool:
        holds = seen.predicate.holds
        self._timer.arm()  # a list in a list: each element with each
        try:
            return holds(Record(fields))
        finally:
            self._timer.disarm()

    def warm(self, event_ids: Iterable[Any]) -> None:
        """Build the routes of these EventIDs before their events come."""
        for event_id in event_ids:
            self._route(event_id)

    def seen_ids(self) -> tuple[Any, ...]:
        """Return the EventIDs whose routes are built."""
        return tuple(self._routes)

    def costs(self) -> Iterator[tuple[str, Cost]]:
        """Yield what rules took, by id; a rule may stand in several routes."""
        for route, seen in self._seen.items():
            for number, cost in route.costs():
                yield seen[number].rule.ref.id, cost

    def _route(self, value: Any) -> Route:
        """Return the route of an EventID: its own if a rule names it, the others' for one that none names."""
        key = known = None
        if self._named and isinstance(value, int | str) and not isinstance(value, bool):
            key = known = str(value) if str(value) in self._named else ""
        if key not in self._routes:
            self._routes[key] = self._built(known)
        remembered = is_key(value, MAX_EVENT_ID) or (value.__class__ is int and value in (0, 1))
        if remembered and len(self._routes) < MAX_ROUTES:
            self._routes[value] = self._routes[key]
        return self._routes[key]

    def _built(self, event_id: str | None) -> Route:
        atlas = Atlas()

        def leaf(test: Test) -> int | bool:
            if event_id is not None and (wanted := _wanted(test)) is not None:
                return wanted == event_id
            return atlas.number(test)

        known: dict[int, Tree | bool] = {}
        trees: list[Tree] = []
        kept: list[Seen] = []
        for each in self.seen:
            tree = numbered(each.condition, leaf, known)
            if tree is not False:
                trees.append(Both(()) if tree is True else tree)
                kept.append(each)
        route = Route(trees, atlas, self._memory)
        self._seen[route] = tuple(kept)
        if len(kept) >= MANY:
            give_back()
        return route


def _wanted(test: Test) -> str | None:
    """Return the EventID that the test asks for, or None where it asks for something else."""
    if test.field != EVENT_ID or not isinstance(test.atom, Glob):
        return None
    match test.atom.parts:
        case (str(text),) if text.isascii() and text.isdigit():
            return text
    return None


def _named(seen: Sequence[Seen]) -> Iterable[str]:
    for test in tests(*(each.condition for each in seen)):
        if (wanted := _wanted(test)) is not None:
            yield wanted
