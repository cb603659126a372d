"""How Elasticsearch is reached: credentials, and whose certificate is trusted."""

import base64
import ssl
from typing import Any, Final
from urllib.parse import urlsplit

from soc.errors import SettingsError
from soc.settings import StoreSettings

_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


def options(settings: StoreSettings) -> dict[str, Any]:
    """Return the client's options: it tries nothing twice, because the caller does.

    Raises SettingsError where a secret would go over an open line or stand in a log, and where the CA file is none.
    """
    parts = urlsplit(settings.url)
    if parts.username or parts.password:
        raise SettingsError("store.url holds a user: set store.username and store.password instead")
    headers = _headers(settings)
    if headers and parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        raise SettingsError(f"store.url = {settings.url!r}: credentials go over https alone")
    trust = {"ssl_context": _trust(settings.ca_file)} if parts.scheme == "https" else {}
    patience = {"request_timeout": settings.timeout, "max_retries": 0, "retry_on_timeout": False}
    return {**patience, **trust, "headers": headers}


def _headers(settings: StoreSettings) -> dict[str, str]:
    """Return the header that says who we are. Made here: the client takes ASCII alone. RFC 7617, section 2.1."""
    if key := settings.api_key.get_secret_value():
        return {"authorization": f"ApiKey {key}"}
    if settings.username:
        login = f"{settings.username}:{settings.password.get_secret_value()}"
        return {"authorization": "Basic " + base64.b64encode(login.encode()).decode("ascii")}
    return {}


def _trust(ca_file: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError as error:  # ssl.SSLError is one
        raise SettingsError(f"store.ca_file = {ca_file!r}: {error}") from None
