"""What pam_unix and its like write in the name of sshd, sudo, su and cron."""

import re
from typing import Any

_PAM = re.compile(r"pam_[a-z0-9_]{1,32}\(([^:()]{1,64}):(?:auth|account|session|password|chauthtok)\): (.*)", re.DOTALL)
_FAILURE = re.compile(
    r"(?:authentication failure|PAM ([0-9]{1,6}) more authentication failures?);"
    r" logname=\S* uid=\S* euid=\S* tty=\S* ruser=(.*) rhost=(\S*) *(?:user=(.*))?",
    re.DOTALL,
)
"""ruser is what a remote client calls itself, spaces and all; user, behind it, is an account that exists."""
_OPENED = re.compile(r"session opened for user (.*?)(?:\(uid=[0-9]+\))? by (\S*?)(?:\(uid=[0-9]+\))?", re.DOTALL)
_CLOSED = re.compile(r"session closed for user (.*)", re.DOTALL)
_CHANGED = re.compile(r"password changed for (.*)", re.DOTALL)


def parse(message: str, *, switches: bool = False) -> dict[str, Any] | None:
    """Return User, TargetUser, SourceIp and Action; None where PAM did not write it.

    `switches`: the program (su, sudo) makes one user another, so that the session's user is TargetUser.
    """
    found = _PAM.fullmatch(message)
    if not found:
        return _failure(message, switches=switches)
    text = found[2]
    return _failure(text, switches=switches) or _session(text, switches=switches) or {"Action": "pam_message"}


def _failure(text: str, *, switches: bool) -> dict[str, Any] | None:
    found = _FAILURE.fullmatch(text)
    if not found:
        return None
    count, asking, address, user = found.groups()
    fields: dict[str, Any] = {"Action": "pam_auth_failure"}
    if count:
        fields["RepeatCount"] = int(count)
    if address:
        fields["SourceIp"] = address
    if switches and asking:
        fields["User"] = asking
    if user and not (switches and asking == user):
        fields["TargetUser" if switches and asking else "User"] = user
    return fields


def _session(text: str, *, switches: bool) -> dict[str, Any] | None:
    if found := _OPENED.fullmatch(text):
        by = {"User": found[2]} if switches and found[2] else {}
        return {"Action": "session_opened", "TargetUser" if switches else "User": found[1], **by}
    if found := _CLOSED.fullmatch(text):
        return {"Action": "session_closed", "TargetUser" if switches else "User": found[1]}
    if found := _CHANGED.fullmatch(text):
        return {"Action": "password_changed", "TargetUser": found[1]}
    if text == "check pass; user unknown":
        return {"Action": "pam_user_unknown"}
    return None
