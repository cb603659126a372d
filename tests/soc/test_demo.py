"""`soc demo`: what a newcomer sees first."""

import signal
from pathlib import Path

import pytest

from soc.demo import _lines, _not_ready, run
from soc.errors import Stop
from soc.settings import Settings
from tests.soc.command import Command, wait_until

RECORDINGS = Path(__file__).parents[2] / "deploy" / "recordings"


def test_the_demo_shows_alerts_and_ends_on_ctrl_c(soc: Command) -> None:
    """One command: service, recordings, alerts of rules and of correlations; Ctrl-C ends all of it."""
    (soc.folder / "recordings").mkdir()
    for name in ("sshd.log", "postgresql.log"):
        (soc.folder / "recordings" / name).write_bytes((RECORDINGS / name).read_bytes())
    proxies = {"http_proxy": "http://127.0.0.1:1", "no_proxy": ""}
    demo = soc.start("demo", "recordings", **proxies)
    assert demo.stdout
    output = []
    for line in demo.stdout:
        output.append(line)
        if "messages sent" in line:
            break
    assert any("SSH Login Failed" in line for line in output), "".join(output) + soc.errors
    assert any("PostgreSQL Superuser's Password Guessed" in line for line in output), "".join(output) + soc.errors
    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 0
    wait_until(lambda: not any(soc.page(port, "/health/live") for port in soc.health))


def test_ctrl_c_is_heard_while_the_service_is_not_ready(soc: Command) -> None:
    """A bus that is away is not waited for to the end."""
    (soc.folder / "a.log").write_bytes(b"one\n")
    demo = soc.start("demo", ".", SOC_BUS__URL="kafka://127.0.0.1:1")
    wait_until(lambda: soc.page(soc.health[0], "/health/live"))
    demo.send_signal(signal.SIGINT)
    assert demo.wait(60) == 0


def test_every_line_is_a_message(tmp_path: Path) -> None:
    """Files in order of name, blank lines left out."""
    (tmp_path / "b.log").write_bytes(b"three\n")
    (tmp_path / "a.log").write_bytes(b"one\n\n  \ntwo")
    assert _lines(tmp_path) == [b"one", b"two", b"three"]


async def test_a_demo_without_a_tcp_port_says_so(tmp_path: Path) -> None:
    """There is nowhere to send the recordings to."""
    (tmp_path / "a.log").write_bytes(b"one\n")
    with pytest.raises(Stop, match=r"collect\.tcp is empty"):
        await run(Settings.model_validate({"collect": {"tcp": []}}), tmp_path, None)


def test_nobody_there_is_not_ready() -> None:
    """A port where nobody answers is a reason, not an error."""
    assert _not_ready("http://127.0.0.1:1/health/ready")
