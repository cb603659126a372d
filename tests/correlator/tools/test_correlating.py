"""Why a correlation fires on a recording or not: the account agrees with what the correlations themselves find."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.compiler.compile import compile_files
from correlator.correlation.link import link
from correlator.correlation.plan import Linked
from correlator.rules import RuleSet
from correlator.tools.correlating import MAX_HITS, Account, Accounting
from correlator.tools.replaying import Replayed, heard
from soc.clock import SECOND
from soc.events import Event, LogSource

KIND = LogSource("linux", None, "sshd")
BEGIN = 1_795_305_600 * SECOND
RULES = """
title: Failed
id: 00000000-0000-4000-8000-000000000001
name: failed
logsource: {product: linux, service: sshd}
detection: {sel: {Action: failed}, condition: sel}
---
title: Accepted
id: 00000000-0000-4000-8000-000000000002
name: accepted
logsource: {product: linux, service: sshd}
detection: {sel: {Action: accepted}, condition: sel}
"""
CORRELATIONS = {
    "many": "{type: event_count, rules: [failed], group-by: [User], timespan: 1m, condition: {gte: 3}}",
    "hosts": "{type: value_count, rules: [failed], group-by: [User], timespan: 1m, condition: {gt: 1, field: Host}}",
    "bytes": "{type: value_sum, rules: [failed], group-by: [User], timespan: 1m, condition: {gte: 40, field: Bytes}}",
    "mean": "{type: value_avg, rules: [failed], group-by: [User], timespan: 1m, condition: {gte: 20, field: Bytes}}",
    "both": "{type: temporal, rules: [failed, accepted], group-by: [User], timespan: 1m}",
    "then": "{type: temporal_ordered, rules: [failed, accepted], group-by: [User], timespan: 1m}",
    "alone": "{type: temporal, group-by: [User], timespan: 1m, condition: failed and not accepted}",
    "few": "{type: event_count, rules: [failed, accepted], group-by: [User], timespan: 1m, condition: {gte: 2, lte: 3}}",
    "above": "{type: temporal_ordered, rules: [many, accepted], group-by: [User], timespan: 2m}",
}


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    """Two rules and a correlation of each kind, one of them above another."""
    return compiled(tmp_path_factory.mktemp("rules"))


def compiled(folder: Path) -> RuleSet:
    """The rules, linked."""
    file = folder / "rules.yml"
    each = (
        f"---\ntitle: {name}\nname: {name}\nid: 00000000-0000-4000-8000-0000000001{number:02}\ncorrelation: {text}\n"
        for number, (name, text) in enumerate(CORRELATIONS.items())
    )
    file.write_text(RULES + "".join(each), "utf-8")
    found = compile_files([file], {})
    links = link(found.correlations, found.rules)
    assert (found.failures, links.failures) == ((), ())
    return RuleSet(found.rules, (), links.plan)


def named(rules: RuleSet, name: str) -> Linked:
    """The correlation of that name."""
    return next(each for each in rules.plan.linked.values() if each.correlation.name == name)


def event(number: int, second: int, action: str, user: str | None = "an", **more: str | int) -> Event:
    """One event."""
    fields = {"Action": action, **more} | ({"User": user} if user else {})
    time = BEGIN + second * SECOND
    return Event(f"e{number}", time, 0, "hq", "gw01", KIND, fields, None, "utf-8", {})


def account(rules: RuleSet, name: str, events: Sequence[Event]) -> Account:
    """What came of these events."""
    accounting = Accounting(rules.plan, named(rules, name))
    for each in events:
        accounting.add(each, rules.evaluate(each.logsource, each.fields))
    return accounting.account()


steps = st.lists(
    st.tuples(
        st.integers(0, 240),
        st.sampled_from(["failed", "failed", "accepted"]),
        st.sampled_from(["an", "binh"]),
        st.sampled_from("ab"),
        st.integers(0, 50),
    ),
    max_size=25,
)


@given(steps=steps, name=st.sampled_from(sorted(CORRELATIONS)))
def test_a_group_holds_where_the_correlation_finds_it(
    rules: RuleSet, steps: list[tuple[int, str, str, str, int]], name: str
) -> None:
    """And nowhere else, whatever the order of the events, for every kind."""
    events = [
        event(number, second, action, user, Host=host, Bytes=size)
        for number, (second, action, user, host, size) in enumerate(steps)
    ]
    replayed = Replayed(heard(rules.plan))
    for each in events:
        replayed.add(each, rules.evaluate(each.logsource, each.fields))
    version = named(rules, name).version
    found = {each.group for each in replayed.finish() if each.linked.version == version}
    told = account(rules, name, events)
    assert {group.values for group in told.groups if group.held} == found
    fired = [bool(group.held) for group in told.groups]
    assert fired == sorted(fired, reverse=True)


def test_an_account_counts_what_entered_and_what_did_not(rules: RuleSet) -> None:
    """Events, hits by rule, and those without a group."""
    events = [event(0, 0, "failed"), event(1, 1, "accepted"), event(2, 2, "failed", None), event(3, 3, "other")]
    told = account(rules, "both", events)
    assert (told.events, dict(told.entered), told.ungrouped, told.left_out) == (4, {0: 1, 1: 1}, 1, 0)
    (group,) = told.groups
    assert (group.values, group.hits, group.held, group.best.counted) == ('["an"]', 2, 1, 2)


def test_the_best_window_is_the_one_that_tells_most(rules: RuleSet) -> None:
    """Where none holds, that with the highest count, and of those the one with the most rules."""
    events = [event(number, second, "failed") for number, second in enumerate((0, 100, 130))]
    (group,) = account(rules, "many", events).groups
    assert (group.held, group.best.counted, group.best.end - BEGIN) == (0, 2, 130 * SECOND)
    events = [event(0, 0, "accepted"), event(1, 10, "failed")]
    (group,) = account(rules, "then", events).groups
    assert (group.held, group.best.there) == (0, frozenset((0, 1)))


def test_groups_that_fired_come_first_then_the_nearest(rules: RuleSet) -> None:
    """By what is counted."""
    users = ["cuong", *["binh"] * 2, *["an"] * 3]
    events = [event(number, number, "failed", user) for number, user in enumerate(users)]
    assert [group.values for group in account(rules, "many", events).groups] == ['["an"]', '["binh"]', '["cuong"]']


def test_a_chain_is_heard_through_what_it_rests_on(rules: RuleSet) -> None:
    """Though that is silenced by it."""
    events = [*(event(number, number, "failed") for number in range(4)), event(9, 30, "accepted")]
    told = account(rules, "above", events)
    assert dict(told.entered) == {0: 2, 1: 1}
    assert told.groups[0].held == 1


def test_a_group_of_very_many_hits_is_bounded(rules: RuleSet) -> None:
    """What is looked at, not what is counted."""
    events = [event(number, number, "failed") for number in range(MAX_HITS + 5)]
    (group,) = account(rules, "many", events).groups
    assert (group.hits, group.held) == (MAX_HITS + 5, MAX_HITS - 2)


def test_nothing_gives_an_empty_account(rules: RuleSet) -> None:
    """No event, no group."""
    told = account(rules, "many", [])
    assert (told.events, list(told.groups), dict(told.entered)) == (0, [], {})
