"""An event's fields as the evaluator sees them: each value's text made once, and only when a rule asks for it."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from correlator.engine.text import fold

MAX_WHOLE: Final = 1e15
"""Integers beyond it are not remembered: they are rare, and of any length."""

Text = str | tuple[str, ...] | None
"""A value as text: None where the field is missing or null, several where it is a list."""


class Record:
    """One event during its evaluation. `texts[field]` and `folded[field]` give Text, as written and without case."""

    __slots__ = ("fields", "folded", "texts")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        """Take the fields as they are; nothing is computed yet."""
        self.fields = fields
        self.texts = _Texts(fields)
        self.folded = _Folded(self.texts)

    def every(self, *, cased: bool) -> Iterator[Text]:
        """Yield every value's text: what a keyword is searched in."""
        texts = self.texts if cased else self.folded
        return (texts[field] for field in self.fields)


def text_of(value: Any) -> Text:
    """Return a value's text: integers and booleans as a rule writes them, a list as its elements' texts."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list | tuple):
        return tuple(_scalar(each) for each in value if each is not None)
    return _scalar(value)


def _scalar(value: Any) -> str:
    """Return one text; of what is nested its JSON, or nothing where that is beyond JSON's bounds."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    try:
        return str(value) if isinstance(value, int) else orjson.dumps(value).decode()
    except (TypeError, ValueError):  # nested too deep, an integer of thousands of digits
        return ""


class _Texts(dict[str, Text]):
    __slots__ = ("_fields",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__()
        self._fields = fields

    def __missing__(self, field: str) -> Text:
        text = self[field] = text_of(self._fields.get(field))
        return text


class _Folded(dict[str, Text]):
    __slots__ = ("_texts",)

    def __init__(self, texts: _Texts) -> None:
        super().__init__()
        self._texts = texts

    def __missing__(self, field: str) -> Text:
        text = self._texts[field]
        folded = self[field] = fold(text) if isinstance(text, str) else text and tuple(map(fold, text))
        return folded
