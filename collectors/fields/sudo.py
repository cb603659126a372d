"""sudo: User, TargetUser, CommandLine, CurrentDirectory, TerminalName, Reason, and Action.

Action is "command" where it ran, "command_refused" where Reason says why not.
The command is the caller's text, and so is the name of the folder in front of it, which may hold
"; USER=nobody ; COMMAND=/bin/true". Where a line can be read in several ways, a field has each reading's value in a
list, at most READINGS, so that no rule is led past the true one.
"""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

from collectors.fields import pam

READINGS: Final = 100
"""Values of a field at most; sudo itself splits what is longer than some 980 characters."""

_WHO = re.compile(r" *(\S[^:]*?) : (.*)", re.DOTALL)
_COMMAND = " ; COMMAND="
_NAMES = {"TTY": "TerminalName", "PWD": "CurrentDirectory", "USER": "TargetUser", "GROUP": "TargetGroup"}


def parse(message: str) -> dict[str, Any]:
    """Return the fields; none for a message of another kind."""
    found = _WHO.fullmatch(message)
    if not found:
        return pam.parse(message, switches=True) or {}
    text = f" ; {found[2]}"
    head = text.rpartition(_COMMAND)[0] or text
    first, *entries = head.split(" ; ")[1:] or [""]
    fields: dict[str, Any] = {"User": found[1]}
    if first and "=" not in first:
        fields["Reason"] = first
    for name, key in _NAMES.items():
        _put(fields, key, (each.partition("=")[2] for each in (first, *entries) if each.startswith(f"{name}=")))
    _put(fields, "CommandLine", _commands(text))
    if "CommandLine" in fields:
        fields["Action"] = "command_refused" if "Reason" in fields else "command"
    return fields


def _commands(text: str) -> Iterator[str]:
    """Yield what stands behind each COMMAND=, to the end."""
    at = text.find(_COMMAND)
    while at >= 0:
        at += len(_COMMAND)
        yield text[at:]
        at = text.find(_COMMAND, at)


def _put(fields: dict[str, Any], key: str, readings: Iterator[str]) -> None:
    values = list(dict.fromkeys(islice(readings, READINGS)))
    if values:
        fields[key] = values[0] if len(values) == 1 else values
