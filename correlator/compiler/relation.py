"""Boolean conditions over referred rules: text in, a tree and the names of the rules out.

An extension of the correlation specification that pySigma has: `(a or b) and not c`.
"""

from collections.abc import Sequence
from typing import Final

from correlator.compiler.boolean import NAME, OPERATORS, Parser, tokens_of
from correlator.correlation.rule import Either, Every, Expression, Refers, Without

MAX_WORDS: Final = 1000
"""Names, operators and parentheses of one condition."""


class RelationError(ValueError):
    """The condition cannot be read; the message says where and why."""


def parse(condition: str, rules: Sequence[str] = ()) -> tuple[Expression, tuple[str, ...]]:
    """Return the tree, and the rules by number: `rules`, or where there are none those named, in that order.

    Raises RelationError, also where the condition names another rule than `rules`, or leaves one of them out.
    """
    tokens = tokens_of(condition)
    if len(tokens) > MAX_WORDS:
        raise RelationError(f"longer than {MAX_WORDS} words; put parts of it into correlations of their own")
    parser = _Parser(tokens, rules)
    expression = parser.whole()
    if unused := [rule for rule in rules if rule not in parser.used]:
        raise RelationError(f"{unused[0]!r} is in 'rules' and not in the condition; name it there, or remove it")
    return expression, tuple(rules) or tuple(parser.used)


class _Parser(Parser[Expression]):
    """Operands are names of rules. `used`: those that were read, in order."""

    wrong = RelationError

    def __init__(self, tokens: list[str], rules: Sequence[str]) -> None:
        super().__init__(tokens, every=Every, either=Either, without=Without)
        self._numbers = {rule: number for number, rule in enumerate(rules)}
        self._closed = bool(rules)
        self.used: dict[str, None] = {}

    def operand(self) -> Expression:
        token = self.peek()
        if token is None or token.lower() in OPERATORS:
            raise RelationError(f"a rule's name is missing before {'the end' if token is None else repr(token)}")
        if not NAME.fullmatch(token):
            raise RelationError(f"'{token}' is no rule's name or id")
        if self._closed and token not in self._numbers:
            raise RelationError(f"'{token}' is not in 'rules'; add it there, or leave 'rules' out")
        self.skip()
        self.used.setdefault(token)
        return Refers(self._numbers.setdefault(token, len(self._numbers)))
