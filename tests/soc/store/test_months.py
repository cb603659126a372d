"""Which months there can be, and when they are past."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.clock import DAY, SECOND
from soc.store.base import OLD, month_of
from soc.store.months import is_month, is_past, month_end, month_for
from soc.testing import NOW, make_correlated, make_evidence, make_match


@pytest.mark.parametrize("text", ["2026.11", "1970.01", "2199.12", OLD])
def test_months_are_recognized(text: str) -> None:
    """Every one that a document can have."""
    assert is_month(text)


@pytest.mark.parametrize(
    "text", ["", "2026.13", "2026.00", "2026.1", "../x", "2026.11/x", "2026.11\n", "٢٠٢٦.11", "*", "1969.12"]
)
def test_what_is_no_month_never_becomes_a_name(text: str) -> None:
    """Neither a path nor a pattern nor another script's digits."""
    assert not is_month(text)


def test_a_month_is_past_when_its_end_is() -> None:
    """The retention counts from the month's last moment; `old` has no end."""
    end = 1_796_083_200 * SECOND  # 2026-12-01
    assert month_end("2026.11") == end
    assert month_end("2026.12") == end + 31 * DAY
    assert not is_past("2026.11", end + 90 * DAY - 1, 90)
    assert is_past("2026.11", end + 90 * DAY, 90)
    assert not is_past(OLD, 2**62, 90)


def test_a_correlations_month_is_that_of_its_bucket() -> None:
    """Whichever event completes it: another one of the same bucket lies in the next month."""
    end = month_end("2026.11")
    evidence = make_evidence(bucket=end - 60 * SECOND, start=end - 60 * SECOND, end=end + 60 * SECOND)
    for time in (end - SECOND, end, end + 500 * SECOND):
        match = make_correlated(evidence=replace(evidence, end=time), time=time, received=time + SECOND)
        assert month_for(match, 90) == "2026.11"
    assert month_for(make_match(time=end, received=end), 90) == "2026.12"


def test_a_correlations_bucket_past_the_retention_is_old() -> None:
    """And one far ahead of its receipt has no month."""
    assert month_for(make_correlated(evidence=make_evidence(bucket=NOW - 91 * DAY)), 90) == OLD
    with pytest.raises(ValueError, match="a year ahead"):
        month_for(make_correlated(evidence=make_evidence(bucket=NOW + 400 * DAY)), 90)


@given(st.integers(-(2**70), 2**70), st.integers(0, 253_402_300_799 * SECOND))
def test_however_wild_a_clock_the_months_are_few(time: int, received: int) -> None:
    """A match's month is `old`, or between its receipt's retention and a year ahead; or it has none."""
    try:
        month = month_for(make_match(time=time, received=received), 90)
    except ValueError:
        return
    if month != OLD:
        assert month_of(received - 90 * DAY) <= month <= month_of(min(received + 366 * DAY, 253_402_300_799 * SECOND))
        assert time < month_end(month)
        assert NOW > 0
