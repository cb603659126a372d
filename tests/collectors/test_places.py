"""Places for connections: bounded by the settings and by the process's file descriptors."""

import resource

import pytest

from collectors.places import RESERVE, Places, affordable


class Limits:
    """Limits of open files that can be looked at."""

    def __init__(self, soft: int, hard: int) -> None:
        self.now = (soft, hard)

    def get(self, _which: int) -> tuple[int, int]:
        return self.now

    def set(self, _which: int, now: tuple[int, int]) -> None:
        self.now = now


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "places"),
    [
        (1024, 1_048_576, 4096 + RESERVE, 4096),
        (1_048_576, 1_048_576, 1_048_576, 4096),
        (1024, 2048, 2048, 2048 - RESERVE),
        (128, 128, 128, 64),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, resource.RLIM_INFINITY, 4096),
        (1024, resource.RLIM_INFINITY, 4096 + RESERVE, 4096),
    ],
)
def test_descriptors_bound_the_places(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int, places: int
) -> None:
    """The soft limit is raised as far as is needed and allowed; what is kept for the bus is never a sender's."""
    limits = Limits(soft, hard)
    monkeypatch.setattr(resource, "getrlimit", limits.get)
    monkeypatch.setattr(resource, "setrlimit", limits.set)
    assert affordable(4096) == places
    assert limits.now == (raised, hard)


def test_a_place_is_taken_once() -> None:
    """None left is an answer, and one given back can be taken again."""
    places = Places(1)
    assert places.take()
    assert not places.take()
    places.give_back()
    assert places.take()
