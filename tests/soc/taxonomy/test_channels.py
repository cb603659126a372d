"""Logsources of Windows records."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.events import LogSource
from soc.taxonomy import logsources, windows
from soc.taxonomy.channels import CATEGORIES, CHANNELS

SYSMON = "Microsoft-Windows-Sysmon/Operational"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"Channel": SYSMON, "EventID": 1}, LogSource("windows", "process_creation", "sysmon")),
        ({"Channel": SYSMON.upper(), "EventID": "3"}, LogSource("windows", "network_connection", "sysmon")),
        ({"Channel": SYSMON, "EventID": 24}, LogSource("windows", "clipboard_capture", "sysmon")),
        ({"Channel": SYSMON, "EventID": 26}, LogSource("windows", "file_delete_detected", "sysmon")),
        ({"Channel": SYSMON, "EventID": 999}, LogSource("windows", None, "sysmon")),
        ({"Channel": "Security", "EventID": 4688}, LogSource("windows", "process_creation", "security")),
        ({"Channel": "security", "EventID": "4689"}, LogSource("windows", "process_termination", "security")),
        ({"Channel": "Security", "EventID": 5156}, LogSource("windows", "network_connection", "security")),
        ({"Channel": "Security", "EventID": 4625}, LogSource("windows", None, "security")),
        ({"Channel": "System", "EventID": 4688}, LogSource("windows", None, "system")),
        (
            {"Channel": "Microsoft-Windows-PowerShell/Operational", "EventID": 4104},
            LogSource("windows", "ps_script", "powershell"),
        ),
        (
            {"Channel": "Microsoft-Windows-WMI-Activity/Operational", "EventID": 5861},
            LogSource("windows", "wmi_event", "wmi"),
        ),
        (
            {"Channel": "Microsoft-Windows-DNS-Client/Operational", "EventID": 3008},
            LogSource("windows", "dns_query", "dns-client"),
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


@given(
    channel=st.one_of(st.sampled_from(sorted(CHANNELS)), st.text(), st.none(), st.integers(), st.lists(st.text())),
    event_id=st.one_of(
        st.integers(), st.text(), st.floats(), st.none(), st.booleans(), st.dictionaries(st.text(), st.text())
    ),
)
def test_any_record_has_a_logsource_that_is_told(channel: Any, event_id: Any) -> None:
    """A record is attacker-controlled: whatever it says, it gets one of the logsources that are known."""
    assert windows({"Channel": channel, "EventID": event_id}) in logsources()


def test_services_with_categories_have_a_channel() -> None:
    """A category of a service without a channel would never be given."""
    assert CATEGORIES.keys() <= set(CHANNELS.values())


def test_channels_differ_in_more_than_case() -> None:
    """They are looked up without it."""
    assert len({name.lower() for name in CHANNELS}) == len(CHANNELS)
