"""The group stage under crashes, repeated appends, failed writes and zombies equals the uninterrupted run."""

import pytest

from alerting import group, grouping
from soc.alerts import Place
from tests.alerting.schedules import run


@pytest.mark.parametrize("part", range(4))
def test_every_schedule_ends_as_the_uninterrupted_run(part: int) -> None:
    """Alerts, counts, generations, histories and milestones equal a naive fold, whatever was killed when."""
    wrong = {seed: differences for seed in range(part * 250, part * 250 + 250) if (differences := run(seed))}
    assert wrong == {}


def test_schedules_notice_a_missing_predecessor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the generation before an announced one, matches are counted twice: the schedules would tell."""
    monkeypatch.setattr(group, "_before", lambda _known: None)
    assert any(run(seed) for seed in range(200))


def test_schedules_notice_lost_milestones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without publishing a redelivered cause's milestones again, an opening is never told."""
    monkeypatch.setattr(grouping._Fold, "_again", lambda *_arguments: None)
    assert any(run(seed) for seed in range(200))


def test_schedules_notice_counting_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without places, a repeated append counts twice."""
    monkeypatch.setattr(Place, "not_later_than", lambda *_arguments: False)
    assert any(run(seed) for seed in range(50))
