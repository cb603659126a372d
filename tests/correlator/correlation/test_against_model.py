"""Partitions find exactly what the two definitions say, whatever happens on the way: crashes, zombies, repeats, waits.

A world is made of its seed alone: `made(seed, ...)` with the seed that a failure names shows it again.
"""

from random import Random
from typing import Final

from hypothesis import given

from correlator.correlation.plan import judged_at_hits
from tests.correlator.correlation.model import expected, first_copies, judged_once
from tests.correlator.correlation.strategies import correlations, in_time
from tests.correlator.correlation.worlds import Scene, World, made, seeds, worlds

SEEDS: Final = range(200)
"""Worlds that each mutation is tried on, until one differs."""


def differs(scene: Scene) -> str:
    """Return how a world's answers differ from those of brute force, "" where they do not."""
    world = World(scene)
    found = world.run()
    wanted = expected(first_copies(scene.happenings), scene.correlations, scene.shape[2])
    kinds = {each.ref.id: each.kind for each in scene.correlations}
    told = [f"false: {each} {kinds[each.rule]}" for each in sorted(found - wanted)]
    return "\n".join(told + [f"missed: {each} {kinds[each.rule]}" for each in sorted(wanted - found)])


@worlds
@given(seed=seeds)
def test_what_arrives_in_time_gives_what_brute_force_gives(seed: int) -> None:
    """All kinds in chains of three levels, events out of order and doubled, processes that crash at every step."""
    assert not differs(made(seed, in_time))


@worlds
@given(seed=seeds)
def test_a_quiet_world_gives_the_same(seed: int) -> None:
    """Nothing crashes: a failure here is one of the definitions alone."""
    assert not differs(made(seed, in_time)._replace(chaos=0))


def test_which_wait_is_the_same_to_the_model() -> None:
    """What is judged at hits, and what once a window."""
    drawn = [each for seed in range(300) for each in correlations(Random(seed))]
    assert all(judged_once(each) is not judged_at_hits(each) for each in drawn)
    assert {(each.kind, judged_once(each)) for each in drawn} >= {(each.kind, True) for each in drawn}
