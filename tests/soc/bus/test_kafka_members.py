"""A Kafka member's poll, without a broker."""

from types import SimpleNamespace

import pytest

from soc.bus.base import MATCHES, Record
from soc.bus.kafka.cluster import Cluster
from soc.bus.kafka.members import KafkaConsumer
from soc.errors import Retry
from soc.metrics import Metrics
from soc.settings import BusSettings


class Lonely(KafkaConsumer):
    """A member that reads what it is given while its group's coordinator has long been away."""

    def __init__(self, *reads: list[Record]) -> None:
        super().__init__(Cluster(BusSettings(url="kafka://127.0.0.1:1")), Metrics(), "g", (MATCHES,))
        self._reads = list(reads)
        self._kafka = SimpleNamespace(_coordinator=SimpleNamespace(coordinator_id=None))
        self._alone_since = -1_000_000.0

    async def _some(self, max_records: int, seconds: float) -> list[Record]:
        return self._reads.pop(0) if self._reads else []


async def test_records_that_were_read_are_handed_over_though_the_coordinator_is_away() -> None:
    """The position is behind them already: an error in their place would pass them over."""
    read = [Record(MATCHES, 0, 7, 0, b"", b"x")]
    member = Lonely(read)
    assert await member.poll(timeout=0.0) == read
    with pytest.raises(Retry, match="coordinator"):
        await member.poll(timeout=0.0)
