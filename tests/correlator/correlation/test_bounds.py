"""Bounds on what is remembered: they lose matches and tell of it, and never make one that is false."""

from hypothesis import given

from correlator.correlation.rule import Bound, Kind
from correlator.correlation.state import Bounds
from soc.clock import SECOND
from tests.correlator.correlation.model import Happening, expected
from tests.correlator.correlation.strategies import correlation, in_time
from tests.correlator.correlation.test_late import of, over_detections
from tests.correlator.correlation.worlds import Scene, World, made, seeds, worlds


@worlds
@given(seed=seeds)
def test_what_is_left_out_only_misses(seed: int) -> None:
    """Of correlations of detection rules, however little is remembered: no verdict on what was not taken in whole."""
    scene = made(seed, in_time)
    bounds = Bounds(groups=1 + seed % 3, hits=4 + seed // 3 % 20, group_hits=10)
    rules = over_detections(scene.correlations)
    wanted = expected(scene.happenings, scene.correlations, scene.shape[2])
    assert of(rules, World(scene._replace(bounds=bounds)).run()) <= of(rules, wanted)


def test_those_above_tell_of_what_is_left_out_below() -> None:
    """A full rule below: its own matches and those of the one above it say that something is missing."""
    below = correlation("many", Kind.EVENT_COUNT, ["Da"], 60 * SECOND, group_by=("user",), bounds=((Bound.GTE, 2),))
    above = correlation("users", Kind.EVENT_COUNT, ["many"], 60 * SECOND, bounds=((Bound.GTE, 2),))
    users = {0: "a", 1: "b", 2: "c", 20: "g", 21: "g", 25: "h", 26: "h"}
    events = [
        Happening(f"e{at}", at * SECOND, at * SECOND, {"user": user, "host": "h"}, ("Da",))
        for at, user in users.items()
    ]
    scene = Scene(0, [below, above], [(0, each) for each in events], (1, 1, SECOND), 0, Bounds(2, 100, 100))
    world = World(scene)
    world.run()
    last = world.found[-1]
    assert last.linked.version == "users"
    assert last.incomplete == ("many",)


def test_who_is_not_full_tells_nothing() -> None:
    """The same with room for all."""
    below = correlation("many", Kind.EVENT_COUNT, ["Da"], 60 * SECOND, group_by=("user",), bounds=((Bound.GTE, 2),))
    events = [Happening(f"e{at}", at * SECOND, at * SECOND, {"user": "a"}, ("Da",)) for at in range(4)]
    world = World(Scene(0, [below], [(0, each) for each in events], (1, 1, SECOND), 0))
    world.run()
    assert world.found
    assert not any(each.incomplete for each in world.found)
