"""Random logs of soc.cases, and the uninterrupted run over them: the naive fold."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import orjson

from alerting.cases import Case, alert_id
from soc.alerts import Act, Action, Alert, Level, Match, Place, Status
from soc.bus.base import CASES, Record
from soc.clock import DAY, SECOND
from soc.testing import NOW, make_match

WINDOW = 10


@dataclass(frozen=True)
class Plan:
    """What is on soc.cases, on one bus after the other: cases in order, some appended more than once."""

    logs: tuple[tuple[Record, ...], ...]
    order: tuple[Case, ...]


def plan(chance: random.Random) -> Plan:
    """Return a log of matches and actions of one to three alert keys, with repeated appends and, at times, a new bus."""
    keys = ["A", "B", "C"][: chance.choice([1, 1, 2, 3])]
    clock = dict.fromkeys(keys, 0)
    opened: Counter[str] = Counter()
    order: list[Case] = []
    generations = _Generations()
    switch = chance.choice([99, 99, 4])
    for number in range(chance.choice([2, 4, 6, 10, 14])):
        key = chance.choice(keys)
        if opened[key] and chance.random() < 0.25:
            order.append(_action(chance, key, number, generations))
        else:
            clock[key] += chance.choice([1, 1, 2, 3, WINDOW + 5])
            opened[key] += 1
            order.append(_match(chance, key, number, clock[key], "old" if number < switch else "new"))
        generations.take(order[-1])
    logs = [_appended(chance, each) for each in (order[:switch], order[switch:]) if each]
    return Plan(tuple(_records(each) for each in logs), tuple(order))


class _Generations:
    """The generation that each key has reached, so that actions name alerts that exist."""

    def __init__(self) -> None:
        self.oracle = Oracle()

    def take(self, case: Case) -> None:
        self.oracle.take(case)

    def pick(self, chance: random.Random, key: str) -> Alert:
        return chance.choice([alert for alert in self.oracle.alerts.values() if alert.key == key])


def _match(chance: random.Random, key: str, number: int, time: int, log: str) -> Match:
    level = chance.choice([Level.LOW, Level.LOW, Level.MEDIUM, Level.HIGH])
    month = chance.choice([0, 0, 20, 35]) * DAY
    place = Place(log, 0, number)
    seen = NOW + time * SECOND
    match = make_match(number, level=level, time=seen, received=seen + month, alert_key=key, place=place)
    return replace(match, id=f"m{number}", event=None)


def _action(chance: random.Random, key: str, number: int, generations: _Generations) -> Action:
    alert = generations.pick(chance, key)
    act = chance.choice([Act.ACKNOWLEDGE, Act.CLOSE, Act.CLOSE])
    return Action(f"x{number}", alert.id, key, alert.generation, alert.month, act, "an", "why", NOW + number)


def _appended(chance: random.Random, order: Sequence[Case]) -> list[Case]:
    """Append in batches, some of them again: at once (a resend) or later (a zombie of the stage before)."""
    log: list[Case] = []
    position = 0
    while position < len(order):
        size = chance.choice([1, 2, 3, 4])
        batch = order[position : position + size]
        if chance.random() < 0.3:
            log += batch[: chance.randrange(len(batch) + 1)]
        log += batch
        position += size
        if chance.random() < 0.2:
            start = chance.randrange(position)
            log += order[start : min(position, start + chance.choice([1, 2, 4]))]
    return log


def _records(cases: Sequence[Case]) -> tuple[Record, ...]:
    return tuple(record_of(case, offset) for offset, case in enumerate(cases))


def record_of(case: Case, offset: int) -> Record:
    """Return the case as a record of soc.cases."""
    kind = "match" if isinstance(case, Match) else "action"
    value = orjson.dumps({"kind": kind, kind: case.to_document()})
    return Record(CASES, 0, offset, NOW, case.alert_key.encode(), value)


class Oracle:
    """The uninterrupted run over each case once: the naive fold."""

    def __init__(self) -> None:
        self.alerts: dict[str, Alert] = {}
        self.told: set[tuple[str, str, Level]] = set()
        self.applied: dict[str, list[str]] = {}
        self._latest: dict[str, str] = {}

    def take(self, case: Case) -> None:
        """Take one case in."""
        if isinstance(case, Match):
            self._take_match(case)
            return
        alert = self.alerts[case.alert_id]
        closed = case.act is Act.CLOSE or alert.status is Status.CLOSED
        status = Status.CLOSED if closed else Status.ACKNOWLEDGED
        if case.act is Act.CLOSE:
            self.told.add((alert.id, "closed", alert.level))
        self.applied.setdefault(alert.id, []).append(case.id)
        self.alerts[alert.id] = replace(alert, status=status)

    def _take_match(self, match: Match) -> None:
        assert match.place is not None
        alert = self.alerts.get(self._latest.get(match.alert_key, ""))
        if alert is None or alert.status is Status.CLOSED or match.time - alert.last_seen > WINDOW * SECOND:
            self._open(match, 0 if alert is None else alert.generation + 1, match.place)
            return
        level = max(alert.level, match.rule.level)
        if level > alert.level:
            self.told.add((alert.id, "raised", level))
        last = max(alert.last_seen, match.time)
        first = min(alert.first_seen, match.time)
        grown = replace(alert, count=alert.count + 1, level=level, last_seen=last, first_seen=first, place=match.place)
        self.alerts[alert.id] = grown

    def _open(self, match: Match, generation: int, place: Place) -> None:
        id_ = alert_id(match.alert_key, generation)
        month = f"2026.{'09' if match.received < NOW + 9 * DAY else '10'}"
        level, seen = match.rule.level, match.time
        self._latest[match.alert_key] = id_
        self.told.add((id_, "opened", level))
        self.alerts[id_] = Alert(
            id=id_,
            key=match.alert_key,
            generation=generation,
            month=month,
            rule=match.rule,
            level=level,
            status=Status.OPEN,
            site=match.site,
            host=match.host,
            count=1,
            opened=match.received,
            first_seen=seen,
            last_seen=seen,
            first_place=place,
            place=place,
        )
