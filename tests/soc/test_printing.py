"""What the commands print is data, never terminal control or markup."""

import io
import unicodedata

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from soc import printing
from soc.alerts import Reason
from soc.testing import make_alert


def shown(*alerts: object) -> str:
    """Return what a terminal would get."""
    out = io.StringIO()
    printing.alerts(alerts, Console(file=out, width=200, force_terminal=False))  # type: ignore[arg-type] # alerts
    return out.getvalue()


def test_the_table_shows_level_count_and_why() -> None:
    """What an operator looks for first."""
    text = shown(make_alert(count=12))
    assert all(word in text for word in ("medium", "12", "web01", "Failed SSH login 0", "Action=login_failed"))


def test_escapes_and_markup_from_a_log_are_inert() -> None:
    """An ANSI escape is spelled out; rich markup is text."""
    text = shown(make_alert(host="[red]x\x1b[2Jy", reasons=(Reason("s", "f", "\x9b31m\u202egnp"),)))
    assert "\x1b" not in text
    assert "\x9b" not in text
    assert "\u202e" not in text
    assert "[red]x\\x1b[2Jy" in text


@given(st.text())
def test_property_any_text_is_shown_without_control_characters(text: str) -> None:
    """No category C character but those spelled out."""
    assert not [char for char in printing.visible(text, 10_000) if unicodedata.category(char).startswith("C")]


@given(st.integers())
def test_property_any_time_is_shown(time: int) -> None:
    """A wild clock breaks no table."""
    assert printing.moment(time)
    assert printing.timestamp(time)


def test_a_program_gets_milliseconds() -> None:
    """ISO 8601, before the epoch as well."""
    assert printing.timestamp(1_790_000_000_123_999) == "2026-09-21T14:13:20.123Z"
    assert printing.timestamp(-1) == "1969-12-31T23:59:59.999Z"
