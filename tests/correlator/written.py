"""Hypothesis strategies: whole rules as text, with the modifiers of Sigma, and most of them accepted by the compiler."""

import json
from typing import Any, Final

from hypothesis import strategies as st

from tests.correlator.strategies import EVENT_IDS, FIELDS, patterns, piece, text

TEXT_MODIFIERS: Final = (
    "", "", "", "contains", "contains", "startswith", "endswith", "contains|all", "cased", "contains|cased", "neq",
    "contains|neq", "endswith|cased", "windash", "contains|windash", "base64offset|contains", "wide|base64offset|contains",
    "base64", "utf16le|contains",
)  # fmt: skip
"""Modifiers of a text; what they do is the compiler's, that the engine agrees on it is shown here."""

_written = st.one_of(text, piece, st.lists(st.one_of(piece, st.sampled_from("*?\\")), max_size=4).map("".join))
_scalars = st.one_of(
    _written, _written, st.sampled_from((0, 1, 4688, 1.5, True, False, None)), st.sampled_from(EVENT_IDS)
)
_fields = st.sampled_from(FIELDS)


def _several(value: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(value, st.lists(value, min_size=1, max_size=3))


def _item(modifiers: st.SearchStrategy[str], value: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.builds(lambda field, chosen: f"{field}|{chosen}".rstrip("|"), _fields, modifiers), value)


items = st.one_of(
    _item(st.sampled_from(TEXT_MODIFIERS), _several(_written)),
    _item(st.sampled_from(TEXT_MODIFIERS), _several(_written)),
    _item(st.just(""), _several(_scalars)),
    _item(st.sampled_from(("re", "re|i", "re|m", "re|s", "re|i|m", "re|neq")), _several(patterns)),
    _item(st.sampled_from(("lt", "lte", "gt", "gte")), st.sampled_from((0, 1, 1.5, 4688))),
    _item(st.just("cidr"), st.sampled_from(("192.168.0.0/16", "::/0", "10.0.0.0/8"))),
    _item(st.just("exists"), st.booleans()),
    _item(st.sampled_from(("fieldref", "fieldref|startswith", "fieldref|endswith", "fieldref|contains")), _fields),
    _item(st.sampled_from(("hour", "minute|lt", "year|gte")), st.sampled_from((5, 10, 2024))),
)
_maps = st.lists(items, min_size=1, max_size=3).map(dict)
_keywords = st.one_of(
    st.lists(st.one_of(_written, st.just(4688)), min_size=1, max_size=3),
    st.lists(_written, min_size=1, max_size=2).map(lambda words: {"|all": words}),
)
selections = st.one_of(_maps, _maps, st.lists(_maps, min_size=1, max_size=2), _keywords)
CONDITIONS: Final = (
    "a", "not a", "a and b", "a or b", "a and not b", "not (a or b)", "1 of *", "all of them", "not 1 of b*", "a and not 1 of c*",
)  # fmt: skip


def _document(number: int, condition: str, a: Any, b: Any, c: Any) -> str:
    rule = {
        "title": f"Rule {number}",
        "id": f"00000000-0000-4000-8000-{number:012}",
        "level": "high",
        "logsource": {"product": "linux", "service": "sshd"},
        "detection": {"a": a, "b": b, "c": c, "condition": condition},
    }
    return json.dumps(rule, ensure_ascii=False)  # JSON is YAML


def _documents(drawn: list[tuple[str, Any, Any, Any]]) -> str:
    return "\n---\n".join(_document(number, *parts) for number, parts in enumerate(drawn))


files = st.lists(
    st.tuples(st.sampled_from(CONDITIONS), selections, selections, selections), min_size=1, max_size=8
).map(_documents)
"""The text of a file of up to eight rules for events of the logsource linux, sshd."""
