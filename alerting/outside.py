"""What a stage whose effects lie outside (mail, HTTP) remembers of its partitions: how far it came, what it saw.

A batch that fails in the middle comes again whole; what was done of it must not be done again. Memory is dropped when
partitions change hands, and begun from the committed position and the records before it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Final

from soc.bus.base import Bus, Commit, Consumer, Record, TopicPartition
from soc.errors import Abandon

Identify = Callable[[Record], str | None]
"""Returns what makes a record's message the same as another's, or None where it carries none."""

PAGE: Final = 500


class Seen:
    """The ids that stood in the last `span` records of one partition, repeated ones too."""

    def __init__(self, span: int) -> None:
        """Start with none."""
        self._span = span
        self._offsets: dict[str, int] = {}

    def note(self, ident: str, offset: int) -> None:
        """Remember that `ident` stands at `offset`; offsets only grow."""
        self._offsets.pop(ident, None)
        self._offsets[ident] = offset
        far = takewhile(lambda each: self._offsets[each] < offset - self._span, self._offsets)
        for each in list(far):
            del self._offsets[each]

    def repeated(self, ident: str, offset: int) -> bool:
        """Tell whether `ident` stood in the `span` records before `offset`."""
        before = self._offsets.get(ident)
        return before is not None and offset - self._span <= before < offset


@dataclass(slots=True)
class Track:
    """One partition: the offset of the next record to act on, what was seen before it, the commit it began from."""

    next: int
    seen: Seen
    began: Commit | None

    def done(self, record: Record, ident: str | None) -> None:
        """Go on behind the record; `ident` is what it carried."""
        self.next = record.offset + 1
        if ident is not None:
            self.seen.note(ident, record.offset)


class Tracks:
    """The tracks of one consumer's partitions."""

    def __init__(self, bus: Bus, consumer: Consumer, span: int, identify: Identify) -> None:
        """`span`: how many records back a repetition is known."""
        self._bus = bus
        self._consumer = consumer
        self._span = span
        self._identify = identify
        self._generation: int | None = None
        self._tracks: dict[TopicPartition, Track] = {}

    async def refresh(self) -> bool:
        """Begin anew where the partitions may have changed hands since the last call; tell whether they may have."""
        generation = self._consumer.generation
        if generation == self._generation:
            return False
        self._tracks = {each: await self._begin(each) for each in sorted(self._consumer.assignment())}
        self._generation = generation
        return True

    def items(self) -> list[tuple[TopicPartition, Track]]:
        """Return every partition's track."""
        return list(self._tracks.items())

    def of(self, record: Record) -> Track:
        """Return the track of the record's partition. Raises Abandon where that is not this member's."""
        try:
            return self._tracks[TopicPartition(record.topic, record.partition)]
        except KeyError:
            raise Abandon(f"{record.topic}[{record.partition}] is not ours") from None

    async def _begin(self, partition: TopicPartition) -> Track:
        commit = await self._consumer.committed(partition)
        position = commit.offset if commit else 0
        seen = Seen(self._span)
        offset = max(0, position - self._span)
        while offset < position:
            page = await self._bus.read(partition, offset, min(PAGE, position - offset))
            before = [record for record in page if record.offset < position]
            for record in before:
                if (ident := self._identify(record)) is not None:
                    seen.note(ident, record.offset)
            offset = before[-1].offset + 1 if before else position
        return Track(position, seen, commit)
