"""What a correlation's match says of itself."""

from dataclasses import replace

import pytest

from soc.alerts import Contribution, Evidence, Reason
from soc.evidence import MAX_CONTRIBUTIONS, check_evidence, is_correlation, reasons_of, told
from soc.testing import NOW, make_evidence, make_match

EVENT = Contribution("e", NOW, "Failed login", "district-1", "web01", "root")


def test_reasons_say_what_was_counted_and_asked_and_the_group() -> None:
    """The condition first: where a list shows three reasons, it is among them."""
    reasons = reasons_of(make_evidence())
    assert reasons == (
        Reason("condition", "event_count", "10", "event_count: >= 10 within 10 min"),
        Reason("group-by", "SourceIp", "203.0.113.7"),
        Reason("group-by", "User", "root"),
    )
    assert told(reasons) == (reasons[0], list(reasons[1:]))
    assert is_correlation(reasons)


def test_a_detections_reasons_are_told_from_them() -> None:
    """Also where a selection has an odd name."""
    reasons = (*make_match().reasons, Reason("group-by", "User", "root"))
    assert told(reasons) == (None, [])
    assert not is_correlation(reasons)


def test_evidence_of_the_types_that_it_says_passes() -> None:
    """With and without contributions."""
    check_evidence(make_evidence())
    check_evidence(replace(make_evidence(), contributions=(), incomplete=("a",), group=()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": 1},
        {"condition": None},
        {"counted": ["x"]},
        {"start": "now"},
        {"start": NOW * 2},
        {"bucket": 1.5},
        {"bucket": True},
        {"end": 2**63},
        {"hits": -1},
        {"hits": None},
        {"incomplete": (1,)},
        {"incomplete": ("x",) * 101},
        {"group": (("a", 1),)},
        {"group": (("a", "b"),) * 101},
        {"contributions": (EVENT._replace(time="x"),)},  # type: ignore[arg-type] # what a record may hold
        {"contributions": (EVENT._replace(value=7),)},  # type: ignore[arg-type] # as above
        {"contributions": (EVENT._replace(host=None),)},  # type: ignore[arg-type] # as above
        {"contributions": (EVENT,) * (MAX_CONTRIBUTIONS + 1)},
    ],
)
def test_evidence_of_other_types_or_beyond_the_bounds_is_refused(wrong: dict[str, object]) -> None:
    """With an error that says which part."""
    evidence: Evidence = replace(make_evidence(), **wrong)  # type: ignore[arg-type] # wrong on purpose
    with pytest.raises((TypeError, ValueError), match=r"evidence|contribution|group"):
        check_evidence(evidence)
