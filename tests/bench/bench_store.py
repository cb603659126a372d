"""How fast both stores write matches and alerts, and how soon they answer searches among 50,000 matches."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from soc.alerts import Level, Match, Place
from soc.clock import DAY, SystemClock
from soc.metrics import Metrics
from soc.settings import StoreSettings
from soc.store import connect
from soc.store.base import AlertQuery, AlertRef, AlertSort, Answer, MatchQuery, Store
from soc.testing import NOW, make_alert, make_match
from tests.bench.figures import Figure
from tests.services.elastic import Elastic

MATCHES = 50_000
ALERTS = 5_000
KEYS = 500
BATCH = 500
PROBES = 30


def run() -> list[Figure]:
    """Return the figures of SQLite files and of an Elasticsearch with the tests' 512 MB heap."""
    with tempfile.TemporaryDirectory() as folder:
        figures = asyncio.run(_measure("SQLite", f"sqlite:///{folder}/store"))
        with Elastic(Path(folder) / "elastic", quick=False) as node:
            return figures + asyncio.run(_measure("Elasticsearch", node.url))


async def _measure(name: str, url: str) -> list[Figure]:
    async with connect(StoreSettings(url=url), Metrics(), SystemClock()) as store:
        figures = [
            Figure(f"{name}: matches created", await _rate(_match_batches(), store.add_matches), "/s"),
            Figure(f"{name}: alerts created", await _rate(_alert_batches(), store.put_alerts), "/s"),
            Figure(f"{name}: alerts read and replaced", await _replace_rate(store), "/s"),
        ]
        await store.refresh()
        return figures + [
            Figure(f"{name}: {what}, median", await _latency(call), "ms") for what, call in _searches(store).items()
        ]


def _match_batches() -> list[list[Match]]:
    """Return matches of three months and of 500 alert keys."""
    changes: Iterator[dict[str, Any]] = (
        {"time": NOW - n % 60 * DAY, "received": NOW, "alert_key": f"key {n % KEYS}"} for n in range(MATCHES)
    )
    matches = (make_match(n, place=Place("log", 0, n), **each) for n, each in enumerate(changes))
    return [list(islice(matches, BATCH)) for _ in range(MATCHES // BATCH)]


def _alert_batches() -> list[list[Any]]:
    alerts = ((make_alert(n, level=Level(1 + n % 5), site=f"district-{n % 20}"), None) for n in range(ALERTS))
    return [list(islice(alerts, BATCH)) for _ in range(ALERTS // BATCH)]


async def _rate(batches: Sequence[Sequence[Any]], write: Callable[[Any], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    for batch in batches:
        assert {each.answer for each in await write(batch)} == {Answer.CREATED}
    return sum(map(len, batches)) / (time.perf_counter() - began)


async def _replace_rate(store: Store) -> float:
    """Do what grouping does for each batch: read alerts by id, write them with the version that was read."""
    batches = _alert_batches()
    began = time.perf_counter()
    for batch in batches:
        found = await store.get_alerts([AlertRef(alert.id, alert.month) for alert, _ in batch])
        writes = [(each.document, each.version) for each in found if each]
        assert {each.answer for each in await store.put_alerts(writes)} == {Answer.UPDATED}
    return ALERTS / (time.perf_counter() - began)


def _searches(store: Store) -> dict[str, Callable[[], Awaitable[Any]]]:
    matches = MatchQuery("key 7", Place("log", 0, 0), Place("log", 0, MATCHES))
    return {
        "first page of an alert's matches": lambda: store.find_matches(matches),
        "first page of alerts": lambda: store.find_alerts(AlertQuery()),
        "alerts by text": lambda: store.find_alerts(AlertQuery(text="login 49")),
        "alerts by level and site, by count": lambda: store.find_alerts(
            AlertQuery(levels=(Level.HIGH,), sites=("district-3",), sort=AlertSort.COUNT)
        ),
        "an alert by id": lambda: store.find_alert(make_alert(77).id),
        "alerts counted": store.count_alerts,
        "matches tallied, all": lambda: store.tally_matches(0, 2**62),
    }


async def _latency(call: Callable[[], Awaitable[Any]]) -> float:
    """Return milliseconds."""
    took = []
    for _ in range(PROBES):
        began = time.perf_counter()
        await call()
        took.append(time.perf_counter() - began)
    return statistics.median(took) * 1000
