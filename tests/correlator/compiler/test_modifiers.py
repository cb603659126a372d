"""Every value modifier of the specification's appendix, and the places where engines get them wrong."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

Fires = Callable[..., bool]

CASES: list[tuple[str, str, Any, bool]] = [
    ("contains", "F|contains: 'Evil'", "an eVIL thing", True),
    ("contains misses", "F|contains: 'evil'", "ev il", False),
    ("contains a number", "F|contains: 44", "port 4444", True),
    ("startswith", "F|startswith: 'Abc'", "abcdef", True),
    ("startswith misses", "F|startswith: 'abc'", "xabc", False),
    ("endswith", "F|endswith: '\\cmd.exe'", "C:\\Windows\\CMD.EXE", True),
    ("endswith misses", "F|endswith: '\\cmd.exe'", "C:\\Windows\\cmd.exe ", False),
    ("all", "F|contains|all: ['a', 'b']", "b then a", True),
    ("all misses one", "F|contains|all: ['a', 'b']", "only b", False),
    ("cased", "F|cased: 'Abc'", "Abc", True),
    ("cased misses", "F|cased: 'Abc'", "abc", False),
    ("cased contains", "F|contains|cased: 'Abc'", "xAbcx", True),
    ("cased contains misses", "F|cased|contains: 'Abc'", "xabcx", False),
    ("re searches", "F|re: 'b+c'", "aabbcc", True),
    ("re is case-sensitive", "F|re: 'ABC'", "abc", False),
    ("re with i", "F|re|i: 'ABC'", "abc", True),
    ("re: dot stops at a newline", "F|re: 'a.b'", "a\nb", False),
    ("re with s", "F|re|s: 'a.b'", "a\nb", True),
    ("re: ^ is the value's start", "F|re: '^b'", "a\nb", False),
    ("re with m", "F|re|m: '^b$'", "a\nb\nc", True),
    ("re with all three", "F|re|i|m|s: '^B.c'", "a\nb\nc", True),
    ("re on an integer", "F|re: '^46\\d\\d$'", 4688, True),
    ("cidr", "F|cidr: 10.0.0.0/8", "10.1.2.3", True),
    ("cidr misses", "F|cidr: 10.0.0.0/8", "11.1.2.3", False),
    ("cidr list", "F|cidr: ['10.0.0.0/8', '192.168.0.0/16']", "192.168.7.7", True),
    ("cidr, bare IPv4", "F|cidr: 10.0.0.1", "10.0.0.1", True),
    ("cidr, bare IPv4 misses", "F|cidr: 10.0.0.1", "10.0.0.10", False),
    ("cidr, IPv6", "F|cidr: 2001:db8::/32", "2001:DB8:0:0::1", True),
    ("cidr, IPv6 misses", "F|cidr: 2001:db8::/32", "2001:db9::1", False),
    ("cidr, bare IPv6", "F|cidr: '::1'", "0:0:0:0:0:0:0:1", True),
    ("cidr, IPv4 mapped into IPv6", "F|cidr: 10.0.0.0/8", "::ffff:10.0.0.1", True),
    ("cidr, a network of mapped addresses", "F|cidr: '::ffff:0:0/96'", "::ffff:10.0.0.1", True),
    ("cidr, far too long for an address", "F|cidr: 10.0.0.0/8", "10.0.0.1" + " " * 60_000, False),
    ("cidr, no address", "F|cidr: 10.0.0.0/8", "10.0.0.x", False),
    ("cidr, an integer is no address", "F|cidr: 0.0.0.0/0", 7, False),
    ("base64", "F|base64: 'net user'", "bmV0IHVzZXI=", True),
    ("base64 contains", "F|base64|contains: 'net user1'", "x bmV0IHVzZXIx y", True),
    ("exists", "F|exists: true", "anything", True),
    ("exists, null counts", "F|exists: true", None, True),
    ("exists, empty counts", "F|exists: true", "", True),
    ("exists false", "F|exists: false", None, False),
    ("exists, other field", "G|exists: true", "anything", False),
    ("exists false, other field", "G|exists: false", "anything", True),
    ("gt", "F|gt: 5", 6, True),
    ("gt misses", "F|gt: 5", 5, False),
    ("gte", "F|gte: 5", 5, True),
    ("lt", "F|lt: 5", "4", True),
    ("lt misses", "F|lt: 5", "5.0", False),
    ("lte", "F|lte: 5", "5.0", True),
    ("numbers: a text that is none", "F|lt: 5", "four", False),
    ("numbers: a boolean is none", "F|gte: 0", True, False),
    ("numbers: null is none", "F|lt: 5", None, False),
    ("numbers: a float", "F|gt: 1.5", 1.75, True),
    ("numbers: negative", "F|lt: -1", "-2", True),
    ("numbers: not a number", "F|gt: 1", "nan", False),
    ("numbers: underscores are no digits", "F|gt: 1", "1_000", False),
    ("numbers: thousands of digits", "F|gt: 1", "9" * 5000, False),
    ("neq", "F|neq: 'a'", "b", True),
    ("neq misses", "F|neq: 'a'", "A", False),
    ("neq, list, one equal", "F|neq: ['a', 'b']", "b", False),
    ("neq, list, none equal", "F|neq: ['a', 'b']", "c", True),
    ("neq contains", "F|contains|neq: 'a'", "bcd", True),
    ("neq, a number", "F|neq: 5", 5, False),
    ("neq, missing field", "G|neq: 'a'", "b", True),
    ("minute", "F|minute: 50", "2020-06-10T02:50:56.539Z", True),
    ("hour", "F|hour: 2", "2020-06-10 02:50:54.631", True),
    ("hour misses", "F|hour: 3", "2020-06-10 02:50:54.631", False),
    ("hour gte", "F|hour|gte: 2", "2020-06-10T02:50:56Z", True),
    ("hour lt", "F|hour|lt: 2", "2020-06-10T02:50:56Z", False),
    ("hour is as written, whatever the zone", "F|hour: 23", "2020-06-10T23:50:56-05:00", True),
    ("day", "F|day: 10", "2020-06-10", True),
    ("week", "F|week: 24", "2020-06-10", True),
    ("month", "F|month: [5, 6]", "2020-06-10", True),
    ("year", "F|year: 2020", "2020-06-10", True),
    ("year of what is no date", "F|year: 2020", "2020 was long", False),
    ("utf16le", "F|utf16le: 'cmd'", "c\0m\0d\0", True),
    ("wide is utf16le", "F|wide: 'cmd'", "c\0m\0d\0", True),
    ("utf16be", "F|utf16be: 'cmd'", "\0c\0m\0d", True),
    ("utf16 has a byte order mark", "F|utf16: 'cmd'", "\xff\xfec\0m\0d\0", True),
    ("utf16le keeps wildcards", "F|utf16le: 'c*d'", "c\0m\0d\0", True),
]


@pytest.mark.parametrize(("selection", "value", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_modifier(fires: Fires, selection: str, value: Any, expected: bool) -> None:
    """A field with one value satisfies the modified value, or does not."""
    assert fires(selection, {"F": value}) is expected


@pytest.mark.parametrize("dash", list("-/\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}"))
@pytest.mark.parametrize("written", list("-/\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}"))
def test_windash_covers_all_five_dashes_both_ways(fires: Fires, written: str, dash: str) -> None:
    """Whatever dash the rule writes, each of the five matches."""
    assert fires(f"F|contains|windash: ' {written}enc '", {"F": f"powershell {dash}enc x"})


def test_windash_permutes_each_flag_for_itself(fires: Fires) -> None:
    """Two flags of one value may be written with different dashes."""
    assert fires("F|windash|contains: '-f x -g'", {"F": "/f x \N{EM DASH}g"})


def test_windash_leaves_dashes_inside_words(fires: Fires) -> None:
    """Only a dash that begins a flag is one: `-param-name` has one."""
    assert fires("F|windash: '-param-name'", {"F": "/param-name"})
    assert not fires("F|windash: '-param-name'", {"F": "-param/name"})


def test_windash_of_a_list_with_all_links_its_forms_with_or(fires: Fires) -> None:
    """`all` asks for each value, of which any form will do."""
    assert fires("F|contains|all|windash: [' -a', ' -b']", {"F": "x /a \N{EN DASH}b"})
    assert not fires("F|contains|all|windash: [' -a', ' -b']", {"F": "x /a /a"})


def test_windash_with_too_many_flags_is_refused(refused: Callable[[str], str]) -> None:
    """Permutations that would explode are refused with the remedy, not computed."""
    assert "more than five flags" in refused("sel:\n  F|windash: '-a -b -c -d -e -f'\ncondition: sel\n")


@pytest.mark.parametrize("plain", ["Invoke-Expression", "a*b", "x", "thị trường"])
@pytest.mark.parametrize("before", ["", "1", "12", "123"])
@pytest.mark.parametrize("after", ["", "1", "12", "123"])
def test_base64offset_finds_the_text_at_every_shift(fires: Fires, plain: str, before: str, after: str) -> None:
    """Whatever surrounds the text before it was encoded, one of the three shifts is there."""
    encoded = base64.b64encode((before + plain + after).encode()).decode()
    escaped = plain.replace("*", "\\*")
    assert fires(f"F|base64offset|contains: '{escaped}'", {"F": encoded})


def test_base64offset_drops_the_partial_last_character(fires: Fires) -> None:
    """The character that depends on the following byte is not part of the pattern."""
    assert fires("F|base64offset: 'foobar!'", {"F": "Zm9vYmFyI"})
    assert not fires("F|base64offset: 'foobar!'", {"F": "Zm9vYmFyIQ"})


def test_base64_of_wide_text(fires: Fires) -> None:
    """PowerShell's -EncodedCommand: UTF-16 first, then base64; also outside ASCII."""
    for plain in ("IEX (New-Object", "tải về"):
        encoded = base64.b64encode(f"x{plain}y".encode("utf-16-le")).decode()
        assert fires(f"F|utf16le|base64offset|contains: '{plain}'", {"F": f"powershell -enc {encoded}"})


def test_base64_encodes_escaped_wildcards_as_plain_text(fires: Fires) -> None:
    r"""`\*` is a star, and the backslash is not encoded."""
    assert fires(r"F|base64: 'a\*b'", {"F": base64.b64encode(b"a*b").decode()})


def test_base64_refuses_wildcards(refused: Callable[[str], str]) -> None:
    """A wildcard has no encoding."""
    assert "cannot be encoded" in refused("sel:\n  F|base64: 'a*b'\ncondition: sel\n")


@pytest.mark.parametrize(
    ("modifiers", "one", "other", "expected"),
    [
        ("fieldref", "abc", "ABC", True),
        ("fieldref", "abc", "abcd", False),
        ("fieldref", 5, "5", True),
        ("fieldref|startswith", "abcdef", "ABC", True),
        ("fieldref|startswith", "xabc", "abc", False),
        ("fieldref|endswith", "xabc", "ABC", True),
        ("fieldref|endswith", "abcx", "abc", False),
        ("fieldref|contains", "xabcx", "ABC", True),
        ("fieldref|contains", "xacx", "abc", False),
        ("fieldref|cased", "abc", "ABC", False),
        ("cased|fieldref", "abc", "ABC", False),
        ("fieldref|cased", "abc", "abc", True),
        ("fieldref|neq", "abc", "abd", True),
        ("fieldref|neq", "abc", "ABC", False),
        ("fieldref", None, None, False),
    ],
)
def test_fieldref(fires: Fires, modifiers: str, one: Any, other: Any, expected: bool) -> None:
    """A field is compared with another field of the same event."""
    assert fires(f"F|{modifiers}: G", {"F": one, "G": other}) is expected


def test_fieldref_to_a_missing_field_is_false_and_its_neq_true(fires: Fires) -> None:
    """Nothing equals a field that is not there."""
    assert not fires("F|fieldref: G", {"F": "a"})
    assert fires("F|fieldref|neq: G", {"F": "a"})


def test_expand_takes_any_of_the_placeholders_values(fires: Fires) -> None:
    """A placeholder stands for each of its values, which may have wildcards."""
    for value in ("SRV1", "db-7"):
        assert fires("F|expand: '%servers%'", {"F": value}, servers=["srv1", "db-*"])
    assert not fires("F|expand: '%servers%'", {"F": "srv2"}, servers=["srv1", "db-*"])


def test_expand_inside_a_text_and_under_contains(fires: Fires) -> None:
    """A placeholder may be a part of the value, with other modifiers."""
    assert fires("F|contains|expand: 'user=%names%;'", {"F": "x user=bob; y"}, names=["alice", "bob"])


def test_a_percent_sign_without_expand_is_plain_text(fires: Fires) -> None:
    """From Sigma 1.1 placeholders need the modifier."""
    assert fires("F: '%servers%'", {"F": "%SERVERS%"})


def test_an_escaped_percent_sign_is_no_placeholder(fires: Fires) -> None:
    r"""`\%plain%name%`: plain text, then a placeholder."""
    assert fires(r"F|expand: '\%plain%name%'", {"F": "%plainX"}, name=["x"])


def test_an_unresolved_placeholder_is_refused(refused: Callable[[str], str]) -> None:
    """A rule whose placeholder has no value is not evaluated, and says which."""
    assert "%servers% has no value" in refused("sel:\n  F|expand: '%servers%'\ncondition: sel\n")


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize(
    ("selection", "why"),
    [
        ("F|nosuch: 'a'", "nosuch"),
        ("F|re: '('", "invalid"),
        ("F|re: '[[:alpha:]]+'", "[:alpha:]"),
        ("F|re: 'a\\Z'", "\\Z"),
        ("F|contains|expand|re: 'a'", "unmodified"),
        ("F|cidr: '10.0.0.0/99'", "CIDR"),
        ("F|gt: 'abc'", "incompatible"),
        ("F|exists: 'abc'", "incompatible"),
        ("F|contains: null", "incompatible"),
        ("F: []", "empty list"),
    ],
)
def test_a_wrong_modifier_or_value_is_refused_at_its_line(
    refused: Callable[[str], str], selection: str, why: str
) -> None:
    """The failure names the line of the field, not of the file."""
    reason = refused(f"sel:\n  Good: 1\n  {selection}\ncondition: sel\n")
    assert reason.startswith("10: ")
    assert why in reason
