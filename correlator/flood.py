"""Rules that flood: exact counts, samples in full, and one alert of their own. No I/O.

Minutes are of arrival (when the bus appended the event), so that a replay of old events is judged by its own rate.
Counts are this process's: on several machines each counts the partitions that it reads.
"""

from collections import Counter
from typing import Final, NamedTuple

from soc.alerts import Level, Match, Reason, RuleRef
from soc.clock import SECOND
from soc.events import digest

FLOOD_RULE: Final = "5f0c1c61-7f1b-5f0e-9a52-5f1e3c0b7a11"
"""The id of the built-in rule that fires when another floods."""

MINUTE: Final = 60 * SECOND

MAX_MINUTES: Final = 20_000
"""Pairs of rule and minute that are remembered; the oldest minutes are forgotten."""


class Verdict(NamedTuple):
    """What to do with a match. `full`: keep its event and reasons. `begins`: the flood begins with it."""

    full: bool
    begins: bool


class FloodGate:
    """Counts matches by rule and minute.

    Beyond `per_minute` matches in a minute a rule floods, and its matches are bare. In a minute after one in which it
    flooded, only the first `samples` are full.
    """

    def __init__(self, per_minute: int, samples: int, counts: Counter[tuple[str, int]] | None = None) -> None:
        """Start without counts, or go on from those of another gate."""
        self.per_minute = per_minute
        self._samples = samples
        self._counts = counts if counts is not None else Counter()

    def copy(self) -> "FloodGate":
        """Return a gate to try a batch on: a batch that must be done again is not counted twice."""
        return FloodGate(self.per_minute, self._samples, self._counts.copy())

    def admit(self, rule_id: str, arrival: int) -> Verdict:
        """Count one match of an event that arrived then (microseconds since the epoch) and say what to do with it."""
        minute = arrival // MINUTE
        if (rule_id, minute) not in self._counts and len(self._counts) >= MAX_MINUTES:
            self._forget()
        self._counts[rule_id, minute] += 1
        count = self._counts[rule_id, minute]
        flooded = self._counts.get((rule_id, minute - 1), 0) > self.per_minute
        return Verdict(count <= (self._samples if flooded else self.per_minute), count == self.per_minute + 1)

    def _forget(self) -> None:
        """Forget the older half."""
        kept = sorted(self._counts, key=lambda pair: pair[1])[MAX_MINUTES // 2 :]
        self._counts = Counter({pair: self._counts[pair] for pair in kept})


def flood_match(rule: RuleRef, arrival: int, site: str, per_minute: int) -> Match:
    """Return the match of the built-in rule: one a flooding rule and minute, whoever finds it first."""
    minute = arrival // MINUTE
    event_id = digest(rule.id, minute)
    return Match(
        id=digest(FLOOD_RULE, rule.id, minute),
        rule=RuleRef(
            FLOOD_RULE,
            f"Rule floods: {rule.title}",
            Level.HIGH,
            (),
            f"A rule matched more than {per_minute} times within a minute. Its count stays exact; only samples keep "
            "their events. Look for an attack, or a source that needs a filter in the rule.",
            ("A rule that is too wide", "A device in a loop"),
        ),
        time=minute * MINUTE,
        received=minute * MINUTE,
        site=site,
        host="",
        alert_key=f"{FLOOD_RULE}|{rule.id}",
        event_id=event_id,
        reasons=(Reason("rule", None, rule.title, f"more than {per_minute} matches a minute"),),
    )
