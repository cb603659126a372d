"""The rules on one part of a recording: what a worker does. Only a record that matched is made an event.

Hits of correlations are told beside the matches: who takes in the results of all workers correlates.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import orjson

from collectors.framing import Bad
from collectors.sources import BadRecord, Options, Recording, jsonfile
from collectors.sources.files import DamagedError
from collectors.sources.parts import Lines, Part, json_lines
from collectors.sources.quick import Flat, fields_of
from collectors.sources.record import Origin
from correlator.correlation.feed import Feeder
from correlator.rules import Hit, RuleSet
from correlator.source import Rule
from correlator.tools.replaying import MAX_BYTES, Fed
from soc.alerts import Reason
from soc.errors import DeadLetter, Stop
from soc.events import Event, LogSource

STEP: Final = 16_384
"""Records after which a part that takes long tells how far it is."""


WARMING: Final = 64 * 1024
"""Bytes of a part that are read to warm the engine."""


class Found(NamedTuple):
    """A rule, by its place among the rules, fired on record `number` of the part. `time`: None where it states none.

    `fields` and `logsource` are the event's, where they are wanted.
    """

    rule: int
    number: int
    time: int | None
    host: str
    reasons: tuple[Reason, ...]
    fields: dict[str, Any] | None
    logsource: LogSource | None = None


class Correlating(NamedTuple):
    """Hits that record `number` of the part gave to correlations. Their ids are for whoever knows the file to make."""

    number: int
    fed: list[Fed]


class Unreadable(NamedTuple):
    """A record that is not evaluated. `number`: 0 for the file itself."""

    number: int
    reason: str
    detail: str


class Position(NamedTuple):
    """How many of the part's bytes have been read."""

    bytes: int


class Done(NamedTuple):
    """The part's end: how many records it had, how many events they were, and which rules failed on how many.

    What correlations could not count: `undated` records that state no time, and, by the correlation's id, how many
    lacked a field of its group.
    """

    records: int
    events: int
    failed: dict[int, int]
    undated: int = 0
    ungrouped: Mapping[str, int] = MappingProxyType({})


Item = Found | Correlating | Unreadable | Position | Done


class Scanner:
    """Evaluates rules on parts of recordings. `with_fields`: a match brings the fields of its event."""

    def __init__(self, rules: RuleSet, options: Options, *, with_fields: bool = False) -> None:
        """Take the rules and how recordings are read."""
        self._rules = rules
        self._places = {id(rule): place for place, rule in enumerate(rules.rules)}
        self._options = options
        self._origin = Origin("", "", options)  # ids are of no use here
        self._flat = Flat(options.logsource)
        self._with_fields = with_fields
        self._feeds = rules.plan.feeds
        self._silenced = rules.plan.silenced
        self._begin()

    def _begin(self) -> None:
        self._records = self._events = 0
        self._failed: Counter[int] = Counter()
        self._feeder = Feeder(self._rules.plan, MAX_BYTES)
        self._undated = 0

    def __call__(self, part: Part) -> Iterator[Item]:
        """Yield what the part holds, in order, and Done last."""
        self._begin()
        try:
            lines = json_lines(part, self._options.limit)
            yield from self._recording(part) if lines is None else self._lines(lines)
        except DamagedError as error:
            yield Unreadable(self._records + 1, "truncated", str(error))
        except (Stop, OSError) as error:
            yield Unreadable(0, "unreadable_file", str(error))
        yield Done(self._records, self._events, dict(self._failed), self._undated, dict(self._feeder.ungrouped))

    def warm(self, parts: Iterable[Part]) -> None:
        """Have the engine built for what the parts' first records are; nothing is told of them."""
        for path, start, end in parts:
            if end is not None:
                for _ in self(Part(path, start, min(end, start + WARMING))):
                    pass

    def _lines(self, lines: Lines) -> Iterator[Item]:
        """Evaluate the rules on JSON lines: this is the path of nearly every record, so each step counts."""
        loads, flat, evaluate, failed = orjson.loads, self._flat, self._rules.evaluate, self._note_failure
        limit, number, others = self._options.limit, 0, 0
        try:
            line: Any  # bytes, or Bad, which is refused as no JSON: asking costs more
            for number, line in enumerate(lines, 1):
                try:
                    document = loads(line)
                    logsource = flat(document)
                except (ValueError, AttributeError):  # no JSON, no object
                    logsource = None
                if logsource is None or len(line) > limit:
                    others += 1
                    yield from self._other(line, number)
                elif hits := evaluate(logsource, document, failed, line):
                    yield from self._found(hits, jsonfile.record_of(line, number, self._origin), number)
                if not number % STEP:
                    yield Position(lines.position)
        finally:
            self._records = number
            self._events += number - others

    def _other(self, line: bytes | Bad, number: int) -> Iterator[Item]:
        """Evaluate the rules on a line that is no flat object, or is none at all."""
        if isinstance(line, Bad):
            yield Unreadable(number, line.reason, f"a line of {line.size} bytes")
            return
        line = line.removesuffix(b"\n")
        if len(line) > self._options.limit:
            yield Unreadable(number, "oversized", f"a line of {len(line)} bytes")
        elif line.strip():
            yield from self._nested(line.removeprefix(jsonfile.BOM), number)

    def _nested(self, line: bytes, number: int) -> Iterator[Item]:
        try:
            hits = self._evaluated(*fields_of(orjson.loads(line), self._options.logsource))
        except orjson.JSONDecodeError as error:
            yield Unreadable(number, "malformed_json", str(error))
        except DeadLetter as error:
            yield Unreadable(number, error.reason, error.detail)
        else:
            if hits:
                yield from self._found(hits, jsonfile.record_of(line, number, self._origin), number)

    def _recording(self, part: Part) -> Iterator[Item]:
        recording = Recording(part.path, self._options)
        for count, record in enumerate(recording, 1):
            self._records = count
            number = record.number if isinstance(record, BadRecord) else _number(record, count)
            try:
                if isinstance(record, BadRecord):
                    yield Unreadable(number, record.reason, record.detail)
                elif hits := self._evaluated(record.logsource, record.fields):
                    yield from self._found(hits, record, number)
            except DeadLetter as error:
                yield Unreadable(number, error.reason, error.detail)
            if not count % STEP:
                yield Position(recording.position)

    def _evaluated(self, logsource: LogSource, fields: dict[str, Any]) -> list[Hit]:
        """Return the hits. Raises DeadLetter where the logsource, which an event of ours brings along, is none."""
        if not all(part is None or isinstance(part, str) for part in logsource):
            raise DeadLetter("malformed_event", "the logsource's parts must be strings")
        self._events += 1
        try:
            wire = orjson.dumps(fields)
        except TypeError:  # what JSON can be read but not written: every value is looked at
            wire = None
        return self._rules.evaluate(logsource, fields, self._note_failure, wire)

    def _found(self, hits: list[Hit], event: Event | BadRecord, number: int) -> Iterator[Item]:
        if isinstance(event, BadRecord):
            yield Unreadable(number, event.reason, event.detail)
            return
        time = None if "clock" in _source(event) else event.time
        told = (event.fields, event.logsource) if self._with_fields else (None, None)
        for hit in hits:
            if hit.rule.ref.id not in self._silenced:
                yield Found(self._places[id(hit.rule)], number, time, event.host, hit.reasons, *told)
        if self._feeds:
            yield from self._fed(hits, event, number, dated=time is not None)

    def _fed(self, hits: list[Hit], event: Event, number: int, *, dated: bool) -> Iterator[Correlating]:
        """Tell what the hits give to correlations; an event without a time of its own is in no window."""
        feeding = [hit for hit in hits if hit.rule.ref.id in self._feeds]
        if feeding and not dated:
            self._undated += 1
            return
        for hit in feeding:
            self._feeder.feed(hit.rule, hit.record, event, event.time)
        if fed := self._feeder.hits:
            self._feeder.hits = []
            yield Correlating(number, fed)

    def _note_failure(self, rule: Rule, _error: Exception) -> None:
        self._failed[self._places[id(rule)]] += 1


def _number(event: Event, count: int) -> int:
    """Return the number that the reader gave an event, or what was counted: an event of ours brings any along."""
    number = _source(event).get("record")
    return number if type(number) is int else count


def _source(event: Event) -> Mapping[str, Any]:
    return event.source if isinstance(event.source, Mapping) else {}
