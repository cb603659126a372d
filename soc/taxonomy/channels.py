"""Windows channels and EventIDs, and the logsource that they give a record."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from soc.events import LogSource

CHANNELS: Final[Mapping[str, str]] = {
    "Application": "application",
    "DNS Server": "dns-server",
    "Microsoft-IIS-Configuration/Operational": "iis-configuration",
    "Microsoft-ServiceBus-Client": "servicebus-client",
    "Microsoft-ServiceBus-Client/Admin": "servicebus-client",
    "Microsoft-ServiceBus-Client/Operational": "servicebus-client",
    "Microsoft-Windows-AppLocker/EXE and DLL": "applocker",
    "Microsoft-Windows-AppLocker/MSI and Script": "applocker",
    "Microsoft-Windows-AppLocker/Packaged app-Deployment": "applocker",
    "Microsoft-Windows-AppLocker/Packaged app-Execution": "applocker",
    "Microsoft-Windows-AppModel-Runtime/Admin": "appmodel-runtime",
    "Microsoft-Windows-AppXDeploymentServer/Operational": "appxdeployment-server",
    "Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant": "application-experience",
    "Microsoft-Windows-Application-Experience/Program-Telemetry": "application-experience",
    "Microsoft-Windows-AppxPackaging/Operational": "appxpackaging-om",
    "Microsoft-Windows-BitLocker/BitLocker Management": "bitlocker",
    "Microsoft-Windows-Bits-Client/Operational": "bits-client",
    "Microsoft-Windows-CAPI2/Operational": "capi2",
    "Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational": (
        "certificateservicesclient-lifecycle-system"
    ),
    "Microsoft-Windows-CodeIntegrity/Operational": "codeintegrity-operational",
    "Microsoft-Windows-DHCP-Server/Operational": "dhcp",
    "Microsoft-Windows-DNS Client Events/Operational": "dns-client",
    "Microsoft-Windows-DNS-Client/Operational": "dns-client",
    "Microsoft-Windows-DNS-Server/Analytical": "dns-server-analytic",
    "Microsoft-Windows-DNS-Server/Audit": "dns-server-audit",
    "Microsoft-Windows-DNSServer/Analytical": "dns-server-analytic",
    "Microsoft-Windows-DNSServer/Audit": "dns-server-audit",
    "Microsoft-Windows-Diagnosis-Scripted/Operational": "diagnosis-scripted",
    "Microsoft-Windows-DriverFrameworks-UserMode/Operational": "driver-framework",
    "Microsoft-Windows-Hyper-V-Worker": "hyper-v-worker",
    "Microsoft-Windows-Hyper-V-Worker-Admin": "hyper-v-worker",
    "Microsoft-Windows-Hyper-V-Worker-Operational": "hyper-v-worker",
    "Microsoft-Windows-Kernel-EventTracing": "kernel-event-tracing",
    "Microsoft-Windows-Kernel-EventTracing/Admin": "kernel-event-tracing",
    "Microsoft-Windows-Kernel-ShimEngine/Diagnostic": "kernel-shimengine",
    "Microsoft-Windows-Kernel-ShimEngine/Operational": "kernel-shimengine",
    "Microsoft-Windows-LDAP-Client/Debug": "ldap",
    "Microsoft-Windows-LSA/Operational": "lsa-server",
    "Microsoft-Windows-NTLM/Operational": "ntlm",
    "Microsoft-Windows-Ntfs/Operational": "ntfs",
    "Microsoft-Windows-OpenSSH/Operational": "openssh",
    "Microsoft-Windows-PowerShell/Operational": "powershell",
    "Microsoft-Windows-PrintService/Admin": "printservice-admin",
    "Microsoft-Windows-PrintService/Operational": "printservice-operational",
    "Microsoft-Windows-SENSE/Operational": "sense",
    "Microsoft-Windows-SMBServer/Connectivity": "smbserver-connectivity",
    "Microsoft-Windows-Security-Mitigations/Kernel Mode": "security-mitigations",
    "Microsoft-Windows-Security-Mitigations/KernelMode": "security-mitigations",
    "Microsoft-Windows-Security-Mitigations/User Mode": "security-mitigations",
    "Microsoft-Windows-Security-Mitigations/UserMode": "security-mitigations",
    "Microsoft-Windows-Shell-Core/Operational": "shell-core",
    "Microsoft-Windows-SmbClient/Connectivity": "smbclient-connectivity",
    "Microsoft-Windows-SmbClient/Security": "smbclient-security",
    "Microsoft-Windows-Sysmon/Operational": "sysmon",
    "Microsoft-Windows-TaskScheduler/Operational": "taskscheduler",
    "Microsoft-Windows-TerminalServices-LocalSessionManager/Operational": "terminalservices-localsessionmanager",
    "Microsoft-Windows-VHDMP-Operational": "vhdmp",
    "Microsoft-Windows-VHDMP/Operational": "vhdmp",
    "Microsoft-Windows-WMI-Activity/Operational": "wmi",
    "Microsoft-Windows-Windows Defender/Operational": "windefend",
    "Microsoft-Windows-Windows Firewall With Advanced Security/Firewall": "firewall-as",
    "MSExchange Management": "msexchange-management",
    "OpenSSH/Operational": "openssh",
    "PowerShellCore/Operational": "powershell",
    "Security": "security",
    "System": "system",
    "Windows PowerShell": "powershell-classic",
}
"""Windows event channel to Sigma's service. Where the appendix writes another name than Windows does, both are here."""

CATEGORIES: Final[Mapping[str, Mapping[int, str]]] = {
    "sysmon": {
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
        24: "clipboard_capture",
        25: "process_tampering",
        26: "file_delete_detected",
        27: "file_block_executable",
        28: "file_block_shredding",
        29: "file_executable_detected",
        255: "sysmon_error",
    },
    "powershell": {4103: "ps_module", 4104: "ps_script"},
    "powershell-classic": {400: "ps_classic_start", 600: "ps_classic_provider_start", 800: "ps_classic_script"},
    "security": {4688: "process_creation", 4689: "process_termination", 5156: "network_connection"},
    "dns-client": {3008: "dns_query"},
    "wmi": {5861: "wmi_event"},
}
"""Service and EventID to Sigma's category: the appendix's table, and the events of `naming`."""

_NO_CATEGORY: Final[Mapping[int, str]] = MappingProxyType({})


class _Channel:
    """The logsources of one channel, made beforehand: one is asked for with every event."""

    __slots__ = ("other", "sources")

    def __init__(self, service: str | None) -> None:
        self.other = LogSource("windows", None, service)
        self.sources = {
            number: LogSource("windows", category, service)
            for number, category in CATEGORIES.get(service or "", _NO_CATEGORY).items()
        }


_CHANNELS: Final = {name.lower(): _Channel(service) for name, service in CHANNELS.items()}
_UNKNOWN: Final = _Channel(None)


def windows(fields: Mapping[str, Any]) -> LogSource:
    """Return the logsource of a Windows record, by its Channel and EventID alone.

    One whose channel is not known is product only.
    """
    channel = _CHANNELS.get(str(fields.get("Channel", "")).lower(), _UNKNOWN)
    try:
        return channel.sources.get(int(fields.get("EventID", -1)), channel.other)
    except (TypeError, ValueError, OverflowError):
        return channel.other
