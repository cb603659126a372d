"""A console for each test that asks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.alerting.console.world import World, world


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[World]:
    """A console on loopback without users."""
    async with world(tmp_path) as opened:
        yield opened
