"""cron and crontab: User, CommandLine, Action as cron names it (CMD, REPLACE, BEGIN EDIT, END EDIT, LIST, DELETE,
RELOAD...), TargetUser (whose table crontab worked on), Detail (what else stands in the brackets).
"""

import re
from typing import Any, Final

from collectors.fields import pam

_LINE = re.compile(r"\(([^()]{1,64})\) ([A-Za-z][A-Za-z ]{0,40}) \((.*)\)", re.DOTALL)
_TABLE: Final = frozenset({"REPLACE", "LIST", "DELETE", "BEGIN EDIT", "END EDIT"})


def parse(message: str) -> dict[str, Any]:
    """Return the fields; none for a message of another kind."""
    found = _LINE.fullmatch(message)
    if not found:
        return pam.parse(message) or {}
    user, action, detail = found.groups()
    if action in {"CMD", "CMDEND"}:
        return {"User": user, "Action": action, "CommandLine": detail.strip()}
    return {"User": user, "Action": action, "TargetUser" if action in _TABLE else "Detail": detail}
