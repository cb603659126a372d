r"""nginx and Apache access logs, common and combined format, in the names of W3C's extended log file format.

c-ip, cs-username, cs-method, cs-uri (as requested), cs-uri-stem, cs-uri-query, cs-version, sc-status, sc-bytes,
cs-referer, cs-user-agent. Values stand as the server logged them, with its \x.. escapes; `-` is left out. A request
that is not `METHOD URI HTTP/x` has its whole text as cs-uri.
"""

import re
from typing import Any

_QUOTED = r'"((?:[^"\\]++|\\.)*+)"'
_LINE = re.compile(
    r"(?:[^\s:]++:[0-9]{1,5} )?+"  # Apache's vhost_combined
    r"(\S++) \S++ (.*?) \[[^\]]{1,64}\] "
    rf"{_QUOTED} ([0-9]{{3}}) ([0-9]{{1,18}}|-)(?: {_QUOTED} {_QUOTED})?(?: .*)?",
    re.DOTALL,
)
_REQUEST = re.compile(r"(\S++) (.*) (HTTP/[0-9.]{1,8})|(GET) (/\S*+)", re.DOTALL)


def parse(message: str) -> dict[str, Any] | None:
    """Return the fields, or None where it is no access log line (a server's error log, say)."""
    found = _LINE.fullmatch(message)
    if not found:
        return None
    address, user, request, status, size, referer, agent = found.groups()
    fields: dict[str, Any] = {"c-ip": address, "sc-status": int(status), **_request(request)}
    if size != "-":
        fields["sc-bytes"] = int(size)
    texts = (("cs-username", user), ("cs-referer", referer), ("cs-user-agent", agent))
    fields.update((name, text) for name, text in texts if text not in (None, "", "-"))
    return fields


def _request(request: str) -> dict[str, str]:
    found = _REQUEST.fullmatch(request)
    if not found:
        return {"cs-uri": request} if request not in {"", "-"} else {}
    method, uri, version = found[1] or found[4], found[2] or found[5] or "", found[3]
    stem, mark, query = uri.partition("?")
    fields = {"cs-method": method, "cs-uri": uri, "cs-uri-stem": stem}
    if mark:
        fields["cs-uri-query"] = query
    if version:
        fields["cs-version"] = version
    return fields
