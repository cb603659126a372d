"""Modifiers and values against oracles that know nothing of how we do it."""

import json
import operator
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from fractions import Fraction
from ipaddress import IPv4Address, IPv6Address
from itertools import product
from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st
from sigma.rule import SigmaDetection

from correlator.compiler import modifiers, translate
from correlator.engine.plain import predicate
from correlator.engine.record import Record
from correlator.engine.text import fold

modifiers.register()

PLAIN: Final = st.text("aAbB\\*?%./-ß \n", max_size=8)
FIELDS: Final = (
    st.none() | st.booleans() | st.integers() | st.text("ab", max_size=3) | st.lists(st.text("ab", max_size=2))
)
SAMPLES: Final = (0, 255, 85, 170)
"""Bytes between which every bit changes."""


def holds(key: str, value: Any, placeholders: Mapping[str, Sequence[str | int]] | None = None, **fields: Any) -> bool:
    """Compile a selection of one entry, and evaluate it."""
    selection = SigmaDetection.from_definition(translate.texts({key: value}))
    return predicate(translate.detection(selection, placeholders or {})).holds(Record(fields))


def escaped(text: str) -> str:
    """Write a text so that a rule means it."""
    return re.sub(r"([\\*?])", r"\\\1", text)


def expression_of(pattern: str) -> str:
    """Read a value by the specification's words on escapes, and give a regular expression for it."""
    tokens = re.findall(r"\\[\\*?]|[\s\S]", pattern)
    wild = {"*": r"[\s\S]*", "?": r"[\s\S]"}
    return "".join(wild.get(token) or re.escape(token[-1]) for token in tokens)


@given(PLAIN, st.text("xA*\n", max_size=2), st.text("xA*\n", max_size=2))
def test_escaped_text_is_that_text(text: str, before: str, after: str) -> None:
    """Whatever it is; and with the anchoring modifiers where it stands."""
    whole = before + text + after
    assert holds("F", escaped(text), F=whole) is (fold(whole) == fold(text))
    assert holds("F|startswith", escaped(text), F=whole) is fold(whole).startswith(fold(text))
    assert holds("F|endswith", escaped(text), F=whole) is fold(whole).endswith(fold(text))
    assert holds("F|contains", escaped(text), F=whole)


@given(st.text("abA*?\\\n", max_size=8), st.text("abB*?\\\n", max_size=8), st.booleans())
def test_wildcards_and_escapes_are_those_of_a_regular_expression(pattern: str, text: str, cased: bool) -> None:
    """Any pattern, any text, with and without case."""
    expected = re.fullmatch(expression_of(pattern), text, 0 if cased else re.IGNORECASE) is not None
    assert holds("F|cased" if cased else "F", pattern, F=text) is expected


def test_folding_keeps_the_length_of_every_character() -> None:
    """All of Unicode: casefold where that is one character, else the character."""
    for number in range(0x110000):
        character = chr(number)
        folded = character.casefold()
        assert fold(character) == (folded if len(folded) == 1 else character)


@given(st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_is_itself_and_its_json(number: float) -> None:
    """As a number and as text, whatever its size."""
    assert holds("F", number, F=number)
    assert holds("F", number, F=json.loads(json.dumps(number)))
    if isinstance(number, int):
        assert holds("F", number, F=str(number))
        assert not holds("F", number, F=number + 1)
        assert not holds("F", number, F=str(number) + "0")


@given(FIELDS, FIELDS)
def test_neq_is_not(value: Any, other: Any) -> None:
    """Whatever the value and the event's."""
    if value != []:
        assert holds("F|neq", value, F=other) is not holds("F", value, F=other)
        assert holds("F|neq", value, G=other)


@given(
    st.binary(max_size=4),
    st.text("aß漢\N{GRINNING FACE}*?\\", min_size=2, max_size=8),
    st.binary(max_size=4),
    st.booleans(),
)
def test_base64offset_finds_the_text_between_any_bytes(before: bytes, text: str, after: bytes, wide: bool) -> None:
    """In UTF-8 and in UTF-16."""
    data = text.encode("utf-16-le" if wide else "utf-8")
    key = "F|wide|base64offset|contains|cased" if wide else "F|base64offset|contains|cased"
    assert holds(key, escaped(text), F=b64encode(before + data + after).decode())


@given(st.text("ab", min_size=2, max_size=7))
def test_base64offset_has_every_character_that_is_certain_and_no_other(text: str) -> None:
    """Found by encoding the text between bytes of every kind: what stays the same is the form."""
    forms = set()
    for shift in range(3):
        rest = 3 + -(shift + len(text)) % 3  # so that nothing is padded
        encoded = [
            b64encode(bytes([before] * shift) + text.encode() + bytes([after] * rest)).decode()
            for before, after in product(SAMPLES, SAMPLES)
        ]
        forms.add("".join(each[0] for each in zip(*encoded, strict=True) if len(set(each)) == 1))
    for form in forms:
        assert holds("F|base64offset|cased", text, F=form)
        assert not holds("F|base64offset|cased", text, F=form[:-1])
        assert not holds("F|base64offset|cased", text, F=form + "A")


@given(st.text("aß漢\N{GRINNING FACE}\\*?", max_size=6))
def test_encodings_are_python_s(text: str) -> None:
    """Each byte of UTF-16 is a character."""
    value = escaped(text)
    little, big = (text.encode(f"utf-16-{order}").decode("latin-1") for order in ("le", "be"))
    assert holds("F|utf16le|cased", value, F=little)
    assert holds("F|wide|cased", value, F=little)
    assert holds("F|utf16be|cased", value, F=big)
    assert holds("F|utf16|cased", value, F="\xff\xfe" + little)
    assert holds("F|base64|cased", value, F=b64encode(text.encode()).decode())


@given(st.lists(st.tuples(st.sampled_from(modifiers.DASHES), st.sampled_from(modifiers.DASHES)), max_size=3))
def test_windash_takes_every_dash_for_every_other(dashes: list[tuple[str, str]]) -> None:
    """One flag a pair: what the rule writes, and what the event has."""
    written = " ".join(f"{rule}f{place}" for place, (rule, _) in enumerate(dashes))
    event = " ".join(f"{other}f{place}" for place, (_, other) in enumerate(dashes))
    assert holds("F|windash", f"x {written}", F=f"x {event}")
    assert holds("F|windash", f"x {written}", F=f"x {event}".replace("f0", "g0")) is (not dashes)


@given(st.data())
def test_a_network_has_the_addresses_that_share_its_prefix(data: st.DataObject) -> None:
    """By the bits, IPv4 and IPv6."""
    kind, bits = data.draw(st.sampled_from([(IPv4Address, 32), (IPv6Address, 128)]))
    length = data.draw(st.integers(0, bits))
    shift = bits - length
    network = data.draw(st.integers(0, 2**bits - 1)) >> shift << shift
    address = network ^ data.draw(st.integers(0, 2 ** min(bits, shift + 2) - 1))
    expected = address >> shift == network >> shift
    assert holds("F|cidr", f"{kind(network)}/{length}", F=str(kind(address))) is expected
    if kind is IPv6Address:
        assert holds("F|cidr", f"{kind(network)}/{length}", F=kind(address).exploded.upper()) is expected


NUMBERS: Final = (
    st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False, width=32) | st.integers(-3, 3)
)


@given(NUMBERS, NUMBERS, st.sampled_from(["lt", "lte", "gt", "gte"]))
def test_numbers_compare_exactly(one: float, other: float, relation: str) -> None:
    """As fractions do, numbers and their text."""
    expected = getattr(operator, relation.replace("te", "e"))(Fraction(one), Fraction(other))
    assert holds(f"F|{relation}", other, F=one) is expected
    assert holds(f"F|{relation}", other, F=json.dumps(one)) is expected


@given(st.datetimes(min_value=datetime(1000, 1, 1)), st.integers(0, 60))  # noqa: DTZ001 - as written
def test_parts_of_a_time_are_those_of_strftime(when: datetime, number: int) -> None:
    """Whatever the time."""
    formats = {"minute": "%M", "hour": "%H", "day": "%d", "week": "%V", "month": "%m", "year": "%Y"}
    for unit, form in formats.items():
        part = int(when.strftime(form))
        for text in (when.isoformat(), when.isoformat(" "), when.replace(tzinfo=UTC).isoformat()):
            assert holds(f"F|{unit}", part, F=text)
            assert holds(f"F|{unit}|gte", number, F=text) is (part >= number)


@given(PLAIN.filter(bool), PLAIN)
def test_a_placeholder_s_value_means_the_same_in_an_expression(value: str, text: str) -> None:
    """Text stands for itself, wildcards are wildcards."""
    expected = re.fullmatch(expression_of(value), text) is not None
    assert holds("F|re|expand", r"\A%x%(?!\n)$", {"x": [value]}, F=text) is expected
    assert holds("F|expand|cased", "%x%", {"x": [value]}, F=text) is expected
