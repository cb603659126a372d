"""Text and times as they are shown."""

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.console import shown
from soc.errors import SettingsError
from soc.testing import NOW

SAIGON = ZoneInfo("Asia/Ho_Chi_Minh")


@given(st.text(alphabet=st.characters(), max_size=300))
def test_nothing_hidden_is_shown_as_it_is(text: str) -> None:
    """Property: pieces are printable, bounded, and printable text comes back whole."""
    found = shown.pieces(text, 250)
    assert all(piece.text.isprintable() for piece in found)
    if text.isprintable() and "\u2800" not in text:
        assert "".join(piece.text for piece in found if not piece.hidden) in text[:250]


def test_what_cannot_be_seen_is_spelled_out() -> None:
    """Escapes, overrides, joiners, fillers and lone surrogates; line breaks stay where there are many lines."""
    spelled = [piece.text for piece in shown.pieces("a\x1b\u202eb\u200b\u3164\ud800\nc") if piece.hidden]
    assert spelled == ["\\x1b\\u202e", "\\u200b\\u3164\\ud800\\n"]
    assert [piece.text for piece in shown.lines("a\n\tb\r", 100)] == ["a\n\tb", "\\r"]


def test_vietnamese_is_left_alone() -> None:
    """Letters with marks, composed or not, are one plain piece."""
    for text in ("Nguyễn Văn Tâm", "Nguye\u0302\u0303n", "Trần Thị Bình"):
        assert shown.pieces(text) == [shown.Piece(hidden=False, text=text)]


def test_times_are_local_with_utc_beside() -> None:
    """The province's wall clock, UTC and ISO 8601; a time that no calendar holds is a number."""
    moment = shown.moment(NOW, SAIGON)
    assert moment == ("2026-09-21 21:13:20", "2026-09-21 14:13:20 UTC", "2026-09-21T14:13:20+00:00")
    assert shown.moment(10**20, SAIGON).local == str(10**20)
    assert shown.moment(-(10**20), SAIGON).iso == ""


@pytest.mark.parametrize(
    ("tag", "url"),
    [
        ("attack.t1110", "https://attack.mitre.org/techniques/T1110/"),
        ("attack.T1110.001", "https://attack.mitre.org/techniques/T1110/001/"),
        ("attack.credential-access", ""),
        ("attack.t1110.001/../..", ""),
        ("javascript:alert(1)", ""),
        ("attack.t1110\n", ""),
    ],
)
def test_only_techniques_are_linked(tag: str, url: str) -> None:
    """A tag that is exactly a technique leads to ATT&CK; nothing else becomes a link."""
    assert shown.technique(tag) == url


def test_an_unknown_zone_names_the_setting() -> None:
    """The remedy stands beside it."""
    with pytest.raises(SettingsError, match=r"collect\.timezone.*tzdata"):
        shown.zone_of("Asia/Nowhere")
