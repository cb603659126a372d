"""What the readers of recordings share: what they are told, and what they give besides events."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Any, NamedTuple

from soc.clock import SECOND, SystemClock
from soc.events import Event, LogSource, digest, text_of


class BadRecord(NamedTuple):
    """A record that cannot be read. `number`: its place in the file, from 1; `raw`: its first bytes; `size`: all."""

    reason: str
    detail: str
    raw: bytes
    number: int
    size: int


_NOTHING_STATED = LogSource()


@dataclass(frozen=True)
class Options:
    """How recordings are read. A `logsource` that states anything is given to every record."""

    site: str
    zone: tzinfo = UTC
    limit: int = 65_536
    max_future: int = 3600
    logsource: LogSource = _NOTHING_STATED
    now: Callable[[], int] = field(default=SystemClock().now)


@dataclass(frozen=True)
class Origin:
    """One file: its name and the digest of its bytes, on which the ids of its events stand."""

    name: str
    digest: str
    options: Options

    def event(
        self,
        number: int,
        time: tuple[int | None, str],
        *,
        host: str,
        logsource: LogSource,
        fields: dict[str, Any],
        raw: bytes | None = None,
    ) -> Event:
        """Return the event of record `number`. `time`: microseconds, or None and why ("missing", "unreadable")."""
        options, received = self.options, self.options.now()
        moment, clock = time
        if moment is not None and moment > received + options.max_future * SECOND:
            moment, clock = None, "future"
        source = {"type": "file", "file": self.name, "record": number, **({"clock": clock} if clock else {})}
        text, charset = text_of(raw) if raw is not None else (None, "utf-8")
        stated = options.logsource if any(options.logsource) else logsource
        at = received if moment is None else moment
        return Event(self.id(number), at, received, options.site, host, stated, fields, text, charset, source)

    def id(self, number: int) -> str:
        """Return the id of record `number`: the same in every replay."""
        return digest(self.digest, number)
