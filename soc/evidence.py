"""What a correlation's match says of itself: checked as it comes, and in the few words that an alert keeps."""

from collections.abc import Iterable
from typing import Any, Final

from soc.alerts import Evidence, Reason

CONDITION: Final = "condition"
GROUP_BY: Final = "group-by"
"""The selections of a correlation's reasons. No selection of a detection can be called `condition`."""

MAX_CONTRIBUTIONS: Final = 1000
MAX_GROUP: Final = 100
MAX_INCOMPLETE: Final = 100
"""What a match may have of each."""

_TIMES: Final = range(-(2**63), 2**63)


def reasons_of(evidence: Evidence) -> tuple[Reason, ...]:
    """Return the reasons of a correlation's match: what was counted, by what was asked, then the group's values."""
    counted = Reason(CONDITION, evidence.kind, evidence.counted, evidence.condition)
    return (counted, *(Reason(GROUP_BY, name, value) for name, value in evidence.group))


def is_correlation(reasons: Iterable[Reason]) -> bool:
    """Tell whether these are a correlation's reasons: host or site are then "" where several took part."""
    return any(each.selection == CONDITION for each in reasons)


def told(reasons: Iterable[Reason]) -> tuple[Reason | None, list[Reason]]:
    """Return what was counted, None where no correlation did, and the group's fields with their values."""
    every = tuple(reasons)
    counted = next((each for each in every if each.selection == CONDITION), None)
    return counted, [each for each in every if counted and each.selection == GROUP_BY]


def check_evidence(found: Evidence) -> None:
    """Raise TypeError where a part is of another type, ValueError where it is out of bounds."""
    _bounded("group", found.group, MAX_GROUP)
    _bounded("contributions", found.contributions, MAX_CONTRIBUTIONS)
    _bounded("incomplete", found.incomplete, MAX_INCOMPLETE)
    _texts("evidence", found.kind, found.condition, found.counted, *found.incomplete)
    _texts("group", *(text for pair in found.group for text in pair))
    _numbers("evidence", found.start, found.end, found.bucket, found.hits)
    for each in found.contributions:
        _texts("contribution", each.event_id, each.rule, each.site, each.host, each.value)
        _numbers("contribution", each.time)
    if found.start > found.end or found.hits < 0:
        raise ValueError("evidence: the window ends before it starts, or hits are negative")


def _bounded(name: str, parts: tuple[Any, ...], most: int) -> None:
    if len(parts) > most:
        raise ValueError(f"evidence: {len(parts)} {name}, more than {most}")


def _texts(name: str, *values: object) -> None:
    if not all(isinstance(value, str) for value in values):
        raise TypeError(f"{name}: what should be text is not")


def _numbers(name: str, *values: object) -> None:
    if not all(type(value) is int and value in _TIMES for value in values):
        raise TypeError(f"{name}: times and counts must be whole numbers of 64 bits")
