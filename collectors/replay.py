"""Replay: recordings onto the bus, as fast as it takes them or at the pace at which they were recorded."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from collectors.sources import BadRecord, Options, Recording
from soc.bus.deadletters import Letter, of_input
from soc.clock import SECOND, Clock
from soc.errors import DeadLetter, Retry, SlowDown
from soc.events import Event, to_wire

STAGE: Final = "replay"
BATCH: Final = 500
BATCH_BYTES: Final = 2_000_000
PATIENCE: Final = 120.0
"""Seconds that a batch is tried again while the collector or the bus is away."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

Send = Callable[[Sequence[Event], Sequence[Letter]], Awaitable[None]]
"""Returns when both are acknowledged: DoorClient.send or Publisher.send."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is. `position` and `size` are bytes of `file`; the counts are of all files so far."""

    file: Path
    position: int
    size: int
    events: int
    bad: int


async def replay(
    files: Sequence[Path],
    send: Send,
    *,
    options: Options,
    clock: Clock,
    progress: Callable[[Progress], None] = lambda _: None,
    speed: float | None = None,
    max_value_bytes: int = 1 << 20,
) -> Progress:
    """Send every record of the files, one after another, and return the last progress.

    Events keep their own times. `speed` None: as fast as `send` takes them; 1.0: each as long after the first as it was
    recorded (2.0: twice as fast); records out of order do not wait. What cannot be read, or is over `max_value_bytes` on
    the wire, goes to `send` as a dead letter. `progress` is called after each batch.

    Raises Stop where a file cannot be read (nothing has been sent then), Retry when `send` raised it for PATIENCE.
    """
    recordings = [Recording(path, options) for path in files]
    run = _Run(send, clock, max_value_bytes, _Pace(clock, speed) if speed else None)
    last = Progress(files[-1] if files else Path(), 0, 0, 0, 0)
    for recording in recordings:
        for record in recording:
            due = run.pace.wait(record) if run.pace and isinstance(record, Event) else 0.0
            if due or run.full:
                await run.flush()
                last = Progress(recording.path, recording.position, recording.size, run.sent, run.bad)
                progress(last)
            if due:
                await clock.sleep(due)
            run.add(record, recording.path)
        await run.flush()
        last = Progress(recording.path, recording.size, recording.size, run.sent, run.bad)
        progress(last)
    return last


class _Pace:
    """How long to wait before an event, so that it comes as long after the first one as it was recorded."""

    _TICK: Final = 0.05

    def __init__(self, clock: Clock, speed: float) -> None:
        self._clock = clock
        self._speed = speed
        self._begun: tuple[float, int] | None = None

    def wait(self, event: Event) -> float:
        """Return seconds to wait; 0.0 where it is due, or soon enough to go with the batch."""
        if self._begun is None:
            self._begun = self._clock.monotonic(), event.time
        begun, first = self._begun
        due = begun + (event.time - first) / SECOND / self._speed - self._clock.monotonic()
        return due if due > self._TICK else 0.0


@dataclass
class _Run:
    """The batch in hand."""

    send: Send
    clock: Clock
    max_value_bytes: int
    pace: _Pace | None
    events: list[Event] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    size: int = 0
    sent: int = 0
    bad: int = 0

    @property
    def full(self) -> bool:
        return len(self.events) + len(self.letters) >= BATCH or self.size >= BATCH_BYTES

    def add(self, record: Event | BadRecord, path: Path) -> None:
        """Put a record into the batch; an event that the bus would refuse becomes a dead letter."""
        if isinstance(record, BadRecord):
            self._bury(_letter_of(record, path, self.clock.now()))
            return
        try:
            size = len(to_wire(record))
            if size > self.max_value_bytes:
                raise DeadLetter("too_large", f"{size} bytes as an event")  # noqa: TRY301 - both reasons end alike
        except DeadLetter as error:
            self._bury(_letter_for(record, error, self.clock.now()))
            return
        self.events.append(record)
        self.size += size

    def _bury(self, letter: Letter) -> None:
        self.letters.append(letter)
        self.size += len(letter.text)

    async def flush(self) -> None:
        """Send the batch, and count what was acknowledged."""
        events, letters = self.events, self.letters
        self.events, self.letters, self.size = [], [], 0
        await self._deliver(events, letters)

    async def _deliver(self, events: Sequence[Event], letters: Sequence[Letter]) -> None:
        if not events and not letters:
            return
        try:
            await self._persist(events, letters)
        except DeadLetter as error:
            await self._divide(events, letters, error)
            return
        self.sent += len(events)
        self.bad += len(letters)

    async def _divide(self, events: Sequence[Event], letters: Sequence[Letter], error: DeadLetter) -> None:
        """Find the event that is refused, and bury it; the others go through. A letter that is refused is the end."""
        if not events:
            raise error
        if len(events) == 1:
            await self._deliver((), [*letters, _letter_for(events[0], error, self.clock.now())])
            return
        half = len(events) // 2
        await self._deliver(events[:half], letters)
        await self._deliver(events[half:], ())

    async def _persist(self, events: Sequence[Event], letters: Sequence[Letter]) -> None:
        end, pause = self.clock.monotonic() + PATIENCE, _FIRST_PAUSE
        while True:
            try:
                await self.send(events, letters)
            except Retry as error:
                if self.clock.monotonic() > end:
                    raise
                await self.clock.sleep(error.after if isinstance(error, SlowDown) else pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return


def _letter_of(record: BadRecord, path: Path, now: int) -> Letter:
    source = {"type": "file", "file": path.name, "record": record.number}
    letter = of_input(STAGE, record.raw, DeadLetter(record.reason, record.detail), now, source)
    return replace(letter, size=max(record.size, len(record.raw)))


def _letter_for(event: Event, error: DeadLetter, now: int) -> Letter:
    raw = event.raw_bytes() or repr(event.fields).encode("utf-8", "backslashreplace")
    return of_input(STAGE, raw, error, now, dict(event.source))
