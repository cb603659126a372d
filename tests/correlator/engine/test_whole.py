"""Keywords: the look at an event's JSON may say yes too often, never no wrongly."""

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.engine import whole as module
from correlator.engine.plain import predicate
from correlator.engine.record import Record
from correlator.engine.whole import Prefilter
from correlator.syntax import Glob, Test, Wildcard
from tests.correlator.strategies import events, keywords, piece

ANY, ONE = Wildcard.ANY, Wildcard.ONE


def holds(keyword: Glob, fields: dict[str, Any]) -> bool:
    """Tell what the plain evaluator says."""
    return predicate(Test(None, keyword)).holds(Record(fields))


def encodings(fields: dict[str, Any]) -> Iterator[bytes]:
    """Yield an event's JSON as other programs write it."""
    yield orjson.dumps(fields)
    yield orjson.dumps(fields, option=orjson.OPT_INDENT_2)
    for ascii_only in (True, False):
        written = json.dumps({"fields": fields}, ensure_ascii=ascii_only)
        yield written.encode()
        yield written.replace("/", "\\/").replace("\\n", "\\u000A").replace("\\t", "\\u0009").encode()
    yield json.dumps(fields, indent=3, separators=(" , ", " : ")).encode()
    yield _escaped(orjson.dumps(fields).decode()).encode()


def _escaped(text: str) -> str:
    """Write the letter k and what follows a backslash as other programs may."""
    return text.replace("k", r"\u006b") if "\\" not in text else text


@pytest.mark.parametrize("hyperscan", [True, False])
@given(drawn=st.lists(keywords, min_size=1, max_size=3), fields=events)
def test_never_no_when_a_keyword_holds(hyperscan: bool, drawn: list[Glob], fields: dict[str, Any]) -> None:
    """Whoever wrote the JSON, and whatever the value is."""
    with pytest.MonkeyPatch.context() as patch:
        if not hyperscan:
            patch.setattr(module, "AVAILABLE", False)
        built = Prefilter(dict.fromkeys(drawn, 0))
    if any(holds(keyword, fields) for keyword in drawn):
        for wire in encodings(fields):
            assert built.may_hold(wire), wire


@given(st.text(min_size=1, max_size=3) | piece, st.booleans(), st.sampled_from(["{}", "a{}b", "{}evil", "evil{}"]))
def test_every_character_of_unicode(char: str, cased: bool, frame: str) -> None:
    """What folds, what is escaped, what is both."""
    value = frame.format(char)
    for written in {value, value.lower(), value.upper(), value.casefold(), value.swapcase()}:
        keyword = Glob((ANY, value, ANY), cased)
        if holds(keyword, {"F": written}):
            for wire in encodings({"F": written}):
                assert Prefilter({keyword: 0}).may_hold(wire), wire


CASES = [
    ("a Kelvin sign for K", "kelvin", '{"F":"\N{KELVIN SIGN}elvin"}'),
    ("a long s", "evils", '{"F":"evil\u017f"}'),
    ("a letter as an escape", "evil", r'{"F":"\u0065v\u0069l"}'),
    ("an upper-case letter as an escape", "evil", r'{"F":"\u0045VIL"}'),
    ("an escape in upper case", "evilk", r'{"F":"evil\u212A"}'),
    ("an I with a dot", "xxxİ", '{"F":"xxxİ"}'),
    ("an integer", "4688", '{"F":4688}'),
    ("a float as an integer", "4688", '{"F":4.688e3}'),
    ("a truth", "tru", '{"F":true}'),
    ("nested, with blanks", '"a":"evil"', '{"F": {"a" : "evil"}}'),
    ("nested, a number", '"a":100.0', '{"F": {"a": 1e2}}'),
    ("nested, a control character", "nfoo", r'{"F": {"a": "\u000afoo"}}'),
    ("nested, a null", ":null}", '{"F": {"a": null }}'),
    ("nested, a list", "[1,2]", '{"F": [[1, 2]]}'),
    ("nested, a solidus", "a/b", r'{"F": {"a": "a\/b"}}'),
]


@pytest.mark.parametrize(("keyword", "wire"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_written_otherwise(keyword: str, wire: str) -> None:
    """Each keyword holds, though its text is not in the JSON as it is in the rule."""
    atom = Glob((ANY, keyword, ANY))
    assert holds(atom, json.loads(wire))
    assert Prefilter({atom: 0}).may_hold(wire.encode())


def test_no_is_said_at_all() -> None:
    """A filter that always says yes would be right as well."""
    assert not Prefilter({Glob((ANY, "mimikatz", ANY)): 0}).may_hold(b'{"F":"an ordinary line"}')
    assert Prefilter({Glob((ANY, "mimikatz", ANY)): 0}).may_hold(b'{"F":"Mimikatz"}')
    assert Prefilter({Glob((ANY, ONE, ANY)): 0}).may_hold(b"{}")
