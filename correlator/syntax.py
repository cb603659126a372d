"""A rule's detection part as neutral, picklable values: what `compile` writes and `evaluate` reads.

A tree of All, Any, Not and Named with a Test at each leaf. A Test says what one field's value must satisfy; the
spec's modifiers are already applied. Sigma rules specification 2.1 and its modifiers appendix.
"""

from dataclasses import dataclass
from enum import Enum


class Wildcard(Enum):
    """What stands for other characters in a pattern, newlines included."""

    ANY = "*"
    ONE = "?"


Part = str | Wildcard


class Anchor(Enum):
    """Where one field's value must stand in another's."""

    IS = "is"
    STARTS = "starts with"
    ENDS = "ends with"
    CONTAINS = "contains"


class Relation(Enum):
    """A numeric comparison."""

    EQ = "="
    LT = "<"
    LTE = "<="
    GT = ">"
    GTE = ">="


class TimeUnit(Enum):
    """A part of a date."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


@dataclass(frozen=True, slots=True)
class Glob:
    """The whole value is these parts in order; numbers and booleans are compared as their text."""

    parts: tuple[Part, ...]
    cased: bool = False

    def __str__(self) -> str:
        """Return the pattern as a rule would write it."""
        return "".join(part.value if isinstance(part, Wildcard) else _escape(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Regex:
    """The expression is found somewhere in the value. `flags` are those of `re`."""

    pattern: str
    flags: int = 0

    def __str__(self) -> str:
        """Return the expression between slashes."""
        return f"/{self.pattern}/"


@dataclass(frozen=True, slots=True)
class Cidr:
    """The value is an address in this network, IPv4 or IPv6."""

    network: str

    def __str__(self) -> str:
        """Return the network."""
        return self.network


@dataclass(frozen=True, slots=True)
class Compare:
    """The value is a number, or the text of one, and stands in this relation to `number`."""

    relation: Relation
    number: int | float

    def __str__(self) -> str:
        """Return relation and number."""
        return f"{self.relation.value} {self.number}"


@dataclass(frozen=True, slots=True)
class TimePart:
    """The value is an ISO 8601 date and time, taken as written, of which `unit` stands in this relation to `number`."""

    unit: TimeUnit
    relation: Relation
    number: int | float

    def __str__(self) -> str:
        """Return unit, relation and number."""
        return f"{self.unit.value} {self.relation.value} {self.number}"


@dataclass(frozen=True, slots=True)
class FieldRef:
    """The value is, or begins, ends or contains, that of another field of the same event."""

    other: str
    anchor: Anchor = Anchor.IS
    cased: bool = False

    def __str__(self) -> str:
        """Return where the other field's value must stand."""
        return f"{self.anchor.value} {self.other}"


@dataclass(frozen=True, slots=True)
class Exists:
    """The field is present, whatever its value, or (`wanted` false) absent."""

    wanted: bool

    def __str__(self) -> str:
        """Return what is asked of the field."""
        return "present" if self.wanted else "absent"


@dataclass(frozen=True, slots=True)
class Null:
    """The field is present and its value is null."""

    def __str__(self) -> str:
        """Return the value's name."""
        return "null"


Atom = Glob | Regex | Cidr | Compare | TimePart | FieldRef | Exists | Null


@dataclass(frozen=True, slots=True)
class Test:
    """One field satisfies the atom; with no field, any value of the event does (a keyword)."""

    __test__ = False  # the name is Sigma's, not pytest's

    field: str | None
    atom: Atom


@dataclass(frozen=True, slots=True)
class All:
    """Every node holds."""

    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Any:
    """At least one node holds."""

    nodes: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The node does not hold; so it is true of a missing field."""

    node: "Node"


@dataclass(frozen=True, slots=True)
class Named:
    """A selection, by the name that the rule gave it."""

    name: str
    node: "Node"


Node = Test | All | Any | Not | Named


def _escape(text: str) -> str:
    return text.replace("*", "\\*").replace("?", "\\?")
