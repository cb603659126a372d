"""Load that enters through the collector's sockets, and what of it is on the bus."""

import json
import re

from soc.bus.base import EVENTS, Bus, TopicPartition
from soc.events import Event, from_wire
from tests.chaos.processes import Program
from tests.chaos.province import Province


def listening(made: Province, port: int) -> Program:
    """Return a collector that hears TCP and UDP on that port."""
    collect = made.role("collect")
    here = json.dumps([{"host": "127.0.0.1", "port": port}])
    collect.environment |= {"SOC_COLLECT__TCP": here, "SOC_COLLECT__UDP": here}
    return collect


async def heard(bus: Bus) -> list[Event]:
    """Return what is on soc.events; a record that landed twice counts once, by its id."""
    events: dict[str, Event] = {}
    for partition, ends in (await bus.ends(EVENTS)).items():
        offset = ends.low
        while page := await bus.read(TopicPartition(EVENTS, partition), offset, 1000):
            offset = page[-1].offset + 1
            for record in page:
                event = from_wire(record.value)
                events[event.id] = event
    return list(events.values())


def numbers_of(events: list[Event]) -> dict[str, set[int]]:
    """Return the senders' numbers, by transport. Raises AssertionError where one number has two events."""
    numbers: dict[str, set[int]] = {"tcp": set(), "udp": set()}
    for event in events:
        found = re.search(r"(tcp|udp)-(\d+)", event.raw or "")
        assert found, event
        assert int(found[2]) not in numbers[found[1]], f"one message became two events: {event}"
        numbers[found[1]].add(int(found[2]))
    return numbers
