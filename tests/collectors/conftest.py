"""Fixtures of the collectors' tests."""

import asyncio
from collections.abc import Callable, Mapping

import pytest
import uvloop

from soc.metrics import Metrics
from tests.collectors.fakes import FakeBus


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on the loop that the service runs on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def bus() -> FakeBus:
    """A bus in memory."""
    return FakeBus()


@pytest.fixture
def metrics() -> Metrics:
    """Metrics of its own."""
    return Metrics()
