"""Events that come later than the lateness: what is judged at hits still takes them, and never wrongly.

Of windows that are judged once those count that arrived before the end and the lateness, whoever read them when.
"""

from collections.abc import Sequence

from hypothesis import given

from correlator.correlation.rule import Bound, Correlation, Kind
from soc.clock import SECOND
from tests.correlator.correlation.model import Answer, Happening, expected, on_time, pure
from tests.correlator.correlation.strategies import DETECTIONS, correlation, sometimes_late
from tests.correlator.correlation.worlds import Scene, World, made, seeds, worlds


def of(rules: set[str], answers: set[Answer]) -> set[Answer]:
    """Return the answers of these rules."""
    return {each for each in answers if each.rule in rules}


@worlds
@given(seed=seeds)
def test_nothing_is_false_and_nothing_in_time_is_lost(seed: int) -> None:
    """Of correlations judged at their hits, and chains of such: late events may complete, and never disturb."""
    scene = made(seed, sometimes_late, waiting=0.3)
    rules, lateness = pure(scene.correlations), scene.shape[2]
    found = of(rules, World(scene).run())
    assert found <= of(rules, expected(scene.happenings, scene.correlations, lateness))
    assert found >= of(rules, expected(on_time(scene.happenings, lateness), scene.correlations, lateness))


@worlds
@given(seed=seeds)
def test_a_window_counts_what_arrived_before_its_end_and_the_lateness(seed: int) -> None:
    """Of correlations of detection rules: exactly that, however far behind the processes were."""
    scene = made(seed, sometimes_late, waiting=0.8)
    rules = over_detections(scene.correlations) - pure(scene.correlations)
    assert of(rules, World(scene).run()) == of(rules, expected(scene.happenings, scene.correlations, scene.shape[2]))


@worlds
@given(seed=seeds)
def test_another_schedule_finds_the_same_of_windows(seed: int) -> None:
    """Two worlds that differ in nothing but what crashed and who fell behind."""
    scene = made(seed, sometimes_late, waiting=0.8)
    rules = over_detections(scene.correlations) - pure(scene.correlations)
    assert of(rules, World(scene).run()) == of(rules, World(scene._replace(seed=seed + 1)).run())


def over_detections(correlations: Sequence[Correlation]) -> set[str]:
    """Return those that refer to detection rules alone."""
    return {each.ref.id for each in correlations if set(each.rules) <= set(DETECTIONS)}


def test_a_success_that_comes_late_in_a_long_burst() -> None:
    """Ten failures in a minute, again and again for an hour; the success in the middle of it arrives when all is over."""
    failures = correlation("many", Kind.EVENT_COUNT, ["Da"], 60 * SECOND, group_by=("user",), bounds=((Bound.GTE, 10),))
    entered = correlation("entered", Kind.TEMPORAL_ORDERED, ["many", "Db"], 60 * SECOND, group_by=("user",))
    fields = {"user": "root", "host": "h"}
    burst = [Happening(f"f{at}", at * SECOND, at * SECOND, fields, ("Da",)) for at in range(0, 600, 5)]
    lateness = 400 * SECOND
    success = Happening("success", 302 * SECOND, 302 * SECOND + lateness, fields, ("Db",))
    events = [*((0, each) for each in burst), (1, success)]
    for seed in range(5):
        answers = World(Scene(seed, [failures, entered], events, (2, 2, lateness), seed % 4)).run()
        assert of({"entered"}, answers) == {Answer("entered", ("root",), 5)}
        assert of({"many"}, answers) == {Answer("many", ("root",), bucket) for bucket in range(10)}
