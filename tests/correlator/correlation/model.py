"""What correlations must find, by brute force: the two definitions over all events, sorted by time, and nothing else.

A correlation that is *judged at its hits* asks its condition at every hit f, of the hits with a time in
(f.time - timespan, f.time]. One that is *judged once* asks it of each window [k * timespan, (k + 1) * timespan) that a
hit is in; there a detection's hit counts if it arrived before the window's end and the lateness. No order of arrival, no
state, no bound: quadratic, and easy to believe.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import orjson

from correlator.correlation.rule import Bound, Condition, Correlation, Either, Every, Expression, Kind, Refers, Without

NUMERIC = (Kind.VALUE_SUM, Kind.VALUE_AVG, Kind.VALUE_PERCENTILE, Kind.VALUE_MEDIAN)
TEMPORAL = (Kind.TEMPORAL, Kind.TEMPORAL_ORDERED)


class Happening(NamedTuple):
    """An event as one record of soc.events, or what a correlation feeds its parents.

    `arrival`: when the record was appended; an event that was delivered twice is two of them. `met`: the ids of the
    detection rules that it meets.
    """

    id: str
    time: int
    arrival: int
    fields: Mapping[str, Any]
    met: tuple[str, ...] = ()


class Answer(NamedTuple):
    """What a match's id is made of: the rule, the group's values, and the number of the bucket."""

    rule: str
    group: tuple[str, ...]
    bucket: int


class _Hit(NamedTuple):
    """A happening as an input of a correlation: `number` says of which referred rule, `value` what the condition sees."""

    number: int
    id: str
    time: int
    arrival: int
    value: Any
    fields: Mapping[str, Any]


def expected(happenings: Iterable[Happening], correlations: Sequence[Correlation], lateness: int) -> set[Answer]:
    """Return every answer that the correlations must give; who is referred to comes before who refers."""
    fed: defaultdict[str, list[Happening]] = defaultdict(list)
    for each in happenings:
        for rule in each.met:
            fed[rule].append(each)
    own = {each.ref.id for each in correlations}
    answers: set[Answer] = set()
    for correlation in correlations:
        for answer, feeds in _found(correlation, fed, own, lateness):
            answers.add(answer)
            fed[answer.rule].append(feeds)
    return answers


def on_time(happenings: Iterable[Happening], lateness: int) -> list[Happening]:
    """Return those that arrived within the lateness."""
    return [each for each in happenings if each.arrival <= each.time + lateness]


def first_copies(happenings: Iterable[Happening]) -> list[Happening]:
    """Return of each event the copy that arrived first."""
    first: dict[str, Happening] = {}
    for each in sorted(happenings, key=lambda each: each.arrival):
        first.setdefault(each.id, each)
    return list(first.values())


def pure(correlations: Sequence[Correlation]) -> set[str]:
    """Return the ids of those that are judged at their hits, as everything below them is: they never miss what is late."""
    waiting: set[str] = set()
    for each in correlations:
        if judged_once(each) or waiting.intersection(each.rules):
            waiting.add(each.ref.id)
    return {each.ref.id for each in correlations} - waiting


# The two definitions --------------------------------------------------------------------------------------------------


def judged_once(correlation: Correlation) -> bool:
    """Tell whether another hit in a window could make a condition false that was true."""
    if correlation.kind in (Kind.VALUE_AVG, Kind.VALUE_PERCENTILE, Kind.VALUE_MEDIAN):
        return True
    grows = all(bound in (Bound.GT, Bound.GTE) for bound, _ in correlation.condition.bounds)
    return not grows or "Without" in repr(correlation.condition.expression)


def _found(
    correlation: Correlation, fed: Mapping[str, Sequence[Happening]], own: set[str], lateness: int
) -> Iterator[tuple[Answer, Happening]]:
    definition = _once_a_window if judged_once(correlation) else _at_each_hit
    detections = {number for number, rule in enumerate(correlation.rules) if rule not in own}
    for group, hits in _groups(correlation, fed).items():
        names = dict(zip(correlation.group_by, group, strict=True))
        counted = hits
        if definition is _once_a_window:  # what a correlation feeds arrives when it is found, which is never late here
            counted = [each for each in hits if each.number not in detections or _counts(each, correlation, lateness)]
        for number, time, name, fields in definition(correlation, counted):
            answer = Answer(correlation.ref.id, group, number)
            yield answer, Happening(f"{answer[:2]} {name}", time, time, {**fields, **names})


def _counts(hit: _Hit, correlation: Correlation, lateness: int) -> bool:
    end = (hit.time // correlation.timespan + 1) * correlation.timespan
    return hit.arrival < end + lateness


def _groups(correlation: Correlation, fed: Mapping[str, Sequence[Happening]]) -> dict[tuple[str, ...], list[_Hit]]:
    groups: defaultdict[tuple[str, ...], list[_Hit]] = defaultdict(list)
    for number, rule in enumerate(correlation.rules):
        for each in fed.get(rule, ()):
            texts = [text_of(each.fields.get(_name(correlation, rule, name))) for name in correlation.group_by]
            if None not in texts:
                key = tuple(text.casefold() for text in texts if text is not None)
                value = value_of(correlation, each.fields)
                groups[key].append(_Hit(number, each.id, each.time, each.arrival, value, each.fields))
    return groups


def _name(correlation: Correlation, rule: str, name: str) -> str:
    return dict(dict(correlation.aliases).get(name, ())).get(rule, name)


def _at_each_hit(correlation: Correlation, hits: Sequence[_Hit]) -> Iterator[tuple[int, int, str, Mapping[str, Any]]]:
    for at in hits:
        window = [each for each in hits if at.time - correlation.timespan < each.time <= at.time]
        if holds(correlation, window, at):
            yield at.time // correlation.timespan, at.time, at.id, at.fields


def _once_a_window(correlation: Correlation, hits: Sequence[_Hit]) -> Iterator[tuple[int, int, str, Mapping[str, Any]]]:
    for number in {each.time // correlation.timespan for each in hits}:
        window = [each for each in hits if each.time // correlation.timespan == number]
        if holds(correlation, window, None):
            yield number, (number + 1) * correlation.timespan - 1, str(number), {}


# Conditions -----------------------------------------------------------------------------------------------------------


def holds(correlation: Correlation, window: Sequence[_Hit], at: _Hit | None) -> bool:
    """Tell whether a condition is true of a window's hits, judged at one of them or (None) at the window's end."""
    condition = correlation.condition
    if correlation.kind is Kind.TEMPORAL:
        return _near(correlation, {each.number for each in window})
    if correlation.kind is Kind.TEMPORAL_ORDERED:
        there = _chain(window, at)
        return _within(condition, there) if condition.bounds else there == len(correlation.rules)
    found = _measured(correlation, window)
    return found is not None and _within(condition, found)


def _near(correlation: Correlation, seen: set[int]) -> bool:
    condition = correlation.condition
    if condition.expression is None and not condition.bounds:
        return len(seen) == len(correlation.rules)
    return _within(condition, len(seen)) and (condition.expression is None or _true(condition.expression, seen))


def _within(condition: Condition, number: Fraction | int) -> bool:
    found = Fraction(number)
    stands = {
        Bound.GT: found.__gt__,
        Bound.GTE: found.__ge__,
        Bound.LT: found.__lt__,
        Bound.LTE: found.__le__,
        Bound.EQ: found.__eq__,
        Bound.NEQ: found.__ne__,
    }
    return all(stands[bound](Fraction(threshold)) for bound, threshold in condition.bounds)


def _true(expression: Expression, seen: set[int]) -> bool:
    match expression:
        case Refers(number):
            return number in seen
        case Every(parts):
            return all(_true(part, seen) for part in parts)
        case Either(parts):
            return any(_true(part, seen) for part in parts)
        case Without(part):
            return not _true(part, seen)


def _chain(window: Sequence[_Hit], at: _Hit | None) -> int:
    """Return how many referred rules have hits in the order given, one after another, up to a hit or (None) to any."""
    longest: list[tuple[_Hit, int]] = []
    for each in sorted(window, key=lambda each: (each.time, each.number)):
        before = [length for hit, length in longest if hit.number < each.number]
        longest.append((each, 1 + max(before, default=0)))
    return max(length for hit, length in longest if at is None or hit is at)


def _measured(correlation: Correlation, window: Sequence[_Hit]) -> Fraction | None:
    """Return what is compared; an event counts once, whatever rules it meets. None where no hit has a value."""
    values = {each.id: each.value for each in window if each.value is not None}
    if correlation.kind is Kind.EVENT_COUNT:
        return Fraction(len({each.id for each in window}))
    if correlation.kind is Kind.VALUE_COUNT:
        return Fraction(len({each.value for each in window if each.value is not None}))
    numbers = sorted(map(Fraction, values.values()))
    if correlation.kind is Kind.VALUE_SUM and not judged_once(correlation):
        numbers = [each for each in numbers if each >= 0]
    return _over(correlation, numbers) if numbers else None


def _over(correlation: Correlation, numbers: Sequence[Fraction]) -> Fraction:
    if correlation.kind is Kind.VALUE_SUM:
        return sum(numbers, Fraction())
    if correlation.kind is Kind.VALUE_AVG:
        return sum(numbers, Fraction()) / len(numbers)
    if correlation.kind is Kind.VALUE_MEDIAN:
        return _percentile(numbers, 50)
    assert correlation.condition.percentile is not None
    return _percentile(numbers, correlation.condition.percentile)


def _percentile(numbers: Sequence[Fraction], percentile: float) -> Fraction:
    """Return what lies at that share of the way from the least to the greatest, on the line between its neighbours."""
    place = Fraction(percentile) / 100 * (len(numbers) - 1)
    below = int(place)
    above = min(below + 1, len(numbers) - 1)
    return numbers[below] + (place - below) * (numbers[above] - numbers[below])


# Values ---------------------------------------------------------------------------------------------------------------


def text_of(value: Any) -> str | None:
    """Return a field's value as text; a field that is missing, null or an empty list has none."""
    if isinstance(value, list):
        return ",".join(filter(None, map(text_of, value))) if value else None
    return None if value is None else str(value)


def value_of(correlation: Correlation, fields: Mapping[str, Any]) -> str | int | float | None:
    """Return what a correlation's condition looks at in an event: a number, or texts that are told apart."""
    names = correlation.condition.fields
    if not names:
        return None
    if correlation.kind in NUMERIC:
        return number_of(fields.get(names[0]))
    texts = [text_of(fields.get(name)) for name in names]
    if None in texts:
        return None
    folded = [text.casefold() for text in texts if text is not None]
    return folded[0] if len(folded) == 1 else orjson.dumps(folded).decode()


def number_of(value: Any) -> int | float | None:
    """Return a number, or a text's."""
    if isinstance(value, int | float):
        return value
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
