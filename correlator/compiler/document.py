"""A rule file's YAML: version 1.2, as the Sigma specification asks, and no larger within than it is written."""

import re
from typing import Final, cast

import yaml
from sigma.rule.base import SigmaYAMLLoader

MAX_DEPTH: Final = 64
"""Lists and maps within each other."""

HARMLESS: Final = 1000
"""Lists and maps within each other that the parser bears: a hundredth of its stack."""

MAX_NODES: Final = 100_000
"""Values of one document, counted as often as aliases repeat them."""


_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH}, or aliases repeat each other without end"


class Loader(SigmaYAMLLoader):
    """YAML 1.2's core schema (section 10.3.2), where PyYAML reads 1.1: `no`, 10:30 and dates are text.

    Narrower in two places, where a rule means the text: digits behind a zero (00000429 is a keyboard layout, not 429),
    and an exponent without a point (12e5 is a part of a hash).
    """

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - typed so in PyYAML

    def construct_int(self, node: yaml.ScalarNode) -> int:
        """Return a decimal or, with 0x or 0o in front, another integer."""
        text = str(self.construct_scalar(node))
        return int(text, 0 if text[:2] in ("0x", "0o") else 10)


_RESOLVED: Final = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
)
for _name, _expression, _first in _RESOLVED:
    Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_name}", re.compile(f"^(?:{_expression})$"), ["" if c == "\0" else c for c in _first]
    )
Loader.add_constructor("tag:yaml.org,2002:int", Loader.construct_int)


def check_depth(text: str) -> None:
    """Raise YAMLError where the text nests so deep that the parser's next step would crash the process.

    A text that cannot is not looked at any closer here: each list or map has one of these characters of its own.
    """
    if sum(map(text.count, "[{-?:")) < HARMLESS:
        return
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH:
            mark = cast("yaml.Mark | None", event.start_mark)  # libyaml's has the same line and column
            raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=mark)


def check_size(document: yaml.Node) -> None:
    """Raise YAMLError where the document nests too deep, or aliases make it endless or far larger than it is written."""
    seen = 0
    waiting = [(document, 0)]
    while waiting:
        node, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH:
            raise yaml.MarkedYAMLError(problem=_TOO_DEEP, problem_mark=node.start_mark)
        if seen > MAX_NODES:
            raise yaml.MarkedYAMLError(problem="too large: aliases repeat too much", problem_mark=node.start_mark)
        if isinstance(node, yaml.CollectionNode):
            parts = [each for pair in node.value for each in pair] if isinstance(node, yaml.MappingNode) else node.value
            waiting += [(part, depth + 1) for part in parts]
