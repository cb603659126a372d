"""Correlations over recordings: whatever the order of the hits, what holds is what would have held live."""

import random

import pytest

from correlator.compiler.compile import compile_files
from correlator.correlation.found import match
from correlator.correlation.link import link
from correlator.correlation.plan import Plan
from correlator.correlation.state import Bounds
from correlator.rules import RuleSet
from correlator.tools.replaying import STEP, Replayed, heard
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
---
title: Guessing
id: 00000000-0000-4000-8000-000000000003
name: guessing
correlation: {type: event_count, rules: [failed], group-by: [User, host], timespan: 10m, condition: {gte: 5}}
---
title: Guessed
id: 00000000-0000-4000-8000-000000000004
name: guessed
correlation: {type: temporal_ordered, rules: [guessing, accepted], group-by: [User, host], timespan: 30m}
---
title: Failed alone
id: 00000000-0000-4000-8000-000000000005
name: alone
correlation: {type: temporal, group-by: [User, host], timespan: 1h, condition: failed and not accepted}
generate: true
---
title: Alone twice
id: 00000000-0000-4000-8000-000000000006
correlation: {type: value_count, rules: [alone], group-by: [User], timespan: 1d, condition: {field: host, gte: 2}}
generate: true
"""


@pytest.fixture(scope="module")
def rules(tmp_path_factory: pytest.TempPathFactory) -> RuleSet:
    """Two rules and four correlations: a chain judged at hits, and one over judged windows."""
    file = tmp_path_factory.mktemp("rules") / "rules.yml"
    file.write_text(RULES, "utf-8")
    compiled = compile_files([file], {})
    linked = link(compiled.correlations, compiled.rules)
    assert (compiled.failures, linked.failures) == ((), ())
    return RuleSet(compiled.rules, plan=linked.plan)


def event(number: int, seconds: int, action: str, user: str = "an.nv", host: str = "gw01") -> Event:
    """Return an event so many seconds after the beginning."""
    time = BEGIN + seconds * SECOND
    return Event(str(number), time, 0, "site", host, KIND, {"Action": action, "User": user}, None, "utf-8", {})


def found(rules: RuleSet, events: list[Event], plan: Plan | None = None, **bounds: int) -> list[tuple[str, int, str]]:
    """Return what the correlations give: title, bucket and group."""
    replayed = Replayed(plan or rules.plan, Bounds(**bounds))
    for each in events:
        replayed.add(each, rules.evaluate(each.logsource, each.fields))
    return [(each.linked.correlation.ref.title, each.bucket, each.group) for each in replayed.finish()]


EVENTS = [
    *(event(number, 60 + number, "failed") for number in range(8)),
    event(20, 120, "accepted"),
    *(event(30 + number, 4000 + number, "failed", "binh.tt", f"web{number}") for number in range(3)),
    event(40, 4100, "accepted", "binh.tt", "web0"),
    event(50, 90_000, "failed", "Binh.TT", "web7"),
]


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_a_recording_does_not_matter(rules: RuleSet, seed: int) -> None:
    """Files are read one after the other, and their events lie side by side in time."""
    events = list(EVENTS)
    random.Random(seed).shuffle(events)
    told = found(rules, events)
    assert [title for title, _, _ in told] == ["Guessed", "Failed alone", "Failed alone", "Alone twice", "Failed alone"]
    assert told == found(rules, EVENTS)


def test_what_others_silence_is_silent_unless_it_is_to_be_heard(rules: RuleSet) -> None:
    """A sample must be able to try a correlation that never tells on its own."""
    assert "Guessing" not in {title for title, _, _ in found(rules, EVENTS)}
    assert "Guessing" in {title for title, _, _ in found(rules, EVENTS, heard(rules.plan))}


def test_hits_made_elsewhere_are_the_same(rules: RuleSet) -> None:
    """Several processes read; one correlates."""
    here, there = Replayed(rules.plan), Replayed(rules.plan)
    for each in EVENTS:
        here.add(each, rules.evaluate(each.logsource, each.fields))
    there.take(here.held())
    assert [match(each, rules.plan) for each in there.finish()] == [match(each, rules.plan) for each in here.finish()]


def test_an_event_counts_once(rules: RuleSet) -> None:
    """A recording that is given twice under one id is one recording."""
    four = [event(number, 60 + number, "failed") for number in range(4)]
    assert ("Guessing", "4") not in [(title, "4") for title, _, _ in found(rules, four * 3, heard(rules.plan))]


def test_memory_is_bounded_and_what_was_left_out_is_counted(rules: RuleSet) -> None:
    """A rule that fires on every event must not fill the memory of whoever looks at evidence."""
    replayed = Replayed(rules.plan, most=10)
    for number in range(20):
        each = event(number, number, "accepted")
        replayed.add(each, rules.evaluate(each.logsource, each.fields))
    assert replayed.left_out == 30  # each enters two correlations
    assert list(replayed.finish()) == []


def test_a_long_recording_needs_the_state_of_a_window_alone(rules: RuleSet) -> None:
    """The clock goes on as hits are sorted, so groups that have passed are forgotten rather than evicted."""
    events = [event(number, number * 60, "failed", f"user{number}") for number in range(8 * STEP)]
    replayed = Replayed(heard(rules.plan), Bounds(groups=4 * STEP))
    for each in events:
        replayed.add(each, rules.evaluate(each.logsource, each.fields))
    assert len(list(replayed.finish())) == len(events)  # each is alone
    assert all(not tally.evicted and not tally.refused for tally in replayed.tallies().values())


def test_evictions_and_missing_fields_are_counted(rules: RuleSet) -> None:
    """What was left out is told."""
    replayed = Replayed(rules.plan, Bounds(groups=64))
    for number in range(500):
        each = event(number, 0, "failed", f"user{number}")
        replayed.add(each, rules.evaluate(each.logsource, each.fields))
    nobody = event(1000, 0, "failed")
    nobody.fields.pop("User")
    replayed.add(nobody, rules.evaluate(nobody.logsource, nobody.fields))
    list(replayed.finish())
    assert sum(tally.evicted + tally.refused for tally in replayed.tallies().values()) > 0
    assert sum(replayed.ungrouped().values()) == 2


def test_nothing_gives_nothing(rules: RuleSet) -> None:
    """An empty recording has no windows."""
    assert found(rules, []) == []
