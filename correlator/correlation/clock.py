"""What time it is for correlations: the least of what every source below a level has said."""

from correlator.correlation.hits import Correlated, Detected
from correlator.correlation.state import NEVER

Source = tuple[int, int]
"""A level, 0 for detection, and a partition: of soc.events for detection, else of soc.hits."""


class Clocks:
    """Watermarks as they stand on the log. A clock of level k is the least watermark of all sources below k."""

    def __init__(self, events: int, hits: int) -> None:
        """Know nothing of that many partitions of soc.events and of soc.hits."""
        self._events = events
        self._hits = hits
        self._marks: dict[Source, tuple[int, int]] = {}
        self._incomplete: dict[Source, tuple[str, ...]] = {}

    def take(self, clock: Detected | Correlated, offset: int) -> None:
        """Note a watermark that stands at this offset; the greatest of a source counts."""
        level = clock.level if isinstance(clock, Correlated) else 0
        source = (level, clock.partition)
        if clock.watermark >= self._marks.get(source, (NEVER, 0))[0]:
            self._marks[source] = (clock.watermark, offset)
            if isinstance(clock, Correlated):
                self._incomplete[source] = clock.incomplete

    def of(self, level: int) -> int:
        """Return the clock of a level, NEVER while a source below it has said nothing."""
        marks = self._marks
        nothing = (NEVER, 0)
        least = min((marks.get((0, partition), nothing)[0] for partition in range(self._events)), default=NEVER)
        for below in range(1, level):
            least = min(least, *(marks.get((below, partition), nothing)[0] for partition in range(self._hits)))
        return least

    def incomplete(self, level: int) -> frozenset[str]:
        """Return the versions below a level that said they left something out."""
        return frozenset(each for (below, _), found in self._incomplete.items() if below < level for each in found)

    def lowest(self, position: int, levels: int) -> int:
        """Return the offset of the earliest watermark that counts for these levels, or `position`."""
        return min((offset for (level, _), (_, offset) in self._marks.items() if level < levels), default=position)

    def standing(self, before: int, levels: int) -> int:
        """Return how many sources below a level have said nothing later than `before`."""
        sources = [(0, partition) for partition in range(self._events)]
        sources += [(level, partition) for level in range(1, levels) for partition in range(self._hits)]
        return sum(self._marks.get(source, (NEVER, 0))[0] < before for source in sources)
