"""What events call the fields of Sigma's categories, where they are not Sysmon's. Facts, and where they are from.

- Security 4688 for process_creation [4688]. Image: NewProcessName. ParentImage: ParentProcessName, of Windows 10 on.
  ProcessId: NewProcessId and ParentProcessId: ProcessId, both hexadecimal. IntegrityLevel: MandatoryLabel, a SID.
- Security 4689 for process_termination [4689]. Image: ProcessName. ProcessId is hexadecimal.
- Security 5156 for network_connection [5156]. Image: Application, with a device for the drive. ProcessId: ProcessID.
  SourceIp: SourceAddress. DestinationIp: DestAddress. DestinationPort: DestPort. Initiated: Direction, where %%14593 is
  outbound. Protocol is a number.
- WMI-Activity 5861 for wmi_event [5861]. Destination: PossibleCause, the text of filter and consumer together.
- DNS Client 3008 for dns_query. The names are Sysmon's, but it does not name the program: Image is unknown.
- Windows Defender, for rules of the service windefend: names without spaces, the same with spaces (`defender`).

[NNNN]: Microsoft's page "NNNN(S)" in "Advanced security audit policy settings"; [5861]: the template
Operation_ESStoConsumerBinding of the provider Microsoft-Windows-WMI-Activity. SIDs of integrity levels: [MS-DTYP]
2.4.2.4. Numbers of protocols: IANA, "Assigned Internet Protocol Numbers".

A field that an event does not have stays missing: OriginalFileName, Hashes, ParentCommandLine and the like in 4688,
DestinationHostname in 5156. A wrong name would be worse than none, so these are left out:

- User in 4688: SubjectUserName is who created the process, without the domain, and SYSTEM is called HOST$ there.
- LogonId in 4688: SubjectLogonId is the creator's; whose process it becomes is in TargetLogonId, or 0x0.
- Security 4657 for registry_set: Sysmon's TargetObject is key and value in one, ObjectName is the key alone; what
  excuses or selects by the value's name, a third of the patterns, would mean something else.
- Security 4656 and 4663 for file_event or file_access: of files, keys and processes alike, and of any access.
- Security 5157 for network_connection: nothing was connected. 5158: a port was bound, nobody is at the other end.
- Inbound connections: Windows, Sysmon and their versions disagree on which end is the source; rules that look at
  addresses ask for outbound ones.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from soc.events import LogSource
from soc.taxonomy.defender import aliases

DEVICES: Final = ("\\device\\harddiskvolume?", "\\device\\harddiskvolume??")
"""What stands in place of a drive in a device's path, as patterns: the volumes' numbers have one digit or two."""

_NO_NAMES: Final[Mapping[str, str]] = MappingProxyType({})
_NO_VALUES: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = MappingProxyType({})


class Native(NamedTuple):
    """How one kind of event says what a rule asks for. Fields are named as rules do.

    `names`: field to the event's name for it. `values`: field to value (lower case) to the event's ways to write it; a
    value that is not there is the same. `devices`: fields that hold a path on a device (`DEVICES`) where rules write a
    drive (`C:`) or leave its letter out (`*:`). `unknown`: fields that such events cannot tell and by which rules
    excuse what is harmless; a test of one counts against the rule, asked or excused.
    """

    names: Mapping[str, str] = _NO_NAMES
    values: Mapping[str, Mapping[str, tuple[str, ...]]] = _NO_VALUES
    devices: frozenset[str] = frozenset()
    unknown: frozenset[str] = frozenset()


SAME: Final = Native()
"""Of events that use Sigma's names themselves."""

_NATIVE: Final[Mapping[LogSource, Native]] = {
    LogSource("windows", "process_creation", "security"): Native(
        names={
            "Image": "NewProcessName",
            "IntegrityLevel": "MandatoryLabel",
            "ParentImage": "ParentProcessName",
            "ParentProcessId": "ProcessId",
            "ProcessId": "NewProcessId",
        },
        values={
            "IntegrityLevel": {
                "untrusted": ("S-1-16-0",),
                "low": ("S-1-16-4096",),
                "medium": ("S-1-16-8192",),
                "high": ("S-1-16-12288",),
                "system": ("S-1-16-16384",),
            }
        },
    ),
    LogSource("windows", "process_termination", "security"): Native(names={"Image": "ProcessName"}),
    LogSource("windows", "network_connection", "security"): Native(
        names={
            "DestinationIp": "DestAddress",
            "DestinationPort": "DestPort",
            "Image": "Application",
            "Initiated": "Direction",
            "ProcessId": "ProcessID",
            "SourceIp": "SourceAddress",
        },
        values={
            "Initiated": {"true": ("%%14593", "Outbound"), "false": ("%%14592", "Inbound")},
            "Protocol": {"tcp": ("6",), "udp": ("17",)},
        },
        devices=frozenset({"Image"}),
    ),
    LogSource("windows", "dns_query", "dns-client"): Native(unknown=frozenset({"Image"})),
    LogSource("windows", "wmi_event", "wmi"): Native(names={"Destination": "PossibleCause"}),
}
"""Logsource of events to how they say what rules of their category ask for."""

_DEFENDER: Final = Native(names=aliases())
"""Rules say ThreatName, Threat_Name or "Threat Name"; Windows always says the last, and so do events here: a shipper
that writes it otherwise is for `collectors.sources.windows` to undo, as it does for Winlogbeat's names."""


def native(rule: LogSource, event: LogSource) -> Native:
    """Return how events of a logsource say what a rule of a logsource that covers it asks for.

    A rule that states the service is written in the event's own names already, but for Defender's spaces. The value
    returned is one object a kind of event, so its identity tells kinds apart.
    """
    if rule.service is None:
        return SAME if rule.category is None else _NATIVE.get(event, SAME)
    return _DEFENDER if rule.service == event.service == "windefend" else SAME


def names(rule: LogSource, event: LogSource) -> Mapping[str, str]:
    """Return what events of a logsource call fields of a rule that covers it; empty where the names are the same."""
    return native(rule, event).names
