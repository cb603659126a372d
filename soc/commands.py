"""What the smaller commands do: replay, alerts, dead letters, the National SOC's mock."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import structlog
from rich.console import Console
from rich.text import Text

from soc import bus as buses
from soc import printing
from soc import store as stores
from soc.bus.base import DEADLETTER, EVENTS, Bus, Message, Record, TopicPartition
from soc.bus.deadletters import Letter, of_input
from soc.clock import SystemClock
from soc.errors import DeadLetter, Stop
from soc.events import Event, LogSource, from_wire
from soc.lifecycle import stop_on_signals
from soc.metrics import Metrics
from soc.settings import Address, Settings
from soc.store.base import AlertQuery

if TYPE_CHECKING:
    from collectors.door import DoorClient
    from collectors.replay import Send

log = structlog.get_logger()

PAGE = 500


async def alerts(settings: Settings, limit: int) -> None:
    """Print the latest alerts."""
    async with stores.connect(settings.store, Metrics(), SystemClock()) as store:
        page = await store.find_alerts(AlertQuery(limit=limit))
    printing.alerts(page.items)
    Console().print(f"{len(page.items)} of {page.total} alerts")


async def deadletter_ls(settings: Settings, limit: int) -> None:
    """Print the latest dead letters, oldest first."""
    async with _bus(settings) as bus:
        ends = (await bus.ends(DEADLETTER))[0]
        start = max(ends.low, ends.high - limit)
        found = [(record, _letter(record)) for record in await _read(bus, start, ends.high)]
    printing.letters(found)
    Console().print(f"{len(found)} of {ends.high - ends.low} dead letters; `soc deadletter show NUMBER` shows one")


async def deadletter_show(settings: Settings, number: int) -> None:
    """Print one dead letter. Raises Stop where there is none of that number."""
    async with _bus(settings) as bus:
        letter = (await _letters(bus, [number]))[0]
    console = Console()
    for name in ("stage", "reason", "detail", "topic", "key", "charset", "size", "source"):
        console.print(Text(f"{name:>8}  {printing.visible(str(getattr(letter, name)), 2000)}"))
    console.print(Text(f"{'time':>8}  {printing.moment(letter.time)}"))
    console.print(Text(printing.visible(letter.text, len(letter.text) + 1)))


async def deadletter_retry(settings: Settings, numbers: Sequence[int]) -> None:
    """Publish the letters again where they came from: events through the running collector, where there is one.

    Raises Stop naming the first that never was on the bus, or is still no event; nothing is published then.
    """
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(_bus(settings))
        found = await _letters(bus, numbers)
        for number, letter in zip(numbers, found, strict=True):
            if not letter.retriable:
                raise Stop(
                    f"dead letter {number} never was on the bus or was not kept whole ({letter.reason}): "
                    "mend its sender and have it sent again"
                )
        door = await _opened_door(settings, stack)
        events = [_event(*each) for each in zip(numbers, found, strict=True) if door and each[1].topic == EVENTS]
        if door and events:
            await door.send(events)
        for letter in found:
            if door is None or letter.topic != EVENTS:
                headers = tuple((name, value.encode("latin-1")) for name, value in letter.headers.items())
                await bus.publish(letter.topic, [Message(letter.key.encode(), letter.input(), headers)])
    Console().print(f"{len(found)} published again")


def _event(number: int, letter: Letter) -> Event:
    try:
        return from_wire(letter.input(), letter.headers.get("schema", "").encode("latin-1"))
    except DeadLetter as error:
        raise Stop(f"dead letter {number} is still no event: {error}") from None


async def replay(settings: Settings, files: Sequence[Path], speed: float, logsource: LogSource) -> None:
    """Publish recordings: through the running collector's door on the embedded bus, else straight to the bus.

    `speed`: 0 as fast as the bus takes them, 1 as recorded. Raises Stop where a file cannot be read.
    """
    from collectors.replay import Progress  # noqa: PLC0415 - a stage is imported by its own command alone
    from collectors.replay import replay as run  # noqa: PLC0415 - as above
    from collectors.sources import Options  # noqa: PLC0415 - as above

    options = Options(
        site=settings.site,
        zone=ZoneInfo(settings.collect.timezone),
        limit=settings.bus.max_message_bytes,
        max_future=settings.collect.max_future_seconds,
        logsource=logsource,
    )
    with printing.progress() as bar:
        tasks = {file: bar.add_task(file.name, total=file.stat().st_size if file.exists() else 0) for file in files}

        def moved(progress: Progress) -> None:
            bar.update(tasks[progress.file], completed=progress.position)

        async with AsyncExitStack() as stack:
            last = await run(
                files,
                await _sender(settings, stack),
                options=options,
                clock=SystemClock(),
                progress=moved,
                speed=speed or None,
                max_value_bytes=settings.bus.max_value_bytes,
            )
    Console().print(f"{last.events} events published, {last.bad} dead letters")


async def _sender(settings: Settings, stack: AsyncExitStack) -> "Send":
    """Return what publishes: the embedded bus takes events from one process, which may be the running collector."""
    from collectors.publish import Publisher  # noqa: PLC0415 - as above

    if door := await _opened_door(settings, stack):
        return door.send
    return Publisher(await stack.enter_async_context(_bus(settings)), Metrics(), "replay").send


async def _opened_door(settings: Settings, stack: AsyncExitStack) -> "DoorClient | None":
    """Return the running collector's door; None on Kafka, and where there is none."""
    from collectors.door import DoorClient, largest_frame  # noqa: PLC0415 - as above

    path = _door(settings)
    return await stack.enter_async_context(DoorClient(path, largest_frame(settings))) if path else None


def _door(settings: Settings) -> Path | None:
    path = Path(settings.collect.door)
    return path if settings.bus.url.startswith("sqlite:") and path.is_socket() else None


async def national_mock(listen: Address, data: Path | None) -> None:
    """Serve the mock of the National SOC until SIGTERM or SIGINT."""
    from alerting.mock.server import serve  # noqa: PLC0415 - as above

    await serve(listen.host, listen.port, data, stop_on_signals())


def _bus(settings: Settings) -> Bus:
    return buses.connect(settings.bus, Metrics(), SystemClock())


async def _letters(bus: Bus, numbers: Sequence[int]) -> list[Letter]:
    letters = []
    for number in numbers:
        records = await bus.read(TopicPartition(DEADLETTER, 0), number, 1)
        if not records or records[0].offset != number:
            raise Stop(f"there is no dead letter {number}; `soc deadletter ls` lists them")
        letters.append(_letter(records[0]))
    return letters


def _letter(record: Record) -> Letter:
    """Return the letter, or one about a record that is none: it must not hide the others."""
    try:
        return Letter.from_record(record)
    except DeadLetter as error:
        return of_input("unknown", record.value, error, record.timestamp, {})


async def _read(bus: Bus, start: int, end: int) -> list[Record]:
    records: list[Record] = []
    while start < end:
        page = await bus.read(TopicPartition(DEADLETTER, 0), start, min(PAGE, end - start))
        if not page:
            break
        records += page
        start = page[-1].offset + 1
    return records
