"""Correlations linked with what they refer to: who feeds whom, and which rules fall silent by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from correlator.correlation.rule import Bound, Correlation, Expression, Kind, Without


@dataclass(frozen=True, slots=True)
class Input:
    """How hits of one referred rule enter a correlation.

    `rule`: its id. `number`: its position in the correlation. `group`, `values`: the field names, in events that the
    referred rule sees, of the correlation's group-by and of its condition's fields, aliases resolved.
    """

    rule: str
    number: int
    group: tuple[str, ...]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Linked:
    """A correlation in force.

    `version`: digest of all that its state depends on (itself without title and the like, the ids it refers to): state
    and hits of another version are not its own. `level`: 1 where it refers to detection rules alone, else one more than the highest
    that it refers to. `carried`: fields of an event that its hits carry because correlations above ask for them.
    `silent`: it makes no matches of its own. `sliding`: judged at its hits, else once per window.
    """

    correlation: Correlation
    version: str
    level: int
    inputs: tuple[Input, ...]
    carried: tuple[str, ...] = ()
    silent: bool = False
    parents: tuple[tuple["str", Input], ...] = ()
    """Versions of the correlations that it feeds, each with how."""

    @property
    def sliding(self) -> bool:
        """Whether it is judged at its hits: a later hit can only make it true."""
        return judged_at_hits(self.correlation)


@dataclass(frozen=True, slots=True)
class Plan:
    """The correlations in force.

    `linked`: version to correlation, lower levels first. `feeds`: id of a detection rule to the correlations that its
    hits enter. `titles`: of each referred rule, by id. `silenced`: id of a rule, detection or correlation, to the titles of the correlations that silence it.
    """

    linked: Mapping[str, Linked] = field(default_factory=dict)
    feeds: Mapping[str, tuple[tuple[Linked, Input], ...]] = field(default_factory=dict)
    silenced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)

    @property
    def levels(self) -> int:
        """The highest level, 0 where there is no correlation."""
        return max((each.level for each in self.linked.values()), default=0)


def judged_at_hits(correlation: Correlation) -> bool:
    """Tell whether more hits can only make the condition true, so that it need not wait for a window's end."""
    condition = correlation.condition
    if correlation.kind in (Kind.VALUE_AVG, Kind.VALUE_PERCENTILE, Kind.VALUE_MEDIAN):
        return False
    if any(bound not in (Bound.GT, Bound.GTE) for bound, _ in condition.bounds):
        return False
    return condition.expression is None or not _denies(condition.expression)


def _denies(expression: Expression) -> bool:
    if isinstance(expression, Without):
        return True
    return any(_denies(part) for part in getattr(expression, "parts", ()))
