"""The fold from cases to alerts, step by step."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from alerting.cases import Case, alert_id
from alerting.grouping import MAX_REASON_TEXT, MAX_REASONS, Outcome, Standing, fold
from soc.alerts import Act, Action, Alert, AlertKey, Level, Match, Place, Reason, Status
from soc.clock import DAY, SECOND
from soc.evidence import is_correlation, told
from soc.store.base import Stored, Version
from soc.testing import NOW, make_correlated, make_evidence, make_match

KEY = "rule|site|host"
WINDOW = 60
V1, V2 = Version(1), Version(2)


def match(number: int, *, at: float | None = None, level: Level = Level.LOW, received: int | None = None) -> Match:
    """Return the match at offset `number` of soc.matches, seen `at` seconds after NOW."""
    time = NOW + round((number if at is None else at) * SECOND)
    when = time if received is None else received
    return make_match(
        number, level=level, time=time, received=when, alert_key=KEY, place=Place("log", 0, number), event=None
    )


def action(alert: Alert, act: Act = Act.CLOSE, id_: str = "a1") -> Action:
    """Return an analyst's action on the alert."""
    return Action(id_, alert.id, KEY, alert.generation, alert.month, act, "lan", "checked", NOW)


def first(*cases: Case, standing: Standing | None = None) -> Outcome:
    """Fold the cases from nothing, or from where the key stands."""
    return fold(standing or Standing(KEY), cases, WINDOW)


def standing_after(outcome: Outcome) -> Standing:
    """Return where the key stands once the outcome is written."""
    alert = outcome.alerts[-1][0]
    previous = outcome.announce[0].previous if outcome.announce else ""
    return Standing(KEY, Stored(AlertKey(KEY, alert.generation, alert.month, previous), V1), Stored(alert, V2))


def kinds(outcome: Outcome) -> Sequence[tuple[str, int]]:
    """Return each change's kind and revision."""
    return [(change.kind, change.revision) for change in outcome.changes]


def test_a_first_match_announces_and_opens_generation_zero() -> None:
    """The key is created, then the alert, in the month of the match's receipt; its opening is told."""
    outcome = first(match(0))
    assert outcome.announce == (AlertKey(KEY, 0, "2026.09"), None)
    ((alert, version),) = outcome.alerts
    assert version is None
    assert (alert.id, alert.count, alert.status, alert.month) == (alert_id(KEY, 0), 1, Status.OPEN, "2026.09")
    assert kinds(outcome) == [("opened", 1)]
    assert alert.milestones[0].cause == "log/0/0"


def test_matches_within_the_window_are_counted_and_told_once() -> None:
    """Counts grow by one a match; of changes that only count, the last one is published."""
    outcome = first(match(0), match(1), match(2))
    assert outcome.alerts[0][0].count == 3
    assert kinds(outcome) == [("opened", 1), ("counted", 3)]


def test_a_rise_is_a_milestone_with_its_cause() -> None:
    """A higher level raises the alert; a lower one later does not lower it."""
    outcome = first(match(0), match(1, level=Level.HIGH), match(2))
    assert outcome.alerts[0][0].level is Level.HIGH
    assert kinds(outcome) == [("opened", 1), ("raised", 2), ("counted", 3)]
    assert outcome.changes[1].level is Level.HIGH


def test_a_pause_as_long_as_the_window_joins_a_longer_one_does_not() -> None:
    """The window counts from the last match to the next."""
    assert first(match(0), match(1, at=WINDOW)).taken == 2
    assert first(match(0), match(1, at=WINDOW + 0.001)).taken == 1


def test_an_earlier_match_joins_and_widens_the_alert() -> None:
    """A match that happened before the first one seen moves first_seen, not last_seen."""
    alert = first(match(0, at=100), match(1, at=50)).alerts[0][0]
    assert (alert.first_seen, alert.last_seen) == (NOW + 50 * SECOND, NOW + 100 * SECOND)


def test_the_next_generation_waits_until_the_one_before_is_written() -> None:
    """The fold stops before it; from the new state it announces generation one, naming its predecessor's month."""
    before = first(match(0), match(1, at=500))
    assert before.taken == 1
    after = first(match(1, at=500, received=NOW + 20 * DAY), standing=standing_after(before))
    assert after.announce == (AlertKey(KEY, 1, "2026.10", "2026.09"), V1)
    assert after.alerts[0][0].id == alert_id(KEY, 1)


def test_a_redelivered_match_changes_nothing_and_tells_its_milestone_again() -> None:
    """Its place is not later than the last one taken in; exactly what it caused is published again."""
    before = standing_after(first(match(0), match(1, level=Level.HIGH), match(2)))
    assert first(match(2), standing=before).changes == ()
    again = first(match(1), standing=before)
    assert again.alerts == ()
    assert kinds(again) == [("raised", 2)]


def test_an_announced_generation_is_created_as_announced() -> None:
    """After a crash between key and alert: what the predecessor took in is known, the rest opens the alert."""
    old = standing_after(first(match(0), match(1)))
    announced = Stored(AlertKey(KEY, 1, "2026.10", "2026.09"), V2)
    crashed = replace(old, known=announced, announced=True)
    redelivered = first(match(0), match(1), standing=crashed)
    assert redelivered.alerts == ()
    created = first(match(2, at=500), standing=crashed)
    assert created.announce is None
    assert (created.alerts[0][0].generation, created.alerts[0][0].month) == (1, "2026.10")


def test_an_expired_alert_is_followed_by_the_next_generation() -> None:
    """The generation reached outlives the alert, so that no id comes twice."""
    expired = Standing(KEY, Stored(AlertKey(KEY, 4, "2026.01"), V1))
    assert first(match(0), standing=expired).announce == (AlertKey(KEY, 5, "2026.09", "2026.01"), V1)


def test_closing_ends_the_alert_and_the_next_match_opens_another() -> None:
    """Close is a milestone; the history keeps who did it and why."""
    opened = first(match(0))
    closed = first(action(opened.alerts[0][0]), match(1), standing=standing_after(opened))
    assert closed.taken == 1
    alert = closed.alerts[0][0]
    assert (alert.status, alert.history[0].analyst, alert.history[0].reason) == (Status.CLOSED, "lan", "checked")
    assert kinds(closed) == [("closed", 2)]
    assert first(match(1), standing=standing_after(closed)).alerts[0][0].generation == 1


def test_an_action_is_applied_once_by_its_id() -> None:
    """The same form sent twice leaves one entry, and the closing is told again."""
    opened = first(match(0))
    closed = first(action(opened.alerts[0][0]), standing=standing_after(opened))
    again = first(action(opened.alerts[0][0]), standing=standing_after(closed))
    assert again.alerts == ()
    assert kinds(again) == [("closed", 2)]


def test_acknowledging_a_closed_alert_leaves_it_closed() -> None:
    """The act stands in the history, the status stays."""
    opened = first(match(0))
    closed = first(action(opened.alerts[0][0]), standing=standing_after(opened))
    late = first(action(opened.alerts[0][0], Act.ACKNOWLEDGE, "a2"), standing=standing_after(closed))
    assert late.alerts[0][0].status is Status.CLOSED
    assert len(late.alerts[0][0].history) == 2


def test_an_action_may_name_an_older_generation() -> None:
    """It is applied to that alert; the latest one is not touched."""
    zero = first(match(0))
    one = first(match(1, at=500), standing=standing_after(zero))
    old = zero.alerts[0][0]
    standing = replace(standing_after(one), older={old.id: Stored(old, V1)})
    outcome = first(action(old), standing=standing)
    assert [(alert.generation, version) for alert, version in outcome.alerts] == [(0, V1)]


def test_an_action_on_no_alert_is_an_orphan() -> None:
    """Its position is named, and nothing is written."""
    outcome = first(action(first(match(0)).alerts[0][0]))
    assert (outcome.orphans, outcome.alerts, outcome.taken) == ((0,), (), 1)


def test_reasons_are_those_of_the_first_match_and_bounded() -> None:
    """An attacker's value fills an alert no further than the bound."""
    reasons = tuple(Reason("s", "f", "x" * 100_000) for _ in range(50))
    alert = first(replace(match(0), reasons=reasons), match(1)).alerts[0][0]
    assert len(alert.reasons) == MAX_REASONS
    assert len(alert.reasons[0].value) == MAX_REASON_TEXT


def test_a_match_without_its_place_is_a_programming_error() -> None:
    """`case_of` lets none through; the fold does not guess."""
    with pytest.raises(ValueError, match="place"):
        first(replace(match(0), place=None))


def test_an_alert_of_a_correlation_explains_itself() -> None:
    """Title, count, what was counted and the group, also where the host is empty; buckets join as matches do."""
    long = tuple((f"field{number}", "x" * 1000) for number in range(40))
    matches = [
        replace(make_correlated(number, evidence=make_evidence(group=long)), alert_key=KEY, host="", correlation=None)
        for number in range(2)
    ]
    ((alert, _),) = first(*(replace(each, place=Place("log", 0, n)) for n, each in enumerate(matches))).alerts
    assert (alert.title, alert.count, alert.host, alert.site) == ("Failed SSH login 90", 2, "", "district-1")
    counted, group = told(alert.reasons)
    assert counted
    assert (counted.value, counted.pattern) == ("10", "event_count: >= 10 within 10 min")
    assert is_correlation(alert.reasons)
    assert len(group) == MAX_REASONS - 1
    assert {len(each.value) for each in group} == {MAX_REASON_TEXT}
