"""Factories and a manual clock, for tests of every room. Never imported by the service."""

import asyncio
from typing import Any

from soc.alerts import Alert, Contribution, Evidence, Level, Match, Place, Reason, RuleRef, Status
from soc.clock import SECOND
from soc.events import Event, LogSource, digest, to_document
from soc.evidence import reasons_of

NOW = 1_790_000_000 * SECOND
"""2026-09-21 14:13:20 UTC: where a ManualClock starts."""


class ManualClock:
    """A clock that moves only when told; sleepers wake when their time has come."""

    def __init__(self, now: int = NOW) -> None:
        """Start at `now`, microseconds since the epoch."""
        self._now = now
        self._start = now
        self._sleepers: list[tuple[int, asyncio.Event]] = []

    def now(self) -> int:
        """Return microseconds since the epoch."""
        return self._now

    def monotonic(self) -> float:
        """Return seconds since the clock was made."""
        return (self._now - self._start) / SECOND

    async def sleep(self, seconds: float) -> None:
        """Wait until `advance` has moved the clock that far."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken = asyncio.Event()
        self._sleepers.append((self._now + round(seconds * SECOND), woken))
        await woken.wait()

    def advance(self, seconds: float) -> None:
        """Move on and wake whoever was to wake by then."""
        self._now += round(seconds * SECOND)
        due = [woken for when, woken in self._sleepers if when <= self._now]
        self._sleepers = [(when, woken) for when, woken in self._sleepers if when > self._now]
        for woken in due:
            woken.set()


def make_event(number: int = 0, **changes: Any) -> Event:
    """Return an sshd login failure; `number` tells events apart, `changes` replace fields of Event."""
    defaults: dict[str, Any] = {
        "id": digest("test", number),
        "time": NOW + number * SECOND,
        "received": NOW + number * SECOND,
        "site": "district-1",
        "host": "web01",
        "logsource": LogSource("linux", None, "sshd"),
        "fields": {
            "program": "sshd",
            "pid": 4000 + number,
            "User": "root",
            "SourceIp": "203.0.113.7",
            "Action": "login_failed",
            "message": "Failed password for root from 203.0.113.7 port 51514 ssh2",
        },
        "raw": "<38>Sep 21 21:13:20 web01 sshd[4000]: Failed password for root from 203.0.113.7 port 51514 ssh2",
        "charset": "utf-8",
        "source": {"type": "syslog", "transport": "tcp", "address": "192.0.2.10"},
    }
    return Event(**{**defaults, **changes})


def make_rule(number: int = 0, level: Level = Level.MEDIUM) -> RuleRef:
    """Return a rule reference; `number` tells rules apart."""
    return RuleRef(
        id=f"00000000-0000-4000-8000-{number:012d}",
        title=f"Failed SSH login {number}",
        level=level,
        tags=("attack.credential-access", "attack.t1110"),
        description="Somebody guesses passwords.",
        falsepositives=("Forgotten password",),
    )


def make_match(number: int = 0, *, level: Level = Level.MEDIUM, **changes: Any) -> Match:
    """Return a match of make_rule(0) on make_event(number)."""
    event = make_event(number)
    rule = make_rule(0, level)
    defaults: dict[str, Any] = {
        "id": digest(rule.id, event.id),
        "rule": rule,
        "time": event.time,
        "received": event.received,
        "site": event.site,
        "host": event.host,
        "alert_key": f"{rule.id}|{event.site}|{event.host}",
        "event_id": event.id,
        "reasons": (Reason("selection", "Action", "login_failed", "login_failed"),),
        "event": to_document(event),
        "place": None,
    }
    return Match(**{**defaults, **changes})


def make_alert(number: int = 0, *, level: Level = Level.MEDIUM, **changes: Any) -> Alert:
    """Return an open alert of make_rule(number) with one match."""
    rule = make_rule(number, level)
    key = f"{rule.id}|district-1|web01"
    defaults: dict[str, Any] = {
        "id": digest("alert", key, 0),
        "key": key,
        "generation": 0,
        "month": "2026.09",
        "rule": rule,
        "level": level,
        "status": Status.OPEN,
        "site": "district-1",
        "host": "web01",
        "count": 1,
        "opened": NOW + number * SECOND,
        "first_seen": NOW + number * SECOND,
        "last_seen": NOW + number * SECOND,
        "first_place": Place("log", 0, number),
        "place": Place("log", 0, number),
        "reasons": (Reason("selection", "Action", "login_failed", "login_failed"),),
    }
    return Alert(**{**defaults, **changes})


def make_evidence(number: int = 10, **changes: Any) -> Evidence:
    """Return what a correlation of `number` failed logins of make_event(0), (1)... within ten minutes says of itself."""
    events = [make_event(each) for each in range(number)]
    seen = tuple(Contribution(each.id, each.time, make_rule().title, each.site, each.host) for each in events)
    last = events[-1].time
    defaults: dict[str, Any] = {
        "kind": "event_count",
        "group": (("SourceIp", "203.0.113.7"), ("User", "root")),
        "start": last - 600 * SECOND,
        "end": last,
        "bucket": last // (600 * SECOND) * (600 * SECOND),
        "condition": "event_count: >= 10 within 10 min",
        "counted": str(number),
        "hits": number,
        "contributions": seen,
    }
    return Evidence(**{**defaults, **changes})


def make_correlated(number: int = 0, *, evidence: Evidence | None = None, **changes: Any) -> Match:
    """Return the match of a correlation, make_rule(90), on make_evidence(); `number` tells buckets apart."""
    found = evidence or make_evidence()
    rule = make_rule(90, Level.HIGH)
    group = "|".join(value for _, value in found.group)
    defaults: dict[str, Any] = {
        "id": digest(rule.id, group, number),
        "rule": rule,
        "time": found.end,
        "received": found.end,
        "alert_key": f"{rule.id}|{group}",
        "event_id": found.contributions[-1].event_id if found.contributions else "",
        "reasons": reasons_of(found),
        "event": None,
        "correlation": found,
    }
    return make_match(number, **{**defaults, **changes})
