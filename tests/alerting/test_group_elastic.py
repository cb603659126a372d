"""Grouping on a real Elasticsearch: what the fold relies on holds there too."""

import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from alerting.cases import alert_id
from alerting.group import Group
from soc import store as stores
from soc.alerts import Alert
from soc.bus.base import CASES, Bus
from soc.clock import DAY
from soc.errors import Retry
from soc.metrics import Metrics
from soc.settings import AlertSettings, Settings, StoreSettings
from soc.store.base import AlertRef, Answer, Store, Version, Written
from soc.testing import NOW, ManualClock
from tests.alerting.conftest import records_of
from tests.alerting.test_group import match, message
from tests.services.shared import ElasticAddress

SETTINGS = Settings(alert=AlertSettings(window_seconds=60))


@pytest.fixture
async def store(elastic_service: ElasticAddress, metrics: Metrics, clock: ManualClock) -> AsyncIterator[Store]:
    """A store with indices of its own."""
    settings = StoreSettings(url=elastic_service.url, prefix=f"t{uuid.uuid4().hex[:12]}", timeout=60)
    async with stores.connect(settings, metrics, clock) as opened:
        yield opened


async def count(store: Store, generation: int, month: str) -> int:
    """Return the alert's count."""
    (stored,) = await store.get_alerts([AlertRef(alert_id("k", generation), month)])
    assert stored is not None
    return stored.document.count


async def test_a_generation_announced_before_a_crash_is_created_after_it(
    bus: Bus, store: Store, metrics: Metrics, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is written, the alert in the next month is not; done again, each match counts once."""
    clock.advance(30 * 86_400)
    late = NOW + 20 * DAY
    cases = [match(0), match(1), replace(match(2), time=late, received=late)]
    await bus.publish(CASES, [message(case) for case in cases])
    records = await records_of(bus, CASES)
    group = Group(SETTINGS, bus, store, metrics, clock)
    put = store.put_alerts

    async def only_the_first(writes: Sequence[tuple[Alert, Version | None]]) -> list[Written]:
        if writes[0][0].generation:
            return [Written(Answer.RETRY, "away")]
        return await put(writes)

    with monkeypatch.context() as patch:
        patch.setattr(store, "put_alerts", only_the_first)
        with pytest.raises(Retry):
            await group.handle(records)
    (known,) = await store.get_keys(["k"])
    assert known is not None
    assert (known.document.generation, known.document.previous) == (1, "2026.09")
    await group.handle(records)
    await group.handle(records)
    assert (await count(store, 0, "2026.09"), await count(store, 1, "2026.10")) == (2, 1)
