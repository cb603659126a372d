"""One partition on a test's desk: hits by seconds in, matches out."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from correlator.correlation.found import match
from correlator.correlation.hits import Batch, Correlated, Detected, Hit, encode
from correlator.correlation.partition import Partition, Shape
from correlator.correlation.plan import Input, Linked, Plan
from correlator.correlation.rule import Bound, Condition, Correlation, Kind
from correlator.correlation.state import Bounds, Found, Outcome, Tally
from soc.alerts import Level, Match, RuleRef
from soc.clock import SECOND

GTE, GT, LT = Bound.GTE, Bound.GT, Bound.LT
LATENESS = 60


def linked(kind: Kind, condition: Condition, *, rules: int = 1, span: int = 100, **more: Any) -> Linked:
    """Return a correlation by User over that many detection rules; `span`: seconds."""
    name = more.pop("name", "one")
    correlation = Correlation(
        ref=RuleRef(f"id-{name}", f"Correlation {name}", Level.HIGH),
        name=name,
        kind=kind,
        rules=tuple(f"rule-{number}" for number in range(rules)),
        group_by=("User",),
        aliases=(),
        timespan=span * SECOND,
        condition=condition,
        generate=False,
        file="rules/one.yml",
        line=1,
    )
    inputs = more.pop("inputs", tuple(Input(f"rule-{number}", number, ("User",), ()) for number in range(rules)))
    return Linked(correlation, f"version-{name}", more.pop("level", 1), inputs, **more)


def plan_of(*each: Linked) -> Plan:
    """Return the plan of these, lower levels first."""
    return Plan({one.version: one for one in each}, titles={f"rule-{number}": f"Rule {number}" for number in range(9)})


def hit(time: float, identity: str = "", **more: Any) -> Hit:
    """Return a hit of bob's at a second, which arrived in time; `late`: seconds after."""
    at = round(time * SECOND)
    return Hit(
        group=orjson.dumps([more.get("user", "bob")]).decode(),
        id=identity or f"event-{time}",
        time=at,
        arrival=at + round(more.get("late", 0) * SECOND),
        number=more.get("number", 0),
        value=more.get("value"),
        origin=("hn", more.get("host", "h1")),
        carried=more.get("carried"),
    )


class Desk:
    """A partition whose one partition of soc.events and of soc.hits is this test's."""

    def __init__(self, *each: Linked, bounds: Bounds | None = None, begin: int = 0) -> None:
        """Put these correlations in force."""
        self.plan = plan_of(*each)
        self.shape = Shape(1, 1, LATENESS * SECOND, bounds or Bounds())
        self.begins = {one.version: begin * SECOND for one in each}
        self.partition = Partition(self.plan, self.shape, self.begins)
        self.log: list[bytes] = []

    def take(self, *hits: Hit, to: str = "version-one") -> list[Found]:
        """Take hits as one record."""
        return self._record(Batch({to: hits}, ())).found

    def feed(self, *hits: Hit, to: str = "version-one") -> list[tuple[str, Hit]]:
        """Take hits as one record; return what is fed on."""
        return self._record(Batch({to: hits}, ())).fed

    def time(self, second: float, *more: Correlated) -> Outcome:
        """Let the clock of detection go on."""
        return self._record(Batch({}, (Detected(0, len(self.log), round(second * SECOND)), *more)))

    def matches(self, found: Iterable[Found]) -> list[Match]:
        """Return their matches."""
        return [match(each, self.plan) for each in found]

    def tally(self, version: str = "version-one") -> Tally:
        """Return a correlation's counts."""
        return self.partition.report().rules[version][1]

    def again(self, begin: int, end: int | None = None) -> "Desk":
        """Return a desk that has the records from `begin` on replayed."""
        other = Desk(*self.plan.linked.values(), bounds=self.shape.bounds)
        for offset in range(begin, len(self.log) if end is None else end):
            other.partition.take(self.log[offset], offset)
        other.log = self.log[:]
        return other

    def _record(self, batch: Batch) -> Outcome:
        self.log.append(encode(batch))
        return self.partition.take(self.log[-1], len(self.log) - 1)


def buckets(found: Sequence[Found]) -> list[int]:
    """Return the buckets in which something was found."""
    return [each.bucket for each in found]


def at_least(number: float, *fields: str) -> Condition:
    """Return "gte: number"."""
    return Condition(((GTE, number),), fields)
