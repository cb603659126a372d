"""What rules look at of a JSON record, its logsource and fields, without making an event: of few records one is wanted.

Both functions give what `jsonfile.event_of` does.
"""

from typing import Any, Final

from collectors.sources import windows
from collectors.sources.flat import MAX_FIELDS, flatten
from collectors.sources.jsonfile import is_event
from soc import taxonomy
from soc.errors import DeadLetter
from soc.events import LogSource, from_document

MAX_KNOWN: Final = 10_000
"""Channels with EventIDs whose logsource is remembered."""

_NOTHING: Final = LogSource()


class Flat:
    """Takes flat records, which most are: the document itself becomes the fields."""

    def __init__(self, stated: LogSource) -> None:
        """Take the logsource of all records; one that states nothing leaves it to each."""
        self._stated = stated if any(stated) else None
        self._known: dict[tuple[str, int], LogSource] = {}

    def __call__(self, document: dict[str, Any]) -> LogSource | None:
        """Return the logsource of a record and make the document its fields, or None where it is not so simple.

        The document is as it was then. Raises AttributeError where it is no object.
        """
        for value in document.values():
            if value.__class__ is str:  # first, as nearly all are: this is the dearest part of all
                continue
            if value.__class__ is dict or (value.__class__ is list and _nested(value)):
                return None
        if "log_name" in document or len(document) > MAX_FIELDS:
            return None
        if "Channel" not in document or "EventID" not in document:
            return self._stated or _NOTHING
        if "EventData" in document and str(document["EventData"]).startswith("{"):
            return None
        return self._windows(document)

    def _windows(self, fields: dict[str, Any]) -> LogSource:
        if fields["EventID"].__class__ is str:
            windows.numbered(fields)
        if "Provider_Name" not in fields:
            windows.name_provider(fields)
        if self._stated:
            return self._stated
        try:
            return self._known[fields["Channel"], fields["EventID"]]
        except (KeyError, TypeError):
            return self._logsource(fields)

    def _logsource(self, fields: dict[str, Any]) -> LogSource:
        logsource = taxonomy.windows(fields)
        channel, number = fields["Channel"], fields["EventID"]
        if isinstance(channel, str) and type(number) is int and len(self._known) < MAX_KNOWN:
            self._known[channel, number] = logsource
        return logsource


def fields_of(document: Any, stated: LogSource) -> tuple[LogSource, dict[str, Any]]:
    """Return the logsource and the fields of any record. Raises DeadLetter as `jsonfile.event_of` does."""
    if not isinstance(document, dict):
        raise DeadLetter("malformed_json", "not an object")
    if is_event(document):
        event = from_document(document)
        return event.logsource, event.fields
    fields = windows.fields_of(document)
    logsource = _NOTHING if fields is None else taxonomy.windows(fields)
    return (stated if any(stated) else logsource), (flatten(document) if fields is None else fields)


def _nested(values: list[Any]) -> bool:
    return any(value.__class__ is dict or value.__class__ is list for value in values)
