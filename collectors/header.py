"""What both syslog formats share: a message's parts, and the priority value (RFC 5424 section 6.2.1)."""

from typing import Any, Final, NamedTuple

FACILITIES: Final = (
    *("kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp"),
    *("ntp", "audit", "alert", "clock"),
    *(f"local{number}" for number in range(8)),
)
"""Names of the facilities 0 to 23, as syslog.conf(5) has them; RFC 5424 numbers 12 to 15 have no name there."""

SEVERITIES: Final = ("emerg", "alert", "crit", "err", "warning", "notice", "info", "debug")
"""Names of the severities 0 to 7."""

DEFAULT_PRIORITY: Final = 13
"""user.notice: what a message without a usable priority counts as (RFC 3164 section 4.3.3)."""

PRIORITIES: Final = {
    str(8 * facility + severity): (name, severity_name)
    for facility, name in enumerate(FACILITIES)
    for severity, severity_name in enumerate(SEVERITIES)
}
"""(facility, severity) of a PRI as it is written: no leading zeros, 191 at most."""


class Header(NamedTuple):
    """A message taken apart. `time`: microseconds, or None, and then `clock` is "missing" or "unreadable".

    `host`, `program` and `procid` are "" where there is none; `fields` holds what only one format has.
    """

    format: str
    priority: str
    time: int | None
    clock: str
    host: str
    program: str
    procid: str
    message: str
    fields: dict[str, Any]
