"""Which events a rule's logsource covers."""

from collections.abc import Mapping
from typing import Final

from soc.events import LogSource

_REGISTRY: Final = frozenset({"registry_add", "registry_delete", "registry_set", "registry_rename"})
_CATEGORIES: Final[Mapping[str, frozenset[str]]] = {
    "registry_event": _REGISTRY | {"registry_event"},
    "registry_delete": frozenset({"registry_delete", "registry_add"}),
    "file_delete": frozenset({"file_delete", "file_delete_detected"}),
}
"""Category of a rule to those of the events that it sees.

Sysmon's EventID 12 is a key added or deleted; 26 is 23 for those who keep no copy of what is deleted.
"""

_FORMER: Final[Mapping[str, str]] = {
    "ldap_debug": "ldap",
    "microsoft-servicebus-client": "servicebus-client",
}
"""Services by the name that they had before appendix 2.0, and by that of today."""

_AUTH: Final = frozenset({"auth", "sshd", "sudo", "su"})


def covers(rule: LogSource, event: LogSource) -> bool:
    """Tell whether a rule with that logsource is evaluated on an event with this one.

    Each part that the rule states must be the event's, case-insensitively, but for families: `auth` sees sshd, sudo
    and su, `syslog` sees every Linux service, `registry_event` each kind of registry event, `file_delete` both kinds
    of deletion.
    """
    return (
        (rule.product is None or rule.product == event.product)
        and _category(rule.category, event.category)
        and _service(rule, event)
    )


def _category(wanted: str | None, have: str | None) -> bool:
    return wanted is None or wanted == have or (have is not None and have in _CATEGORIES.get(wanted, ()))


def _service(rule: LogSource, event: LogSource) -> bool:
    if rule.service is None or _FORMER.get(rule.service, rule.service) == event.service:
        return True
    if event.product != "linux":
        return False
    return rule.service == "syslog" or (rule.service == "auth" and event.service in _AUTH)
