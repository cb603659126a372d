"""Log content is shown, never obeyed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.visible import iso, visible
from soc.testing import NOW


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("one\r\nBcc: two", "one\\x0d\\x0aBcc: two"),
        ("a\u202eb", "a\\u202eb"),
        ("a\x9bb", "a\\x9bb"),
        ("line\u2028end", "line\\u2028end"),
        ("Đăng nhập thất bại", "Đăng nhập thất bại"),
        ("\U000e0041", "\\ue0041"),
    ],
)
def test_what_a_terminal_would_obey_is_shown(text: str, shown: str) -> None:
    """Escapes, line ends and direction marks become text; Vietnamese stays."""
    assert visible(text) == shown


@given(st.text(), st.integers(min_value=1, max_value=50))
def test_the_result_is_one_printable_line_within_the_bound(text: str, limit: int) -> None:
    """Whatever comes in."""
    shown = visible(text, limit)
    assert len(shown) <= limit
    assert len(shown.splitlines()) <= 1
    assert all(ord(char) >= 0x20 and char not in "\x7f\x9b\u202e" for char in shown)
    shown.encode()


def test_times_are_iso_and_wild_ones_do_not_crash() -> None:
    """A time beyond the calendar is shown as its number."""
    assert iso(NOW) == "2026-09-21T14:13:20Z"
    assert iso(2**70) == str(2**70)
