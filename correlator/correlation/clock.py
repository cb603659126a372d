"""What time it is for correlations: the least of what every source below a level has said; and what they left out."""

from collections.abc import Mapping
from typing import Final

from correlator.correlation.hits import Correlated, Detected
from correlator.correlation.state import NEVER

Source = tuple[int, int]
"""A level, 0 for detection, and a partition: of soc.events for detection, else of soc.hits."""

PARTITIONS: Final = range(100_000)
"""Numbers that a partition may have."""


class Clocks:
    """Watermarks as they stand on the log. A clock of level k is the least watermark of all sources below k."""

    def __init__(self, events: int, hits: int) -> None:
        """Know nothing of that many partitions of soc.events and of soc.hits, at least: some may be added."""
        self._events = events
        self._hits = hits
        self._marks: dict[Source, tuple[int, int]] = {}
        self._left_out: dict[str, tuple[int, int]] = {}

    def take(self, clock: Detected | Correlated, offset: int) -> None:
        """Note a watermark that stands at this offset; the greatest of a source counts. Raises ValueError."""
        if clock.partition not in PARTITIONS:
            raise ValueError(f"no partition has the number {clock.partition}")
        level = clock.level if isinstance(clock, Correlated) else 0
        if isinstance(clock, Correlated):
            self._hits = max(self._hits, clock.partition + 1)
            self._miss(clock, offset)
        else:
            self._events = max(self._events, clock.partition + 1)
        source = (level, clock.partition)
        if clock.watermark > NEVER and clock.watermark >= self._marks.get(source, (NEVER, 0))[0]:
            self._marks[source] = (clock.watermark, offset)

    def _miss(self, clock: Correlated, offset: int) -> None:
        for version, time in clock.incomplete:
            if time >= self._left_out.get(version, (NEVER, 0))[0]:
                self._left_out[version] = (time, offset)

    def of(self, level: int) -> int:
        """Return the clock of a level, NEVER while a source below it has said nothing."""
        marks = self._marks
        nothing = (NEVER, 0)
        least = min((marks.get((0, partition), nothing)[0] for partition in range(self._events)), default=NEVER)
        for below in range(1, level):
            least = min(least, *(marks.get((below, partition), nothing)[0] for partition in range(self._hits)))
        return least

    def left_out(self, version: str) -> int:
        """Return until when a version said that it left something out, or NEVER."""
        return self._left_out.get(version, (NEVER, 0))[0]

    def forget(self, clock: int, reach: Mapping[str, int]) -> None:
        """Forget what was left out so long before the clock that no window above has it; `reach`: how long, by version."""
        if self._left_out:
            self._left_out = {
                version: (time, offset)
                for version, (time, offset) in self._left_out.items()
                if clock < time + reach.get(version, 0)
            }

    def lowest(self, position: int, levels: int) -> int:
        """Return the offset of the earliest record that counts for these levels, or `position`."""
        marks = (offset for (level, _), (_, offset) in self._marks.items() if level < levels)
        return min((*marks, *(offset for _, offset in self._left_out.values())), default=position)

    def standing(self, before: int, levels: int) -> int:
        """Return how many sources below a level have said nothing later than `before`."""
        sources = [(0, partition) for partition in range(self._events)]
        sources += [(level, partition) for level in range(1, levels) for partition in range(self._hits)]
        return sum(self._marks.get(source, (NEVER, 0))[0] < before for source in sources)
