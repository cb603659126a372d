"""sudo: User, TargetUser, CommandLine, CurrentDirectory, TerminalName, Reason, and Action.

Action is "command" where it ran, "command_refused" where Reason says why not.
The command is the caller's text, and the last entry: what stands behind the first COMMAND= belongs to it.
"""

import re
from typing import Any

from collectors.fields import pam

_WHO = re.compile(r" *(\S+) : (.*)", re.DOTALL)
_COMMAND = "COMMAND="
_NAMES = {"TTY": "TerminalName", "PWD": "CurrentDirectory", "USER": "TargetUser", "GROUP": "TargetGroup"}


def parse(message: str) -> dict[str, Any]:
    """Return the fields; none for a message of another kind."""
    found = _WHO.fullmatch(message)
    if not found:
        return pam.parse(message, switches=True) or {}
    head, command, line = f" ; {found[2]}".partition(f" ; {_COMMAND}")
    fields: dict[str, Any] = {"User": found[1]}
    for entry in head.split(" ; ")[1:]:
        name, equals, value = entry.partition("=")
        if not equals and entry:
            fields.setdefault("Reason", entry)
        elif name in _NAMES:
            fields.setdefault(_NAMES[name], value)
    if command:
        fields["CommandLine"] = line
        fields["Action"] = "command_refused" if "Reason" in fields else "command"
    return fields
