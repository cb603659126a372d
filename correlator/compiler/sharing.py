"""Equal values as one object: thousands of rules ask for the same, and what is pickled as one is read as one."""

from collections.abc import Callable, Iterable
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any, TypeVar

Value = TypeVar("Value")


def shared(value: Value) -> Value:
    """Return the value with one object for all that is equal within it: texts, tuples, dataclasses.

    Anything else stays the object that it is; 1 and 1.0 are equal, and told apart.
    """
    made: Value = _Sharing().of(value)
    return made


class _Sharing:
    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._made: dict[tuple[Any, ...], Any] = {}

    def of(self, value: Any) -> Any:
        kind: Any = value.__class__
        if kind is str:
            return self._texts.setdefault(value, value)
        if (taken := _taken(kind)) is None:
            return value
        parts_of, make = taken
        parts = tuple(map(self.of, parts_of(value)))
        key = (kind, *map(id, parts))  # each part is the one object for what equals it, and lives as long as `value`
        if (known := self._made.get(key)) is None:
            known = self._made[key] = make(parts)
        return known


@cache
def _taken(kind: Any) -> tuple[Callable[[Any], Iterable[Any]], Callable[[Iterable[Any]], Any]] | None:
    """Return how values of a type are taken apart and made; None for a type that has no parts."""
    if issubclass(kind, tuple):
        return iter, getattr(kind, "_make", kind)
    names = [each.name for each in fields(kind)] if is_dataclass(kind) else None
    if names is None:
        return None
    return lambda value: [getattr(value, name) for name in names], lambda parts: kind(*parts)
