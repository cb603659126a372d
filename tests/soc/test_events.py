"""Event, its wire form, and ids."""

import json
from importlib.resources import files
from pathlib import Path

import jsonschema
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.errors import DeadLetter
from soc.events import LogSource, digest, from_wire, text_of, to_wire
from soc.testing import make_event

GOLDEN = Path(__file__).parent / "golden"
SCHEMA = json.loads(files("soc").joinpath("schemas/event.v1.json").read_text("utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def test_the_golden_files_of_version_1_read_and_write_unchanged() -> None:
    """A release that changes the wire form by accident breaks these files."""
    for file in sorted(GOLDEN.glob("event.v1.*.json")):
        wire = orjson.dumps(orjson.loads(file.read_bytes()))
        assert to_wire(from_wire(wire, b"1")) == wire, file.name
    assert len(list(GOLDEN.glob("event.v1.*.json"))) >= 3


def test_the_golden_files_are_valid_by_the_published_schema() -> None:
    """The JSON Schema describes what is written."""
    for file in GOLDEN.glob("event.v1.*.json"):
        jsonschema.validate(json.loads(file.read_bytes()), SCHEMA)


@given(st.binary(max_size=300))
def test_property_any_bytes_are_recovered_from_the_text_that_stands_for_them(raw: bytes) -> None:
    """`raw` is recoverable whatever its charset, also over the wire."""
    text, charset = text_of(raw)
    event = from_wire(to_wire(make_event(raw=text, charset=charset)))
    assert event.raw_bytes() == raw


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), max_size=9), JSON, max_size=5))
def test_property_any_json_fields_survive_the_wire(fields: dict[str, object]) -> None:
    """What goes in comes out, and the schema holds."""
    event = make_event(fields=fields)
    wire = to_wire(event)
    assert from_wire(wire) == event
    jsonschema.validate(json.loads(wire), SCHEMA)


@given(st.binary(max_size=200) | JSON.map(orjson.dumps))
def test_property_any_other_bytes_are_a_dead_letter_and_never_a_crash(value: bytes) -> None:
    """Garbage on the topic cannot kill a stage."""
    with pytest.raises(DeadLetter):
        from_wire(value)


def test_an_event_without_raw_leaves_it_out() -> None:
    """`raw` is absent where `fields` is all there was."""
    document = json.loads(to_wire(make_event(raw=None)))
    assert "raw" not in document
    assert "charset" not in document


def test_another_schema_version_is_refused_by_its_number() -> None:
    """A newer writer is named, not guessed at."""
    with pytest.raises(DeadLetter, match="version b'2'"):
        from_wire(to_wire(make_event()), b"2")


def test_what_json_cannot_hold_is_a_dead_letter() -> None:
    """A lone surrogate cannot be written; the caller learns it by type."""
    with pytest.raises(DeadLetter, match="unencodable"):
        to_wire(make_event(fields={"x": "\ud800"}))


def test_ids_depend_on_where_each_part_ends() -> None:
    """("ab", "c") and ("a", "bc") are different positions."""
    assert digest("ab", "c") != digest("a", "bc")
    assert digest("a", 1) == digest(b"a", "1")


def test_a_logsource_leaves_out_what_it_does_not_know() -> None:
    """Only stated parts are on the wire."""
    document = json.loads(to_wire(make_event(logsource=LogSource(category="webserver"))))
    assert document["logsource"] == {"category": "webserver"}
