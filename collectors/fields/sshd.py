"""OpenSSH's server: User, SourceIp, SourcePort, AuthMethod, Reason, Action (messages of 9.2 to 10.x).

The name of an invalid user is the client's own text and may hold " from 192.0.2.1 port 22": the last address is sshd's.
Behind the address of a user that exists stands the key, and a certificate's ID is its maker's text: there the first is.
"""

import re
from typing import Any

from collectors.fields import pam
from collectors.fields.patterns import first_match, shape

_AT = r"(?P<SourceIp>\S+) port (?P<SourcePort>[0-9]{1,5})"
_WHO = r"(?:(?:authenticating |invalid )?user (?P<User>.*) )?"
_CHANGE = "Change of username or service not allowed"
_PREAUTH = r"(?: \[preauth\])?"
_REPEATED = re.compile(r"message repeated ([0-9]{1,6}) times: \[ (.*)\]", re.DOTALL)

_SHAPES = {
    "Failed": (
        shape(
            rf"Failed (?P<AuthMethod>\S+) for invalid user (?P<User>.*) from {_AT}(?: ssh[12])?(?:: .*)?",
            "login_failed",
        ),
        shape(rf"Failed (?P<AuthMethod>\S+) for (?P<User>.*?) from {_AT}(?: ssh[12])?(?:: .*)?", "login_failed"),
    ),
    "Accepted": (
        shape(rf"Accepted (?P<AuthMethod>\S+) for (?P<User>.*?) from {_AT}(?: ssh[12])?(?:: .*)?", "login_accepted"),
    ),
    "Postponed": (
        shape(
            rf"Postponed (?P<AuthMethod>\S+) for (?:invalid user )?(?P<User>.*) from {_AT}(?: ssh[12])?{_PREAUTH}",
            "login_postponed",
        ),
    ),
    "Invalid": (
        shape(rf"Invalid user (?P<User>.*) from {_AT}", "invalid_user"),
        shape(r"Invalid user (?P<User>.*) from (?P<SourceIp>\S+)", "invalid_user"),
    ),
    "Connection": (
        shape(rf"Connection (?:closed|reset) by {_WHO}{_AT}{_PREAUTH}", "connection_closed"),
        shape(rf"Connection from {_AT}(?: on .*)?", "connection_opened"),
    ),
    "Disconnected": (shape(rf"Disconnected from {_WHO}{_AT}{_PREAUTH}", "disconnected"),),
    "Disconnecting": (
        shape(  # both names are the client's: told apart only where the first has no spaces and none holds the reason
            rf"Disconnecting (?:(?:authenticating |invalid )?user (?P<User>\S*) )?{_AT}: (?P<Reason>{_CHANGE}): (?!.*{_CHANGE}).*",
            "disconnecting",
        ),
        shape(rf"Disconnecting (?!.*: {_CHANGE}){_WHO}{_AT}: (?P<Reason>[^:]*)", "disconnecting"),
    ),
    "Received": (
        shape(rf"Received disconnect from {_AT}:[0-9]+: (?P<Reason>.*)", "disconnected"),
        shape(r"Received signal (?P<Reason>.*)", "terminating"),
    ),
    "maximum": (
        shape(
            r"maximum authentication attempts exceeded for (?:invalid user )?(?P<User>.*)"
            rf" from {_AT}(?: ssh[12])?{_PREAUTH}",
            "max_auth_exceeded",
        ),
    ),
    "User": (shape(r"User (?P<User>.*) from (?P<SourceIp>\S+) not allowed because (?P<Reason>.*)", "not_allowed"),),
    "PAM:": (
        shape(
            r"PAM: (?P<Reason>[A-Za-z ]{1,80}) for (?:illegal user )?(?P<User>.*) from (?P<SourceIp>\S+)",
            "pam_auth_failure",
        ),
    ),
    "Unable": (shape(rf"Unable to negotiate with {_AT}: (?P<Reason>.*)", "negotiation_failed"),),
    "banner": (shape(rf"banner exchange: Connection from {_AT}: (?P<Reason>.*)", "bad_protocol"),),
    "Bad": (shape(rf"Bad protocol version identification (?P<Reason>.*) from {_AT}", "bad_protocol"),),
    "kex_exchange_identification:": (
        shape(r"kex_exchange_identification: (?P<Reason>client sent invalid protocol identifier .*)", "bad_protocol"),
        shape(r"kex_exchange_identification: (?P<Reason>.*)", "no_identification"),
    ),
    "Did": (shape(rf"Did not receive identification string from {_AT}", "no_identification"),),
    "Timeout": (
        shape(rf"Timeout before authentication for {_AT}", "login_timeout"),
        shape(r"Timeout before authentication for connection from (?P<SourceIp>\S+) to .*", "login_timeout"),
    ),
    "drop": (
        shape(
            r"drop connection #[0-9]+ from \[(?P<SourceIp>[^\]]+)\]:(?P<SourcePort>[0-9]{1,5}) on .*",
            "connection_dropped",
        ),
    ),
    "Server": (shape(r"Server listening on .*", "listening"),),
    "reverse": (
        shape(
            r"reverse mapping checking getaddrinfo for \S* \[(?P<SourceIp>[^\]]+)\] failed.*", "reverse_mapping_failed"
        ),
    ),
}


def parse(message: str) -> dict[str, Any]:
    """Return the fields; none for a message of another kind."""
    repeated = _REPEATED.fullmatch(message)
    if repeated:
        return {**_one(repeated[2]), "RepeatCount": int(repeated[1])}
    return _one(message)


def _one(message: str) -> dict[str, Any]:
    text = message.removeprefix("error: ").removeprefix("fatal: ")
    shapes = _SHAPES.get(text.partition(" ")[0], ())
    return first_match(shapes, text) or pam.parse(text) or {}
