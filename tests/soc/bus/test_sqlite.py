"""The embedded bus: the contract, and what only it promises."""

from pathlib import Path
from shutil import rmtree

import pytest

from soc.bus.base import Bus, TopicPartition
from soc.bus.sqlite import SqliteBus, folder_of
from soc.clock import DAY, SystemClock
from soc.errors import SettingsError
from soc.settings import BusSettings
from tests.soc.bus.contract import PARTITIONS, BusContract


class ShiftedClock(SystemClock):
    """The machine's clock, some microseconds ahead."""

    shift = 0

    def now(self) -> int:
        return super().now() + self.shift


class TestSqlite(BusContract):
    """The embedded bus keeps every promise of the port."""

    @pytest.fixture
    def settings(self, tmp_path: Path) -> BusSettings:
        return BusSettings(url=f"sqlite:///{tmp_path}/bus", partitions=PARTITIONS, session_timeout=self.session)

    async def lose(self, bus: Bus, partition: TopicPartition) -> None:
        assert isinstance(bus, SqliteBus)
        bus.clock = ShiftedClock()
        bus.clock.shift = 2 * DAY
        await bus.expire()  # closes the file, which is two days old
        bus.clock.shift = 10 * DAY
        await bus.expire()  # removes it
        bus.clock = SystemClock()

    async def remake(self, settings: BusSettings) -> None:
        rmtree(folder_of(settings.url))


@pytest.mark.parametrize(("url", "folder"), [("sqlite:///data/bus", "data/bus"), ("sqlite:////var/b", "/var/b")])
def test_a_url_names_a_relative_or_an_absolute_folder(url: str, folder: str) -> None:
    """Three slashes are relative, four absolute."""
    assert folder_of(url) == Path(folder)


@pytest.mark.parametrize("url", ["sqlite://data", "sqlite:///", "sqlite:"])
def test_a_url_without_a_folder_is_refused(url: str) -> None:
    """The error names the setting."""
    with pytest.raises(SettingsError, match=r"bus\.url"):
        folder_of(url)
