"""A publisher in a process of its own: `writer.py SETTINGS TOPIC NAME COUNT`. Each publish is 30 records NAME:PUBLISH:NUMBER
over all partitions; its number is printed when it is acknowledged.
"""

import asyncio
import sys

from soc.bus import connect
from soc.bus.base import Message
from soc.clock import SystemClock
from soc.metrics import Metrics
from soc.settings import BusSettings


async def main() -> None:
    settings, (topic, name, count) = BusSettings.model_validate_json(sys.argv[1]), sys.argv[2:]
    async with connect(settings, Metrics(), SystemClock()) as bus:
        for publish in range(int(count)):
            values = [f"{name}:{publish}:{number}:".encode() for number in range(30)]
            await bus.publish(topic, [Message(b"", value + b"x" * 300, (), n % 3) for n, value in enumerate(values)])
            print(publish, flush=True)


asyncio.run(main())
