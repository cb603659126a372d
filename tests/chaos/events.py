"""The load: event number n is a function of n and of when the run began, so that who saw what can be computed later.

Twelve hosts on three sites. Some are always busy; the others fall silent for whole blocks, so that alerts end and new
ones open. The rules beside this file find something in about every second event.
"""

from functools import lru_cache
from typing import Final

from soc.bus.base import Message
from soc.events import SCHEMA, Event, LogSource, digest, to_wire

STEP: Final = 8_000
"""Microseconds of event time between two numbers: 125 events are a second."""

BLOCK: Final = 375
"""Numbers during which the same hosts are busy: three seconds."""

WINDOW: Final = 2
"""Seconds of alert.window_seconds: a silent block ends an alert."""

HOSTS: Final = 12
STEADY: Final = 3
"""The first hosts are busy all the time."""


def event(number: int, began: int) -> Event:
    """Return the event of that number, of a run that began then (microseconds since the epoch)."""
    host = _host(number)
    service, fields = _record(_draw("what", number) % 100, _draw("who", number))
    time = began + number * STEP
    text = fields.get("message", f"event {number}")
    return Event(
        id=digest("chaos", began, number),
        time=time,
        received=time,
        site=f"district-{host % 3}",
        host=f"host-{host:02d}",
        logsource=LogSource("linux", None, service),
        fields={"program": service, "pid": number, **fields, "message": text},
        raw=f"<38>host-{host:02d} {service}[{number}]: {text}",
        charset="utf-8",
        source={"type": "chaos", "number": number},
    )


def message(number: int, began: int) -> Message:
    """Return the event as collectors publish it."""
    made = event(number, began)
    return Message(f"{made.site}/{made.host}".encode(), to_wire(made), (("schema", SCHEMA),))


def _host(number: int) -> int:
    busy = _busy(number // BLOCK)
    return busy[_draw("host", number) % len(busy)]


@lru_cache(maxsize=8)
def _busy(block: int) -> tuple[int, ...]:
    return tuple(host for host in range(HOSTS) if host < STEADY or _draw("busy", block, host) % 3 == 0)


def _record(what: int, who: int) -> tuple[str, dict[str, object]]:
    """Return service and fields; `what` in 0..99 picks the kind, `who` the person."""
    user = f"user{who % 7}"
    source = f"203.0.113.{who % 3}" if who % 5 == 0 else f"198.51.100.{who % 200}"
    login: dict[str, object] = {"User": user, "SourceIp": source}
    job: dict[str, object] = {"User": user, "Action": "CMD"}
    kinds: tuple[tuple[int, str, dict[str, object]], ...] = (
        (2, "sshd", {**login, "Action": "login_accepted", "User": "root"}),
        (5, "sshd", {**login, "Action": "login_failed", "User": "root"}),
        (25, "sshd", {**login, "Action": "login_failed"}),
        (30, "sudo", {"User": user, "Reason": "user NOT in sudoers", "CommandLine": "/bin/sh"}),
        (40, "cron", {**job, "CommandLine": "/tmp/.x/run"}),
        (70, "sshd", {**login, "Action": "login_accepted", "SourceIp": f"192.0.2.{who % 200}"}),
        (100, "cron", {**job, "CommandLine": "/usr/sbin/logrotate"}),
    )
    return next((service, fields) for below, service, fields in kinds if what < below)


def _draw(*what: str | int) -> int:
    return int(digest(*what)[:12], 16)
