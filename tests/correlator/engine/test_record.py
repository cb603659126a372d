"""An event's values as text."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.engine.record import Record, text_of

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=10)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("x", "x"),
        (7, "7"),
        (True, "true"),
        (7.0, "7"),
        (7.5, "7.5"),
        (["a", 1, None, True], ("a", "1", "true")),
        (1e16, "10000000000000000"),
        (-0.0, "0"),
        (1e-7, "1e-7"),
        ([["a"]], ('["a"]',)),
        ({"a": 1}, '{"a":1}'),
    ],
)
def test_a_value_has_one_text(value: Any, text: Any) -> None:
    """As a rule would write it; a list has one for each element."""
    assert text_of(value) == text


def test_an_integer_of_thousands_of_digits_is_no_error() -> None:
    """Python does not write it; JSON would not have it either."""
    assert text_of(10**6000) == ""


def test_values_nested_beyond_measure_are_no_error() -> None:
    """A sender can nest as deep as JSON lets it; the others' rules go on."""
    value: Any = "x"
    for _ in range(100_000):
        value = [value]
    assert text_of(value) == ("",)


@given(st.dictionaries(st.text(), VALUES))
def test_any_fields_have_texts_and_folded_texts_of_one_shape(fields: dict[str, Any]) -> None:
    """Missing and null have none, and folding changes no length."""
    record = Record(fields)
    for field in [*fields, "not there"]:
        text, folded = record.texts[field], record.folded[field]
        assert type(text) is type(folded)
        assert (text is None) == (fields.get(field) is None)
        assert len(text or "") == len(folded or "")
