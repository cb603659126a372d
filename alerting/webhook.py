"""Notifications by webhook: one JSON object a revision of an alert, told apart by Idempotency-Key."""

from typing import Any, Final

from alerting.mail import subject_of
from alerting.post import Poster, body_of
from alerting.told import message_id
from alerting.visible import iso, visible
from soc.alerts import AlertChange
from soc.settings import WebhookReceiver

TIMEOUT: Final = 15.0
MAX_REASONS: Final = 8


def document_of(change: AlertChange) -> dict[str, Any]:
    """Return what is posted. It says only what does not change later, so that a repetition says the same."""
    alert = change.alert
    return {
        "version": 1,
        "id": message_id(change),
        "kind": change.kind,
        "text": subject_of(change),
        "time": iso(change.time),
        "alert": {
            "id": alert.id,
            "revision": change.revision,
            "level": change.level.label,
            "title": visible(alert.title, 300),
            "rule": visible(alert.rule.id, 100),
            "tags": [visible(tag, 100) for tag in alert.rule.tags[:50]],
            "site": visible(alert.site, 100),
            "host": visible(alert.host, 300),
            "opened": iso(alert.opened),
            "reasons": [_reason(*reason) for reason in alert.reasons[:MAX_REASONS]],
        },
    }


def _reason(selection: str, field: str | None, value: str, _pattern: str = "") -> dict[str, str]:
    return {"selection": visible(selection, 60), "field": visible(field or "keyword", 60), "value": visible(value, 300)}


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
