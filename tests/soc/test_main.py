"""The command line: what a user sees when all is well, and when something is wrong."""

import re
import signal
import socket
from pathlib import Path

import pytest
from typer.testing import CliRunner

from soc.__main__ import app
from soc.logs import visible
from tests.soc.command import Command, wait_until

RECORDINGS = Path(__file__).parents[2] / "deploy" / "recordings"


@pytest.mark.parametrize(
    ("arguments", "settings", "message"),
    [
        (["up"], {"SOC_BUZ__URL": "x"}, "SOC_BUZ__URL: there is no setting buz.url; did you mean bus?"),
        (["up", "--settings", "none.toml"], {}, "none.toml: cannot be read: No such file"),
        (["collect"], {"SOC_BUS__URL": "mysql://x"}, "bus.url = 'mysql://x': want sqlite:///FOLDER or kafka://"),
        (["alert"], {"SOC_STORE__URL": "ftp://x"}, "store.url = 'ftp://x': want sqlite:///FOLDER or http"),
        (["alert"], {"SOC_CONSOLE__LISTEN": "0.0.0.0:1"}, "console.users is empty"),
        (["correlate"], {"SOC_CORRELATE__RULES": '["/nowhere"]'}, "there is no /nowhere: name rule files"),
        (["replay", "none.log"], {}, "none.log: cannot be read: No such file"),
        (["deadletter", "show", "7"], {}, "there is no dead letter 7; `soc deadletter ls`"),
        (["national-mock", "--listen", "here"], {}, "want HOST:PORT"),
        (["demo", "."], {}, "no recordings (*.log) in it"),
    ],
)
def test_a_mistake_is_named_without_a_traceback(
    soc: Command, arguments: list[str], settings: dict[str, str], message: str
) -> None:
    """The message names the setting or the file and the remedy; the status is not 0."""
    done = soc(*arguments, **settings)
    assert done.returncode != 0
    assert message in re.sub(r"[\s│]+", " ", done.stderr)
    assert "Traceback" not in done.stderr


def test_no_rules_end_the_service(soc: Command) -> None:
    """A service that could detect nothing must not look as if it did."""
    (soc.folder / "rules").mkdir()
    done = soc("up", SOC_CORRELATE__RULES='["rules"]')
    assert done.returncode == 1
    assert "no rule to evaluate in rules" in done.stderr
    assert "soc correlate ended by itself" in done.stderr
    assert "Traceback" not in done.stderr


RULE = """\
title: Rule {number}
id: 00000000-0000-4000-8000-{number:012}
logsource: {{product: linux}}
detection:
    sel: {{Action: login_failed}}
    condition: sel
"""


def test_sighup_reloads_the_rules_of_a_running_service(soc: Command) -> None:
    """Sent to `soc up`; a set that has no rule leaves the one before in force, and says so."""
    folder = soc.folder / "rules"
    folder.mkdir()
    (folder / "1.yml").write_text(RULE.format(number=1), "utf-8")
    service = soc.start("up", SOC_CORRELATE__RULES='["rules"]', SOC_CORRELATE__RELOAD_SECONDS="0")
    wait_until(soc.ready)
    (folder / "2.yml").write_text(RULE.format(number=2), "utf-8")
    service.send_signal(signal.SIGHUP)
    wait_until(lambda: "\nvonggac_rules_loaded 2.0" in soc.page(soc.health[1], "/metrics"))
    for file in folder.iterdir():
        file.unlink()
    service.send_signal(signal.SIGHUP)
    wait_until(lambda: "\nvonggac_rules_stale 1.0" in soc.page(soc.health[1], "/metrics"))
    assert "\nvonggac_rules_loaded 2.0" in soc.page(soc.health[1], "/metrics")
    assert "no rule to evaluate in rules" in soc.errors
    assert soc.ready()
    service.send_signal(signal.SIGTERM)
    assert service.wait(60) == 0


def test_ports_in_use_are_named(soc: Command) -> None:
    """Syslog's by its setting and address, the health page's by its port."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        syslog = soc("collect", SOC_COLLECT__TCP=f'["127.0.0.1:{port}"]')
        health = soc("collect", SOC_HEALTH__COLLECT=str(port))
    assert f"collect.tcp: 127.0.0.1:{port}: Address already in use" in syslog.stderr
    assert f"health: 127.0.0.1 port {port} cannot be had: Address already in use; set health.*" in health.stderr
    assert "Traceback" not in syslog.stderr + health.stderr


def test_the_service_from_start_to_end(soc: Command) -> None:
    """Up, a replay through its door, alerts, dead letters, and a stop that is no error."""
    service = soc.start("up")
    wait_until(soc.ready)
    second = soc("collect", SOC_HEALTH__COLLECT="0", SOC_COLLECT__TCP="[]")
    assert second.returncode == 1
    assert "Traceback" not in second.stderr

    done = soc("replay", str(RECORDINGS / "sshd.log"))
    assert "events published, 0 dead letters" in done.stdout
    wait_until(lambda: "SSH Login Failed" in soc("alerts").stdout)

    with socket.create_connection(("127.0.0.1", soc.tcp)) as sender:
        sender.sendall(b"<34>1 \x1b[2J\x1b]0;owned\x07 [red]broken[/red]\n")
    wait_until(lambda: "1 of 1 dead letters" in soc("deadletter", "ls").stdout)
    listed, shown = soc("deadletter", "ls").stdout, soc("deadletter", "show", "0").stdout
    assert "malformed_header" in listed
    assert r"<34>1 \x1b[2J\x1b]0;owned\x07 [red]broken[/red]" in shown
    assert "\x1b" not in listed + shown
    refused = soc("deadletter", "retry", "0")
    assert refused.returncode == 1
    assert "have it sent again" in refused.stderr

    service.send_signal(signal.SIGTERM)
    service.send_signal(signal.SIGTERM)
    assert service.wait(60) == 0
    assert "Traceback" not in soc.errors


def test_a_stop_while_the_bus_is_away(soc: Command) -> None:
    """Nothing is open yet; the stop does not wait for it, and the health page says what is missing."""
    service = soc.start("collect", SOC_BUS__URL="kafka://127.0.0.1:1")
    wait_until(lambda: soc.page(soc.health[0], "/health/live"))
    assert not soc.page(soc.health[0])
    service.send_signal(signal.SIGTERM)
    assert service.wait(60) == 0
    assert "Traceback" not in soc.errors


def test_a_password_becomes_a_hash() -> None:
    """The hash verifies, and the password is not echoed."""
    from argon2 import PasswordHasher  # noqa: PLC0415 - needed here alone

    done = CliRunner().invoke(app, ["password"], input="correct horse\ncorrect horse\n")
    assert "correct horse" not in done.output
    hashed = done.output.split()[-1]
    assert PasswordHasher().verify(hashed, "correct horse")


def test_messages_cannot_drive_a_terminal() -> None:
    """Errors may quote what came from outside."""
    assert visible("a\x1b[2J\u202eb\nc") == "a\\x1b[2J\\u202eb\nc"
