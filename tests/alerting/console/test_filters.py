"""Filters: from a URL, to the store's query, and back."""

from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.console.filters import BadFilter, Filters
from soc.clock import SECOND
from soc.testing import NOW

UTC7 = ZoneInfo("Asia/Ho_Chi_Minh")


def test_times_are_the_provinces_unless_they_say_otherwise() -> None:
    """A wall clock time, one with a zone, and an age."""
    assert Filters(since="2026-09-21T21:13:20").query(UTC7, 0).since == NOW
    assert Filters(since="2026-09-21T14:13:20Z").query(UTC7, 0).since == NOW
    assert Filters(until="90m").query(UTC7, NOW).until == NOW - 5400 * SECOND
    assert Filters().query(UTC7, NOW).since is None


@pytest.mark.parametrize("text", ["soon", "0h", "-1d", "99999d", "24H ago", "2026-13-01", "\0"])
def test_what_is_no_time_is_named(text: str) -> None:
    """The message names the filter and shows how to write it, without repeating what was sent."""
    with pytest.raises(BadFilter, match="since is no time"):
        Filters(since=text).query(UTC7, NOW)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    """Property: never another exception."""
    try:
        moment = Filters(since=text).query(UTC7, NOW).since
    except BadFilter:
        return
    assert moment is None or isinstance(moment, int)


@given(st.text(max_size=50), st.lists(st.text(min_size=1, max_size=20), max_size=3))
def test_the_url_says_exactly_the_filters(text: str, sites: list[str]) -> None:
    """Property: what is encoded is read again as the same filters."""
    if any("\ud800" <= char <= "\udfff" for char in text + "".join(sites)):
        return
    filters = Filters(text=text, site=tuple(sites), level=("high",))
    read: dict[str, Any] = parse_qs(filters.encoded(), keep_blank_values=True)
    assert read.get("text", [""])[0] == text
    assert read.get("site", []) == sites
    assert filters.encoded(level=(), text="", site=()) == ""
