"""What the running service says of itself: its page of metrics."""

import http.client
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from soc.errors import Stop
from soc.settings import Settings

TIMEOUT: Final = 10.0
MAX_PAGE: Final = 64 * 1024 * 1024
"""Bytes of the page that are read."""

EVERYWHERE: Final = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - what a service listens on, not we
"""Addresses that a service listens on, and that nobody can ask."""

_NO_LABELS: Final[Mapping[str, str]] = MappingProxyType({})
BUCKETS: Final = ("_bucket", "_created")


def own(settings: Settings) -> str:
    """Return where the correlator of these settings shows its metrics."""
    host = "127.0.0.1" if settings.health.host in EVERYWHERE else settings.health.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.health.correlate}/metrics"


def page(url: str) -> str:
    """Return the page. Raises Stop where the service does not answer."""
    if not url.startswith(("http://", "https://")):
        raise Stop(f"{url}: want http://HOST:PORT/metrics")
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:  # noqa: S310 - the scheme was looked at
            return str(answer.read(MAX_PAGE).decode("utf-8", "replace"))
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        raise Stop(f"{url}: {reason}; does `soc correlate` run there? --url names another place") from None


def values(
    text: str, names: Iterable[str], label: str = "", only: Mapping[str, str] = _NO_LABELS
) -> Mapping[str, Mapping[str, float]]:
    """Return of each metric its values, by the value of a label that all have, "" for those without labels.

    `names`: without the "_total" of counters. `only`: labels that a sample must have. Samples that differ in other
    labels are added up. Raises Stop where the text is no page of metrics.
    """
    wanted = frozenset(names)
    found: dict[str, dict[str, float]] = defaultdict(dict)
    try:
        for family in text_string_to_metric_families(text):
            if family.name in wanted:
                for sample in family.samples:
                    if not sample.name.endswith(BUCKETS) and only.items() <= sample.labels.items():
                        key = sample.labels[label] if label else ""
                        found[family.name][key] = found[family.name].get(key, 0) + sample.value
    except (ValueError, KeyError, OverflowError) as error:
        raise Stop(f"the answer is no page of metrics: {error}") from None
    return found
