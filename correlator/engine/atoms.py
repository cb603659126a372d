"""Atoms other than patterns, as checks of one value's text: regular expressions, networks, numbers, parts of dates."""

import operator
import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

from correlator.engine.text import Check
from correlator.syntax import Cidr, Compare, Regex, Relation, TimePart, TimeUnit

MAX_NUMBER: Final = 64
"""Characters of the longest text that is read as a number, an address or a date."""

MAX_SEARCHED: Final = 32_768
"""Characters of the longest text that `re` searches: in a longer one it may be deaf to signals for many seconds."""

_NUMBER = re.compile(r"[+-]?(?:(\d+)|(?:\d+\.\d*|\.\d+|\d+(?=[eE]))(?:[eE][+-]?\d{1,3})?)", re.ASCII)
"""A decimal; the group is there for an integer alone."""

_RELATIONS: Final[dict[Relation, Callable[[float, float], bool]]] = {
    Relation.EQ: operator.eq,
    Relation.LT: operator.lt,
    Relation.LTE: operator.le,
    Relation.GT: operator.gt,
    Relation.GTE: operator.ge,
}
_UNITS: Final[dict[TimeUnit, Callable[[datetime], int]]] = {
    TimeUnit.MINUTE: operator.attrgetter("minute"),
    TimeUnit.HOUR: operator.attrgetter("hour"),
    TimeUnit.DAY: operator.attrgetter("day"),
    TimeUnit.WEEK: lambda when: when.isocalendar().week,
    TimeUnit.MONTH: operator.attrgetter("month"),
    TimeUnit.YEAR: operator.attrgetter("year"),
}


class TooLong(ValueError):
    """The text is too long for `re`."""


def check_of(atom: Regex | Cidr | Compare | TimePart) -> Check:
    """Return the atom as a check of a value's text, which is not folded. An expression's check may raise TooLong."""
    match atom:
        case Regex(pattern, flags):
            return _searched(re.compile(pattern, flags))
        case Cidr(network):
            return _in_network(network)
        case Compare(relation, wanted):
            return _compared(number_of, _RELATIONS[relation], wanted)
        case TimePart(unit, relation, wanted):
            return _compared(_part_of(unit), _RELATIONS[relation], wanted)


def _searched(expression: re.Pattern[str]) -> Check:
    def check(text: str) -> bool:
        if len(text) > MAX_SEARCHED:
            raise TooLong(f"{len(text)} characters; an expression is searched in up to {MAX_SEARCHED}")
        return expression.search(text) is not None

    return check


def number_of(text: str) -> int | float | None:
    """Return the number that a text writes in decimal, or None."""
    if len(text) > MAX_NUMBER or not (found := _NUMBER.fullmatch(text.strip())):
        return None
    return int(found[0]) if found[1] else float(found[0])


def _part_of(unit: TimeUnit) -> Callable[[str], int | None]:
    part = _UNITS[unit]

    def read(text: str) -> int | None:
        when = _datetime_of(text)
        return None if when is None else part(when)

    return read


def _datetime_of(text: str) -> datetime | None:
    """Read ISO 8601 as written; time zones are not converted."""
    if len(text) > MAX_NUMBER:
        return None
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError:
        return None


def _compared(read: Callable[[str], int | float | None], holds: Callable[[float, float], bool], wanted: float) -> Check:
    def check(text: str) -> bool:
        number = read(text)
        return number is not None and holds(number, wanted)

    return check


@lru_cache(maxsize=4096)
def _addresses(text: str) -> tuple[IPv4Address | IPv6Address, ...]:
    """Return the address that a text is, and the IPv4 address that it maps into IPv6; none where it is no address."""
    try:
        address = ip_address(text.strip().strip("[]"))
    except ValueError:
        return ()
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (address, mapped) if mapped else (address,)


def _in_network(text: str) -> Check:
    network = ip_network(text)

    def check(value: str) -> bool:
        if len(value) > MAX_NUMBER:  # before the cache, which would keep it
            return False
        return any(address in network for address in _addresses(value))

    return check
