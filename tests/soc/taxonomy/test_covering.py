"""What a rule's logsource covers."""

import pytest

from soc.events import LogSource
from soc.taxonomy import covers


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
        (LogSource("windows", "file_delete"), LogSource("windows", "file_delete_detected", "sysmon"), True),
        (LogSource("windows", "file_delete_detected"), LogSource("windows", "file_delete", "sysmon"), False),
        (LogSource("windows", None, "security"), LogSource("windows", "network_connection", "security"), True),
        (
            LogSource("windows", "process_creation", "sysmon"),
            LogSource("windows", "process_creation", "security"),
            False,
        ),
        (LogSource("windows", None, "ldap_debug"), LogSource("windows", None, "ldap"), True),
        (
            LogSource("windows", None, "microsoft-servicebus-client"),
            LogSource("windows", None, "servicebus-client"),
            True,
        ),
        (LogSource("windows", None, "auth"), LogSource("windows", None, "security"), False),
    ],
)
def test_a_rule_covers_the_events_whose_stated_parts_agree(rule: LogSource, event: LogSource, expected: bool) -> None:
    """Families (auth, syslog, registry_event, file_delete) cover their members, former names today's."""
    assert covers(rule, event) is expected
