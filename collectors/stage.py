"""The collect stage: listens until it is told to stop, then brings what it has heard to the bus."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

import structlog

from collectors.door import Door
from collectors.listen import TcpListener, UdpListener, bound
from collectors.places import Places
from collectors.ship import Intake, Shipper
from soc.bus.base import Bus
from soc.clock import Clock
from soc.errors import Stop
from soc.metrics import Metrics
from soc.settings import Address, Settings

log = structlog.get_logger()

DRAIN_SECONDS: Final = 5.0
"""How long the stop waits for the bus to take what was received."""
_LAST_WORDS: Final = 0.1
"""How long open connections are still read after the stop: what lies in the kernel's buffers comes at once."""
_ROUND: Final = 1.0


class CollectStage:
    """Syslog over UDP and TCP, and the door for `soc replay`."""

    def __init__(self, settings: Settings, bus: Bus, metrics: Metrics, clock: Clock) -> None:
        """Publish to an open bus."""
        self._settings = settings
        self._clock = clock
        self._intake = Intake(settings.collect.pending_messages, metrics)
        self._shipper = Shipper(settings, bus, self._intake, metrics, clock)
        self._door = Door(settings, bus, metrics) if settings.collect.door else None
        self._metrics = metrics
        self._udp: list[UdpListener] = []
        self._tcp: list[TcpListener] = []
        self._listening = False
        self.addresses: dict[str, tuple[Address, ...]] = {"udp": (), "tcp": ()}
        """Where it listens, by transport, with the ports that it got."""

    def unready(self) -> str | None:
        """Return None while it listens and the bus takes events, else the reason."""
        if not self._listening:
            return "not listening"
        return f"the bus takes nothing: {self._shipper.away}" if self._shipper.away else None

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop` is set, then drain, DRAIN_SECONDS at most. What then remains is dropped and counted.

        Raises SettingsError where an address cannot be bound, AlreadyRunning where the door is another's, and what the
        bus raises when it stops for good.
        """
        with ExitStack() as opened:
            try:
                await self._open(opened.callback)
                await self._work(stop, opened)
            except BaseExceptionGroup as group:
                stops = group.subgroup(Stop)
                raise (_first(stops) if stops else group) from None
            finally:
                self._listening = False

    async def _work(self, stop: asyncio.Event, opened: ExitStack) -> None:
        async with asyncio.TaskGroup() as tasks:
            shipping = tasks.create_task(self._shipper.run(), name="ship")
            watching = tasks.create_task(self._watch(), name="watch")
            self._listening = True
            log.info("listening", **{name: [str(each) for each in at] for name, at in self.addresses.items()})
            await stop.wait()
            watching.cancel()
            await self._drain(shipping, opened)

    async def _open(self, cleanup: Callable[[Callable[[], None]], object]) -> None:
        collect, common = self._settings.collect, (self._settings, self._intake, self._metrics, self._clock)
        for sock in bound(collect.udp, socket.SOCK_DGRAM, "collect.udp"):
            self._udp.append(UdpListener(sock, *common))
            cleanup(self._udp[-1].close)
        places = Places(collect.max_connections)
        for sock in bound(collect.tcp, socket.SOCK_STREAM, "collect.tcp"):
            self._tcp.append(TcpListener(sock, *common, places=places))
            cleanup(self._tcp[-1].close)
        if self._door:
            await self._door.open()
            cleanup(self._door.close)
        for udp in self._udp:
            udp.start()
        for tcp in self._tcp:
            await tcp.start()
        self.addresses = {
            "udp": tuple(udp.address for udp in self._udp),
            "tcp": tuple(tcp.address for tcp in self._tcp),
        }

    async def _watch(self) -> None:
        """Once a second: what the kernel dropped, and who has been silent for too long."""
        while True:
            await self._clock.sleep(_ROUND)
            for udp in self._udp:
                udp.count_drops()
            for tcp in self._tcp:
                tcp.close_idle()

    async def _drain(self, shipping: asyncio.Task[None], opened: ExitStack) -> None:
        self._listening = False
        for tcp in self._tcp:
            tcp.stop_accepting()
        await asyncio.sleep(_LAST_WORDS)
        opened.close()
        await self._goodbyes()
        self._intake.close()
        done, _ = await asyncio.wait([shipping], timeout=DRAIN_SECONDS - _LAST_WORDS)
        if not done:
            left = self._shipper.abandon()
            log.error("stopped before the bus took everything", dropped=dict(left), reason=self._shipper.away)
            shipping.cancel()

    async def _goodbyes(self) -> None:
        """Let closed connections give what the end of their stream leaves."""
        for _ in range(50):
            if not any(tcp.connections for tcp in self._tcp):
                return
            await asyncio.sleep(0.01)


def _first(group: BaseExceptionGroup[Stop]) -> Stop:
    inner = group.exceptions[0]
    return _first(inner) if isinstance(inner, BaseExceptionGroup) else inner
