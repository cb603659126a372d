"""Boolean conditions over referred rules: text in, a tree and the names of the rules out.

An extension of the correlation specification that pySigma has: `(a or b) and not c`. `not` binds most, then `and`, `or`.
"""

import re
from collections.abc import Sequence
from typing import Final

from correlator.correlation.rule import Either, Every, Expression, Refers, Without

MAX_DEPTH: Final = 64
"""Nested parentheses and negations that are read; more is refused."""

MAX_WORDS: Final = 1000
"""Names, operators and parentheses of one condition."""

_TOKEN = re.compile(r"[()]|[^\s()]+")
_NAME = re.compile(r"[\w.-]+")
_OPERATORS: Final = frozenset({"or", "and", "not", "(", ")"})


class RelationError(ValueError):
    """The condition cannot be read; the message says where and why."""


def parse(condition: str, rules: Sequence[str] = ()) -> tuple[Expression, tuple[str, ...]]:
    """Return the tree, and the rules by number: `rules`, or where there are none those named, in that order.

    Raises RelationError, also where the condition names another rule than `rules`, or leaves one of them out.
    """
    tokens = _TOKEN.findall(condition)
    if len(tokens) > MAX_WORDS:
        raise RelationError(f"longer than {MAX_WORDS} words; put parts of it into correlations of their own")
    parser = _Parser(tokens, rules)
    expression = parser.disjunction(0)
    if (left := parser.peek()) is not None:
        raise RelationError(f"'{left}' is not expected there; 'and' or 'or' is missing before it")
    if unused := [rule for rule in rules if rule not in parser.used]:
        raise RelationError(f"{unused[0]!r} is in 'rules' and not in the condition; name it there, or remove it")
    return expression, tuple(rules) or tuple(parser.used)


class _Parser:
    """Recursive descent, one method a precedence: or, and, not."""

    def __init__(self, tokens: list[str], rules: Sequence[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._numbers = {rule: number for number, rule in enumerate(rules)}
        self._closed = bool(rules)
        self.used: dict[str, None] = {}

    def peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self, word: str) -> bool:
        token = self.peek()
        if token is None or token.lower() != word:
            return False
        self._at += 1
        return True

    def disjunction(self, depth: int) -> Expression:
        parts = [self._conjunction(depth)]
        while self._take("or"):
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _conjunction(self, depth: int) -> Expression:
        parts = [self._negation(depth)]
        while self._take("and"):
            parts.append(self._negation(depth))
        return parts[0] if len(parts) == 1 else Every(tuple(parts))

    def _negation(self, depth: int) -> Expression:
        if depth > MAX_DEPTH:
            raise RelationError(f"nested deeper than {MAX_DEPTH}")
        if self._take("not"):
            return Without(self._negation(depth + 1))
        if self._take("("):
            expression = self.disjunction(depth + 1)
            if not self._take(")"):
                raise RelationError("a closing parenthesis is missing")
            return expression
        return self._name()

    def _name(self) -> Refers:
        token = self.peek()
        if token is None or token.lower() in _OPERATORS:
            raise RelationError(f"a rule's name is missing before {'the end' if token is None else repr(token)}")
        if not _NAME.fullmatch(token):
            raise RelationError(f"'{token}' is no rule's name or id")
        if self._closed and token not in self._numbers:
            raise RelationError(f"'{token}' is not in 'rules'; add it there, or leave 'rules' out")
        self._at += 1
        self.used.setdefault(token)
        return Refers(self._numbers.setdefault(token, len(self._numbers)))
