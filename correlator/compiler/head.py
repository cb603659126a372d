"""What stands around a rule's detection or correlation, as pySigma reads it: neutral values, bounded."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from soc.alerts import Level, RuleRef

MAX_DESCRIPTION: Final = 4000
MAX_TEXTS: Final = 50
MAX_TEXT: Final = 500
"""Characters of a description, number of tags and of false positives, characters of each: every match carries them."""

Parsed = SigmaRule | SigmaCorrelationRule
"""What pySigma made of a document."""


def ref(parsed: Parsed) -> RuleRef:
    """Return what matches keep. A rule without an id gets one that depends on its title."""
    return RuleRef(
        id=str(parsed.id or uuid5(NAMESPACE_URL, f"sigma:{parsed.title}")),
        title=parsed.title,
        level=Level.parse(parsed.level.name) if parsed.level else Level.MEDIUM,
        tags=_bounded(parsed.tags),
        description=(parsed.description or "")[:MAX_DESCRIPTION],
        falsepositives=_bounded(parsed.falsepositives),
    )


def name(parsed: Parsed) -> str:
    """Return the name by which correlations and filters may refer to the rule, "" where it has none."""
    return (parsed.name or "")[:MAX_TEXT]


def status(parsed: Parsed) -> str:
    """Return the status in lower case, "" where none is written."""
    return parsed.status.name.lower() if parsed.status else ""


def author(parsed: Parsed) -> str:
    """Return who wrote the rule, "" where nobody says so."""
    return (parsed.author or "")[:MAX_TEXT]


def _bounded(texts: Sequence[Any]) -> tuple[str, ...]:
    return tuple(str(each)[:MAX_TEXT] for each in texts[:MAX_TEXTS])
