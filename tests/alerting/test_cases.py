"""What soc.cases carries, and what is refused."""

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.cases import alert_id, case_of
from alerting.grouping import Standing, fold
from soc.alerts import Act, Action, Place
from soc.errors import DeadLetter
from soc.testing import NOW, make_match

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def _dumps(value: object) -> bytes:
    return orjson.dumps({"kind": value})


MATCH = make_match(place=Place("log", 0, 7), event=None)
ACTION = Action("a1", alert_id("key", 0), "key", 0, "2026.09", Act.CLOSE, "lan", "checked", NOW)


def wire(kind: str, document: dict[str, Any]) -> bytes:
    """Return a record's value."""
    return orjson.dumps({"kind": kind, kind: document})


def test_a_match_and_an_action_come_back_as_they_were() -> None:
    """Both wire forms are read."""
    assert case_of(wire("match", MATCH.to_document())) == MATCH
    assert case_of(wire("action", ACTION.to_document())) == ACTION


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("place", None),
        ("time", "now"),
        ("received", 2**62),
        ("received", -1),
        ("alert_key", 5),
        ("place", ["l", 0, "7"]),
        ("place", [["l"], 0, 7]),
        ("reasons", [{"selection": None, "field": "f", "value": "v", "pattern": "p"}]),
        ("reasons", [{"selection": "s", "field": "f", "value": "v", "pattern": None}]),
    ],
)
def test_a_match_that_cannot_be_grouped_is_refused(field: str, value: object) -> None:
    """Each field that grouping relies on is checked."""
    with pytest.raises(DeadLetter, match="malformed_case"):
        case_of(wire("match", {**MATCH.to_document(), field: value}))


@pytest.mark.parametrize(
    ("field", "value"), [("alert_id", "other"), ("generation", 1), ("month", "2026.13"), ("act", "reopen"), ("id", 1)]
)
def test_an_action_that_names_no_alert_is_refused(field: str, value: object) -> None:
    """The alert's id must be that of key and generation."""
    with pytest.raises(DeadLetter, match="malformed_case"):
        case_of(wire("action", {**ACTION.to_document(), field: value}))


@given(st.binary(max_size=60) | JSON.map(_dumps))
def test_anything_else_is_a_dead_letter(value: bytes) -> None:
    """No input crashes the stage."""
    with pytest.raises(DeadLetter):
        case_of(value)


@given(st.dictionaries(st.sampled_from(sorted(MATCH.to_document())), JSON, min_size=1, max_size=3))
def test_a_match_with_any_fields_is_read_or_refused(changes: dict[str, Any]) -> None:
    """Whatever stands in its fields, the answer is a match that can be grouped, or a dead letter."""
    with suppress(DeadLetter):
        assert fold(Standing("k"), [case_of(wire("match", {**MATCH.to_document(), **changes}))], 60).taken == 1
