"""One partition of soc.hits in the hands of the correlate stage: its state, and how far it was taken.

State is a function of the log: whoever gets the partition reads again from the offset that the last commit names, and
publishes nothing of it.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from correlator.correlation.partition import Partition
from correlator.correlation.plan import Plan
from correlator.correlation.state import Outcome
from correlator.remembered import name, read, write
from correlator.turns import Turns
from soc.bus.base import Bus, Commit, Record, TopicPartition
from soc.clock import Clock
from soc.errors import Abandon, DeadLetter
from soc.metrics import Metrics

log = structlog.get_logger()

PAGE: Final = 100
"""Records of a replay that are read at once: one can be as large as the bus takes."""

STAGE: Final = "correlate"
"""The stage's name, and its consumer group's."""


@dataclass(slots=True)
class Owned:
    """`taken`: the offset behind the last record that the state has. `first`: that offset when this member began.

    `begins`: of each judged version the instant from which it is judged (microseconds since the epoch). `unsaved`:
    there is something to commit though nothing was read.
    """

    place: TopicPartition
    state: Partition
    begins: Mapping[str, int]
    first: int
    taken: int
    unsaved: bool

    def take(self, record: Record, now: int) -> Outcome | None:
        """Return what a record gives; None where it was taken before. Raises DeadLetter where it is malformed."""
        if record.offset < self.taken:
            return None
        if record.offset > self.taken:  # retention was quicker than the stage
            self.begin_anew(now)
        self.taken = record.offset + 1
        return self.state.take(record.value, record.offset)

    def begin_anew(self, now: int) -> None:
        """Go on behind a gap: windows that may lack what is lost have no verdict."""
        self.begins = dict.fromkeys(self.begins, now)
        self.unsaved = True
        self.state.gap(now)

    def adopt(self, plan: Plan, now: int) -> None:
        """Go on by another plan; judged correlations that are new begin now."""
        self.begins = begins_of(plan, self.begins, now)
        self.unsaved = True
        self.state.adopt(plan, now)

    def metadata(self) -> str:
        """Return what is to be committed at `taken`."""
        metadata, forgotten = write(self.state.lowest(self.taken), self.begins)
        if self.unsaved and forgotten:
            log.warning(
                "a commit has no room for all judged correlations: some begin afresh at a restart", number=forgotten
            )
        self.unsaved = False
        return metadata

    def metadata_before(self, commit: Commit | None) -> str:
        """Return what is to be committed between the last commit and `taken`, where records came again.

        Whatever the state needed at the last commit it needs there; what it needs now may begin later than that.
        """
        return commit.metadata if commit else write(self.first, self.begins).metadata


def begins_of(plan: Plan, known: Mapping[str, int], now: int) -> dict[str, int]:
    """Return of each judged version when it began: now, where that is not known."""
    return {each.version: known.get(each.version, now) for each in plan.linked.values() if not each.sliding}


def remembered(commit: Commit | None, plan: Plan) -> tuple[int | None, dict[str, int]]:
    """Return from which offset the state is to be read again, and the begins that are known, by a commit."""
    told = read(commit.metadata) if commit else None
    if told is None:
        return None, {}
    names = {version: name(version) for version in plan.linked}
    return told.lowest, {version: told.begins[each] for version, each in names.items() if each in told.begins}


class Replay:
    """Reads again what a state is made of."""

    def __init__(self, bus: Bus, metrics: Metrics, clock: Clock, stopping: Callable[[], bool]) -> None:
        """`stopping`: tells whether to give up."""
        self._bus = bus
        self._metrics = metrics
        self._clock = clock
        self._stopping = stopping

    async def into(self, owned: Owned, first: int) -> None:
        """Take the records `first` <= offset < `owned.taken`; what they give was published before.

        Raises Abandon where it is to stop, Retry while the bus is away: the state is of no use then.
        """
        turns = Turns(self._clock)
        place, state, offset, end = owned.place, owned.state, first, owned.taken
        while offset < end:
            if self._stopping():
                raise Abandon("the stage stops")
            page = await self._bus.read(place, offset, PAGE)
            records = [record for record in page if record.offset < end]
            self._note_lost(owned, offset, records[0].offset if records else end)
            for record in records:
                with suppress(DeadLetter):  # it was buried when it was read first
                    state.take(record.value, record.offset)
                await turns.look()
            self._metrics.correlate_replayed.inc(len(records))
            offset = records[-1].offset + 1 if records else end
        state.replayed()

    def _note_lost(self, owned: Owned, expected: int, found: int) -> None:
        """Say that retention was quicker. What is lost can only be missed: nothing is judged that may lack it."""
        if found > expected:
            place = owned.place
            owned.begin_anew(self._clock.now())
            self._metrics.bus_lost_records.labels(place.topic, STAGE).inc(found - expected)
            log.warning("records of the state lost to retention", partition=place.partition, first=expected, last=found)
