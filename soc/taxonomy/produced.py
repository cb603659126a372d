"""The logsources that events can have here."""

from functools import cache
from typing import Final

from soc.events import LogSource
from soc.taxonomy.channels import CATEGORIES, CHANNELS

SYSLOG: Final = frozenset(
    {
        *(LogSource("linux", None, service) for service in ("auth", "cron", "sshd", "sudo", "syslog")),
        LogSource(None, "webserver", "apache"),
        LogSource(None, "webserver", "nginx"),
        LogSource("postgresql", "database", None),
    }
)
"""What the parsers of `collectors.fields` give; a test holds the two together."""


@cache
def logsources() -> frozenset[LogSource]:
    """Return every logsource that Windows' records and our syslog parsers give events.

    A rule that covers none of them never fires, unless a recording is replayed whose logsource is stated by hand.
    """
    services = {LogSource("windows", None, service) for service in (None, *CHANNELS.values())}
    categories = {
        LogSource("windows", category, service)
        for service, numbers in CATEGORIES.items()
        for category in numbers.values()
    }
    return SYSLOG | services | categories
