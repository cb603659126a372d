"""A layer for MITRE's ATT&CK Navigator: how many rules and correlations there are for each technique. Layer file format 4.5."""

import re
from collections.abc import Iterable
from typing import Any, Final

from correlator.correlation.rule import Correlation
from correlator.source import Rule
from soc.alerts import Level

VERSION: Final = "4.5"

MAX_TITLES: Final = 20
"""Titles that a technique's comment lists."""

MAX_TITLE: Final = 120

_TECHNIQUE: Final = re.compile(r"attack\.(t1\d{3}(?:\.\d{3})?)", re.IGNORECASE)
"""Techniques of the enterprise matrix; those of ICS begin with T0."""

Written = Rule | Correlation

_COLOURS: Final = ("#e8f1fa", "#6ea8dc", "#1f4e8c")


def layer(rules: Iterable[Written], name: str, description: str = "") -> dict[str, Any]:
    """Return the layer as a JSON-ready document: a technique's score is the number of its rules, its comment names them."""
    by_technique: dict[str, list[Written]] = {}
    for rule in rules:
        for technique in dict.fromkeys(_techniques(rule)):
            by_technique.setdefault(technique, []).append(rule)
    most = max(map(len, by_technique.values()), default=1)
    parents = {technique.partition(".")[0] for technique in by_technique if "." in technique}
    return {
        "name": name,
        "versions": {"layer": VERSION},
        "domain": "enterprise-attack",
        "description": description,
        "sorting": 3,
        "techniques": [
            {**_technique(technique, found), "showSubtechniques": technique in parents}
            for technique, found in sorted(by_technique.items())
        ],
        "gradient": {"colors": list(_COLOURS), "minValue": 0, "maxValue": most},
        "legendItems": [
            {"label": "no rule", "color": "#ffffff"},
            {"label": f"{most} rules", "color": _COLOURS[-1]},
        ],
    }


def _techniques(rule: Written) -> Iterable[str]:
    return (found[1].upper() for tag in rule.ref.tags if (found := _TECHNIQUE.fullmatch(tag)))


def _technique(technique: str, rules: list[Written]) -> dict[str, Any]:
    ordered = sorted(rules, key=lambda rule: (-rule.ref.level, rule.ref.title))
    lines = [f"{rule.ref.level.label}: {rule.ref.title[:MAX_TITLE]}" for rule in ordered[:MAX_TITLES]]
    if len(ordered) > MAX_TITLES:
        lines.append(f"and {len(ordered) - MAX_TITLES} more")
    levels = [(level.label, sum(rule.ref.level is level for rule in rules)) for level in sorted(Level, reverse=True)]
    return {
        "techniqueID": technique,
        "score": len(rules),
        "comment": "\n".join(lines),
        "enabled": True,
        "metadata": [{"name": label, "value": str(count)} for label, count in levels if count],
    }
