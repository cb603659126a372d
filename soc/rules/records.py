"""The records of a part of a recording, as rules see them: logsource and fields."""

from collections.abc import Iterator
from typing import Any

import orjson

from collectors.framing import Bad
from collectors.sources import BadRecord, Options, Recording
from collectors.sources.files import DamagedError
from collectors.sources.jsonfile import BOM
from collectors.sources.parts import Lines, Part, json_lines
from collectors.sources.quick import Flat, fields_of
from soc.errors import DeadLetter, Stop
from soc.events import LogSource

Fields = tuple[LogSource, dict[str, Any]]


def records(part: Part, options: Options) -> Iterator[Fields | None]:
    """Yield each record; None for one that cannot be read, and for the rest of a file that is damaged."""
    try:
        lines = json_lines(part, options.limit)
        yield from _whole(part, options) if lines is None else _of_lines(lines, options)
    except (DamagedError, Stop, OSError):
        yield None


def _whole(part: Part, options: Options) -> Iterator[Fields | None]:
    for record in Recording(part.path, options):
        yield None if isinstance(record, BadRecord) else _sound(record.logsource, record.fields)


def _of_lines(lines: Lines, options: Options) -> Iterator[Fields | None]:
    flat = Flat(options.logsource)
    for line in lines:
        if isinstance(line, Bad) or len(line) > options.limit:
            yield None
        elif line.strip():
            try:
                document = orjson.loads(line.removeprefix(BOM))
                logsource = flat(document) if isinstance(document, dict) else None
                source, fields = fields_of(document, options.logsource) if logsource is None else (logsource, document)
                yield _sound(source, fields)
            except (orjson.JSONDecodeError, DeadLetter):
                yield None


def _sound(logsource: LogSource, fields: dict[str, Any]) -> Fields | None:
    """Return both, unless the logsource, which an event of ours brings along, is none."""
    return (logsource, fields) if all(part is None or isinstance(part, str) for part in logsource) else None
