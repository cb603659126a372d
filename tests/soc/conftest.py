"""Fixtures of the tests of the shared ground."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.soc.command import Command


@pytest.fixture
def soc(tmp_path: Path) -> Iterator[Command]:
    """The command, in a folder of its own."""
    command = Command(tmp_path)
    try:
        yield command
    finally:
        command.end()
