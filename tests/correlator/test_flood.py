"""Floods: who is full, who is bare, when the one alert is raised, and that memory stays bounded."""

from hypothesis import given
from hypothesis import strategies as st

from correlator.flood import FLOOD_RULE, MAX_MINUTES, MINUTE, FloodGate, flood_match
from soc.alerts import Level
from soc.testing import NOW, make_rule

START = NOW - NOW % MINUTE


def test_the_flood_begins_once_a_minute_beyond_the_bound() -> None:
    """Exactly the match after the bound begins it, and those beyond are bare."""
    gate = FloodGate(per_minute=3, samples=1)
    verdicts = [gate.admit("r", START + n) for n in range(6)]
    assert [verdict.full for verdict in verdicts] == [True] * 3 + [False] * 3
    assert [verdict.begins for verdict in verdicts] == [False] * 3 + [True] + [False] * 2


def test_in_the_minute_after_a_flood_only_samples_are_full() -> None:
    """A rule that goes on flooding stores samples alone; each minute raises the same alert again."""
    gate = FloodGate(per_minute=3, samples=1)
    for _ in range(5):
        gate.admit("r", START)
    verdicts = [gate.admit("r", START + MINUTE) for _ in range(5)]
    assert [verdict.full for verdict in verdicts] == [True, False, False, False, False]
    assert [verdict.begins for verdict in verdicts] == [False, False, False, True, False]


def test_a_quiet_minute_ends_the_flood() -> None:
    """After a minute within the bound everything is full again."""
    gate = FloodGate(per_minute=3, samples=1)
    for _ in range(5):
        gate.admit("r", START)
    gate.admit("r", START + MINUTE)
    assert all(gate.admit("r", START + 2 * MINUTE).full for _ in range(3))


def test_rules_and_minutes_are_counted_apart() -> None:
    """One rule's flood is not another's."""
    gate = FloodGate(per_minute=1, samples=1)
    assert not gate.admit("a", START).begins
    assert not gate.admit("b", START).begins
    assert gate.admit("a", START).begins
    assert not gate.admit("b", START + MINUTE).begins


def test_a_copy_leaves_the_gate_as_it_was() -> None:
    """A batch that must be done again is not counted twice."""
    gate = FloodGate(per_minute=1, samples=1)
    gate.admit("r", START)
    assert gate.copy().admit("r", START).begins
    assert gate.copy().admit("r", START).begins


@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 3)), max_size=60), st.integers(1, 5))
def test_each_flooding_minute_begins_exactly_once(arrivals: list[tuple[str, int]], bound: int) -> None:
    """Whatever the order of arrivals."""
    gate = FloodGate(bound, 1)
    begun = [pair for pair in arrivals if gate.admit(pair[0], START + pair[1] * MINUTE).begins]
    assert sorted(begun) == sorted({pair for pair in arrivals if arrivals.count(pair) > bound})


def test_counts_are_bounded_and_the_newest_are_kept() -> None:
    """A backlog of many minutes and rules does not fill the memory."""
    gate = FloodGate(per_minute=1, samples=1)
    for minute in range(MAX_MINUTES + 5):
        gate.admit("r", START + minute * MINUTE)
    assert gate.admit("r", START + (MAX_MINUTES + 4) * MINUTE).begins
    assert len(gate._counts) <= MAX_MINUTES


def test_the_floods_match_depends_on_rule_and_minute_alone() -> None:
    """Whoever finds it first, and however often: one id, one alert key, level high, the rule named."""
    rule = make_rule(7)
    one = flood_match(rule, START + 1, "district-1", 3)
    two = flood_match(rule, START + MINUTE - 1, "district-2", 3)
    other = flood_match(rule, START + MINUTE, "district-1", 3)
    assert one.id == two.id != other.id
    assert one.alert_key == other.alert_key == f"{FLOOD_RULE}|{rule.id}"
    assert one.rule.level is Level.HIGH
    assert rule.title in one.rule.title
    assert one.event is None
