"""One correlation whose lower ones are known: what it may ask for, what it feeds, and the digest of what it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Final, NamedTuple

from correlator.correlation.plan import Input, judged_at_hits
from correlator.correlation.referred import Target, Unlinked
from correlator.correlation.rule import Bound, Correlation, Kind
from soc.clock import SECOND
from soc.events import digest

HOUR: Final = 3600 * SECOND

MONTH: Final = 2_629_746 * SECOND
"""The mean month of the Gregorian calendar; twelve are a year."""

MAX_LEVELS: Final = 8
"""Correlations on top of each other: each level waits for the clocks of those below it."""

VERSION: Final = 16
"""Characters of a version."""

_COUNTS: Final = frozenset({Kind.EVENT_COUNT, Kind.VALUE_COUNT})


class Limits(NamedTuple):
    """What a correlation may ask for: the longest timespan, in microseconds, and hits remembered of one group."""

    timespan: int = 168 * HOUR
    group_hits: int = 20_000


DEFAULT: Final = Limits()
"""As the settings have them where nothing is said."""


@dataclass(frozen=True)
class Draft:
    """A correlation whose lower ones are known. `feeds`: the fields that its hits have, None for all of an event."""

    correlation: Correlation
    targets: tuple[Target, ...]
    inputs: tuple[Input, ...]
    version: str
    level: int
    feeds: frozenset[str] | None

    @property
    def sources(self) -> tuple[Input, ...]:
        """Those of whose hits one is the hit at which it holds."""
        return self.inputs[-1:] if _holds_at_last(self.correlation) else self.inputs


def _holds_at_last(correlation: Correlation) -> bool:
    """Tell whether the hit at which it holds is always one of the last rule; a number of rules may end at another."""
    return correlation.kind is Kind.TEMPORAL_ORDERED and not correlation.condition.bounds


def drafted(
    correlation: Correlation, targets: tuple[Target, ...], inputs: tuple[Input, ...], lower: Sequence[Draft | None]
) -> Draft:
    """Return the draft; `lower` are the drafts of its targets, None for a detection rule. Raises Unlinked."""
    level = 1 + max((each.level for each in lower if each), default=0)
    if level > MAX_LEVELS:
        raise Unlinked(f"more than {MAX_LEVELS} correlations on top of each other; refer to lower ones", "rules")
    for each, below in zip(inputs, lower, strict=True):
        if below is not None and below.feeds is not None:
            _check_fields(each, below)
    return Draft(correlation, targets, inputs, _version(correlation, inputs, lower), level, _feeds(correlation, lower))


# What a correlation may ask for ----------------------------------------------------------------------------------------


def check(correlation: Correlation, limits: Limits) -> None:
    """Raise Unlinked where a correlation asks for more than the settings allow."""
    if correlation.timespan > limits.timespan:
        longest = limits.timespan / HOUR
        hint = " (M is months, m minutes)" if correlation.timespan % MONTH == 0 else ""
        told = f"its timespan is longer than {longest:g} h{hint}; shorten it, or raise correlate.max_timespan_hours"
        raise Unlinked(told, "timespan")
    if correlation.kind in _COUNTS and _hits(correlation) > limits.group_hits:
        raise Unlinked(
            f"it must remember more than {limits.group_hits:,} hits of one group; ask for fewer, or raise"
            " correlate.max_group_hits",
            "condition",
        )


def _hits(correlation: Correlation) -> int:
    """Return the hits of one group that decide the condition."""
    bounds = correlation.condition.bounds
    return max(ceil(number) if bound in (Bound.GTE, Bound.LT) else floor(number) + 1 for bound, number in bounds)


def _check_fields(asked: Input, below: Draft) -> None:
    """Refuse fields that a correlation below, judged once per window, does not feed."""
    fed = below.feeds or frozenset()
    for field in (*asked.group, *asked.values):
        if field not in fed:
            has = f"only {', '.join(map(repr, sorted(fed)))}" if fed else "none"
            title = below.correlation.ref.title
            raise Unlinked(
                f"it asks {title!r} for the field {field!r}; of fields that has {has}, for it is judged once per window,"
                f" or rests on one that is: group {title!r} by {field!r} too, or ask for no other field",
                "group-by" if field in asked.group else "condition",
            )


def _feeds(correlation: Correlation, lower: Sequence[Draft | None]) -> frozenset[str] | None:
    """Return which fields its hits have: of a judged window those of its group, else what the hit has too."""
    own = frozenset(correlation.group_by)
    if not judged_at_hits(correlation):
        return own
    sources = lower[-1:] if _holds_at_last(correlation) else lower
    fewer = [each.feeds for each in sources if each is not None and each.feeds is not None]
    return own | frozenset.intersection(*fewer) if fewer else None


def _version(correlation: Correlation, inputs: Sequence[Input], lower: Sequence[Draft | None]) -> str:
    """Return a digest of all that hits and state depend on: not of titles, levels and places."""
    own = (correlation.ref.id, correlation.kind, correlation.timespan, repr(correlation.condition))
    parts: list[str | int] = [*own, repr(correlation.group_by)]
    for each, below in zip(inputs, lower, strict=True):
        parts += [below.version if below else each.rule, repr(each.group), repr(each.values)]
    return digest(*parts)[:VERSION]
