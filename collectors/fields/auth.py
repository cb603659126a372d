"""su, login and the account tools: User, TargetUser, TargetGroup, UID, GID, TerminalName, Action."""

from typing import Any, Final

from collectors.fields import pam
from collectors.fields.patterns import first_match, shape

PROGRAMS: Final = (
    *("su", "login", "useradd", "userdel", "usermod", "groupadd", "groupdel", "groupmod", "gpasswd", "passwd"),
    *("chpasswd", "chage", "chfn", "chsh", "newgrp", "systemd-logind", "polkitd", "pkexec", "doas"),
)
"""Programs whose messages are auth's, whatever facility they use."""

_SHAPES = (
    shape(r"\(to (?P<TargetUser>.*)\) (?P<User>\S+) on (?P<TerminalName>\S+)", "su"),
    shape(r"FAILED SU \(to (?P<TargetUser>.*)\) (?P<User>\S+) on (?P<TerminalName>\S+)", "su_failed"),
    shape(r"'su (?P<TargetUser>[^']+)' failed for (?P<User>\S+) on (?P<TerminalName>\S+)", "su_failed"),
    shape(
        r"new user: name=(?P<TargetUser>[^,]*), UID=(?P<UID>[0-9]{1,10}), GID=(?P<GID>[0-9]{1,10}), .*", "user_added"
    ),
    shape(r"new group: name=(?P<TargetGroup>[^,]*), GID=(?P<GID>[0-9]{1,10})", "group_added"),
    shape(r"add '(?P<TargetUser>[^']*)' to group '(?P<TargetGroup>[^']*)'", "group_member_added"),
    shape(r"delete '(?P<TargetUser>[^']*)' from group '(?P<TargetGroup>[^']*)'", "group_member_removed"),
    shape(r"delete user '(?P<TargetUser>[^']*)'", "user_deleted"),
)


def parse(message: str) -> dict[str, Any]:
    """Return the fields; none for a message of another kind."""
    return pam.parse(message, switches=True) or first_match(_SHAPES, message) or {}
