"""The SQLite store keeps the port's promises, and those of its own: several processes, kill -9, files that go."""

from pathlib import Path

import pytest

from soc.settings import StoreSettings
from tests.soc.store.contract import StoreContract


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    """A folder of the test's own."""
    return StoreSettings(url=f"sqlite:///{tmp_path}/store", retention_days=90, timeout=20)


class TestSqliteStore(StoreContract):
    """The contract."""
