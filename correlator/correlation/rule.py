"""A correlation rule as neutral, picklable values. Sigma correlation rules specification 2.1."""

from dataclasses import dataclass
from enum import StrEnum

from soc.alerts import RuleRef


class Kind(StrEnum):
    """What is looked at in a window. The last is pySigma's extension."""

    EVENT_COUNT = "event_count"
    VALUE_COUNT = "value_count"
    TEMPORAL = "temporal"
    TEMPORAL_ORDERED = "temporal_ordered"
    VALUE_SUM = "value_sum"
    VALUE_AVG = "value_avg"
    VALUE_PERCENTILE = "value_percentile"
    VALUE_MEDIAN = "value_median"


class Bound(StrEnum):
    """How a number stands to a threshold."""

    GT = "gt"
    GTE = "gte"
    LT = "lt"
    LTE = "lte"
    EQ = "eq"
    NEQ = "neq"


@dataclass(frozen=True, slots=True)
class Refers:
    """A hit of one referred rule is in the window: its position in `Correlation.rules`."""

    number: int


@dataclass(frozen=True, slots=True)
class Every:
    """All parts hold."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """At least one part holds."""

    parts: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Without:
    """The part does not hold."""

    part: "Expression"


Expression = Refers | Every | Either | Without
"""A boolean condition over referred rules: an extension that pySigma has too."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be true of a window: every bound and, of temporal types, the expression where there is one.

    `bounds`: several make a range. `fields`: what value_* types look at; of value_count several are one value together.
    `percentile`: from 0 to 100. A temporal type with neither bounds nor expression asks for every referred rule.
    """

    bounds: tuple[tuple[Bound, int | float], ...] = ()
    fields: tuple[str, ...] = ()
    percentile: float | None = None
    expression: Expression | None = None


Aliases = tuple[tuple[str, tuple[tuple[str, str], ...]], ...]
"""Of each alias its name, and pairs of a referred rule, as it is written, and the field of that rule's events."""


@dataclass(frozen=True, slots=True)
class Correlation:
    """One correlation rule as it is written.

    `rules`: what it refers to, ids or names, in order, none twice. `timespan`: microseconds. `name`: "" where it has none. `ref.level` is
    what its matches get. `file`, `line`, `status`, `author`: as in correlator.source.Rule. `lines`: the line of each key
    of its section.
    """

    ref: RuleRef
    name: str
    kind: Kind
    rules: tuple[str, ...]
    group_by: tuple[str, ...]
    aliases: Aliases
    timespan: int
    condition: Condition
    generate: bool
    file: str
    line: int
    status: str = ""
    author: str = ""
    lines: tuple[tuple[str, int], ...] = ()
