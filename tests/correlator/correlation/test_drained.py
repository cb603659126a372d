"""A laptop that was away for days, or a district without a line: its day is drained in order when it is back.

What is judged at hits, and chains of it, finds in the groups that it alone feeds what it would have found live.
"""

from collections.abc import Sequence
from random import Random
from typing import Final

from hypothesis import given

from correlator.correlation.rule import Bound, Correlation, Kind
from soc.clock import SECOND
from tests.correlator.correlation.model import Answer, Happening, expected, pure
from tests.correlator.correlation.strategies import DETECTIONS, Lives, correlation, correlations, in_time
from tests.correlator.correlation.worlds import Scene, World, seeds, worlds

HOUR: Final = 3600 * SECOND
LAPTOP: Final = "laptop"
OWN: Final = (("host",), ("host", "user"))
"""Groups that one host alone feeds."""


def test_a_day_after_three_days() -> None:
    """A burst of failures and then a success at nine, in an hour's drain at night: two matches, as if live."""
    failures = correlation("many", Kind.EVENT_COUNT, ["Da"], HOUR // 6, group_by=("host",), bounds=((Bound.GTE, 10),))
    entered = correlation("entered", Kind.TEMPORAL_ORDERED, ["many", "Db"], HOUR // 6, group_by=("host",))
    quiet = correlation("quiet", Kind.EVENT_COUNT, ["Da"], HOUR, group_by=("host",), bounds=((Bound.LT, 5),))
    rules, nine = (failures, entered, quiet), 9 * HOUR
    day = [_event(f"e{number}", number * HOUR // 4, "Dc") for number in range(96)]
    day += [_event(f"f{number}", nine + number * 20 * SECOND, "Da") for number in range(12)]
    day.append(_event("success", nine + 5 * 60 * SECOND, "Db"))
    drained = _drained(sorted(day, key=lambda each: each.time), 72 * HOUR, 24)
    live = expected(day, rules, 60 * SECOND)
    assert {each.rule for each in live} == {"many", "entered"}
    scene = Scene(0, rules, [*_elsewhere(96 * HOUR), *((0, each) for each in drained)], (2, 2, 60 * SECOND), 0)
    assert {each for each in World(scene).run() if each.group == (LAPTOP,)} == live


@worlds
@given(seed=seeds)
def test_what_is_drained_in_order_is_found_as_if_live(seed: int) -> None:
    """At any speed, onto any partitions, with others live meanwhile and everything crashing."""
    scene, own = drained(seed)
    wanted = expected(own, scene.correlations, scene.shape[2])
    assert of_laptop(scene.correlations, World(scene).run()) == of_laptop(scene.correlations, wanted)


def drained(seed: int) -> tuple[Scene, list[Happening]]:
    """Return a world and what is the laptop's of it."""
    random = Random(seed)
    shape = (random.randint(1, 4), random.randint(1, 4), random.choice((3, 8, 15)) * SECOND)
    rules = correlations(random, OWN, waiting=0.2)
    own = _laptop(random, shape[2])
    live = Lives(random, shape[0], shape[2]).events(random.randint(10, 40), in_time(shape[2]))
    spread = random.random() < 0.5
    mine = [(random.randrange(shape[0]) if spread else 0, each) for each in own]
    return Scene(seed, rules, [*live, *mine], shape, random.choice((0, 1, 3))), own


def of_laptop(rules: Sequence[Correlation], answers: set[Answer]) -> set[Answer]:
    """Return what is found in its groups by what is judged at hits all the way down."""
    judged_at_hits = pure(rules)
    return {each for each in answers if each.rule in judged_at_hits and each.group[0] == LAPTOP}


def _laptop(random: Random, lateness: int) -> list[Happening]:
    """Return what happened in 150 s, which arrives in order after 300 s, some of it twice."""
    speed, day = random.choice((1, 1, 3, 20, 1000)), []
    for number in range(random.randint(10, 40)):
        near = int(random.gauss(random.choice((30, 70, 120)), 5))
        time = (random.randint(0, 150) if random.random() < 0.5 else min(150, max(0, near))) * SECOND
        day.append(_event(f"x{number}", time, *random.choice((*((rule,) for rule in DETECTIONS), ("Da", "Db")))))
    drained = [
        each._replace(arrival=each.arrival + random.randint(0, lateness - 1))
        for each in _drained(day, 300 * SECOND, speed)
    ]
    copies = [each._replace(arrival=each.arrival + random.randint(0, 60 * SECOND)) for each in drained]
    return drained + [each for each in copies if random.random() < 0.1]


def _drained(day: Sequence[Happening], away: int, speed: int) -> list[Happening]:
    """Return the day as it arrives: so many times as fast as it happened."""
    return [each._replace(arrival=away + each.time // speed) for each in day]


def _event(name: str, time: int, *met: str) -> Happening:
    fields = {"host": LAPTOP, "user": "anh", "account": "anh", "bytes": len(name) + time // SECOND % 7}
    return Happening(name, time, time, fields, met)


def _elsewhere(until: int) -> list[tuple[int, Happening]]:
    """Return what another host says meanwhile, so that the clock goes on."""
    fields = {"host": "h0", "user": "bình", "account": "bình"}
    times = range(0, until, HOUR)
    return [(1, Happening(f"o{time}", time, time, fields, ("Dd",))) for time in times]
