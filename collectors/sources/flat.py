"""Nested JSON made flat: `a.b` for what is inside objects; bounded in number and depth."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

MAX_FIELDS: Final = 1000
MAX_DEPTH: Final = 16
MAX_NAME: Final = 256


def flatten(document: Mapping[str, Any], separator: str = ".") -> dict[str, Any]:
    """Return the scalars and lists of scalars of a document by their path. What is beyond the bounds is JSON text."""
    fields: dict[str, Any] = {}
    _add(fields, document, "", separator, MAX_DEPTH)
    return fields


def _add(fields: dict[str, Any], document: Mapping[str, Any], prefix: str, separator: str, depth: int) -> None:
    for key, value in document.items():
        if len(fields) >= MAX_FIELDS:
            return
        name = f"{prefix}{key}"[:MAX_NAME]
        if isinstance(value, dict) and value and depth > 1:
            _add(fields, value, f"{name}{separator}", separator, depth - 1)
        else:
            fields[name] = plain(value)


def plain(value: Any) -> Any:
    """Return a scalar or a list of scalars as it is, anything else as JSON text."""
    if isinstance(value, dict):
        return _text(value)
    if isinstance(value, list):
        return [_text(each) if isinstance(each, dict | list) else each for each in value]
    return value


def _text(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except (TypeError, ValueError):  # lone surrogates, huge numbers, nesting
        return repr(value)[:MAX_NAME]
