"""Logsources of Windows records, and what a rule's logsource covers."""

import pytest

from soc.events import LogSource
from soc.taxonomy import covers, windows

SYSMON = "Microsoft-Windows-Sysmon/Operational"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"Channel": SYSMON, "EventID": 1}, LogSource("windows", "process_creation", "sysmon")),
        ({"Channel": SYSMON.upper(), "EventID": "3"}, LogSource("windows", "network_connection", "sysmon")),
        ({"Channel": "Security", "EventID": 4688}, LogSource("windows", "process_creation", "security")),
        ({"Channel": "Security", "EventID": 4625}, LogSource("windows", None, "security")),
        (
            {"Channel": "Microsoft-Windows-PowerShell/Operational", "EventID": 4104},
            LogSource("windows", "ps_script", "powershell"),
        ),
        ({"Channel": "Acme/Operational", "EventID": 1}, LogSource("windows", None, None)),
        ({"EventID": "not a number"}, LogSource("windows", None, None)),
        ({}, LogSource("windows", None, None)),
    ],
)
def test_a_windows_record_has_the_logsource_of_its_channel_and_event_id(
    fields: dict[str, object], expected: LogSource
) -> None:
    """Channels compare without case; what is not known stays unstated."""
    assert windows(fields) == expected


@pytest.mark.parametrize(
    ("rule", "event", "expected"),
    [
        (LogSource(), LogSource("linux", None, "sshd"), True),
        (LogSource("linux"), LogSource("linux", None, "sshd"), True),
        (LogSource("windows"), LogSource("linux", None, "sshd"), False),
        (LogSource("linux", None, "auth"), LogSource("linux", None, "sudo"), True),
        (LogSource("linux", None, "auth"), LogSource("linux", None, "cron"), False),
        (LogSource("linux", None, "syslog"), LogSource("linux", None, "cron"), True),
        (LogSource(None, "webserver"), LogSource(None, "webserver", "nginx"), True),
        (LogSource(None, "webserver", "apache"), LogSource(None, "webserver", "nginx"), False),
        (LogSource("windows", "registry_event"), LogSource("windows", "registry_set", "sysmon"), True),
        (LogSource("windows", "registry_delete"), LogSource("windows", "registry_add", "sysmon"), True),
        (LogSource("windows", "registry_set"), LogSource("windows", "registry_add", "sysmon"), False),
        (LogSource("windows", None, "auth"), LogSource("windows", None, "security"), False),
    ],
)
def test_a_rule_covers_the_events_whose_stated_parts_agree(rule: LogSource, event: LogSource, expected: bool) -> None:
    """Families (auth, syslog, registry_event) cover their members."""
    assert covers(rule, event) is expected
