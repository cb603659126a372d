"""Sending batches: one idempotent producer at a time, replaced when an error or its age would stop a partition."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import MessageSizeTooLargeError, RecordListTooLargeError

from soc.bus.base import Message, TopicPartition
from soc.bus.kafka.cluster import AWAY, REQUEST_SECONDS, Cluster
from soc.bus.kafka.pressure import Pressure
from soc.bus.lanes import BATCH_BYTES
from soc.bus.topics import MAX_KEY_AND_HEADERS
from soc.clock import Clock
from soc.errors import DeadLetter, Retry
from soc.metrics import Metrics

_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_RECORDS_A_PRODUCER = 1 << 30
"""Sequence numbers have 31 bits, and aiokafka does not wrap them."""

log = structlog.get_logger()


class _Producer:
    """An aiokafka producer, how many batches are in its hands, and whether it gets no more."""

    def __init__(self, kafka: Any) -> None:
        self.kafka = kafka
        self.users = 0
        self.records = 0
        self.retired = False


class Producers:
    """Delivers messages in order, with one producer after another."""

    def __init__(
        self, cluster: Cluster, metrics: Metrics, clock: Clock, pressure: Pressure, tasks: asyncio.TaskGroup
    ) -> None:
        """Producers that are replaced end in `tasks`; `pressure` is told what was sent."""
        self._cluster = cluster
        self._pressure = pressure
        self._seconds = cluster.settings.publish_timeout
        self._metrics = metrics
        self._clock = clock
        self._tasks = tasks
        self._current: _Producer | None = None
        self._closing = False
        self._lock = asyncio.Lock()

    async def deliver(self, partition: TopicPartition, messages: Sequence[Message], wanted: Callable[[], bool]) -> None:
        """Send the messages in order; after a failure everything that was not acknowledged is sent again.

        Raises Retry when `wanted` says that nobody waits any more, DeadLetter where the topic takes no message that
        large.
        """
        sent, most, pause = 0, len(messages), _PAUSE
        while sent < len(messages):
            count = 0
            try:
                async with asyncio.timeout(self._seconds), self._producing() as producer:
                    batch, count = self._fill(producer.kafka, messages, sent, most)
                    await self._send(producer, batch, partition)
                    producer.records += count
                    self._pressure.sent(partition.topic, count, batch.size())  # compressed, as the log has it
                sent += count
            except (MessageSizeTooLargeError, RecordListTooLargeError):
                if count == 1:
                    size = len(messages[sent].value)
                    raise DeadLetter("too_large", f"{size} bytes; {partition.topic} takes fewer") from None
                most = max(1, count // 2)
            except AWAY as error:
                log.warning("kafka did not take a batch", topic=partition.topic, reason=repr(error))
                if not wanted():
                    raise Retry(f"kafka: {error!r}") from None
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def aclose(self) -> None:
        """End the producer; what it still holds is given up."""
        self._closing = True
        producer, self._current = self._current, None
        if producer is not None:
            await _stop(producer.kafka)

    async def _send(self, producer: _Producer, batch: Any, partition: TopicPartition) -> None:
        name = self._cluster.name(partition)
        acknowledged = await producer.kafka.send_batch(batch, name.topic, partition=name.partition)
        await acknowledged

    def _fill(self, producer: Any, messages: Sequence[Message], first: int, most: int) -> tuple[Any, int]:
        """Return a batch with the messages from `first` on, and how many they are."""
        batch, now, count = producer.create_batch(), self._clock.now() // 1000, 0
        append = batch.append
        for key, value, headers, _partition in messages[first : first + most]:
            if append(timestamp=now, key=key, value=value, headers=list(headers)) is None:
                break
            count += 1
        return batch, count

    @asynccontextmanager
    async def _producing(self) -> AsyncIterator[_Producer]:
        """The producer that is in use. One that fails, or is at its limit, gets no further batch and ends."""
        producer = await self._usable()
        producer.users += 1
        try:
            yield producer
        except BaseException:
            self._retire(producer)
            raise
        finally:
            producer.users -= 1
            if producer.records >= _RECORDS_A_PRODUCER:
                self._retire(producer)
            if producer.retired and not producer.users:
                self._tasks.create_task(_stop(producer.kafka), name="kafka-producer-stop")

    def _retire(self, producer: _Producer) -> None:
        if not producer.retired:
            producer.retired = True
            self._metrics.bus_producers_replaced.inc(not self._closing)
        if self._current is producer:
            self._current = None

    async def _usable(self) -> _Producer:
        async with self._lock:
            if self._current is None:
                self._current = _Producer(await self._started())
            return self._current

    async def _started(self) -> Any:
        kafka = AIOKafkaProducer(
            **self._cluster.options,
            acks="all",
            enable_idempotence=True,
            compression_type="zstd",
            max_batch_size=BATCH_BYTES + 2 * MAX_KEY_AND_HEADERS,
        )
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                await kafka.start()
        except BaseException:
            await _stop(kafka)
            raise
        return kafka


async def _stop(kafka: Any) -> None:
    """Stop it within seconds, whatever it still holds: its own stop would wait for that until the broker is back."""
    sender = kafka._sender.sender_task  # noqa: SLF001 - there is no public way to give up
    if sender is not None:
        sender.cancel()  # it still waits for the requests that it has sent...
    await kafka.client.close()  # ...which end with their connections...
    if sender is not None and (await asyncio.wait([sender], timeout=1.0))[1]:
        sender.cancel()  # ...but may then wait for news of the cluster that nobody fetches any more
        await asyncio.wait([sender], timeout=1.0)
    kafka._closed = True  # noqa: SLF001 - else it warns that nobody stopped it
