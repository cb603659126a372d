"""Notifications by webhook: one JSON object a revision of an alert, told apart by Idempotency-Key."""

from typing import Any, Final

from alerting.facts import correlation_of, facts_of, headline_of, line_of
from alerting.post import Poster, body_of
from alerting.told import message_id
from soc.alerts import AlertChange
from soc.settings import WebhookReceiver

TIMEOUT: Final = 15.0


def document_of(change: AlertChange) -> dict[str, Any]:
    """Return what is posted: `text` for a chat, `alert` for programs (facts.py), `correlation` where one was found."""
    text = "\n".join(line for line in (headline_of(change), line_of(change.alert)) if line)
    document = {"version": 1, "id": message_id(change), "text": text, "alert": facts_of(change)}
    found = correlation_of(change.alert)
    return document if found is None else {**document, "correlation": found}


class WebhookSender:
    """Posts to one receiver."""

    def __init__(self, receiver: WebhookReceiver, poster: Poster) -> None:
        """Share an HTTP client that is open."""
        self._url = receiver.url
        self._headers = {name: value.get_secret_value() for name, value in receiver.headers.items()}
        self._poster = poster

    async def tell(self, change: AlertChange) -> None:
        """Return at a 2xx. Raises DeadLetter("refused"), Retry."""
        headers = {**self._headers, "Idempotency-Key": message_id(change)}
        await self._poster.post(self._url, body_of(document_of(change)), headers)
