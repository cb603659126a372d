"""Documents for Elasticsearch: the Elastic Common Schema for people and searches, and the exact document for us.

Field names: Elastic Common Schema 9, field reference; what it has no name for is under `vonggac`. Nothing that a log
says can make Elasticsearch refuse a document: texts are clipped, numbers and addresses checked, and nested values of
fields become JSON text. The exact document, JSON as text, is stored and not indexed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any, Final

import orjson

from soc.alerts import Alert, AlertKey, Evidence, Match, RuleRef
from soc.clock import SECOND
from soc.events import digest
from soc.store.base import INT64

LONGEST: Final = 8191
"""Characters of a keyword: at four bytes each they stay below Lucene's limit of 32,766 bytes a term."""

_LONGEST_VALUE: Final = 7_500
_LONGEST_NAME: Final = 500
"""A flattened field's term is name and value together."""

_DIGITS: Final = 18

KEYWORDS: Final[Mapping[str, tuple[str, ...]]] = {
    "destination.domain": ("DestinationHostname",),
    "dns.question.name": ("QueryName",),
    "event.action": ("Action",),
    "event.code": ("EventID", "SqlState"),
    "event.provider": ("Provider_Name",),
    "event.reason": ("Reason",),
    "file.path": ("TargetFilename",),
    "http.request.method": ("cs-method",),
    "http.request.referrer": ("cs-referer",),
    "log.syslog.facility.name": ("facility",),
    "log.syslog.msgid": ("msgid",),
    "log.syslog.severity.name": ("severity",),
    "process.command_line": ("CommandLine",),
    "process.executable": ("Image",),
    "process.name": ("program",),
    "process.parent.command_line": ("ParentCommandLine",),
    "process.parent.executable": ("ParentImage",),
    "process.working_directory": ("CurrentDirectory",),
    "registry.path": ("TargetObject",),
    "url.original": ("cs-uri",),
    "url.path": ("cs-uri-stem",),
    "url.query": ("cs-uri-query",),
    "user.name": ("User", "cs-username", "SubjectUserName"),
    "user.target.name": ("TargetUser", "TargetUserName"),
    "user_agent.original": ("cs-user-agent",),
    "winlog.channel": ("Channel",),
}
"""ECS keyword to the taxonomy's names; the first that an event has is taken."""

NUMBERS: Final[Mapping[str, tuple[str, ...]]] = {
    "destination.port": ("DestinationPort",),
    "http.response.body.bytes": ("sc-bytes",),
    "http.response.status_code": ("sc-status",),
    "process.pid": ("pid", "ProcessId"),
    "source.port": ("SourcePort", "IpPort"),
}
"""ECS number to the taxonomy's names."""

ADDRESSES: Final[Mapping[str, tuple[str, ...]]] = {
    "destination.ip": ("DestinationIp",),
    "source.ip": ("SourceIp", "c-ip", "IpAddress"),
}
"""ECS address to the taxonomy's names."""

_TECHNIQUE: Final = re.compile(r"attack\.(t\d{4})(\.\d{3})?", re.IGNORECASE)
_TACTIC: Final = re.compile(r"attack\.([a-z]+(?:[-_][a-z]+)*)", re.IGNORECASE)


def match_source(match: Match) -> dict[str, Any]:
    """Return the document of a match. Raises TypeError or ValueError where JSON or 64 bits cannot hold it."""
    event = match.event or {}
    raw, fields = event.get("raw"), event.get("fields") or {}
    found = match.correlation
    return _nested(
        {
            **_common(match.rule, match.site, match.host),
            **dict(_from_fields(fields if found is None else dict(found.group))),
            **({} if found is None else _correlation(found)),
            "@timestamp": _date(match.time),
            "event.id": _clip(match.event_id),
            "event.ingested": _date(match.received),
            "event.original": raw if isinstance(raw, str) else None,
            "vonggac.id": match.id,
            "vonggac.key": key_id(match.alert_key),
            "vonggac.level": int(match.rule.level),
            "vonggac.time": _whole(match.time),
            "vonggac.received": _whole(match.received),
            "vonggac.place": None if match.place is None else _place(*match.place),
            "vonggac.logsource": {k: _clip(v) for k, v in (event.get("logsource") or {}).items() if isinstance(v, str)},
            "vonggac.fields": dict(_flat(fields)),
            "vonggac.document": orjson.dumps(match.to_document()).decode(),
        }
    )


def alert_source(alert: Alert) -> dict[str, Any]:
    """Return the document of an alert. Raises as match_source."""
    texts = (alert.title, alert.host, alert.site, alert.key)
    return _nested(
        {
            **_common(alert.rule, alert.site, alert.host),
            "@timestamp": _date(alert.opened),
            "event.start": _date(alert.first_seen),
            "event.end": _date(alert.last_seen),
            "vonggac.id": alert.id,
            "vonggac.key": key_id(alert.key),
            "vonggac.level": int(alert.level),
            "vonggac.status": alert.status,
            "vonggac.count": _whole(alert.count),
            "vonggac.opened": _whole(alert.opened),
            "vonggac.first_seen": _whole(alert.first_seen),
            "vonggac.last_seen": _whole(alert.last_seen),
            "vonggac.revision": _whole(alert.revision),
            "vonggac.text": [_clip(text.casefold()) for text in texts],
            "vonggac.document": orjson.dumps(alert.to_document()).decode(),
        }
    )


def key_source(key: AlertKey) -> dict[str, Any]:
    """Return the document of an alert key."""
    return _nested({"vonggac.document": orjson.dumps(key).decode()})


def key_id(key: str) -> str:
    """Return what stands for an alert key, which may be longer than a term."""
    return digest("alert key", key)


def _common(rule: RuleRef, site: str, host: str) -> dict[str, Any]:
    techniques = [found for tag in rule.tags if (found := _TECHNIQUE.fullmatch(tag))]
    tactics = [found[1].lower() for tag in rule.tags if (found := _TACTIC.fullmatch(tag))]
    return {
        "event.kind": "alert",
        "host.name": _clip(host) or None,
        "organization.name": _clip(site) or None,
        "rule.id": _clip(rule.id),
        "rule.name": _clip(rule.title),
        "rule.description": _clip(rule.description) or None,
        "rule.level": rule.level.label,
        "tags": [_clip(tag) for tag in rule.tags],
        "threat.framework": "MITRE ATT&CK" if techniques or tactics else None,
        "threat.tactic.name": tactics or None,
        "threat.technique.id": _unique(found[1].upper() for found in techniques) or None,
        "threat.technique.subtechnique.id": [found[0][7:].upper() for found in techniques if found[2]] or None,
    }


def _correlation(found: Evidence) -> dict[str, Any]:
    """Return what a correlation is searched by: its group, the events that it counted, and where they were."""
    hosts = (each.host for each in found.contributions if each.host)
    return {
        "event.start": _date(found.start),
        "event.end": _date(found.end),
        "related.hosts": _unique(map(_clip, hosts)) or None,
        "vonggac.correlation.kind": _clip(found.kind),
        "vonggac.correlation.group": dict(_flat(dict(found.group))),
        "vonggac.correlation.events": _unique(_clip(each.event_id) for each in found.contributions),
        "vonggac.correlation.bucket": _whole(found.bucket),
        "vonggac.correlation.hits": _whole(found.hits),
    }


def _from_fields(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    message = fields.get("message")
    yield "message", message if isinstance(message, str) else None
    for names, convert in ((KEYWORDS, _text), (NUMBERS, _number), (ADDRESSES, _address)):
        for name, candidates in names.items():
            values = (convert(fields[each]) for each in candidates if each in fields)
            yield name, next((value for value in values if value is not None), None)


def _flat(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield each field as text, or as texts where it is a list of scalars: one level, however deep the log went."""
    for name, value in fields.items():
        if value is None:
            continue
        key = name[:_LONGEST_NAME].replace("\0", "\ufffd")
        if isinstance(value, list) and not any(isinstance(each, list | dict) for each in value):
            yield key, [_scalar(each)[:_LONGEST_VALUE] for each in value if each is not None]
        else:
            yield key, _scalar(value)[:_LONGEST_VALUE]


def _scalar(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _text(value: Any) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)[:LONGEST]
    return _clip(value) if isinstance(value, str) and value else None


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _DIGITS:
        return int(value)
    return value if type(value) is int and value in INT64 else None


def _address(value: Any) -> str | None:
    if not isinstance(value, str) or "%" in value:  # a zone is no part of an address there
        return None
    try:
        return str(ip_address(value))
    except ValueError:
        return None


def _date(time: int) -> str | None:
    try:
        return datetime.fromtimestamp(time / SECOND, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return None


def _place(log: str, partition: int, offset: int) -> dict[str, Any]:
    return {"log": log, "partition": _whole(partition), "offset": _whole(offset)}


def _whole(number: int) -> int:
    if type(number) is not int or number not in INT64:
        raise ValueError(f"not a whole number of 64 bits: {number!r:.40}")
    return number


def _clip(text: str) -> str:
    return text[:LONGEST]


def _unique(values: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(values))


def _nested(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return {"a": {"b": 1}} for {"a.b": 1}; what is None is left out."""
    tree: dict[str, Any] = {}
    for name, value in flat.items():
        if value is not None:
            *parents, last = name.split(".")
            branch = tree
            for parent in parents:
                branch = branch.setdefault(parent, {})
            branch[last] = value
    return tree
