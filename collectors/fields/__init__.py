"""Sigma fields and logsource of a syslog message, by the program that wrote it.

Every event has `facility`, `severity` and `message`, and `program`, `pid` (or `procid` where it is no number) and
`msgid` where the header names them. What a program's own parser adds is in its module. All of it is attacker-chosen
text: patterns are anchored so that a user name or a path cannot pass for the address behind it, run in linear time, and
a value is cut at MAX_VALUE characters (`message` and `raw` are whole).
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from collectors.fields import auth, cron, postgresql, sshd, sudo, web
from collectors.header import PRIORITIES, Header
from soc.events import LogSource

MAX_VALUE: Final = 8192
"""Characters of a field's value; a web server refuses longer request lines by default."""

Parser = Callable[[str], dict[str, Any] | None]
"""Returns the fields of a program's message, or None where it is not what the logsource stands for."""

_SYSLOG: Final = LogSource("linux", None, "syslog")
_AUTH: Final = LogSource("linux", None, "auth")

_PROGRAMS: Final[Mapping[str, tuple[LogSource, Parser]]] = {
    **dict.fromkeys(("sshd", "sshd-session", "sshd-auth"), (LogSource("linux", None, "sshd"), sshd.parse)),
    "sudo": (LogSource("linux", None, "sudo"), sudo.parse),
    **dict.fromkeys(("cron", "CRON", "crond", "crontab", "anacron"), (LogSource("linux", None, "cron"), cron.parse)),
    "nginx": (LogSource(None, "webserver", "nginx"), web.parse),
    **dict.fromkeys(("apache", "apache2", "httpd"), (LogSource(None, "webserver", "apache"), web.parse)),
    **dict.fromkeys(("postgres", "postgresql"), (LogSource("postgresql", "database", None), postgresql.parse)),
    **dict.fromkeys(auth.PROGRAMS, (_AUTH, auth.parse)),
}
_AUTH_FACILITIES: Final = frozenset({"auth", "authpriv"})


def extract(header: Header) -> tuple[dict[str, Any], LogSource]:
    """Return the fields and the logsource."""
    facility, severity = PRIORITIES[header.priority]
    message = header.message.strip(" \r\n\0")
    fields: dict[str, Any] = {"facility": facility, "severity": severity}
    if header.program:
        fields["program"] = header.program[:MAX_VALUE]
    if header.procid:
        fields.update(_process(header.procid))
    fields["message"] = message
    for name, value in header.fields.items():
        fields[name[:MAX_VALUE]] = _bounded(value)
    logsource, parser = _PROGRAMS.get(header.program.rpartition("/")[2], (None, auth.parse))
    known = parser(message) if logsource or facility in _AUTH_FACILITIES else None
    if known is not None:
        fields.update((name, _bounded(value)) for name, value in known.items())
        return fields, logsource or _AUTH
    return fields, _AUTH if facility in _AUTH_FACILITIES else _SYSLOG


def _process(procid: str) -> dict[str, Any]:
    return {"pid": int(procid)} if procid.isdecimal() and procid.isascii() and len(procid) <= 10 else {"procid": procid}  # noqa: PLR2004 - 32 bits in decimal


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return value[:MAX_VALUE]
    return [each[:MAX_VALUE] for each in value] if isinstance(value, list) else value
