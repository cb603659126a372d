"""Plans made by hand: which rule feeds which correlation, without compiling one."""

from correlator.correlation.plan import Input, Linked, Plan
from correlator.correlation.rule import Bound, Condition, Correlation, Kind
from correlator.source import Rule
from correlator.syntax import All
from soc.alerts import Level, RuleRef
from soc.clock import SECOND
from soc.events import LogSource

RULE = "00000000-0000-4000-8000-000000000001"
"""The id of the rule that tests/correlator/conftest.py compiles."""


def linked(
    group: tuple[str, ...],
    *,
    number: int = 0,
    values: tuple[str, ...] = (),
    kind: Kind = Kind.EVENT_COUNT,
    carried: tuple[str, ...] = (),
) -> Linked:
    """Return a correlation by the rule's fields, named after its kind: its version is v-KIND, its id c-KIND."""
    ref = RuleRef(f"c-{kind}", f"Correlation {kind}", Level.HIGH, (), "", ())
    condition = Condition(((Bound.GTE, 3),), values)
    correlation = Correlation(ref, "", kind, (RULE,), group, (), 60 * SECOND, condition, False, "rule.yml", 1)
    return Linked(correlation, f"v-{kind}", 1, (Input(RULE, number, group, values),), carried)


def plan_of(*each: Linked, rule: str = RULE, silenced: bool = False) -> Plan:
    """Return the plan in which a rule feeds these."""
    feeds = {rule: tuple((one, one.inputs[0]) for one in each)}
    return Plan({one.version: one for one in each}, feeds, {rule: ("Correlation",)} if silenced else {})


def rule_of(logsource: LogSource) -> Rule:
    """Return the rule, of this logsource."""
    ref = RuleRef(RULE, "A rule under test", Level.HIGH, (), "", ())
    return Rule(ref, logsource, (), "rule.yml", 1, All(()))
