"""A store of each test's own. Which backend: `settings`, overridden by each backend's test module."""

from collections.abc import AsyncIterator

import pytest

from soc.metrics import Metrics
from soc.settings import StoreSettings
from soc.store import connect
from soc.store.base import Store
from soc.testing import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands at soc.testing.NOW."""
    return ManualClock()


@pytest.fixture
def metrics() -> Metrics:
    """The store's metrics."""
    return Metrics()


@pytest.fixture
async def store(settings: StoreSettings, metrics: Metrics, clock: ManualClock) -> AsyncIterator[Store]:
    """An open, empty store."""
    async with connect(settings, metrics, clock) as opened:
        yield opened


@pytest.fixture
async def second(store: Store, settings: StoreSettings, clock: ManualClock) -> AsyncIterator[Store]:
    """The same store, opened as another process would."""
    async with connect(settings, Metrics(), clock) as opened:
        yield opened
