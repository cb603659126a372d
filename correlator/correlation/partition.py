"""One partition of soc.hits: records in, what holds out. A function of the log, so a replay gives the same state."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from correlator.correlation.chain import fed
from correlator.correlation.clock import Clocks
from correlator.correlation.counting import Counted, Distinct, Summed
from correlator.correlation.hits import Correlated, Detected, Hit, Origin
from correlator.correlation.plan import Linked, Plan
from correlator.correlation.rule import Kind
from correlator.correlation.state import NEVER, Bounds, Feed, Outcome, State, Tally
from correlator.correlation.temporal import Ordered, Temporal
from correlator.correlation.tumbling import Tumbling
from soc.errors import DeadLetter

_SLIDING: Final[Mapping[Kind, Callable[[Linked, Bounds, Feed], State]]] = {
    Kind.EVENT_COUNT: Counted,
    Kind.VALUE_COUNT: Distinct,
    Kind.VALUE_SUM: Summed,
    Kind.TEMPORAL: Temporal,
    Kind.TEMPORAL_ORDERED: Ordered,
}


class Shape(NamedTuple):
    """What the state depends on beside the log: how many partitions soc.events and soc.hits have, lateness (microseconds), bounds."""

    events: int
    hits: int
    lateness: int
    bounds: Bounds = Bounds()


class Report(NamedTuple):
    """Where things stand. `clocks`: of each level. `rules`: by version. `unknown`: hits of correlations not in force."""

    clocks: Mapping[int, int]
    rules: Mapping[str, tuple[Linked, Tally]]
    unknown: int


class Partition:
    """The correlations' state on one partition of soc.hits."""

    def __init__(self, plan: Plan, shape: Shape, begins: Mapping[str, int] | None = None) -> None:
        """Hold nothing. `begins`: of versions that are judged once per window, when (microseconds) they came into force."""
        self._shape = shape
        self._clocks = Clocks(shape.events, shape.hits)
        self._levels: dict[int, int] = {}
        self._states: dict[str, State] = {}
        self._below: dict[str, frozenset[str]] = {}
        self._unknown = 0
        self._plan = Plan()
        self._follow(plan, begins or {}, 0)

    def take(self, value: bytes, offset: int) -> Outcome:
        """Take the record at `offset`, which is later than every one before. Raises DeadLetter where it is malformed."""
        outcome = Outcome()
        try:
            document = orjson.loads(value)
            origins = [Origin(*each) for each in document["origins"]]
            for clock in document["clocks"]:  # they count once the hits are taken, but may tell of what these lack
                self._clocks.take(_clock(clock), offset)
            for version, hits in document["hits"].items():
                self._take(version, hits, origins, offset, outcome)
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:  # JSON's is a ValueError
            raise DeadLetter("malformed_hits", repr(error)[:500]) from None
        if document["clocks"]:
            self._advance(outcome)
        return outcome

    def clocks(self) -> dict[int, int]:
        """Return the watermark of each level that has levels above it and whose clock is known."""
        return {level: clock for level, clock in self._levels.items() if clock != NEVER and level < self._plan.levels}

    def lowest(self, position: int) -> int:
        """Return the offset from which a replay up to `position` gives this state again."""
        least = min((state.lowest(position) for state in self._states.values()), default=position)
        return min(least, self._clocks.lowest(position, self._plan.levels))

    def adopt(self, plan: Plan, begin: int) -> None:
        """Put another plan in force: versions that stay keep their state; new ones judge windows from `begin` on."""
        self._follow(plan, {}, begin)
        outcome = Outcome()
        self._advance(outcome)  # of a new level the clock may be known; what is new holds nothing yet

    def gap(self, begin: int) -> None:
        """Records are lost. What they held is missed, and windows that start before `begin` have no verdict."""
        for state in self._states.values():
            state.left_out = max(state.left_out, begin)
            if isinstance(state, Tumbling):
                state.restart(begin)

    def incomplete(self, level: int) -> tuple[str, ...]:
        """Return the versions of a level that left something out that counts."""
        states = self._states.items()
        return tuple(version for version, state in states if state.linked.level == level and state.incomplete)

    def standing(self, before: int) -> int:
        """Return how many sources of the clocks have said nothing later than `before`."""
        return self._clocks.standing(before, self._plan.levels)

    def report(self) -> Report:
        """Return where things stand."""
        rules = {version: (state.linked, state.tally) for version, state in self._states.items()}
        return Report(dict(self._levels), rules, self._unknown)

    # Inside ---------------------------------------------------------------------------------------------------------

    def _take(
        self, version: str, hits: Sequence[Any], origins: Sequence[Origin], offset: int, outcome: Outcome
    ) -> None:
        state = self._states.get(version)
        if state is None:
            self._unknown += len(hits)
            return
        before = len(outcome.found)
        state.take(hits, origins, offset, outcome)
        self._mark(outcome, before)

    def _advance(self, outcome: Outcome) -> None:
        """Let the clocks go on, lower levels first."""
        for level in range(1, self._plan.levels + 1):
            self._levels[level] = max(self._levels.get(level, NEVER), self._clocks.of(level))
        for state in self._states.values():
            if (clock := self._levels[state.linked.level]) > state.clock:
                before = len(outcome.found)
                state.advance(clock, outcome)
                self._mark(outcome, before)

    def _mark(self, outcome: Outcome, begin: int) -> None:
        """Say of what was found from `begin` on which correlations had left something out."""
        for index in range(begin, len(outcome.found)):
            found = outcome.found[index]
            missed = self._missed(found.linked)
            if missed:
                outcome.found[index] = found._replace(incomplete=missed)

    def _missed(self, linked: Linked) -> tuple[str, ...]:
        below = self._below[linked.version] & self._clocks.incomplete(linked.level)
        own = {linked.version} if self._states[linked.version].incomplete else set()
        return tuple(sorted(below | own))

    def _feed(self, linked: Linked, hit: Hit, outcome: Outcome) -> None:
        for parent, how in linked.parents:
            given = fed(self._plan.linked[parent], how, linked, hit)
            if given is None:
                self._states[linked.version].tally.ungrouped += 1
            else:
                outcome.fed.append((parent, given))

    def _follow(self, plan: Plan, begins: Mapping[str, int], begin: int) -> None:
        states = {}
        for version, linked in plan.linked.items():  # lower levels first
            state = self._states.get(version) or self._state(linked, plan, begins.get(version, begin))
            state.linked = linked
            states[version] = state
        self._plan, self._states = plan, states
        versions = {linked.correlation.ref.id: version for version, linked in plan.linked.items()}
        self._below = {}
        for version, linked in plan.linked.items():
            children = {versions[each.rule] for each in linked.inputs if each.rule in versions}
            self._below[version] = frozenset(children).union(*(self._below[child] for child in children))
        for level in range(1, plan.levels + 1):
            self._levels.setdefault(level, NEVER)

    def _state(self, linked: Linked, plan: Plan, begin: int) -> State:
        bounds = self._shape.bounds
        if linked.sliding:
            return _SLIDING[linked.correlation.kind](linked, bounds, self._feed)
        correlations = {each.correlation.ref.id for each in plan.linked.values()}
        below = frozenset(each.number for each in linked.inputs if each.rule in correlations)
        return Tumbling(linked, bounds, self._feed, lateness=self._shape.lateness, below=below, begin=begin)


def _clock(written: Sequence[Any]) -> Detected | Correlated:
    kind, *rest = written
    if kind == "d":
        return Detected(*map(int, rest))
    partition, level, watermark, incomplete = rest
    return Correlated(int(partition), int(level), int(watermark), tuple(map(str, incomplete)))
