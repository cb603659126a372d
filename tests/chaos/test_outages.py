"""A service that is away stops what needs it and nothing else, and what waited for it arrives."""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from soc.bus.base import EVENTS, MATCHES, Bus
from tests.chaos.collecting import heard, listening, numbers_of
from tests.chaos.events import WINDOW
from tests.chaos.processes import Program
from tests.chaos.province import SESSION, Backends, Province, province, until
from tests.chaos.senders import TcpSender, UdpSender, line
from tests.chaos.storm import Storm
from tests.services.elastic import Elastic
from tests.services.kafka import Kafka
from tests.services.process import Port

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(900)]

RATE = 125
SOON = 60.0
"""Seconds within which what goes on shows it: a busy machine does in that time what others do in one second."""

SOON_FULL = {
    "SOC_COLLECT__PENDING_MESSAGES": "1000",
    "SOC_COLLECT__RECEIVE_BUFFER": "262144",
    "SOC_BUS__PUBLISH_TIMEOUT": "2",
}
"""A collector that holds little."""


async def appended(bus: Bus, topic: str) -> int:
    """Return how many records a topic has had."""
    return sum(end.high for end in (await bus.ends(topic)).values())


async def test_detection_goes_on_while_elasticsearch_is_away(
    tmp_path: Path, seed: int, longer: int, elastic: Elastic
) -> None:
    """A node that is frozen and then dead is lag on soc.matches, nothing else; the store then has everything once."""
    away = 15.0 if longer == 1 else 60.0
    async with province(tmp_path, seed, Backends(f"sqlite:///{tmp_path}/bus", elastic.url)) as (made, outside):
        storm = Storm(made, outside, SESSION)

        async def outage() -> None:
            await made.ready(made.alert)
            await asyncio.sleep(2)
            async with made.bus() as bus:
                await asyncio.to_thread(elastic.pause)
                made.journal.note("elasticsearch is frozen")
                await matches_go_on(made, bus, away / 3)
                await asyncio.to_thread(elastic.kill)
                made.journal.note("elasticsearch is dead")
                await matches_go_on(made, bus, away / 3)
                await until(partial(lags, made, bus, RATE * away / 8), SOON, what="forward lags")
                await matches_go_on(made, bus, away / 3)
            await asyncio.to_thread(elastic.start)
            made.journal.note("elasticsearch is back")
            await asyncio.sleep(2)

        await storm.run(outage, rate=RATE)
        await storm.judge()


async def matches_go_on(made: Province, bus: Bus, seconds: float) -> None:
    """Wait so long; meanwhile detect keeps up and writes matches."""
    before = await appended(bus, MATCHES)
    await asyncio.sleep(seconds)
    made.correlate.check()
    made.alert.check()

    async def written() -> bool:
        return await appended(bus, MATCHES) - before > RATE * seconds / 8

    async def kept_up() -> bool:
        return await made.lag(bus, "detect", EVENTS) < RATE * 2

    await until(written, SOON, made.correlate, "matches are written")
    await until(kept_up, SOON, made.correlate, "detect keeps up")


async def lags(made: Province, bus: Bus, number: float) -> bool:
    """Tell whether so many matches wait for the store."""
    return await made.lag(bus, "forward", MATCHES) > number


async def test_the_collector_slows_tcp_and_counts_udp_while_kafka_is_away(
    tmp_path: Path, seed: int, longer: int, kafka: Kafka
) -> None:
    """No TCP message is lost, and each UDP message is either on the bus or counted as dropped, by us or the kernel."""
    backends = Backends(f"kafka://{kafka.bootstrap}", f"sqlite:///{tmp_path}/store")
    async with province(tmp_path, seed, backends) as (made, _):
        ours = Port()
        port = ours.number
        collect = listening(made, port)
        collect.environment |= SOON_FULL
        collect.start()
        await made.ready(collect)
        tcp, udp, stop = TcpSender(port, 300, partial(line, "tcp")), UdpSender(port, 300), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(tcp.send(stop))
            tasks.create_task(udp.send(stop))
            await asyncio.sleep(2)
            await asyncio.to_thread(kafka.kill)
            made.journal.note(f"kafka is away: {tcp.sent} by TCP, {udp.sent} by UDP")
            await asyncio.sleep(9 if longer == 1 else 60)
            await until(partial(waits, tcp, 3), 2 * SOON, what="the TCP sender waits")
            assert not collect.ready()
            collect.check()
            collect.pause()  # so that the kernel must drop, too
            udp.burst(2000)
            collect.resume()
            made.journal.note(f"kafka comes back: {tcp.sent} by TCP, {udp.sent} by UDP")
            await asyncio.to_thread(kafka.start)
            await made.ready(collect)
            await asyncio.sleep(2)
            stop.set()
        await accounted(made, collect, tcp, udp)


async def waits(sender: TcpSender, seconds: float) -> bool:
    """Tell whether it sends nothing for so long."""
    before = sender.sent
    await asyncio.sleep(seconds)
    return sender.sent == before


async def accounted(made: Province, collect: Program, tcp: TcpSender, udp: UdpSender) -> None:
    """Wait until everything that was sent is on the bus or counted, and compare with what is on the bus."""

    def counted() -> dict[str, float]:
        published, dropped = "vonggac_events_published_total", "vonggac_messages_dropped_total"
        return {
            "tcp": collect.metric(published, transport="tcp"),
            "udp": collect.metric(published, transport="udp"),
            "full": collect.metric(dropped, transport="udp", cause="full"),
            "kernel": collect.metric(dropped, transport="udp", cause="kernel"),
        }

    async def all_of_them() -> bool:
        now = await asyncio.to_thread(counted)
        return now["tcp"] == tcp.sent and now["udp"] + now["full"] + now["kernel"] == udp.sent

    try:
        await until(all_of_them, 2 * SOON, collect)
    finally:
        made.journal.note(f"sent {tcp.sent} by TCP, {udp.sent} by UDP; counted {await asyncio.to_thread(counted)}")
    now = counted()
    assert now["full"] > 0
    assert now["kernel"] > 0
    async with made.bus() as bus:
        events = await heard(bus)
    numbers = numbers_of(events)
    assert numbers["tcp"] == set(range(tcp.sent))
    assert len(numbers["udp"]) == now["udp"]
    print(made.journal)


async def test_the_national_soc_gets_everything_else_in_order_and_once(tmp_path: Path, seed: int, longer: int) -> None:
    """It is away, then fails, then loses its answers, then stalls, then refuses one message for good."""
    span = 3.0 * longer
    backends = Backends(f"sqlite:///{tmp_path}/bus", f"sqlite:///{tmp_path}/store")
    async with province(tmp_path, seed, backends) as (made, outside):
        made.alert.environment["SOC_NATIONAL__TIMEOUT"] = "1"
        storm = Storm(made, outside, SESSION)
        national = outside.national

        async def misfortune() -> None:
            await made.ready(made.alert)
            await asyncio.sleep(span)
            await national.go()
            await asyncio.sleep(span)
            await national.come()
            national.mock.control.fail = -1
            await asyncio.sleep(span)
            national.mock.control.after = True
            await asyncio.sleep(span)
            national.mock.control.fail, national.mock.control.stall = 0, 1.5
            await asyncio.sleep(span)
            national.mock.control.stall = 0
            national.mock.control.refuse_next = 1
            await asyncio.sleep(span + WINDOW)
            storm.kill(made.alert)  # what was refused stays refused, under the same number
            await made.ready(made.alert)

        await storm.run(misfortune, rate=RATE)
        await storm.judge(tombstones=1)
