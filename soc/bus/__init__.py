"""The bus: partitioned, durable logs. One URL picks the backend; its client library is imported only then."""

from soc.bus.base import Bus
from soc.clock import Clock
from soc.errors import SettingsError
from soc.metrics import Metrics
from soc.settings import BusSettings


def connect(settings: BusSettings, metrics: Metrics, clock: Clock) -> Bus:
    """Return the backend that `settings.url` names, not yet opened: use it as an async context manager.

    `sqlite:///FOLDER` is embedded; `kafka://HOST:PORT[,HOST:PORT...]` is a cluster. Raises SettingsError on another.
    """
    scheme = settings.url.partition("://")[0]
    if scheme == "sqlite":
        from soc.bus.sqlite import SqliteBus  # noqa: PLC0415 - a backend is imported only where a URL names it

        return SqliteBus(settings, metrics, clock)
    if scheme == "kafka":
        from soc.bus.kafka import KafkaBus  # noqa: PLC0415 - a backend is imported only where a URL names it

        return KafkaBus(settings, metrics, clock)
    raise SettingsError(f"bus.url = {settings.url!r}: want sqlite:///FOLDER or kafka://HOST:PORT")
