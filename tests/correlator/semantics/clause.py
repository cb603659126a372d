"""One clause of Sigma's semantics, with examples that hold it: the tests run them, docs/sigma.md lists them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

SILENT: Final = "silent"
"""The source of a clause of which the specification says nothing."""


@dataclass(frozen=True, slots=True)
class Example:
    """A selection, or a whole detection part, and whether it fires on an event with these fields."""

    detection: str
    fields: Mapping[str, Any]
    fires: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """A selection, or a whole detection part, that is refused. `reason`: a regular expression found in the message."""

    detection: str
    reason: str


@dataclass(frozen=True, slots=True)
class Course:
    """Whole documents, events with their seconds, each as it comes, and how many matches the correlations make of them."""

    documents: str
    events: tuple[tuple[float, Mapping[str, Any]], ...]
    matches: int


@dataclass(frozen=True, slots=True)
class Rejection:
    """Whole documents, a correlation of which is refused. `reason`: a regular expression found in the message."""

    documents: str
    reason: str


@dataclass(frozen=True, slots=True)
class Clause:
    """What we do, in one line, and where that is written.

    `source`: a heading of the rules specification, its modifiers appendix, the filters specification or the correlation
    rules specification, or SILENT. `why`: the reason, where the specification is silent or we differ. `placeholders` are
    those of all examples. A clause about what is refused begins with a refusal.
    """

    name: str
    source: str
    choice: str
    examples: tuple[Example | Refusal | Course | Rejection, ...]
    why: str = ""
    placeholders: Mapping[str, Sequence[str | int]] = field(default_factory=dict)

    @property
    def refused(self) -> bool:
        """Whether the clause is about what is refused."""
        return isinstance(self.examples[0], Refusal | Rejection)


@dataclass(frozen=True, slots=True)
class Area:
    """Clauses that belong together, under one heading of the page."""

    title: str
    clauses: tuple[Clause, ...]


def matches(detection: str, **fields: Any) -> Example:
    """Return an example that fires."""
    return Example(detection, fields, fires=True)


def misses(detection: str, **fields: Any) -> Example:
    """Return an example that does not fire."""
    return Example(detection, fields, fires=False)


def refuses(detection: str, reason: str) -> Refusal:
    """Return an example that is refused with a reason."""
    return Refusal(detection, reason)
