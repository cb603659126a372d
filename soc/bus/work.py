"""The loop that every consuming stage runs: poll, handle, commit; and what each error asks for."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from soc.bus.base import Bus, Commit, Consumer, Record, TopicPartition
from soc.bus.losses import tell
from soc.clock import Clock
from soc.errors import Abandon, Conflict, Lost, Retry, SlowDown
from soc.metrics import Metrics

log = structlog.get_logger()

Handler = Callable[[Sequence[Record]], Awaitable[Mapping[TopicPartition, str] | None]]
"""Processes one batch completely (outputs acknowledged) and returns the metadata to commit, or None for none.

Called with [] when a poll found nothing, so that a stage can act on time. Metadata for a partition without records in
the batch is committed at the position where that partition stands. Raises Retry (or Conflict) to have the batch again, Abandon when it found itself replaced.
"""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0


async def work(
    consumer: Consumer,
    handle: Handler,
    *,
    bus: Bus,
    metrics: Metrics,
    clock: Clock,
    name: str,
    on_lost: str = "stop",
    max_records: int = 500,
    idle: float = 1.0,
) -> None:
    """Run until cancelled. Raises Stop and its kinds; Lost, after an alert about it, only where `on_lost` is "stop".

    A stage commits its input only after its outputs are acknowledged, so whatever is killed is done again.
    """
    pause = FIRST_PAUSE
    while True:
        try:
            records = await consumer.poll(max_records, idle)
            metadata = await handle(records)
            positions = await _positions(consumer, records, metadata or {})
            if positions:
                await consumer.commit(positions)
            pause = FIRST_PAUSE
        except Lost as gap:
            metrics.bus_lost_records.labels(gap.topic, name).inc(gap.last - gap.first)
            log.warning("records lost to retention", stage=name, topic=gap.topic, first=gap.first, last=gap.last)
            await tell(bus, gap, name, clock)
            if on_lost == "stop":
                raise
        except Abandon:
            log.info("partitions moved to another member", stage=name)
            await _rewind(consumer)
        except (Retry, Conflict) as error:
            wait = error.after if isinstance(error, SlowDown) else pause
            metrics.stage_retries.labels(name).inc()
            log.warning("trying again", stage=name, reason=str(error), seconds=wait)
            await clock.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)
            await _rewind(consumer)


async def _rewind(consumer: Consumer) -> None:
    """Rewind; a bus that is away is met again, and waited for, by the next poll."""
    try:
        await consumer.rewind()
    except (Retry, Abandon):
        log.debug("rewind is left to the next poll")


async def _positions(
    consumer: Consumer, records: Sequence[Record], metadata: Mapping[TopicPartition, str]
) -> dict[TopicPartition, Commit]:
    """Return, for each partition, the offset behind its last record of the batch, and the metadata to keep there."""
    offsets = {TopicPartition(record.topic, record.partition): record.offset + 1 for record in records}
    for partition in metadata.keys() - offsets.keys():
        offsets[partition] = await consumer.position(partition)
    return {partition: Commit(offset, metadata.get(partition, "")) for partition, offset in offsets.items()}
