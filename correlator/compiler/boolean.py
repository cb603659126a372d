"""Boolean conditions, of selections or of referred rules: `not` binds most, then `and`, then `or`; any case.

pySigma's own grammar reads `notepad` as `not epad`, so this is written out here.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final, Generic, TypeVar

MAX_DEPTH: Final = 64
"""Nested parentheses and negations that are read; more is refused."""

NAME: Final = re.compile(r"[\w.-]+")
"""What an operand may be called."""

OPERATORS: Final = frozenset({"or", "and", "not", "(", ")"})

_TOKEN: Final = re.compile(r"[()]|[^\s()]+")

T = TypeVar("T")


def tokens_of(condition: str) -> list[str]:
    """Return the words and parentheses of a condition."""
    return _TOKEN.findall(condition)


class Parser(ABC, Generic[T]):
    """Recursive descent, one method a precedence. `wrong`: what is raised, with a message that says where and why."""

    wrong: type[ValueError]

    def __init__(
        self,
        tokens: list[str],
        every: Callable[[tuple[T, ...]], T],
        either: Callable[[tuple[T, ...]], T],
        without: Callable[[T], T],
    ) -> None:
        """Take what `tokens_of` gives. The others make of parts what holds where all do, where one does, where it does not."""
        self._tokens = tokens
        self._at = 0
        self._every, self._either, self._without = every, either, without

    @abstractmethod
    def operand(self) -> T:
        """Read what operators stand between."""

    def whole(self) -> T:
        """Read the condition to its end."""
        node = self._disjunction(0)
        if (left := self.peek()) is not None:
            raise self.wrong(f"'{left}' is not expected there; 'and' or 'or' is missing before it")
        return node

    def peek(self) -> str | None:
        """Return the next token, or None at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def skip(self) -> None:
        """Go on behind the next token."""
        self._at += 1

    def take(self, word: str) -> bool:
        """Go on behind a word, in any case, where it is the next token; return whether it is."""
        token = self.peek()
        if token is None or token.lower() != word:
            return False
        self.skip()
        return True

    def _disjunction(self, depth: int) -> T:
        parts = [self._conjunction(depth)]
        while self.take("or"):
            parts.append(self._conjunction(depth))
        return parts[0] if len(parts) == 1 else self._either(tuple(parts))

    def _conjunction(self, depth: int) -> T:
        parts = [self._negation(depth)]
        while self.take("and"):
            parts.append(self._negation(depth))
        return parts[0] if len(parts) == 1 else self._every(tuple(parts))

    def _negation(self, depth: int) -> T:
        if depth > MAX_DEPTH:
            raise self.wrong(f"nested deeper than {MAX_DEPTH}")
        if self.take("not"):
            return self._without(self._negation(depth + 1))
        if self.take("("):
            node = self._disjunction(depth + 1)
            if not self.take(")"):
                raise self.wrong("a closing parenthesis is missing")
            return node
        return self.operand()
