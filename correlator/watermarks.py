"""How far soc.events has been detected, for the clock of correlations (design, "Clock").

A watermark of a partition says: whatever arrived on it before watermark + lateness has its hits on soc.hits. A lower
one is always true as well, so one that comes twice, or late, or from a member that was replaced, does no harm.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from correlator.correlation.hits import Detected
from soc.bus.base import EVENTS, Bus, Consumer, Record
from soc.clock import SECOND, Clock
from soc.settings import CorrelateSettings

PAUSE: Final = 0.25
"""Seconds between two records that carry nothing but watermarks, at least."""


class Said(NamedTuple):
    """What is said after a batch, each partition of soc.events once.

    `everywhere`: on every partition of soc.hits; else only on those that get hits, where it costs no record.
    """

    clocks: Sequence[Detected] = ()
    everywhere: bool = False


class Watermarks:
    """The watermarks of the partitions that one member of the group reads."""

    def __init__(self, settings: CorrelateSettings, bus: Bus, clock: Clock) -> None:
        """Have read nothing yet."""
        self._lateness = round(settings.lateness_seconds * SECOND)
        self._difference = round(settings.clock_difference_seconds * SECOND)
        self._bus = bus
        self._clock = clock
        self._consumer: Consumer | None = None
        self._reached: dict[int, Detected] = {}
        self._greatest: dict[int, int] = {}
        self._spoke = float("-inf")

    def follow(self, consumer: Consumer) -> None:
        """Look from now on which partitions the consumer has and where it stands: at an end time itself goes on."""
        self._consumer = consumer

    async def after(self, records: Sequence[Record]) -> Said:
        """Return what may be said behind the hits of this batch, once all before it are acknowledged.

        Raises Retry while the bus is away.
        """
        everywhere = self._clock.monotonic() - self._spoke >= PAUSE
        last = {record.partition: record for record in records}
        reached = self._reached | {number: self._read(record) for number, record in last.items()}
        if everywhere and self._consumer is not None:
            reached |= await self._ended(self._consumer, reached)
        ours = reached.keys() if self._consumer is None else _partitions(self._consumer)
        clocks = [each for number, each in sorted(reached.items()) if number in ours and self._is_news(each)]
        return Said(clocks, everywhere)

    def acknowledged(self, said: Said) -> None:
        """Note that the hits of the batch, and what was said behind them, are on soc.hits."""
        self._reached |= {each.partition: each for each in said.clocks}
        if said.everywhere and said.clocks:
            self._spoke = self._clock.monotonic()
            self._greatest |= {number: each.watermark for number, each in self._reached.items()}
            self._reached.clear()

    def _read(self, record: Record) -> Detected:
        return Detected(record.partition, record.offset + 1, record.timestamp - self._lateness)

    async def _ended(self, consumer: Consumer, reached: Mapping[int, Detected]) -> dict[int, Detected]:
        """Return the watermarks of the partitions that have been read to their ends, where greater than those known.

        The time is taken before the ends are asked. What the ends leave out was appended after they were asked, and so
        after that time; the other way round, what came in between would be passed over.
        """
        now = self._clock.now() // 1000 * 1000  # Kafka's times have milliseconds
        ends = await self._bus.ends(EVENTS)
        watermark = now - self._lateness - self._difference
        found: dict[int, Detected] = {}
        for partition in consumer.assignment():
            number, position = partition.partition, await consumer.position(partition)
            known = reached.get(number)
            end = ends.get(number)
            if end is not None and position == end.high and (known is None or watermark > known.watermark):
                found[number] = Detected(number, position, watermark)
        return found

    def _is_news(self, each: Detected) -> bool:
        return each.watermark > self._greatest.get(each.partition, each.watermark - 1)


def _partitions(consumer: Consumer) -> frozenset[int]:
    return frozenset(partition.partition for partition in consumer.assignment())
