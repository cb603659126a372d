"""The Elasticsearch store while its node is killed, frozen, full and back."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import pytest

from soc.alerts import AlertKey
from soc.clock import SystemClock
from soc.errors import Retry
from soc.metrics import Metrics
from soc.settings import StoreSettings
from soc.store import connect
from soc.store.base import AlertQuery, AlertRef, Answer, MatchQuery, Store
from soc.testing import make_alert
from tests.services.elastic import Elastic
from tests.soc.store.contract import CREATED, EXISTS, UPDATED, placed
from tests.soc.store.test_elastic import call

TIMEOUT = 6.0


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Elastic]:
    """A node of this module's own."""
    with Elastic(tmp_path_factory.mktemp("elastic")) as started:
        yield started


@pytest.fixture
async def store(node: Elastic, request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """A store that waits some seconds for its node."""
    if node.pid is None:
        await asyncio.to_thread(node.start)
    prefix = f"t{abs(hash(request.node.name))}"[:20]
    async with connect(StoreSettings(url=node.url, prefix=prefix, timeout=TIMEOUT), Metrics(), SystemClock()) as opened:
        yield opened


async def patiently(store: Store) -> None:
    """Wait until the store answers again."""
    for _ in range(300):
        try:
            await store.ping()
            await store.get_keys(["key"])
            await store.refresh()
        except Retry:
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError("the store did not come back")


async def everything_is_retry(store: Store, longest: float) -> None:
    """Check that each call says within `longest` seconds that the store is away."""
    started = time.monotonic()
    batch = [placed(number) for number in range(3000)]  # six requests; only the first waits
    calls = (
        store.match_places(batch[:1]),
        store.get_keys(["key"]),
        store.get_alerts([AlertRef("x", "2026.09")]),
        store.find_alert("x"),
        store.find_alerts(AlertQuery()),
        store.find_matches(MatchQuery("key")),
        store.tally_matches(0, 1),
        store.count_alerts(),
        store.refresh(),
        store.expire(0),
        store.ping(),
    )
    writes = asyncio.gather(store.add_matches(batch), store.put_alerts([(make_alert(9), None)]))
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(answer, Retry), answer
    assert {written.answer for answers in await writes for written in answers} == {Answer.RETRY}
    assert time.monotonic() - started < longest


async def test_acknowledged_writes_survive_a_kill(node: Elastic, store: Store) -> None:
    """Kill -9 at once after the answers; meanwhile Retry within the timeout; afterwards everything is there."""
    matches, alert, key = [placed(number) for number in range(500)], make_alert(1), AlertKey("key", 1, "2026.09")
    assert await store.add_matches(matches) == [CREATED] * 500
    assert await store.put_keys([(key, None)]) == [CREATED]
    assert await store.put_alerts([(alert, None)]) == [CREATED]
    (stored,) = await store.get_alerts([AlertRef(alert.id, alert.month)])
    assert stored
    assert await store.put_alerts([(replace(alert, count=2), stored.version)]) == [UPDATED]
    await asyncio.to_thread(node.kill)
    await everything_is_retry(store, 3 * TIMEOUT)
    await asyncio.to_thread(node.restart)
    await patiently(store)
    assert await store.match_places(matches) == [match.place for match in matches]
    assert await store.add_matches(matches[:3]) == [EXISTS] * 3
    assert await store.find_alert(alert.id) == replace(alert, count=2)
    (kept,) = await store.get_keys(["key"])
    assert kept
    assert kept.document == key
    await store.refresh()
    assert (await store.find_matches(MatchQuery(matches[0].alert_key))).total == 500


async def test_a_frozen_node_is_retry_in_time(node: Elastic, store: Store) -> None:
    """Connections stay open and nothing answers."""
    await store.add_matches([placed(0)])
    await asyncio.to_thread(node.pause)
    try:
        await everything_is_retry(store, 3 * TIMEOUT)
    finally:
        await asyncio.to_thread(node.resume)
    await patiently(store)
    assert await store.add_matches([placed(0)]) == [EXISTS]


async def test_no_room_for_another_index_is_retry(node: Elastic, store: Store) -> None:
    """The shard limit refuses a new month's index with 400: its matches wait, they are not dead letters."""
    await store.add_matches([placed(0)])
    limit = {"persistent": {"cluster.max_shards_per_node": 1}}
    await asyncio.to_thread(call, node.url, "PUT", "/_cluster/settings", limit)
    try:
        later = placed(1, time=placed(1).time - 40 * 86_400_000_000)
        answers = await store.add_matches([later, placed(2)])
        assert [each.answer for each in answers] == [Answer.RETRY, Answer.CREATED]
        assert "shards" in answers[0].reason
    finally:
        limit = {"persistent": {"cluster.max_shards_per_node": None}}  # type: ignore[dict-item] # null takes it back
        await asyncio.to_thread(call, node.url, "PUT", "/_cluster/settings", limit)
    assert await store.add_matches([later, placed(2)]) == [CREATED, EXISTS]
