"""Sequences of events as samples of a correlation: their form in NAME.samples.yml (rules/README.md), read into events."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import islice, repeat
from typing import Any, Final

from collectors import syslog
from collectors.sources import Options
from soc.clock import DAY, SECOND
from soc.errors import DeadLetter
from soc.events import Event, LogSource, digest

MAX_EVENTS: Final = 10_000
"""Events of one sequence."""

RECEIVED: Final = 1_798_761_540_000_000
"""When every event of a sequence is taken to be received: 31 December 2026, 23:59 UTC. Times without a year are before."""

BEGIN: Final = 1_795_305_600_000_000
"""The time of a first event that states none: 22 November 2026, 00:00 UTC."""

HOST: Final = "host"
"""The host of events that state none."""

EACH: Final = "{each}"
"""Stands for the value in the texts of an event that has `each`."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FAR: Final = 365 * 100 * DAY // SECOND
_SPAN: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h|d)")
_UNITS: Final = {"ms": 1000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND, "d": DAY}
_KEYS: Final = frozenset({"syslog", "logsource", "fields", "time", "after", "repeat", "each", "every", "host", "site"})
_FORM: Final = "an event is `syslog: LINE`, or `logsource:` and `fields:`, a map each; rules/README.md shows one"


class Wrong(Exception):
    """What is no sequence, and why. `index`: of the event in the sequence."""

    def __init__(self, reason: str, index: int | None = None) -> None:
        super().__init__(reason)
        self.index = index


@dataclass
class Reader:
    """Reads one sequence. Times follow each other: `after` and what states no time count from the event before."""

    options: Options
    _at: int = BEGIN
    _made: int = 0
    _events: list[Event] = field(default_factory=list)

    def read(self, sequence: list[Any]) -> tuple[Event, ...]:
        """Return the events. Raises Wrong where one is none, or where they are too many."""
        for index, each in enumerate(sequence):
            try:
                self._events += islice(self._expanded(each), MAX_EVENTS + 1)
            except Wrong as error:
                raise Wrong(str(error), index) from None
            if len(self._events) > MAX_EVENTS:
                raise Wrong(f"more than {MAX_EVENTS} events; a sequence has fewer", index)
        return tuple(self._events)

    def _expanded(self, sample: Any) -> Iterator[Event]:
        if not isinstance(sample, dict) or not (
            {"syslog"} <= sample.keys() or {"logsource", "fields"} <= sample.keys()
        ):
            raise Wrong(_FORM)
        if unknown := sample.keys() - _KEYS:
            raise Wrong(f"{sorted(map(str, unknown))} is nothing that an event may have: {', '.join(sorted(_KEYS))}")
        every = span(sample.get("every", "0s"), "every")
        for number, value in enumerate(_values(sample)):
            event = self._event(_filled(sample, value))
            if number and "every" in sample:
                event = event._replace(time=self._at + every)
            self._at = event.time
            self._made += 1
            yield event._replace(id=digest("sample", self._made))

    def _event(self, sample: Mapping[str, Any]) -> Event:
        event = self._from_line(sample) if "syslog" in sample else _from_fields(sample, self._at)
        if "time" in sample:
            event = event._replace(time=moment(sample["time"], self.options.zone))
        elif "after" in sample:
            event = event._replace(time=self._at + span(sample["after"], "after"))
        return event._replace(host=_text(sample, "host", event.host), site=_text(sample, "site", self.options.site))

    def _from_line(self, sample: Mapping[str, Any]) -> Event:
        if not isinstance(line := sample["syslog"], str):
            raise Wrong("syslog: is no text; write the line in quotes")
        zone, site = self.options.zone, self.options.site
        try:
            event = syslog.parse(line.encode(), received=RECEIVED, site=site, zone=zone, max_future=_FAR)
        except DeadLetter as error:
            raise Wrong(f"no syslog message: {error}") from None
        if "clock" in event.source and not {"time", "after"} & sample.keys():
            raise Wrong("the line has no time that can be read; state one with `time:` or `after:`")
        return event


def _from_fields(sample: Mapping[str, Any], time: int) -> Event:
    stated, fields = sample["logsource"], sample["fields"]
    if not isinstance(stated, dict) or not isinstance(fields, dict):
        raise Wrong(_FORM)
    parts = [stated.get(part) for part in LogSource._fields]
    if not any(parts) or not all(part is None or isinstance(part, str) for part in parts):
        raise Wrong(
            "logsource: names no product, category or service; write, say, {product: windows, service: security}"
        )
    return Event("", time, RECEIVED, "", HOST, LogSource(*parts), dict(fields), None, "utf-8", {})


def _values(sample: Mapping[str, Any]) -> Iterator[Any]:
    """Yield, for each event that a sample stands for, what `{each}` is: None for nothing."""
    if "each" in sample and "repeat" in sample:
        raise Wrong("each and repeat are both there; an event has one of them")
    if "each" in sample:
        values = sample["each"]
        if not isinstance(values, list) or not values or not all(isinstance(each, str | int) for each in values):
            raise Wrong("each: is no list of texts or numbers; write, say, [root, admin]")
        return iter(values)
    count = sample.get("repeat", 1)
    if type(count) is not int or not 1 <= count <= MAX_EVENTS:
        raise Wrong(f"repeat: is no number from 1 to {MAX_EVENTS}")
    if "every" in sample and "repeat" not in sample:
        raise Wrong("every: stands alone; it is the time between the events that `repeat:` or `each:` make")
    return repeat(None, count)


def _filled(part: Any, value: Any) -> Any:
    """Return what a sample says with `{each}` replaced by the value."""
    if value is None:
        return part
    if isinstance(part, str):
        return value if part == EACH else part.replace(EACH, str(value))
    if isinstance(part, dict):
        return {key: each if key == "each" else _filled(each, value) for key, each in part.items()}
    return [_filled(each, value) for each in part] if isinstance(part, list) else part


def _text(sample: Mapping[str, Any], key: str, otherwise: str) -> str:
    text = sample.get(key, otherwise)
    if not isinstance(text, str):
        raise Wrong(f"{key}: is no text; write it in quotes")
    return text


def span(text: Any, key: str) -> int:
    """Return microseconds of "5s", "500ms", "2m", "1h", "1d"."""
    found = _SPAN.fullmatch(text) if isinstance(text, str) else None
    if not found:
        raise Wrong(f"{key}: {str(text)[:40]!r} is no length of time; write, say, 5s, 500ms, 2m, 1h or 1d")
    return int(found[1]) * _UNITS[found[2]]


def moment(stated: Any, zone: tzinfo = UTC) -> int:
    """Return microseconds since the epoch of an ISO 8601 time; one without a zone is in `zone`."""
    try:
        parsed = datetime.fromisoformat(stated) if isinstance(stated, str) else stated
        if isinstance(parsed, datetime):
            whole = parsed if parsed.tzinfo else parsed.replace(tzinfo=zone)
            return (whole - _EPOCH) // timedelta(microseconds=1)
    except (ValueError, OverflowError):
        pass
    raise Wrong(f"time: {str(stated)[:40]!r} is no time; write, say, 2026-11-22T15:20:00Z")


def is_sequence(sample: Any) -> bool:
    """Tell whether one entry of a samples file is a sequence: a list, or a map with `events`."""
    return isinstance(sample, list) or (isinstance(sample, dict) and "events" in sample)


def parts_of(sample: Any) -> tuple[list[Any], int | None]:
    """Return the events of an entry, and how many matches it asks for: None for one or more. Raises Wrong."""
    if isinstance(sample, list):
        return sample, None
    count = sample.get("matches")
    if unknown := sample.keys() - {"events", "matches"}:
        raise Wrong(f"{sorted(map(str, unknown))} is nothing that a sequence may have: events, matches")
    if not isinstance(sample["events"], list):
        raise Wrong("events: is no list of events")
    if count is not None and (type(count) is not int or count < 1):
        raise Wrong("matches: is no number from 1 on; what must not match stands in no_match")
    return sample["events"], count
