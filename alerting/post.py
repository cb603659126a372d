"""POST over HTTP with an idempotency key: the answer becomes a receipt, a Retry, or a refusal for good.

aiohttp is imported where a client is opened: without a webhook and a National SOC nobody pays for it.
"""

import re
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import orjson

from alerting.visible import visible
from soc import __version__
from soc.errors import DeadLetter, Retry, SlowDown

if TYPE_CHECKING:
    import aiohttp

TEMPORARY: Final = frozenset({401, 403, 407, 408, 425, 429})
"""4xx that do not judge the message: our credentials (401, 403, 407), timeouts and limits. RFC 9110, 8470, 6585."""

LONGEST_WAIT: Final = 60.0
ANSWER_BYTES: Final = 2000


def body_of(document: Mapping[str, object]) -> bytes:
    """Return the document as JSON in which no HTML can begin: <, > and & are escaped."""
    body = orjson.dumps(document)
    return body.replace(b"<", b"\\u003c").replace(b">", b"\\u003e").replace(b"&", b"\\u0026")


class Poster:
    """One HTTP client; an async context manager."""

    def __init__(self, timeout: float) -> None:
        """`timeout`: seconds that a request may take, its answer included."""
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        """Open."""
        import aiohttp  # noqa: PLC0415 - see above

        agent = {"User-Agent": f"vonggac/{__version__}"}
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(self._timeout), headers=agent)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> None:
        """Return once the other side has acknowledged with 2xx.

        Raises DeadLetter("refused") where it refuses this message for good, Retry or SlowDown otherwise.
        """
        import aiohttp  # noqa: PLC0415 - see above

        if self._session is None:
            raise RuntimeError("enter the client first")
        sent = {"Content-Type": "application/json", **headers}
        try:
            async with self._session.post(url, data=body, headers=sent, allow_redirects=False) as response:
                text = (await response.content.read(ANSWER_BYTES)).decode("utf-8", "replace")
                _judge(response.status, response.headers.get("Retry-After", ""), text)
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            raise Retry(f"no answer: {type(error).__name__}: {visible(str(error), 200)}") from None


def _judge(status: int, retry_after: str, text: str) -> None:
    said = f"HTTP {status}: {visible(text, 300)}"
    if 200 <= status < 300:  # noqa: PLR2004 - RFC 9110: 2xx
        return
    if 400 <= status < 500 and status not in TEMPORARY:  # noqa: PLR2004 - RFC 9110: 4xx
        raise DeadLetter("refused", said)
    if re.fullmatch(r"\d{1,9}", retry_after):
        raise SlowDown(said, min(float(retry_after), LONGEST_WAIT))
    raise Retry(said)
