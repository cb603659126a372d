"""Which logsource a record has, and which records a rule's logsource covers.

Names follow the Sigma taxonomy appendix 2.1. Windows channels and Sysmon's EventIDs are Microsoft's.
"""

from collections.abc import Mapping
from typing import Any, Final

from soc.events import LogSource

CHANNELS: Final[Mapping[str, str]] = {
    "application": "application",
    "security": "security",
    "system": "system",
    "microsoft-windows-sysmon/operational": "sysmon",
    "windows powershell": "powershell-classic",
    "microsoft-windows-powershell/operational": "powershell",
    "powershellcore/operational": "powershell",
    "microsoft-windows-taskscheduler/operational": "taskscheduler",
    "microsoft-windows-wmi-activity/operational": "wmi",
    "dns server": "dns-server",
    "microsoft-windows-dns-server/audit": "dns-server-audit",
    "microsoft-windows-dns-server/analytical": "dns-server-analytic",
    "microsoft-windows-dns client events/operational": "dns-client",
    "microsoft-windows-driverframeworks-usermode/operational": "driver-framework",
    "microsoft-windows-ntlm/operational": "ntlm",
    "microsoft-windows-dhcp-server/operational": "dhcp",
    "microsoft-servicebus-client": "microsoft-servicebus-client",
    "microsoft-windows-printservice/admin": "printservice-admin",
    "microsoft-windows-printservice/operational": "printservice-operational",
    "microsoft-windows-codeintegrity/operational": "codeintegrity-operational",
    "microsoft-windows-smbclient/security": "smbclient-security",
    "microsoft-windows-smbclient/connectivity": "smbclient-connectivity",
    "microsoft-windows-smbserver/connectivity": "smbserver-connectivity",
    "microsoft-windows-windows defender/operational": "windefend",
    "microsoft-windows-terminalservices-localsessionmanager/operational": "terminalservices-localsessionmanager",
    "microsoft-windows-windows firewall with advanced security/firewall": "firewall-as",
    "microsoft-windows-bits-client/operational": "bits-client",
    "microsoft-windows-security-mitigations/kernelmode": "security-mitigations",
    "microsoft-windows-security-mitigations/usermode": "security-mitigations",
    "microsoft-windows-diagnosis-scripted/operational": "diagnosis-scripted",
    "microsoft-windows-shell-core/operational": "shell-core",
    "microsoft-windows-appxdeploymentserver/operational": "appxdeployment-server",
    "microsoft-windows-appxpackagingom/operational": "appxpackaging-om",
    "microsoft-windows-applocker/msi and script": "applocker",
    "microsoft-windows-applocker/exe and dll": "applocker",
    "microsoft-windows-applocker/packaged app-deployment": "applocker",
    "microsoft-windows-applocker/packaged app-execution": "applocker",
    "microsoft-windows-appmodel-runtime/admin": "appmodel-runtime",
    "microsoft-windows-lsa/operational": "lsa-server",
    "microsoft-windows-ldap-client/debug": "ldap",
    "microsoft-windows-capi2/operational": "capi2",
    "microsoft-windows-certificateservicesclient-lifecycle-system/operational": (
        "certificateservicesclient-lifecycle-system"
    ),
    "microsoft-windows-openssh/operational": "openssh",
    "openssh/operational": "openssh",
    "msexchange management": "msexchange-management",
    "microsoft-windows-kernel-shimengine/operational": "kernel-shimengine",
    "microsoft-windows-kernel-event-tracing": "kernel-event-tracing",
    "microsoft-windows-ntfs/operational": "ntfs",
    "microsoft-windows-iis-configuration/operational": "iis-configuration",
}
"""Windows event channel, lower case, to Sigma's service."""

SYSMON: Final[Mapping[int, str]] = {
    1: "process_creation",
    2: "file_change",
    3: "network_connection",
    4: "sysmon_status",
    5: "process_termination",
    6: "driver_load",
    7: "image_load",
    8: "create_remote_thread",
    9: "raw_access_thread",
    10: "process_access",
    11: "file_event",
    12: "registry_add",
    13: "registry_set",
    14: "registry_rename",
    15: "create_stream_hash",
    16: "sysmon_status",
    17: "pipe_created",
    18: "pipe_created",
    19: "wmi_event",
    20: "wmi_event",
    21: "wmi_event",
    22: "dns_query",
    23: "file_delete",
    25: "process_tampering",
    26: "file_delete",
    27: "file_block_executable",
    28: "file_block_shredding",
    29: "file_executable_detected",
    255: "sysmon_error",
}
"""Sysmon EventID to Sigma's category."""

POWERSHELL: Final[Mapping[tuple[str, int], str]] = {
    ("powershell", 4103): "ps_module",
    ("powershell", 4104): "ps_script",
    ("powershell-classic", 400): "ps_classic_start",
    ("powershell-classic", 600): "ps_classic_provider_start",
    ("powershell-classic", 800): "ps_classic_script",
}
"""(service, EventID) to Sigma's category."""

_REGISTRY = frozenset({"registry_add", "registry_delete", "registry_set", "registry_rename"})
_COVERING: Final[Mapping[str, frozenset[str]]] = {
    "registry_event": _REGISTRY | {"registry_event"},
    "registry_delete": frozenset({"registry_delete", "registry_add"}),
}
_AUTH = frozenset({"auth", "sshd", "sudo", "su"})


def windows(fields: Mapping[str, Any]) -> LogSource:
    """Return the logsource of a Windows record from its Channel and EventID; a record without them is product only."""
    service = CHANNELS.get(str(fields.get("Channel", "")).lower())
    try:
        event_id = int(fields.get("EventID", -1))
    except (TypeError, ValueError):
        event_id = -1
    if service == "sysmon":
        return LogSource("windows", SYSMON.get(event_id), service)
    if service == "security" and event_id == 4688:  # noqa: PLR2004 - Microsoft's number for a process creation
        return LogSource("windows", "process_creation", service)
    return LogSource("windows", POWERSHELL.get((service or "", event_id)), service)


def covers(rule: LogSource, event: LogSource) -> bool:
    """Tell whether a rule with that logsource is evaluated on an event with this one.

    Each part that the rule states must be the event's, case-insensitively, but for families: `auth` sees sshd, sudo
    and su, `syslog` sees every Linux service, `registry_event` each kind of registry event.
    """
    return (
        (rule.product is None or rule.product == event.product)
        and _category(rule.category, event.category)
        and _service(rule, event)
    )


def _category(wanted: str | None, have: str | None) -> bool:
    return wanted is None or wanted == have or (have is not None and have in _COVERING.get(wanted, ()))


def _service(rule: LogSource, event: LogSource) -> bool:
    if rule.service is None or rule.service == event.service:
        return True
    if event.product != "linux":
        return False
    return rule.service == "syslog" or (rule.service == "auth" and event.service in _AUTH)


def names(rule: LogSource, event: LogSource) -> Mapping[str, str]:
    """Return the names that fields of a rule have in native events of a logsource; nothing where they are the same."""
    return {}
