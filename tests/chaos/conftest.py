"""What crash tests share: a seed that is printed, servers of one's own, and how long is long."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.elastic import Elastic
from tests.services.kafka import Kafka


@pytest.fixture
def longer() -> int:
    """How many times longer than in `make test` it takes: 10 with CHAOS=long, else 1."""
    return 10 if os.environ.get("CHAOS") == "long" else 1


@pytest.fixture
def seed() -> int:
    """The seed of this run: CHAOS_SEED, else another one each time."""
    chosen = int(os.environ.get("CHAOS_SEED") or random.randrange(1_000_000))
    print(f"CHAOS_SEED={chosen}")
    return chosen


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[Kafka]:
    """A broker of this test alone."""
    with Kafka(tmp_path / "kafka") as broker:
        yield broker


@pytest.fixture
def elastic(tmp_path: Path) -> Iterator[Elastic]:
    """A node of this test alone."""
    with Elastic(tmp_path / "elastic") as node:
        yield node
