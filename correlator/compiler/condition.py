"""Sigma's condition language: text and selections in, a tree out. Sigma rules specification 2.1, "Condition".

pySigma's own grammar lets `1 of` name nothing, so this is written out here.
"""

import re
from collections.abc import Mapping
from typing import Final

from correlator.compiler.boolean import NAME, OPERATORS, Parser, tokens_of
from correlator.syntax import All, Any, Named, Node, Not

_PATTERN: Final = re.compile(r"[\w.*-]+")
_OPERATORS: Final = OPERATORS | {"of"}


class ConditionError(ValueError):
    """The condition cannot be read; the message says where and why."""


def parse(condition: str, selections: Mapping[str, Node]) -> Node:
    """Return the condition's tree over the rule's selections. Raises ConditionError."""
    return _Parser(tokens_of(condition), selections).whole()


class _Parser(Parser[Node]):
    """Operands are selections and "x of" them."""

    wrong = ConditionError

    def __init__(self, tokens: list[str], selections: Mapping[str, Node]) -> None:
        super().__init__(tokens, every=All, either=Any, without=Not)
        self._selections = selections

    def operand(self) -> Node:
        token = self.peek()
        if token is None or token.lower() in _OPERATORS:
            raise ConditionError(f"a selection's name is missing before {'the end' if token is None else repr(token)}")
        self.skip()
        return self._quantified(token.lower()) if self.take("of") else self._selection(token)

    def _quantified(self, quantifier: str) -> Node:
        if quantifier not in ("1", "any", "all"):
            raise ConditionError(f"'{quantifier} of': only '1 of', 'any of' and 'all of' are defined")
        pattern = self.peek()
        if pattern is None or not _PATTERN.fullmatch(pattern):
            raise ConditionError(f"'{quantifier} of' names no selection")
        self.skip()
        nodes = tuple(self._selection(name) for name in self._matching(pattern))
        if not nodes:
            raise ConditionError(f"'{quantifier} of {pattern}' names no selection of the rule")
        if len(nodes) == 1:
            return nodes[0]
        return All(nodes) if quantifier == "all" else Any(nodes)

    def _matching(self, pattern: str) -> list[str]:
        """Names that the pattern selects; those with an underscore in front only when it has one too."""
        wanted = "*" if pattern.lower() == "them" else pattern
        expression = re.compile(".*".join(map(re.escape, wanted.split("*"))))
        hidden = wanted.startswith("_")
        return [n for n in self._selections if expression.fullmatch(n) and (hidden or not n.startswith("_"))]

    def _selection(self, name: str) -> Node:
        if name in self._selections:
            return Named(name, self._selections[name])
        if name.startswith("|"):
            raise ConditionError("aggregations after '|' are deprecated; write a correlation rule")
        if not NAME.fullmatch(name):
            raise ConditionError(f"'{name}' is no selection's name")
        raise ConditionError(f"there is no selection '{name}'; the rule has {', '.join(self._selections)}")
