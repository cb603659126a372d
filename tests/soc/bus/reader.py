"""A member of a group in a process of its own: `reader.py SETTINGS GROUP TOPIC`. It polls, prints "read" when it has its
first batch, and polls no more; "commit" commits that batch and prints the outcome.
"""

import asyncio
import sys

from soc.bus import connect
from soc.bus.base import Commit, Record, TopicPartition
from soc.clock import SystemClock
from soc.errors import Lost, VonggacError
from soc.metrics import Metrics
from soc.settings import BusSettings


async def main() -> None:
    settings = BusSettings.model_validate_json(sys.argv[1])
    told = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    first: list[Record] = []
    async with connect(settings, Metrics(), SystemClock()) as bus, bus.consumer(sys.argv[2], [sys.argv[3]]) as consumer:
        while not told.done():
            try:
                records = await consumer.poll(500, 0.05) if not first else []
                if records:
                    first = records
                    print("read", flush=True)
                await asyncio.sleep(0.01)
            except VonggacError as error:
                print(repr(error), file=sys.stderr)
        try:
            await consumer.commit({TopicPartition(r.topic, r.partition): Commit(r.offset + 1) for r in first})
        except (VonggacError, Lost) as error:
            print(type(error).__name__, flush=True)
        else:
            print("committed", flush=True)


asyncio.run(main())
