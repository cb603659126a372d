"""The quick way to fields and logsource gives what the way through an event gives."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.sources import Options, jsonfile
from collectors.sources.quick import Flat, fields_of
from collectors.sources.record import Origin
from soc.errors import DeadLetter
from soc.events import LogSource, to_wire
from soc.testing import make_event

SYSMON = "Microsoft-Windows-Sysmon/Operational"
STATED = LogSource("zeek", None, "conn")

NAMES = """
    Channel EventID EventData SourceName Provider Provider_Name log_name event_id winlog event_data Event System Data
    Image a.b fields channel #text TimeCreated
"""
names = st.sampled_from(NAMES.split())
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([SYSMON, "Security", "4688", "1", "0001", "{", '{"Image": "x", "b": [1, {"c": 2}]}', "{} x"]),
    st.text(max_size=5),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=8
)
windows_like = st.fixed_dictionaries(
    {"Channel": st.sampled_from([SYSMON, "Security", 5, None]), "EventID": scalars},
    optional={"EventData": values, "SourceName": scalars, "Image": values},
)
documents = st.one_of(st.dictionaries(names, values, max_size=8), windows_like)


@given(document=documents, stated=st.sampled_from([LogSource(), STATED]))
def test_both_quick_ways_give_what_an_event_has(document: dict[str, Any], stated: LogSource) -> None:
    """Logsource and fields, in their order."""
    line = orjson.dumps(document)
    event = jsonfile.event_of(orjson.loads(line), line, 1, Origin("", "", Options("test", logsource=stated)))
    expected = (event.logsource, list(event.fields.items()))
    logsource, fields = fields_of(orjson.loads(line), stated)
    assert (logsource, list(fields.items())) == expected
    flat, read = Flat(stated), orjson.loads(line)
    for _ in range(2):  # the second time with what it remembers
        logsource_of_flat = flat(read := orjson.loads(line))
        if logsource_of_flat is None:
            assert read == orjson.loads(line)
        else:
            assert (logsource_of_flat, list(read.items())) == expected


def test_flat_records_take_the_quick_way() -> None:
    """Lists of scalars are flat; what is nested is not."""
    flat = Flat(LogSource())
    assert flat({"Channel": SYSMON, "EventID": 1, "tags": ["a"]}) == LogSource("windows", "process_creation", "sysmon")
    assert flat({"a": 1}) == LogSource()
    assert flat({"a": {}}) is None
    assert flat({"a": [[]]}) is None


def test_an_event_of_ours_brings_its_own() -> None:
    """As it stands on the bus."""
    event = make_event(1)
    document = orjson.loads(to_wire(event))
    assert fields_of(document, STATED) == (event.logsource, event.fields)
    assert Flat(STATED)(document) is None
    with pytest.raises(DeadLetter):
        fields_of({**document, "time": "x"}, STATED)


@pytest.mark.parametrize("value", [[], 1, "text", None])
def test_what_is_no_object_is_refused(value: Any) -> None:
    """By both."""
    with pytest.raises(DeadLetter, match="not an object"):
        fields_of(value, STATED)
    with pytest.raises(AttributeError):
        Flat(STATED)(value)
