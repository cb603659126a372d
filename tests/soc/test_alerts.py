"""Match and Alert, and their wire forms."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.alerts import Act, Action, Alert, AlertChange, HistoryEntry, Level, Match, Milestone, Place, Reason, told_apart
from soc.testing import NOW, make_alert, make_correlated, make_evidence, make_match


def test_a_match_survives_its_wire_form() -> None:
    """Everything that a match carries comes back, the place and the event too."""
    match = make_match(3, place=Place("log", 1, 17))
    assert Match.from_document(orjson.loads(orjson.dumps(match.to_document()))) == match


def test_a_bare_match_survives_its_wire_form() -> None:
    """A flooding rule's match has neither event nor reasons."""
    match = make_match(3, event=None, reasons=())
    assert Match.from_document(orjson.loads(orjson.dumps(match.to_document()))) == match


def test_a_correlations_match_survives_its_wire_form() -> None:
    """Window, bucket, group, contributions and what was left out."""
    match = make_correlated(evidence=make_evidence(incomplete=("Many logins",), group=(("User", "Tâm\x00"),)))
    assert match.correlation
    assert len(match.correlation.contributions) == 10
    assert Match.from_document(orjson.loads(orjson.dumps(match.to_document()))) == match


def test_a_match_that_was_written_before_correlations_is_read() -> None:
    """Its document has no word of them."""
    document = make_match(3).to_document()
    del document["correlation"]
    assert Match.from_document(document) == make_match(3)


@pytest.mark.parametrize("found", [{"kind": "event_count"}, {"group": 1}, [], [1], "x", {"group": [["a"]]}])
def test_what_is_no_evidence_is_refused(found: object) -> None:
    """With an error that readers expect."""
    document = {**make_match(3).to_document(), "correlation": found}
    if found:
        with pytest.raises((KeyError, TypeError, ValueError)):
            Match.from_document(document)


def test_an_alert_with_milestones_and_history_survives_its_wire_form() -> None:
    """The audit trail is part of the document."""
    alert = make_alert(
        1,
        milestones=(Milestone(1, "opened", Level.MEDIUM, "log/0/1", NOW),),
        history=(HistoryEntry("a1", Act.CLOSE, "an", "quét cổng nội bộ", NOW, 2),),
    )
    change = AlertChange(alert.id, 2, "closed", alert.level, NOW, alert)
    assert Alert.from_document(orjson.loads(orjson.dumps(alert.to_document()))) == alert
    assert AlertChange.from_document(orjson.loads(orjson.dumps(change.to_document()))) == change


def test_an_action_survives_its_wire_form() -> None:
    """What an analyst did travels whole."""
    action = Action("x", "alert", "key", 0, "2026.09", Act.ACKNOWLEDGE, "an", "", NOW)
    assert Action.from_document(orjson.loads(orjson.dumps(action.to_document()))) == action


def test_levels_are_ordered_and_named_as_sigma_names_them() -> None:
    """The order decides what "rises" means."""
    assert Level.parse("High") is Level.HIGH
    assert Level.INFORMATIONAL < Level.LOW < Level.MEDIUM < Level.HIGH < Level.CRITICAL
    with pytest.raises(ValueError, match="levels are"):
        Level.parse("urgent")


def test_a_place_was_taken_in_only_by_a_reader_of_the_same_log_and_partition() -> None:
    """A new log of the same name starts afresh: its offsets say nothing about the old one's."""
    assert Place("a", 0, 5).not_later_than(Place("a", 0, 5))
    assert not Place("a", 0, 6).not_later_than(Place("a", 0, 5))
    assert not Place("b", 0, 1).not_later_than(Place("a", 0, 5))
    assert not Place("a", 1, 1).not_later_than(Place("a", 0, 5))
    assert not Place("a", 0, 1).not_later_than(None)


LINE = "[12-1] 2026-11-22 15:27:11.558 GMT [407] report@app ERROR:  must be superuser to COPY to a program, or so; see there"


@pytest.mark.parametrize(
    ("pattern", "limit", "shown"),
    [
        ("*to COPY to*", 200, LINE),
        ("*to copy to*", 40, "… to COPY to a program, or so; see there"),
        ("*to COPY to*", 24, "…to COPY to a program, …"),
        ("/error:\\s+must/", 30, "…ERROR:  must be superuser to…"),
        ("*2026*", 30, "[12-1] 2026-11-22 15:27:11.55…"),
        ("*nowhere*", 30, "[12-1] 2026-11-22 15:27:11.55…"),
        ("", 30, "[12-1] 2026-11-22 15:27:11.55…"),
        ("*see there", 30, "…o a program, or so; see there"),
    ],
)
def test_an_excerpt_shows_what_the_pattern_is_about(pattern: str, limit: int, shown: str) -> None:
    """A log line's beginning, a date and a process number, tells nobody why a rule matched."""
    assert Reason("s", "message", LINE, pattern).excerpt(limit) == shown


@given(st.text(), st.text(), st.integers(min_value=2, max_value=40))
def test_an_excerpt_is_bounded_and_of_the_value(value: str, pattern: str, limit: int) -> None:
    """Whatever log and rule say: within the limit, and a part of the value between its ellipses."""
    shown = Reason("s", "f", value, pattern).excerpt(limit)
    assert len(shown) <= limit
    assert shown == value or shown.strip("…") in value


def test_reasons_are_told_apart_by_field_and_value() -> None:
    """Two patterns on one value are one reason in a list: the first, in order."""
    first, again, other = Reason("a", "f", "v", "1"), Reason("b", "f", "v", "2"), Reason("a", "f", "w", "1")
    assert told_apart((first, again, other)) == (first, other)
