"""Sigma's condition language: text and selections in, a tree out. Sigma rules specification 2.1, "Condition".

pySigma's own grammar reads `notepad` as `not epad` and lets `1 of` name nothing, so this is written out here.
"""

import re
from collections.abc import Mapping
from typing import Final

from correlator.syntax import All, Any, Named, Node, Not

MAX_DEPTH: Final = 64
"""Nested parentheses and negations that are read; more is refused."""

_TOKEN = re.compile(r"[()]|[^\s()]+")
_NAME = re.compile(r"[\w.-]+")
_PATTERN = re.compile(r"[\w.*-]+")
_OPERATORS = frozenset({"or", "and", "not", "of", "(", ")"})


class ConditionError(ValueError):
    """The condition cannot be read; the message says where and why."""


def parse(condition: str, selections: Mapping[str, Node]) -> Node:
    """Return the condition's tree over the rule's selections. Raises ConditionError."""
    parser = _Parser(_TOKEN.findall(condition), selections)
    node = parser.disjunction(0)
    if (left := parser.peek()) is not None:
        raise ConditionError(f"'{left}' is not expected there; 'and' or 'or' is missing before it")
    return node


class _Parser:
    """Recursive descent, one method a precedence: or, and, not, x of."""

    def __init__(self, tokens: list[str], selections: Mapping[str, Node]) -> None:
        self._tokens = tokens
        self._at = 0
        self._selections = selections

    def peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, word: str) -> bool:
        token = self.peek()
        if token is None or token.lower() != word:
            return False
        self._at += 1
        return True

    def disjunction(self, depth: int) -> Node:
        nodes = [self._conjunction(depth)]
        while self._take("or"):
            nodes.append(self._conjunction(depth))
        return nodes[0] if len(nodes) == 1 else Any(tuple(nodes))

    def _conjunction(self, depth: int) -> Node:
        nodes = [self._negation(depth)]
        while self._take("and"):
            nodes.append(self._negation(depth))
        return nodes[0] if len(nodes) == 1 else All(tuple(nodes))

    def _negation(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            raise ConditionError(f"nested deeper than {MAX_DEPTH}")
        if self._take("not"):
            return Not(self._negation(depth + 1))
        if self._take("("):
            node = self.disjunction(depth + 1)
            if not self._take(")"):
                raise ConditionError("a closing parenthesis is missing")
            return node
        return self._operand()

    def _operand(self) -> Node:
        token = self.peek()
        if token is None or token.lower() in _OPERATORS:
            raise ConditionError(f"a selection's name is missing before {'the end' if token is None else repr(token)}")
        self._at += 1
        return self._quantified(token.lower()) if self._take("of") else self._selection(token)

    def _quantified(self, quantifier: str) -> Node:
        if quantifier not in ("1", "any", "all"):
            raise ConditionError(f"'{quantifier} of': only '1 of', 'any of' and 'all of' are defined")
        pattern = self.peek()
        if pattern is None or not _PATTERN.fullmatch(pattern):
            raise ConditionError(f"'{quantifier} of' names no selection")
        self._at += 1
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
        if not _NAME.fullmatch(name):
            raise ConditionError(f"'{name}' is no selection's name")
        raise ConditionError(f"there is no selection '{name}'; the rule has {', '.join(self._selections)}")
