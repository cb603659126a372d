"""Made correlations, up to three levels deep, and events that nearly, or just, satisfy them. Times are a few seconds long.

What is drawn from a seed is the same each time, so a failing seed is all that needs to be known.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from random import Random
from typing import Any, Final
from zlib import crc32

from correlator.correlation.plan import Input, Linked, Plan, judged_at_hits
from correlator.correlation.rule import Bound, Condition, Correlation, Either, Every, Expression, Kind, Refers, Without
from soc.alerts import Level, RuleRef
from soc.clock import SECOND
from tests.correlator.correlation.model import NUMERIC, TEMPORAL, Happening

Bounds = tuple[tuple[Bound, int | float], ...]
Delay = Callable[[Random], int]
"""How long an event is on its way."""

DETECTIONS: Final = ("Da", "Db", "Dc", "Dd")
TIMESPANS: Final = tuple(each * SECOND for each in (5, 8, 10, 16, 25))
LATENESS: Final = (3 * SECOND, 8 * SECOND, 15 * SECOND)
GROUPS: Final = (("host",), ("user",), ("host", "user"), (), ("who",), ("host", "who"))
"""`who` is an alias of `user`, or of `account` in events of Dd."""

ALIASES: Final = (("who", tuple((rule, "account" if rule == "Dd" else "user") for rule in DETECTIONS)),)

# Correlations ---------------------------------------------------------------------------------------------------------


def correlation(rule: str, kind: Kind, rules: Sequence[str], timespan: int, **given: Any) -> Correlation:
    """Return a correlation with the least that it needs: no group, no bounds."""
    condition = Condition(
        given.get("bounds", ()), given.get("fields", ()), given.get("percentile"), given.get("expression")
    )
    group_by = given.get("group_by", ())
    aliases = given.get("aliases", ())
    ref = RuleRef(rule, f"Title of {rule}", Level.HIGH)
    generate = given.get("generate", True)
    return Correlation(ref, rule, kind, tuple(rules), group_by, aliases, timespan, condition, generate, "made.yml", 1)


def correlations(
    random: Random, grouped: Sequence[tuple[str, ...]] = GROUPS, waiting: float = 0.5
) -> list[Correlation]:
    """Return up to a dozen, lower levels first; of the lowest as many as `waiting` says are judged once a window."""
    made = {f"A{number}": _lowest(random, f"A{number}", random.choice(grouped), waiting) for number in range(5)}
    below = list(made.values())
    for level in "BC":
        above = [_higher(random, f"{level}{number}", below, grouped, waiting / 2) for number in range(4)]
        below = [each for each in above if _asks_for_what_is_fed(each, made)]
        made.update({each.ref.id: each for each in below})
        if not below:
            break
    return list(made.values())


def _lowest(random: Random, rule: str, group_by: tuple[str, ...], waiting: float) -> Correlation:
    kind = random.choice(list(Kind))
    rules = random.sample(DETECTIONS, random.randint(2 if kind in TEMPORAL else 1, 4))
    return _correlation(random, rule, kind, rules, group_by, waiting=waiting)


def _higher(
    random: Random, rule: str, below: Sequence[Correlation], grouped: Sequence[tuple[str, ...]], waiting: float
) -> Correlation:
    """Refer to one below, perhaps to another or to detections; mostly group by a part of what the one groups by."""
    kind = random.choice((*Kind, Kind.EVENT_COUNT, *TEMPORAL, *TEMPORAL))
    first = random.choice(below)
    others = [*DETECTIONS, *(each.ref.id for each in below if each is not first)]
    rules = [first.ref.id, *random.sample(others, random.randint(1 if kind in TEMPORAL else 0, 2))]
    random.shuffle(rules)
    group_by = random.choice((first.group_by, first.group_by[:1], random.choice(grouped)))
    return _correlation(random, rule, kind, rules, group_by, waiting=waiting, most=2)


def _correlation(
    random: Random,
    rule: str,
    kind: Kind,
    rules: Sequence[str],
    group_by: tuple[str, ...],
    *,
    waiting: float,
    most: int | None = None,
) -> Correlation:
    bounds = _bounds(random, kind, most or _most(kind, len(rules)), waiting)
    expression = _expression(random, len(rules)) if kind is Kind.TEMPORAL and random.random() < 0.4 else None
    return correlation(
        rule,
        kind,
        rules,
        random.choice(TIMESPANS),
        group_by=group_by,
        aliases=ALIASES,
        bounds=bounds if kind not in TEMPORAL or random.random() < 0.4 else (),
        fields=_fields(random, kind),
        percentile=random.choice((0, 25, 50, 75, 100)) if kind is Kind.VALUE_PERCENTILE else None,
        expression=expression,
    )


def _most(kind: Kind, rules: int) -> int:
    return {Kind.VALUE_SUM: 12, Kind.EVENT_COUNT: 4, Kind.VALUE_COUNT: 3}.get(kind, rules if kind in TEMPORAL else 8)


def _fields(random: Random, kind: Kind) -> tuple[str, ...]:
    if kind in NUMERIC:
        return ("bytes",)
    if kind is Kind.VALUE_COUNT:
        return random.choice((("user",), ("user",), ("host",), ("user", "host")))
    return ()


def _bounds(random: Random, kind: Kind, most: int, waiting: float) -> Bounds:
    threshold = random.randint(1, most) + (random.choice((0, 0.5, 0.25)) if kind in NUMERIC else 0)
    if random.random() >= waiting:
        return ((random.choice((Bound.GT, Bound.GTE)), threshold),)
    one = random.choice((Bound.LT, Bound.LTE, Bound.EQ, Bound.NEQ))
    return random.choice((((one, threshold),), ((Bound.GT, threshold - 1), (Bound.LTE, threshold + 1))))


def _expression(random: Random, rules: int, depth: int = 2) -> Expression:
    if not depth or random.random() < 0.2:
        return Refers(random.randrange(rules))
    parts = tuple(_expression(random, rules, depth - 1) for _ in range(2))
    return random.choice((Every(parts), Either(parts), Every((parts[0], Without(parts[1]))), Without(Either(parts))))


def _asks_for_what_is_fed(each: Correlation, known: Mapping[str, Correlation]) -> bool:
    """Tell whether all below feed what it groups by and looks at: linking refuses it otherwise."""
    names = {*each.group_by, *each.condition.fields}
    return all(_feeds(known[rule], names, known) for rule in each.rules if rule in known)


def _feeds(each: Correlation, names: Iterable[str], known: Mapping[str, Correlation]) -> bool:
    """Tell whether a correlation feeds these fields: all of an event, or what its windows are grouped by."""
    others = [name for name in names if name not in each.group_by]
    if not judged_at_hits(each):
        return not others
    return "who" not in others and all(_feeds(known[rule], others, known) for rule in each.rules if rule in known)


# Plans ----------------------------------------------------------------------------------------------------------------


def plan_of(made: Sequence[Correlation]) -> Plan:
    """Link correlations that refer to each other, and to detection rules, by their ids; lower levels come first."""
    carried: defaultdict[str, dict[str, None]] = defaultdict(dict)
    parents: defaultdict[str, list[tuple[str, Input]]] = defaultdict(list)
    for each in reversed(made):
        for given in inputs_of(each):
            parents[given.rule].insert(0, (each.ref.id, given))
            asked = dict.fromkeys((*given.group, *given.values, *carried[each.ref.id]))
            carried[given.rule].update(asked)
    linked: dict[str, Linked] = {}
    feeds: defaultdict[str, list[tuple[Linked, Input]]] = defaultdict(list)
    for each in made:
        rule = each.ref.id
        level = 1 + max((linked[below].level for below in each.rules if below in linked), default=0)
        own = tuple(name for name in carried[rule] if name not in each.group_by)
        linked[rule] = Linked(each, rule, level, inputs_of(each), own, parents=tuple(parents[rule]))
        for given in linked[rule].inputs:
            if given.rule not in linked:
                feeds[given.rule].append((linked[rule], given))
    order = dict(sorted(linked.items(), key=lambda item: item[1].level))
    return Plan(order, {rule: tuple(fed) for rule, fed in feeds.items()})


def inputs_of(each: Correlation) -> tuple[Input, ...]:
    """Return how hits of each referred rule enter a correlation."""
    aliases = {name: dict(fields) for name, fields in each.aliases}
    return tuple(
        Input(
            rule, number, tuple(aliases.get(name, {}).get(rule, name) for name in each.group_by), each.condition.fields
        )
        for number, rule in enumerate(each.rules)
    )


# Events ---------------------------------------------------------------------------------------------------------------


class Lives:
    """Events of a few hosts and users in a few bursts, and how long each is on its way."""

    def __init__(self, random: Random, partitions: int, lateness: int) -> None:
        """Choose how many hosts and users there are, and which partitions fall silent for a while."""
        self._random, self._partitions, self._lateness = random, partitions, lateness
        self._span = random.choice((40, 90, 200))
        self._hosts = [f"h{number}" for number in range(random.randint(1, 3))]
        self._users = random.sample(["anh", "Bình", "CHI", "BÌNH", "STRASSE", "straße"], random.randint(1, 4))
        self._bursts = [random.randint(0, self._span) for _ in range(4)]
        self._spread = random.random() < 0.5
        self._silent = [
            (begin, begin + random.randint(10, 80)) if random.random() < 0.5 else (0, 0)
            for begin in (random.randint(0, self._span) for _ in range(partitions))
        ]

    def events(self, number: int, delay: Delay) -> list[tuple[int, Happening]]:
        """Return partitions of soc.events and what is appended to them: copies of an event may be on others."""
        made: list[tuple[int, Happening]] = []
        for name in range(number):
            event = self._event(f"e{name}", delay)
            partition = self._partition(str(event.fields["host"]))
            begin, end = self._silent[partition]
            if begin <= event.time // SECOND < end and self._random.random() < 0.9:
                continue
            made.append((partition, event))
            if self._random.random() < 0.12:
                copy = event._replace(arrival=event.arrival + self._random.randint(0, 60 * SECOND))
                made.append((self._random.randrange(self._partitions), copy))
        return made

    def _partition(self, host: str) -> int:
        return self._random.randrange(self._partitions) if self._spread else crc32(host.encode()) % self._partitions

    def _event(self, name: str, delay: Delay) -> Happening:
        random = self._random
        near = int(random.gauss(random.choice(self._bursts), 4))
        at = random.randint(0, self._span) if random.random() < 0.4 else min(self._span, max(0, near))
        time = at * SECOND + random.choice((0, 0, 0, 1, SECOND - 1))
        fields: dict[str, Any] = {"host": random.choice(self._hosts), "account": random.choice(self._users)}
        if random.random() < 0.9:
            fields["user"] = random.choice((*self._users, *self._users, None, [], ["anh", 1]))
        if random.random() < 0.9:
            fields["bytes"] = random.choice((random.randint(-2, 9), random.randint(0, 30) / 4, "7", "2.5", "many"))
        met = random.choice((*DETECTIONS, "Da", "Db", ("Da", "Db")))
        return Happening(name, time, time + delay(random), fields, (met,) if isinstance(met, str) else met)


def in_time(lateness: int) -> Delay:
    """Return delays within the lateness."""
    return lambda random: random.choice((0, 0, SECOND, random.randint(0, lateness), lateness))


def sometimes_late(lateness: int) -> Delay:
    """Return delays of which a quarter are beyond the lateness."""
    usual = in_time(lateness)
    return lambda random: (
        random.randint(lateness + 1, lateness + 120 * SECOND) if random.random() < 0.25 else usual(random)
    )
