"""The Elasticsearch indices: their names, and the composable templates that shape them.

Mappings are closed (`dynamic: false`): a log cannot add a field, whatever it says.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from soc.store import ecs
from soc.store.months import ALERTS, KEYS, MATCHES, is_month

PRIORITY: Final = 500
"""Above the templates that Elasticsearch brings (100 to 200)."""

VERSION: Final = 2
"""Raised with each change of a mapping here."""

_KEYWORD: Final = {"type": "keyword", "ignore_above": ecs.LONGEST}
_LONG: Final = {"type": "long"}
_DATE: Final = {"type": "date"}
_ADDRESS: Final = {"type": "ip"}
_FLATTENED: Final = {"type": "flattened", "ignore_above": ecs.LONGEST}
"""One field of the mapping, whatever names are in it."""

_STORED: Final = {"type": "keyword", "index": False, "doc_values": False}
"""Only in the source: no term, so no limit on its length."""

_COMMON: Final[Mapping[str, Any]] = {
    "@timestamp": _DATE,
    "event.kind": _KEYWORD,
    "host.name": _KEYWORD,
    "organization.name": _KEYWORD,
    "rule.id": _KEYWORD,
    "rule.name": _KEYWORD,
    "rule.description": _STORED,
    "rule.level": _KEYWORD,
    "tags": _KEYWORD,
    "threat.framework": _KEYWORD,
    "threat.tactic.name": _KEYWORD,
    "threat.technique.id": _KEYWORD,
    "threat.technique.subtechnique.id": _KEYWORD,
    "vonggac.id": _KEYWORD,
    "vonggac.key": _KEYWORD,
    "vonggac.level": _LONG,
    "vonggac.document": _STORED,
}
_FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    MATCHES: {
        **_COMMON,
        **dict.fromkeys(ecs.KEYWORDS, _KEYWORD),
        **dict.fromkeys(ecs.NUMBERS, _LONG),
        **dict.fromkeys(ecs.ADDRESSES, _ADDRESS),
        "event.id": _KEYWORD,
        "event.start": _DATE,
        "event.end": _DATE,
        "event.ingested": _DATE,
        "event.original": _STORED,
        "message": {"type": "text", "norms": False},
        "vonggac.time": _LONG,
        "vonggac.received": _LONG,
        "vonggac.place.log": _KEYWORD,
        "vonggac.place.partition": _LONG,
        "vonggac.place.offset": _LONG,
        "vonggac.logsource.product": _KEYWORD,
        "vonggac.logsource.category": _KEYWORD,
        "vonggac.logsource.service": _KEYWORD,
        "vonggac.fields": _FLATTENED,
        "related.hosts": _KEYWORD,
        "vonggac.correlation.kind": _KEYWORD,
        "vonggac.correlation.group": _FLATTENED,
        "vonggac.correlation.events": _KEYWORD,
        "vonggac.correlation.bucket": _LONG,
        "vonggac.correlation.hits": _LONG,
    },
    ALERTS: {
        **_COMMON,
        "event.start": _DATE,
        "event.end": _DATE,
        "vonggac.status": _KEYWORD,
        "vonggac.count": _LONG,
        "vonggac.opened": _LONG,
        "vonggac.first_seen": _LONG,
        "vonggac.last_seen": _LONG,
        "vonggac.revision": _LONG,
        "vonggac.text": _KEYWORD,
    },
    KEYS: {"vonggac.document": _STORED},
}


def index_name(prefix: str, kind: str, month: str) -> str:
    """Return "soc-matches-2026.11"."""
    return f"{prefix}-{kind}-{month}"


def months_of(prefix: str, kind: str, names: Iterable[str]) -> list[str]:
    """Return the months of those indices that are ours and of this kind, the newest first."""
    pattern = re.compile(f"{re.escape(prefix)}-{kind}-(.+)")
    found = (pattern.fullmatch(name) for name in names)
    return sorted((each[1] for each in found if each and is_month(each[1])), reverse=True)


def templates(prefix: str, replicas: int) -> dict[str, dict[str, Any]]:
    """Return the body of each index template, by its name."""
    return {f"{prefix}-{kind}": _template(prefix, kind, replicas) for kind in (MATCHES, ALERTS, KEYS)}


def _template(prefix: str, kind: str, replicas: int) -> dict[str, Any]:
    months = kind != KEYS
    return {
        "index_patterns": [f"{prefix}-{kind}-*" if months else f"{prefix}-{kind}"],
        "priority": PRIORITY,
        "version": VERSION,
        "template": {
            "aliases": {f"{prefix}-{kind}": {}} if months else {},
            "mappings": {"dynamic": False, "date_detection": False, "properties": _properties(_FIELDS[kind])},
            "settings": {
                "index": {
                    "number_of_shards": 1,
                    "number_of_replicas": replicas,
                    "refresh_interval": "1s",  # set, so that an index without searches is refreshed as well
                    "mapping.ignore_malformed": True,
                    "translog.durability": "request",
                }
            },
        },
    }


def _properties(fields: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return nested `properties` for dotted names."""
    tree: dict[str, Any] = {}
    for name, mapping in fields.items():
        *parents, last = name.split(".")
        branch = tree
        for parent in parents:
            branch = branch.setdefault(parent, {"properties": {}})["properties"]
        branch[last] = mapping
    return tree
