"""PostgreSQL's server log through syslog: LogSeverity, User, Database, SourceIp, SourcePort, SqlState, Statement, Action.

log_line_prefix is free text; `user@database` and `user=,db=,client=,sqlstate=` are understood. The severity in front
of two spaces ends it. Client-chosen names stand in the prefix, and cannot be told from it where they imitate it.
"""

import re
from typing import Any

from collectors.fields.patterns import first_match, shape

_LINE = re.compile(
    r"(?:\[[0-9]+-[0-9]+\] )?(.*?)"
    r"\b(DEBUG[1-5]?|LOG|INFO|NOTICE|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|STATEMENT|CONTEXT|QUERY|LOCATION):  (.*)",
    re.DOTALL,
)
_PAIRS = re.compile(r"\b(user|db|client|host|sqlstate)=([^,]*+)")
_NAMES = {"user": "User", "db": "Database", "client": "SourceIp", "host": "SourceIp", "sqlstate": "SqlState"}
_UNKNOWN = frozenset({"", "[unknown]", "[local]"})

_AUTH = r"[A-Za-z0-9 \"_-]{1,60} authentication failed for user \"(?P<User>.*)\""
_CONNECTION = (
    r"[a-z ]{0,40}host \"(?P<SourceIp>[^\"]*+)\", user \"(?P<User>[^\"]*+)\""
    r"(?:, database \"(?P<Database>[^\"]*+)\")?(?:, [^\"]*)?"
)
_BY_SEVERITY = {
    "FATAL": (
        shape(_AUTH, "auth_failed"),
        shape(rf"no pg_hba\.conf entry for {_CONNECTION}", "no_hba_entry"),
        shape(r"no pg_hba\.conf entry for .*", "no_hba_entry"),
        shape(rf"pg_hba\.conf rejects {_CONNECTION}", "hba_rejected"),
        shape(r"pg_hba\.conf rejects .*", "hba_rejected"),
        shape(r"role \"(?P<User>.*)\" does not exist", "role_missing"),
        shape(r"database \"(?P<Database>.*)\" does not exist", "database_missing"),
        shape(r"permission denied .*", "permission_denied"),
    ),
    "ERROR": (
        shape(r"syntax error .*", "syntax_error"),
        shape(r"permission denied .*|must be (?:superuser|owner|member) .*", "permission_denied"),
        shape(r"(?:relation|column|function|schema|type) .* does not exist.*", "object_missing"),
        shape(r"role \"(?P<TargetUser>.*)\" does not exist", "role_missing"),
        shape(r"database \"(?P<Database>.*)\" does not exist", "database_missing"),
    ),
    "LOG": (
        shape(
            r"connection received: host=(?P<SourceIp>\S+)(?: port=(?P<SourcePort>[0-9]{1,5}))?", "connection_received"
        ),
        shape(
            r"(?:replication )?connection authorized: user=(?P<User>.*?)(?: database=(?P<Database>\S+))?"
            r"(?: application_name=.*| SSL enabled .*| GSS .*)?",
            "connection_authorized",
        ),
        shape(r"connection authenticated: .*", "connection_authenticated"),
        shape(
            r"disconnection: session time: \S+ user=(?P<User>\S*) database=(?P<Database>\S*)"
            r" host=(?P<SourceIp>\S+)(?: port=(?P<SourcePort>[0-9]{1,5}))?",
            "disconnection",
        ),
        shape(r"disconnection: .*", "disconnection"),
        shape(r"(?:duration: [0-9.]+ ms  )?(?:statement|execute [^:]*|parse [^:]*): (?P<Statement>.*)", "statement"),
    ),
    "DETAIL": (shape(r"Role \"(?P<User>.*)\" does not exist\..*", "role_missing"),),
    "STATEMENT": (shape(r"(?P<Statement>.*)", "statement"),),
}


def parse(message: str) -> dict[str, Any]:
    """Return the fields; none for a line without a severity (the continuation of a longer message)."""
    found = _LINE.fullmatch(message)
    if not found:
        return {}
    prefix, severity, text = found.groups()
    fields: dict[str, Any] = {"LogSeverity": severity, **_prefix(prefix)}
    fields.update(first_match(_BY_SEVERITY.get(severity, ()), text) or {})
    return {name: value for name, value in fields.items() if name != "SourceIp" or value not in _UNKNOWN}


def _prefix(prefix: str) -> dict[str, str]:
    fields = {_NAMES[name]: value.strip() for name, value in _PAIRS.findall(prefix) if value.strip() not in _UNKNOWN}
    return fields or _user_at_database(prefix)


def _user_at_database(prefix: str) -> dict[str, str]:
    """Return what the prefix's last word names; a user's name may hold an @ (Kerberos), a database's rarely does."""
    words = prefix.split()
    user, at, database = words[-1].rpartition("@") if words else ("", "", "")
    pairs = (("User", user if user in _UNKNOWN else user.rpartition("]")[2]), ("Database", database))
    return {name: value for name, value in pairs if at and value not in _UNKNOWN}
