"""Windows event records as flat fields in Sigma's names, whoever exported them.

Known shapes: the nested Event of EVTX (System, EventData, UserData), flat records of NXLog and of data sets (Channel and
EventID at the top), Winlogbeat 6 (log_name, event_data) and 7 (winlog.*), Sentinel (EventData as JSON text).
What System says of channel, event, computer and provider is never overwritten by what the event's own data says.
"""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

import orjson

from collectors.sources import moments
from collectors.sources.flat import MAX_FIELDS, flatten, plain

_FIXED: Final = frozenset({"Channel", "EventID", "Computer", "Provider_Name", "TimeCreated", "EventRecordID"})
_WINLOGBEAT_6: Final = {
    "log_name": "Channel",
    "event_id": "EventID",
    "computer_name": "Computer",
    "source_name": "Provider_Name",
    "message": "Message",
    "record_number": "EventRecordID",
}
_WINLOGBEAT_7: Final = {
    "channel": "Channel",
    "event_id": "EventID",
    "computer_name": "Computer",
    "provider_name": "Provider_Name",
    "record_id": "EventRecordID",
}
_TIMES: Final = (
    ("TimeCreated", False),
    ("TimeGenerated", False),
    ("UtcTime", True),
    ("@timestamp", False),
    ("EventTime", False),
)
"""The record's own clock first; @timestamp may be its arrival somewhere. Sysmon's UtcTime names no zone and is UTC."""

_ATTRIBUTES: Final = "#attributes"
_TEXT: Final = "#text"


def fields_of(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the flat fields, or None where this is no Windows record."""
    event = document.get("Event")
    if isinstance(event, dict) and isinstance(event.get("System"), dict):
        return numbered(_nested(event))
    winlog = document.get("winlog")
    if isinstance(winlog, dict) and "channel" in winlog:
        return numbered(_beat(document, winlog, _WINLOGBEAT_7))
    if "log_name" in document and "event_id" in document:
        return numbered(_beat(document, document, _WINLOGBEAT_6))
    if "Channel" in document and "EventID" in document:
        return numbered(_flat(document))
    return None


def host_of(fields: Mapping[str, Any]) -> str:
    """Return the machine that the record is about. `host` is often the forwarder that collected it."""
    for name in ("Computer", "Hostname", "host.name", "host"):
        value = fields.get(name)
        if isinstance(value, str) and value:
            return value
    return ""


def time_of(fields: Mapping[str, Any], zone: tzinfo) -> tuple[int | None, str]:
    """Return the record's time as `moments.first` does."""
    return moments.first(fields, _TIMES, zone)


def name_provider(fields: dict[str, Any]) -> None:
    """Give a flat record's provider the name that it has elsewhere."""
    for name in ("SourceName", "Provider"):
        if isinstance(fields.get(name), str):
            fields.setdefault("Provider_Name", fields[name])


def numbered(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the fields with EventID as a number, which exporters also write as text."""
    number = fields.get("EventID")
    if isinstance(number, str) and number.isascii() and number.isdecimal() and len(number) < 10:  # noqa: PLR2004 - 32 bits
        fields["EventID"] = int(number)
    return fields


def _nested(event: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in event["System"].items():
        _add_element(fields, name.removesuffix("_attributes"), value)
    if "TimeCreated_SystemTime" in fields:
        fields["TimeCreated"] = fields.pop("TimeCreated_SystemTime")
    for section in ("EventData", "UserData"):
        if isinstance(event.get(section), dict):
            _add_data(fields, event[section] if section == "EventData" else _inner(event[section]))
    rendered = event.get("RenderingInfo")
    if isinstance(rendered, dict) and isinstance(rendered.get("Message"), str):
        fields.setdefault("Message", rendered["Message"])
    return fields


def _add_element(fields: dict[str, Any], name: str, value: Any) -> None:
    """Add one element of System: its text under its name, its attributes under NAME_ATTRIBUTE."""
    if not isinstance(value, dict):
        fields.setdefault(name, plain(value))
        return
    if _TEXT in value:
        fields[name] = plain(value[_TEXT])
    attributes = value.get(_ATTRIBUTES, value)
    if isinstance(attributes, dict):
        fields.update((f"{name}_{key}", plain(each)) for key, each in attributes.items() if key != _TEXT)


def _inner(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what stands inside UserData's one element, whose name is the event's own."""
    inner = [value for name, value in data.items() if name != _ATTRIBUTES]
    return inner[0] if len(inner) == 1 and isinstance(inner[0], dict) else data


def _add_data(fields: dict[str, Any], data: Mapping[str, Any]) -> None:
    for name, value in data.items():
        if name == _ATTRIBUTES or name in _FIXED or len(fields) >= MAX_FIELDS:
            continue
        if isinstance(value, list) and name == "Data":
            _add_list(fields, value)
        elif isinstance(value, dict) and _TEXT in value:
            fields[name] = plain(value[_TEXT])
        elif isinstance(value, dict):
            fields.update(flatten({name: {key: each for key, each in value.items() if key != _ATTRIBUTES}}, "_"))
        else:
            fields[name] = plain(value)


def _add_list(fields: dict[str, Any], values: list[Any]) -> None:
    """Add a list of Data elements: those with a Name by it, the others together as Data."""
    unnamed = []
    for value in values:
        attributes = value.get(_ATTRIBUTES) if isinstance(value, dict) else None
        name = attributes.get("Name") if isinstance(attributes, dict) else None
        text = value.get(_TEXT) if isinstance(value, dict) else value
        if isinstance(name, str) and name not in _FIXED:
            fields[name] = plain(text)
        else:
            unnamed.append(plain(text))
    if unnamed:
        fields["Data"] = unnamed


def _beat(document: Mapping[str, Any], log: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return Winlogbeat's record: `log` holds the event's parts, `names` says which are whose."""
    skipped = {*names, "event_data", "user_data", "winlog"}
    fields = {names[name]: plain(log[name]) for name in names if name in log}
    for section in ("event_data", "user_data"):
        if isinstance(log.get(section), dict):
            _add_data(fields, log[section])
    for source in (log, document):
        for name, value in flatten({key: each for key, each in source.items() if key not in skipped}).items():
            fields.setdefault(name, value)
    if "message" in document:
        fields.setdefault("Message", plain(document["message"]))
    return fields


def _flat(document: Mapping[str, Any]) -> dict[str, Any]:
    fields = flatten(document)
    data = document.get("EventData")
    if isinstance(data, str) and data.startswith("{"):
        try:
            _add_data(fields, orjson.loads(data))
            del fields["EventData"]
        except orjson.JSONDecodeError:
            pass  # stays as the text that it is
    name_provider(fields)
    return fields
