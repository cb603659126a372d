"""The forward stage: soc.matches in, matches in the store and then on soc.cases out.

Counts are exact by place: the stored match carries the place in soc.matches of the record that created it. A record
whose match stands in the store with its own place is a redelivery and goes on; with another place it is a duplicate
and ends here. This order of steps is the one that the delivery model proved.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import orjson

from soc.alerts import Match, Place
from soc.bus.base import CASES, MATCHES, Bus, Message, Record
from soc.bus.deadletters import Letter, bury, of_record
from soc.clock import Clock
from soc.errors import DeadLetter, Retry
from soc.evidence import check_evidence
from soc.metrics import Metrics
from soc.store.base import Answer, Store, Written

NAME: Final = "forward"
"""The stage's name, and its consumer group's."""

MAX_BULK: Final = 500
"""Matches in one write to the store."""


class Arrival(NamedTuple):
    """A record of soc.matches and its match, which has the record's place."""

    record: Record
    match: Match


class Forwarder:
    """Handles batches of soc.matches. `forward` is a soc.bus.work.Handler."""

    def __init__(self, bus: Bus, store: Store, metrics: Metrics, clock: Clock) -> None:
        """Take the ports; both are open."""
        self._bus = bus
        self._store = store
        self._metrics = metrics
        self._clock = clock

    async def forward(self, records: Sequence[Record]) -> None:
        """Store one batch and publish what is new. Raises Retry while store or bus is away: the batch comes again."""
        if not records:
            return
        arrivals, letters = await self._read(records)
        written = await self._write(arrivals)
        duplicates = await self._duplicates(arrivals, written)
        for arrival, answer in zip(arrivals, written, strict=True):
            if answer.answer is Answer.REJECTED:
                letters.append(self._letter(arrival.record, DeadLetter("store_rejected", answer.reason)))
        going = [
            arrival.match
            for index, arrival in enumerate(arrivals)
            if index not in duplicates and written[index].answer is not Answer.REJECTED
        ]
        await bury(self._bus, self._metrics, letters)
        if going:
            await self._bus.publish(CASES, [_case(match) for match in going])

    async def _read(self, records: Sequence[Record]) -> tuple[list[Arrival], list[Letter]]:
        """Return the matches with their places, and letters for the records that are none."""
        log = await self._bus.identity(MATCHES)
        arrivals: list[Arrival] = []
        letters: list[Letter] = []
        for record in records:
            try:
                place = Place(log, record.partition, record.offset)
                arrivals.append(Arrival(record, replace(_match(record), place=place)))
            except DeadLetter as error:
                letters.append(self._letter(record, error))
        return arrivals, letters

    async def _write(self, arrivals: Sequence[Arrival]) -> list[Written]:
        """Create the matches, each id once a request, and return the answers. Raises Retry where one is missing."""
        answers: dict[int, Written] = {}
        while len(answers) < len(arrivals):
            bulk = _bulk(arrivals, answers.keys())
            answers.update(zip(bulk, await self._create(arrivals, bulk), strict=True))
        return [answers[index] for index in range(len(arrivals))]

    async def _create(self, arrivals: Sequence[Arrival], bulk: Sequence[int]) -> list[Written]:
        written = await self._store.add_matches([arrivals[index].match for index in bulk])
        for each in written:
            self._metrics.store_writes.labels("match", each.answer.value).inc()
        away = [each.reason for each in written if each.answer is Answer.RETRY]
        self._metrics.store_up.set(0 if away else 1)
        if away:
            raise Retry(f"the store did not take {len(away)} of {len(written)} matches: {away[0]}")
        return written

    async def _duplicates(self, arrivals: Sequence[Arrival], written: Sequence[Written]) -> frozenset[int]:
        """Return which arrivals are in the store with another record's place."""
        there = [index for index, each in enumerate(written) if each.answer is Answer.EXISTS]
        if not there:
            return frozenset()
        places = await self._store.match_places([arrivals[index].match for index in there])
        if None in places:
            raise Retry("a match was removed while it was looked at")
        return frozenset(i for i, place in zip(there, places, strict=True) if place != arrivals[i].match.place)

    def _letter(self, record: Record, error: DeadLetter) -> Letter:
        return of_record(NAME, record, error, self._clock.now())


def _bulk(arrivals: Sequence[Arrival], done: Collection[int]) -> list[int]:
    """Return which arrivals the next request takes: in order, not done, no id twice."""
    chosen: dict[str, int] = {}
    for index, arrival in enumerate(arrivals):
        if index not in done and len(chosen) < MAX_BULK:
            chosen.setdefault(arrival.match.id, index)
    return list(chosen.values())


def _match(record: Record) -> Match:
    try:
        match = Match.from_document(orjson.loads(record.value))
        if match.correlation is not None:
            check_evidence(match.correlation)
    except (KeyError, TypeError, ValueError, AttributeError) as error:  # orjson.JSONDecodeError is a ValueError
        raise DeadLetter("malformed_match", f"not a match: {error!r}") from None
    texts = (match.id, match.rule.id, match.rule.title, match.alert_key, match.event_id, match.site, match.host)
    if not (all(isinstance(text, str) for text in texts) and type(match.time) is type(match.received) is int):
        raise DeadLetter("malformed_match", "ids, title, alert_key, site and host must be strings, times integers")
    return match


def _case(match: Match) -> Message:
    """Return the record of soc.cases: the match with its place; event and evidence stay in the store."""
    bare = replace(match, event=None, correlation=None)
    value = orjson.dumps({"kind": "match", "match": bare.to_document()})
    return Message(match.alert_key.encode("utf-8", "replace"), value)
