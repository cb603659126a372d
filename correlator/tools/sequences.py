"""One correlation on one sequence of events, as if it were all that ever happened."""

from collections.abc import Iterable
from typing import NamedTuple

from correlator.correlation.plan import Linked, Plan
from correlator.rules import RuleSet
from correlator.tools.replaying import Replayed, heard
from soc.events import Event


class Came(NamedTuple):
    """What came of a sequence: matches, hits that entered the correlation, and those that lacked a field of its group."""

    fired: int
    entered: int
    ungrouped: int


class Sequences:
    """Evaluates all rules on sequences; a correlation that others silence is heard."""

    def __init__(self, rules: RuleSet) -> None:
        """Take the rules and their plan."""
        self._rules = rules
        self._plan: Plan = heard(rules.plan)

    def judge(self, linked: Linked, events: Iterable[Event]) -> Came:
        """Return what one correlation did on the events."""
        replayed = Replayed(self._plan)
        for event in events:
            replayed.add(event, self._rules.evaluate(event.logsource, event.fields))
        fired = sum(found.linked.version == linked.version for found in replayed.finish())
        tally = replayed.tallies()[linked.version]
        return Came(fired, tally.taken, tally.ungrouped + replayed.ungrouped()[linked.correlation.ref.id])
