"""A rule file as it is written: where each part stands, and what a compiled rule no longer shows.

For files that compiled: that they are bounded, and no deeper than a rule may be, is the compiler's to check.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from correlator.engine.text import fold

_EXACT: Final = frozenset({"re", "cased", "base64", "base64offset", "wide", "utf16", "utf16le", "utf16be"})
"""Modifiers under which case makes two values different."""

_BESIDE: Final[Mapping[str, tuple[str, ...]]] = {
    "detection": ("condition",),
    "filter": ("condition", "rules"),
    "correlation": (),
}
"""What stands beside the selections of a rule and of a filter; a correlation's keys are taken for such."""


@dataclass(frozen=True, slots=True)
class Written:
    """One rule, filter or correlation: the line of its first key, of each key, of each selection or key of the section.

    Lines count from 1. `repeated`: line and text of values that stand in their list already.
    """

    line: int
    keys: dict[str, int]
    selections: dict[str, int]
    repeated: tuple[tuple[int, str], ...]


def written(text: str) -> dict[int, Written]:
    """Return the rules of a file by their first lines."""
    documents = yaml.compose_all(text, Loader=yaml.CSafeLoader)
    rules = [_rule(each) for each in documents if isinstance(each, yaml.MappingNode)]
    return {rule.line: rule for rule in rules}


def unknown(line: int) -> Written:
    """Return a rule of which only the line is known: nothing is missing in it."""
    return Written(line, {"id": line, "level": line}, {}, ())


def _rule(document: yaml.MappingNode) -> Written:
    parts = {str(key.value): value for key, value in _pairs(document)}
    section = next((name for name in ("filter", "correlation") if name in parts), "detection")
    selections = [(key, value) for key, value in _pairs(parts.get(section)) if key.value not in _BESIDE[section]]
    return Written(
        line=_line(document),
        keys={str(key.value): _line(key) for key, _ in _pairs(document)},
        selections={str(key.value): _line(key) for key, _ in selections},
        repeated=tuple(found for _, value in selections for found in _repeated(value, exact=False)),
    )


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _repeated(node: yaml.Node, *, exact: bool) -> Iterator[tuple[int, str]]:
    for key, value in _pairs(node):
        yield from _repeated(value, exact=bool(_EXACT.intersection(str(key.value).split("|"))))
    if isinstance(node, yaml.SequenceNode):
        known: set[str] = set()
        for each in node.value:
            if isinstance(each, yaml.ScalarNode):
                text = each.value if exact else fold(each.value)
                if text in known:
                    yield _line(each), each.value
                known.add(text)
            else:
                yield from _repeated(each, exact=False)
