"""The same recordings and rules give the same matches on SQLite as on Kafka and Elasticsearch, by the real commands."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import orjson
import pytest

from soc import bus as buses
from soc import store as stores
from soc.alerts import Match
from soc.bus.base import EVENTS, MATCHES, TopicPartition
from soc.clock import SystemClock
from soc.metrics import Metrics
from soc.settings import Settings, load
from tests.bench.service import Service
from tests.services.elastic import Elastic
from tests.services.kafka import Kafka

ROOT = Path(__file__).parent.parent
SIGMA = Path(os.environ.get("SOC_SIGMA_PATH", ROOT.parent / "shared" / "sigma"))
EVENTS_FILE = Path(os.environ.get("SOC_EVENTS_PATH", ROOT.parent / "shared" / "events")) / "windows-20k.jsonl.gz"
NUMBER = 20_000
BOUND = 240.0


async def matches_of(settings: Settings) -> dict[str, Match]:
    """Return the matches on soc.matches once both groups have read everything, by id."""
    deadline = time.monotonic() + BOUND
    async with buses.connect(settings.bus, Metrics(), SystemClock()) as bus:
        while sum(ends.high for ends in (await bus.ends(EVENTS)).values()) < NUMBER or any(
            [*(await bus.lag("detect", EVENTS)).values(), *(await bus.lag("forward", MATCHES)).values()]
        ):
            assert time.monotonic() < deadline, "the correlator did not keep up"
            await asyncio.sleep(0.3)
        found: dict[str, Match] = {}
        for partition, ends in (await bus.ends(MATCHES)).items():
            offset = ends.low
            while records := await bus.read(TopicPartition(MATCHES, partition), offset, 500):
                found.update({m.id: m for m in (Match.from_document(orjson.loads(r.value)) for r in records)})
                offset = records[-1].offset + 1
    return found


async def stored(settings: Settings, matches: Mapping[str, Match]) -> tuple[set[str], int]:
    """Return which of these matches the store has, and how many it has in all."""
    async with stores.connect(settings.store, Metrics(), SystemClock()) as store:
        await store.refresh()
        there: set[str] = set()
        items = list(matches.values())
        for start in range(0, len(items), 500):
            part = items[start : start + 500]
            places = await store.match_places(part)
            there |= {match.id for match, place in zip(part, places, strict=True) if place is not None}
        total = sum(tally.number for tally in await store.tally_matches(0, 2**62))
    return there, total


def replayed(service: Service) -> set[str]:
    """Replay the recording through the commands and return the ids in the store, which holds nothing else."""
    with service:
        service.wait_ready(BOUND)
        command = [sys.executable, "-m", "soc", "replay", str(EVENTS_FILE)]
        subprocess.run(command, env={**os.environ, **service.environment}, cwd=ROOT, check=True, timeout=BOUND)
        settings = load(None, service.environment)
        matches = asyncio.run(matches_of(settings))
        there, total = asyncio.run(stored(settings, matches))
    assert there == matches.keys()
    assert total == len(there)
    return there


@pytest.mark.timeout(900)
def test_kafka_and_elasticsearch_end_with_the_match_ids_of_sqlite(tmp_path: Path) -> None:
    """20,000 Windows events, every generic SigmaHQ rule."""
    rules = orjson.dumps([str(SIGMA / "rules")]).decode()
    embedded = Service(tmp_path / "embedded", "correlate", {"SOC_CORRELATE__RULES": rules})
    ids = replayed(embedded)
    assert len(ids) > 100
    with Kafka(tmp_path / "kafka") as kafka, Elastic(tmp_path / "elastic") as elastic:
        services = {
            "SOC_CORRELATE__RULES": rules,
            "SOC_BUS__URL": f"kafka://{kafka.bootstrap}",
            "SOC_STORE__URL": elastic.url,
        }
        assert replayed(Service(tmp_path / "services", "correlate", services)) == ids
