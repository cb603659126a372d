"""The alerting stage: grouping, one notifier a receiver, report and push, each a task; and the store's retention."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Final

import structlog

from alerting.group import GROUP as GROUPING
from alerting.group import Group
from alerting.notify import Notify, group_of, sender_of
from alerting.post import Poster
from alerting.push import GROUP as PUSH
from alerting.push import Push
from alerting.report import GROUP as REPORT
from alerting.report import Report
from alerting.webhook import TIMEOUT
from soc.bus.base import ALERTS, CASES, NATIONAL, Bus, Consumer, Record, TopicPartition
from soc.bus.work import Handler, work
from soc.clock import Clock
from soc.errors import Retry
from soc.metrics import Metrics
from soc.settings import Receiver, Settings
from soc.store.base import Store

log = structlog.get_logger()

EXPIRE_SECONDS: Final = 3600.0
IDLE_SECONDS: Final = 0.5

Task = Callable[[], Coroutine[Any, Any, None]]


class AlertStage:
    """Everything of alerting but the console."""

    def __init__(self, settings: Settings, bus: Bus, store: Store, metrics: Metrics, clock: Clock) -> None:
        """Take an open bus and store."""
        self._settings = settings
        self._bus = bus
        self._store = store
        self._metrics = metrics
        self._clock = clock
        self._waiting = set(self._tasks())

    def unready(self) -> str | None:
        """Return which tasks have not read their topic yet, None where all have."""
        return f"not reading yet: {', '.join(sorted(self._waiting))}" if self._waiting else None

    async def run(self, stop: asyncio.Event) -> None:
        """Run until `stop` is set. What is not committed by then is done again at the next start.

        Raises an ExceptionGroup of Stop where a task cannot go on.
        """
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(run(), name=name) for name, run in self._tasks().items()]
            tasks.append(group.create_task(self._expire(), name="expire"))
            await stop.wait()
            for task in tasks:
                task.cancel()

    def _tasks(self) -> Mapping[str, Task]:
        """Return each consuming task by its group's name."""
        tasks: dict[str, Task] = {GROUPING: self._group}
        tasks |= {group_of(each): partial(self._notify, each) for each in self._settings.receivers}
        if self._settings.national.url:
            tasks |= {REPORT: self._report, PUSH: self._push}
        return tasks

    async def _group(self) -> None:
        group = Group(self._settings, self._bus, self._store, self._metrics, self._clock)
        async with self._bus.consumer(GROUPING, [CASES]) as consumer:
            await self._work(GROUPING, consumer, group.handle)

    async def _notify(self, receiver: Receiver) -> None:
        name = group_of(receiver)
        async with Poster(TIMEOUT) as poster, self._bus.consumer(name, [ALERTS]) as consumer:
            sender = sender_of(receiver, poster)
            notify = Notify(receiver, sender, self._bus, consumer, metrics=self._metrics, clock=self._clock)
            await self._work(name, consumer, notify.handle)

    async def _report(self) -> None:
        national = self._settings.national
        async with self._bus.consumer(REPORT, [ALERTS]) as consumer:
            report = Report(national, self._bus, self._store, consumer, metrics=self._metrics, clock=self._clock)
            await self._work(REPORT, consumer, report.handle)

    async def _push(self) -> None:
        national = self._settings.national
        async with Poster(national.timeout) as poster, self._bus.consumer(PUSH, [NATIONAL]) as consumer:
            push = Push(national, self._bus, consumer, poster, metrics=self._metrics, clock=self._clock)
            async with asyncio.TaskGroup() as both:
                both.create_task(push.beat(), name="heartbeat")
                both.create_task(self._work(PUSH, consumer, push.handle), name="push")

    async def _work(self, name: str, consumer: Consumer, handle: Handler) -> None:
        """Consume until cancelled; the task counts as ready once it has read."""

        async def noted(records: Sequence[Record]) -> Mapping[TopicPartition, str] | None:
            self._waiting.discard(name)
            return await handle(records)

        lost = self._settings.bus.on_lost
        await work(
            consumer,
            noted,
            bus=self._bus,
            metrics=self._metrics,
            clock=self._clock,
            name=name,
            on_lost=lost,
            idle=IDLE_SECONDS,
        )

    async def _expire(self) -> None:
        while True:
            try:
                removed = await self._store.expire(self._clock.now())
            except Retry as error:
                log.warning("expiry waits", reason=str(error))
            else:
                if removed:
                    log.info("removed past retention", indices=removed)
            await self._clock.sleep(EXPIRE_SECONDS)
