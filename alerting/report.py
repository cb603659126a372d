"""The stage that writes what the National SOC is to hear: soc.alerts and the store ─▶ soc.national, then commit.

Urgent alerts as they open or rise, and a summary of each interval aligned to the epoch. The owner of the first partition
of soc.alerts makes the summaries; how far they are made stands in its commit's metadata. Writing again what was written
is harmless: push sends each content id once.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
import structlog

from alerting.facts import facts_of
from alerting.national import Content
from alerting.told import change_of, is_told
from alerting.visible import iso, visible
from soc.alerts import AlertChange, Level
from soc.bus.base import ALERTS, NATIONAL, Bus, Consumer, Record, TopicPartition
from soc.bus.deadletters import bury, of_record
from soc.clock import SECOND, Clock
from soc.errors import DeadLetter, Retry
from soc.events import digest
from soc.metrics import Metrics
from soc.settings import NationalSettings
from soc.store.base import Store, Tally

log = structlog.get_logger()

GROUP: Final = "report"
FIRST: Final = TopicPartition(ALERTS, 0)
"""Whoever has this partition makes the summaries."""

SETTLE_SECONDS: Final = 5
"""How long after its end an interval is counted, so that what is on its way still counts."""

MAX_TALLIES: Final = 1000
MAX_AT_ONCE: Final = 50
"""Summaries that are made in one go after an absence; alerts are not to wait for all of them."""


def urgent(change: AlertChange, province: str) -> Content:
    """Return the urgent message about an opening or a rise. It says only what does not change later."""
    ident = digest("urgent", province, change.alert_id, change.revision)
    return Content(ident, "urgent", {"alert": facts_of(change)})


def summary(province: str, start: int, end: int, alerts: Sequence[Tally], matches: Sequence[Tally]) -> Content:
    """Return the summary of `start` <= t < `end`, microseconds since the epoch."""
    interval = {"start": iso(start), "end": iso(end)}
    body = {"interval": interval, "alerts": _counts(alerts), "matches": _counts(matches)}
    return Content(digest("summary", province, start, end), "summary", body)


def _counts(tallies: Sequence[Tally]) -> dict[str, Any]:
    largest = sorted(tallies, key=lambda each: (-each.number, each.rule_id, each.site, each.level))[:MAX_TALLIES]
    items = [
        {
            "level": each.level.label,
            "rule": visible(each.rule_id, 200),
            "title": visible(each.rule_title, 300),
            "site": visible(each.site, 200),
            "count": each.number,
        }
        for each in largest
    ]
    return {"total": sum(each.number for each in tallies), "items": items}


class Report:
    """Writes contents for the National SOC; numbers nothing."""

    def __init__(
        self, settings: NationalSettings, bus: Bus, store: Store, consumer: Consumer, *, metrics: Metrics, clock: Clock
    ) -> None:
        """`consumer`: the member of the group whose batches are handled."""
        self._lowest = Level.parse(settings.urgent_level)
        self._province = settings.province
        self._interval = settings.interval_seconds * SECOND
        self._bus = bus
        self._store = store
        self._consumer = consumer
        self._metrics = metrics
        self._clock = clock
        self._generation: int | None = None
        self._until: int | None = None

    async def handle(self, records: Sequence[Record]) -> Mapping[TopicPartition, str]:
        """Write the batch's urgent messages and the summaries that are due; return how far summaries are made."""
        await self._publish("urgent", await self._urgent(records))
        if FIRST not in self._consumer.assignment():
            return {}
        due = await self._summarise()
        in_batch = any(record.partition == FIRST.partition for record in records)
        return {FIRST: orjson.dumps({"until": self._until}).decode()} if due or in_batch else {}

    async def _urgent(self, records: Sequence[Record]) -> list[Content]:
        contents, letters = [], []
        for record in records:
            try:
                change = change_of(record)
            except DeadLetter as error:
                letters.append(of_record(GROUP, record, error, self._clock.now()))
            else:
                if is_told(change, self._lowest):
                    contents.append(urgent(change, self._province))
        await bury(self._bus, self._metrics, letters)
        return contents

    async def _summarise(self) -> bool:
        """Make the summaries that are due; tell whether there is something to commit. A store that is away waits."""
        begins = await self._begin()
        made = 0
        try:
            while made < MAX_AT_ONCE and await self._next():
                made += 1
        except Retry as error:
            log.warning("summary waits", reason=str(error))
        return begins or made > 0

    async def _begin(self) -> bool:
        """Take up how far summaries are made where the partitions may have changed hands; tell whether it is a start."""
        if self._generation == self._consumer.generation and self._until is not None:
            return False
        commit = await self._consumer.committed(FIRST)
        until = _until(commit.metadata if commit else "")
        self._until = self._clock.now() // self._interval * self._interval if until is None else until
        self._generation = self._consumer.generation
        return until is None

    async def _next(self) -> bool:
        """Make the next summary where its interval has ended; tell whether."""
        if self._until is None:
            return False
        start = self._until // self._interval * self._interval
        end = start + self._interval
        if self._clock.now() < end + SETTLE_SECONDS * SECOND:
            return False
        await self._store.refresh()
        alerts = await self._store.tally_alerts(start, end)
        matches = await self._store.tally_matches(start, end)
        await self._publish("regular", [summary(self._province, start, end, alerts, matches)])
        self._until = end
        return True

    async def _publish(self, stream: str, contents: Sequence[Content]) -> None:
        if contents:
            await self._bus.publish(NATIONAL, [content.to_message(stream) for content in contents])


def _until(metadata: str) -> int | None:
    try:
        until = orjson.loads(metadata)["until"]
    except (ValueError, TypeError, KeyError):
        return None
    return until if type(until) is int else None
