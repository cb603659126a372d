"""kill -9 of any process at random moments changes nothing: against a run in peace no event, match, alert, notification
or act is lost or doubled. The seed is printed; CHAOS_SEED repeats a run's choices, CHAOS=long makes it ten times longer.
"""

import asyncio
from functools import partial
from pathlib import Path

import pytest

from soc.bus.base import CASES, EVENTS
from tests.chaos import oracle, verdict
from tests.chaos.collecting import heard, listening, numbers_of
from tests.chaos.province import RULES, SESSION, Backends, province
from tests.chaos.senders import TcpSender, login
from tests.chaos.storm import Storm
from tests.services.elastic import Elastic
from tests.services.kafka import Kafka
from tests.services.process import Port

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos")]

KAFKA_SESSION = 6.0
"""Seconds after which Kafka takes a silent member's partitions: a broker does not allow less by itself."""


def embedded(folder: Path) -> Backends:
    """The embedded defaults."""
    return Backends(f"sqlite:///{folder}/bus", f"sqlite:///{folder}/store")


@pytest.mark.timeout(900)
async def test_a_run_in_peace_is_what_the_oracle_says(tmp_path: Path, seed: int) -> None:
    """Without misfortune the pipeline gives what the oracle computes, so a difference later is misfortune's."""
    async with province(tmp_path, seed, embedded(tmp_path)) as (made, outside):
        storm = Storm(made, outside, SESSION)
        await storm.run(partial(asyncio.sleep, 8), rate=250)
        figures = await storm.judge()
    assert figures["mails told again"] == figures["webhooks told again"] == 0


@pytest.mark.timeout(5000)
async def test_a_hundred_kills_on_the_embedded_defaults(tmp_path: Path, seed: int, longer: int) -> None:
    """100 kills, and a paused correlator and alerting that come back after others took over, change nothing."""
    async with province(tmp_path, seed, embedded(tmp_path)) as (made, outside):
        storm = Storm(made, outside, SESSION)

        async def misfortune() -> None:
            await storm.kill_many(50 * longer, seconds=40 * longer)
            await storm.pause_one(made.correlate, "detect", EVENTS)
            made.raise_level()
            await storm.kill_many(50 * longer, seconds=40 * longer)
            await storm.pause_one(made.alert, "group", CASES)

        await storm.run(misfortune, rate=125)
        await storm.judge()


@pytest.mark.timeout(5000)
async def test_twenty_kills_on_kafka_and_elasticsearch(
    tmp_path: Path, seed: int, longer: int, kafka: Kafka, elastic: Elastic
) -> None:
    """18 kills of our processes, one of Kafka and one of Elasticsearch, and the same pauses, change nothing."""
    backends = Backends(f"kafka://{kafka.bootstrap}", elastic.url)
    async with province(tmp_path, seed, backends) as (made, outside):
        storm = Storm(made, outside, KAFKA_SESSION)

        async def misfortune() -> None:
            await storm.kill_many(6 * longer, seconds=12 * longer)
            await storm.kill_service(kafka)
            await storm.pause_one(made.correlate, "detect", EVENTS)
            made.raise_level()
            await storm.kill_many(6 * longer, seconds=12 * longer)
            await storm.kill_service(elastic)
            await storm.pause_one(made.alert, "group", CASES)
            await storm.kill_many(6 * longer, seconds=12 * longer)

        await storm.run(misfortune, rate=125)
        await storm.judge()
    assert storm.takeovers == 2


@pytest.mark.timeout(5000)
async def test_a_killed_collector_takes_up_its_ports_and_the_log_again(tmp_path: Path, seed: int, longer: int) -> None:
    """Plain TCP loses what was in hand, seconds at most; what reached soc.events is matched once, before and after."""
    rate, kills = 200.0, 8 * longer
    async with province(tmp_path, seed, embedded(tmp_path)) as (made, outside):
        storm, stop, ours = Storm(made, outside, SESSION), asyncio.Event(), Port()
        collect, sender = listening(made, ours.number), TcpSender(ours.number, rate, login)
        for program in (collect, made.correlate, made.alert):
            program.start()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(sender.send(stop))
            for _ in range(kills):
                await made.ready(collect)
                await asyncio.sleep(made.random.uniform(0.1, 1))
                storm.kill(collect)
            await made.ready(collect)
            await asyncio.sleep(0.5)
            stop.set()
        await asyncio.to_thread(collect.stop)
        await made.drain(300)
        async with made.bus() as bus:
            events = await heard(bus)
            end = await verdict.final(made.settings, bus)
        arrived = numbers_of(events)["tcp"]
        print({"sent": sender.sent, "arrived": len(arrived), "connections": sender.connected})
        assert sender.connected > kills / 2
        assert sender.sent - len(arrived) < kills * rate
        wrong = [*verdict.of_matches(end, oracle.matches(RULES, events)), *verdict.of_alerts(end)]
        assert not wrong, "\n".join(wrong)
