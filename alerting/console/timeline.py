"""A correlation's match as a timeline: what was counted when, how far apart, and within which window."""

from collections.abc import Collection, Sequence
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from alerting.console.shown import gap, instant
from soc.alerts import Contribution, Match
from soc.evidence import MAX_CONTRIBUTIONS

SHOWN: Final = 20
"""Events of one match that a page shows before it is asked for all."""

WIDTH: Final = 1000
"""Units of the drawn axis."""

MARKED: Final = 9
"""Rules that have a mark of their own; those behind share the last one."""

_NOUNS: Final = {
    "event_count": "events",
    "value_count": "distinct values",
    "temporal": "rules",
    "temporal_ordered": "rules in order",
    "value_sum": "is the sum",
    "value_avg": "is the average",
    "value_percentile": "is the percentile",
    "value_median": "is the median",
}


class Step(NamedTuple):
    """One event of a timeline.

    `day`: its day where that is another than before, else "". `after`: the gap to the one before, "" for the first.
    `mark`: the number of its rule, from 1. `known`: there is a match to show it by. `last`: it completed the match.
    """

    event_id: str
    time: int
    day: str
    clock: str
    after: str
    mark: int
    rule: str
    site: str
    host: str
    value: str
    known: bool
    last: bool


class Timeline(NamedTuple):
    """What a page shows of a correlation's match.

    `rules`: titles by their marks. `span`: the window's length. `ticks`: position on the axis and mark of each event
    that the match kept. `blank`: up to where on the axis there may be others.
    """

    steps: Sequence[Step]
    ticks: Sequence[tuple[int, int]]
    blank: int
    rules: Sequence[str]
    group: Sequence[tuple[str, str]]
    counted: str
    noun: str
    condition: str
    start: tuple[str, str]
    end: tuple[str, str]
    span: str
    hits: int
    kept: int
    incomplete: Sequence[str]
    sites: int
    hosts: int


def latest(match: Match, *, whole: bool) -> Sequence[Contribution]:
    """Return the contributions that are shown, in order of time: the latest, as they led to the match."""
    found = match.correlation.contributions if match.correlation else ()
    ordered = sorted(found, key=lambda each: each.time)
    return ordered[-(MAX_CONTRIBUTIONS if whole else SHOWN) :]


def timeline(match: Match, zone: ZoneInfo, known: Collection[str], *, whole: bool = False) -> Timeline:
    """Return the timeline of a correlation's match. `known`: events that a stored match shows. Raises ValueError."""
    found = match.correlation
    if found is None:
        raise ValueError("not a correlation's match")
    chosen = latest(match, whole=whole)
    rules = list(dict.fromkeys(each.rule for each in sorted(found.contributions, key=lambda each: each.time)))
    marks = {title: min(number, MARKED) for number, title in enumerate(rules, 1)}
    steps: list[Step] = []
    day, before = instant(found.start, zone)[0], None
    for each in chosen:
        date, clock = instant(each.time, zone)
        steps.append(
            Step(
                event_id=each.event_id,
                time=each.time,
                day=date if date != day else "",
                clock=clock,
                after="" if before is None else gap(each.time - before),
                mark=marks[each.rule],
                rule=each.rule,
                site=each.site,
                host=each.host,
                value=each.value,
                known=each.event_id in known,
                last=each.event_id == match.event_id and each is chosen[-1],
            )
        )
        day, before = date, each.time
    ticks = {(_position(each.time, found.start, found.end), marks[each.rule]): None for each in found.contributions}
    return Timeline(
        steps=steps,
        ticks=tuple(ticks),
        blank=min((x for x, _ in ticks), default=WIDTH) if found.hits > len(found.contributions) else 0,
        rules=rules[:MARKED],
        group=found.group[:50],
        counted=found.counted,
        noun=_NOUNS.get(found.kind, ""),
        condition=found.condition,
        start=instant(found.start, zone),
        end=instant(found.end, zone),
        span=gap(found.end - found.start + 1),
        hits=found.hits,
        kept=len(found.contributions),
        incomplete=found.incomplete,
        sites=len({each.site for each in found.contributions}),
        hosts=len({(each.site, each.host) for each in found.contributions}),
    )


def _position(time: int, start: int, end: int) -> int:
    """Return where on the axis a time stands; an instant's window has it in the end."""
    if end <= start:
        return WIDTH
    return min(max((time - start) * WIDTH // (end - start), 0), WIDTH)
