"""Where in a rule's file an error is: the line of the YAML node that made it, as near as can be told."""

from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import sigma.exceptions as sigma
import yaml

from correlator.compiler.condition import ConditionError
from correlator.limit import Overtime

HARMLESS: Final = "x"
"""A keyword, which is evaluated in every rule that is."""

MAX_REASON: Final = 1000
"""Characters of a reason; it may quote what is written."""

_KEYS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (sigma.SigmaLogsourceError, "logsource"),
    (sigma.SigmaLevelError, "level"),
    (sigma.SigmaStatusError, "status"),
    (sigma.SigmaIdentifierError, "id"),
    (sigma.SigmaTitleError, "title"),
    (sigma.SigmaTagError, "tags"),
    (sigma.SigmaDateError, "date"),
    (sigma.SigmaModifiedError, "modified"),
    (sigma.SigmaRelatedError, "related"),
    (sigma.SigmaReferencesError, "references"),
    (sigma.SigmaFalsePositivesError, "falsepositives"),
)

NO_SELECTIONS: Final = frozenset({"condition", "rules"})
"""What stands beside the selections; `rules` in a filter alone."""


class Refused(ValueError):
    """The document is no rule that is evaluated: why, and the keys, and positions in lists, that lead to what says so."""

    def __init__(self, reason: str, *path: str | int) -> None:
        """Say why and where; no path means the document."""
        super().__init__(reason[:MAX_REASON])
        self.path = path


Translate = Callable[[Any], object]
"""Translates a part of a detection as within its rule; raises where that fails."""


def line_of(error: Exception, node: yaml.Node, document: Any, translate: Translate) -> int:
    """Return the line, from 1: of the value at fault, else of the key that the error speaks of, else of the document."""
    if mark := getattr(error, "problem_mark", None):
        return int(mark.line) + 1
    return _line(_node_of(error, node, document, translate) or node)


def _node_of(error: Exception, node: yaml.Node, document: Any, translate: Translate) -> yaml.Node | None:
    if isinstance(error, Overtime | MemoryError | RecursionError):
        return None  # to look for the part at fault would be to do it all again
    if isinstance(error, yaml.YAMLError):
        return next(_duplicates(node), None)
    if isinstance(error, Refused):
        return _along(node, error.path)
    if isinstance(error, ConditionError | sigma.SigmaConditionError):
        return _along(node, (part_of(document), "condition"))
    for kind, key in _KEYS:
        if isinstance(error, kind):
            return _key(node, key)
    return _culprit(node, document, translate) if isinstance(document, dict) else None


def lines_within(node: yaml.Node, part: str) -> tuple[tuple[str, int], ...]:
    """Return of each key of a part of a document its line."""
    return tuple((str(key.value), _line(key)) for key, _ in _entries(_value(node, part)))


def part_of(document: Any) -> str:
    """Return the key that a document has its selections and its condition under."""
    return "filter" if isinstance(document, dict) and "filter" in document else "detection"


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def _entries(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    return node.value if isinstance(node, yaml.MappingNode) else []


def _along(node: yaml.Node, path: tuple[str | int, ...]) -> yaml.Node | None:
    """Return the key, or the element of a list, that the path leads to; of a path that ends early, the last there is."""
    found, within = None, cast("yaml.Node | None", node)
    for step in path:
        if isinstance(step, int):
            elements = within.value if isinstance(within, yaml.SequenceNode) else []
            at = within = elements[step] if step < len(elements) else None
        else:
            at, within = _key(within, step), _value(within, step)
        if at is None:
            break
        found = at
    return found


def _key(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((key for key, _ in _entries(node) if key.value == name), None)


def _value(node: yaml.Node | None, name: str) -> yaml.Node | None:
    return next((value for key, value in _entries(node) if key.value == name), None)


def _duplicates(node: yaml.Node) -> Iterator[yaml.Node]:
    """Yield keys that stand twice in one map."""
    seen: set[str] = set()
    for key, value in _entries(node):
        if str(key.value) in seen:
            yield key
        seen.add(str(key.value))
        yield from _duplicates(value)
    if isinstance(node, yaml.SequenceNode):
        for each in node.value:
            yield from _duplicates(each)


def _culprit(node: yaml.Node, document: dict[str, Any], translate: Translate) -> yaml.Node | None:
    """Return the smallest part of the detection that fails alone; None where any would: the rule as a whole fails."""
    part = part_of(document)
    definitions = document.get(part)
    if not isinstance(definitions, dict):
        return _key(node, part)
    if _fails(HARMLESS, translate):
        return None
    for key, value in _entries(_value(node, part)):
        if key.value not in NO_SELECTIONS and (found := _within(key, value, definitions.get(key.value), translate)):
            return found
    return None


def _within(key: yaml.Node, value: yaml.Node, definition: Any, translate: Translate) -> yaml.Node | None:
    if not _fails(definition, translate):
        return None
    if isinstance(definition, dict):
        for inner_key, _ in _entries(value):
            name = inner_key.value
            if name in definition and _fails({name: definition[name]}, translate):
                return inner_key
    if isinstance(definition, list) and isinstance(value, yaml.SequenceNode):
        for inner, each in zip(value.value, definition, strict=True):
            if found := _within(inner, inner, each, translate):
                return found
    return key


def _fails(definition: Any, translate: Translate) -> bool:
    try:
        translate(definition)
    except Exception:  # noqa: BLE001 - the question is only whether it fails
        return True
    return False
