"""Our log: one form for what we and what libraries say, and nothing in it that drives a terminal."""

import json
import subprocess
import sys

PROGRAM = """
import logging, structlog
from soc import logs
logs.to_stderr("info")
structlog.get_logger().info("ours", host="web\\x1b[2J01")
logging.getLogger("library").warning("theirs %s", "\\x9b31m")
logging.getLogger("library").info("unimportant")
logging.getLogger("aiokafka.client").error("the broker is away, again")
try:
    secret = "hunter2"
    raise ValueError("\\x1b]0;title\\x07")
except ValueError:
    structlog.get_logger().exception("failed")
"""


def test_ours_and_theirs_are_json_lines_without_control_characters_or_frames_values() -> None:
    """Escapes are spelled out, tracebacks show no local's value, and chatter is left out."""
    said = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True).stderr
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["event"] for line in lines] == ["ours", "theirs \\x9b31m", "failed"]
    assert lines[0]["host"] == "web\\x1b[2J01"
    assert "ValueError" in lines[2]["exception"]
    assert "hunter2" not in said.replace('secret = "hunter2"', "")
    assert not [char for char in said if not char.isprintable() and char != "\n"]
