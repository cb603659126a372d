"""The store: matches and alerts, searchable. One URL picks the backend; its client is imported only then."""

from soc.clock import Clock
from soc.errors import SettingsError
from soc.metrics import Metrics
from soc.settings import StoreSettings
from soc.store.base import Store


def connect(settings: StoreSettings, metrics: Metrics, clock: Clock) -> Store:
    """Return the backend that `settings.url` names, not yet opened: use it as an async context manager.

    `sqlite:///FOLDER` is embedded; `http(s)://HOST:9200` is Elasticsearch. Raises SettingsError on another.
    """
    scheme = settings.url.partition("://")[0]
    if scheme == "sqlite":
        from soc.store.sqlite import SqliteStore  # noqa: PLC0415 - a backend is imported only where a URL names it

        return SqliteStore(settings, metrics, clock)
    if scheme in {"http", "https"}:
        from soc.store.elastic import ElasticStore  # noqa: PLC0415 - a backend is imported only where a URL names it

        return ElasticStore(settings, metrics, clock)
    raise SettingsError(f"store.url = {settings.url!r}: want sqlite:///FOLDER or http(s)://HOST:9200")
