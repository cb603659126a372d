"""What a rule set has done since it was made: how much its memory spares, and what each rule costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Cost(NamedTuple):
    """What a rule took: how often its condition was evaluated, and seconds on the clock."""

    evaluations: int = 0
    seconds: float = 0.0

    def __add__(self, other: object) -> "Cost":
        """Return both together."""
        if not isinstance(other, Cost):
            return NotImplemented
        return Cost(self.evaluations + other.evaluations, self.seconds + other.seconds)


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counters that only grow.

    `events` were evaluated, `undecided` of them had values that had not come together before, `judged` values were
    looked at anew, at `resets` everything remembered was forgotten. `rules`: the cost by rule id, of those that were
    ever candidates.
    """

    events: int = 0
    undecided: int = 0
    judged: int = 0
    resets: int = 0
    rules: Mapping[str, Cost] = field(default_factory=dict)
