"""One partition of soc.hits: records in, what holds out. A function of the log, so a replay gives the same state."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson

from correlator.correlation.chain import below_of, fed, reach_of
from correlator.correlation.clock import Clocks
from correlator.correlation.counting import Counted, Distinct, Summed
from correlator.correlation.hits import Correlated, Detected, Hit, Origin
from correlator.correlation.plan import Linked, Plan
from correlator.correlation.rule import Kind
from correlator.correlation.state import NEVER, Bounds, Columns, Feed, Found, Hits, Outcome, State, Tally, hits_of
from correlator.correlation.temporal import Ordered, Temporal
from correlator.correlation.tumbling import Tumbling
from soc.clock import SECOND
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
        self._below: dict[str, Mapping[str, int]] = {}
        """Of each version those below, and how long after they left something out it may be missed."""
        self._reach: dict[str, int] = {}
        """For how long after a version left something out a window, its own or one above, may lack it."""
        self._top = 0
        self._unknown = 0
        self._plan = Plan()
        self._follow(plan, begins or {}, 0)

    def take(self, value: bytes, offset: int) -> Outcome:
        """Take the record at `offset`, which is later than every one before. Raises DeadLetter where it is malformed."""
        outcome = Outcome()
        try:
            document = orjson.loads(value)
            origins = [(site, host) for site, host in document["origins"]]
            hits = {version: self._read(version, each, origins) for version, each in document["hits"].items()}
            for clock in document["clocks"]:  # they count once the hits are taken, but may tell of what these lack
                self._clocks.take(_clock(clock), offset)
            for version, each in hits.items():
                self._take(version, each, offset, outcome)
            if document["clocks"]:
                self._advance(outcome)
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:  # JSON's is a ValueError
            raise DeadLetter("malformed_hits", repr(error)[:500]) from None
        return outcome

    def replayed(self) -> None:
        """Say that what was taken so far was a replay: what it gave was not published, and may not have been then."""
        for state in self._states.values():
            state.replayed()

    def clocks(self) -> dict[int, int]:
        """Return the watermark of each level that has levels above it and whose clock is known."""
        return {level: clock for level, clock in self._levels.items() if clock != NEVER and level < self._top}

    def lowest(self, position: int) -> int:
        """Return the offset from which a replay up to `position` gives this state again."""
        least = min((state.lowest(position) for state in self._states.values()), default=position)
        return min(least, self._clocks.lowest(position, self._top))

    def adopt(self, plan: Plan, begin: int) -> None:
        """Put another plan in force: versions that stay keep their state; new ones judge windows from `begin` on."""
        self._follow(plan, {}, begin)  # what is new holds nothing yet: its clock waits for the next record

    def gap(self, begin: int) -> None:
        """Records are lost. What they held is missed, and windows that start before `begin` have no verdict."""
        for state in self._states.values():
            state.left_out = max(state.left_out, begin)
            if isinstance(state, Tumbling):
                state.restart(begin)

    def incomplete(self, level: int) -> tuple[tuple[str, int], ...]:
        """Return the versions of a level, of those that have others above, that left something out, and until when.

        That is told by the second: a full rule leaves something out again and again.
        """
        return tuple(
            (version, (state.left_out // SECOND + 1) * SECOND)
            for version, state in self._states.items()
            if state.left_out != NEVER and state.linked.level == level and state.linked.parents
        )

    def standing(self, before: int) -> int:
        """Return how many sources of the clocks have said nothing later than `before`."""
        return self._clocks.standing(before, self._top)

    def report(self) -> Report:
        """Return where things stand."""
        rules = {version: (state.linked, state.tally) for version, state in self._states.items()}
        return Report(dict(self._levels), rules, self._unknown)

    # Inside ---------------------------------------------------------------------------------------------------------

    def _read(self, version: str, written: Columns, origins: Sequence[Origin]) -> Hits | None:
        """Read the hits of a version, before any hit of the record is taken; None where it is not in force."""
        state = self._states.get(version)
        if state is None:
            self._unknown += len(written[0])
            return None
        return hits_of(written, origins, len(state.linked.correlation.rules))

    def _take(self, version: str, hits: Hits | None, offset: int, outcome: Outcome) -> None:
        if hits is not None:
            before = len(outcome.found)
            self._states[version].take(hits, offset, outcome)
            self._mark(outcome, before)

    def _advance(self, outcome: Outcome) -> None:
        """Let the clocks go on, lower levels first."""
        for level in range(1, self._top + 1):
            self._levels[level] = max(self._levels.get(level, NEVER), self._clocks.of(level))
        for state in self._states.values():
            if (clock := self._levels[state.linked.level]) > state.clock:
                before = len(outcome.found)
                state.advance(clock, outcome)
                self._mark(outcome, before)
        self._clocks.forget(self._levels.get(self._top, NEVER), self._reach)

    def _mark(self, outcome: Outcome, begin: int) -> None:
        """Say of what was found from `begin` on which correlations had left something out."""
        for index in range(begin, len(outcome.found)):
            found = outcome.found[index]
            missed = self._missed(found)
            if missed:
                outcome.found[index] = found._replace(incomplete=missed)

    def _missed(self, found: Found) -> tuple[str, ...]:
        version = found.linked.version
        missed = [version] if self._states[version].left_out >= found.start + (not found.linked.sliding) else []
        for below, reach in self._below[version].items():
            left_out = max(self._clocks.left_out(below), self._states[below].left_out)
            if left_out != NEVER and left_out + reach > found.start:
                missed.append(below)
        return tuple(sorted(missed))

    def _feed(self, linked: Linked, hit: Hit, outcome: Outcome) -> None:
        for parent, how in linked.parents:
            given = fed(self._plan.linked[parent], how, linked, hit)
            if given is None:
                self._states[linked.version].tally.ungrouped += 1
            else:
                outcome.fed.append((parent, given))

    def _follow(self, plan: Plan, begins: Mapping[str, int], begin: int) -> None:
        states = {}
        correlations = {each.correlation.ref.id for each in plan.linked.values()}
        for version, linked in plan.linked.items():  # lower levels first
            state = self._states.get(version) or self._state(linked, correlations, begins.get(version, begin))
            state.linked = linked
            states[version] = state
        self._plan, self._states, self._top = plan, states, plan.levels
        self._below = below_of(plan)
        self._reach = reach_of(plan, self._below)
        for level in range(1, self._top + 1):
            self._levels.setdefault(level, NEVER)

    def _state(self, linked: Linked, correlations: Collection[str], begin: int) -> State:
        bounds = self._shape.bounds
        if linked.sliding:
            return _SLIDING[linked.correlation.kind](linked, bounds, self._feed)
        below = frozenset(each.number for each in linked.inputs if each.rule in correlations)
        return Tumbling(linked, bounds, self._feed, lateness=self._shape.lateness, below=below, begin=begin)


def _clock(written: Sequence[Any]) -> Detected | Correlated:
    kind, *rest = written
    if kind == "d":
        return Detected(*map(int, rest))
    partition, level, watermark, incomplete = rest
    left_out = tuple((str(version), int(time)) for version, time in incomplete)
    return Correlated(int(partition), int(level), int(watermark), left_out)
