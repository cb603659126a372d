"""The webhook and the HTTP client under it, against a real server."""

import pytest
from pydantic import SecretStr

from alerting.post import Poster, body_of
from alerting.webhook import WebhookSender, document_of
from soc.alerts import AlertChange, Level, Reason
from soc.errors import DeadLetter, Retry, SlowDown
from soc.evidence import reasons_of
from soc.settings import WebhookReceiver
from soc.testing import NOW, make_alert, make_evidence
from tests.alerting.receivers import hooked

ALERT = make_alert(host="máy\x1b[2J", reasons=(Reason("s", None, "<script>alert('&')</script>"),))
CHANGE = AlertChange(ALERT.id, 3, "raised", Level.HIGH, NOW, ALERT)


async def test_an_alert_is_posted_with_its_key_and_our_headers() -> None:
    """The key comes from alert and revision; Vietnamese survives; nothing in the body acts as HTML or escape."""
    async with hooked() as hook, Poster(60) as poster:
        receiver = WebhookReceiver(name="chat", url=hook.url, headers={"X-Token": SecretStr("t")})
        await WebhookSender(receiver, poster).tell(CHANGE)
    ((key, body),) = hook.got
    assert key == f"{ALERT.id}.3@vonggac" == body["id"]
    assert hook.requests[0].headers["X-Token"] == "t"
    assert (body["alert"]["kind"], body["alert"]["level"], body["alert"]["revision"]) == ("raised", "high", 3)
    assert body["alert"]["host"] == "máy\\x1b[2J"
    assert body["alert"]["reasons"][0]["value"] == "<script>alert('&')</script>"
    assert b"<" not in hook.raw[0]
    assert "máy".encode() in hook.raw[0]


def test_a_correlation_is_told_in_words_and_in_parts() -> None:
    """A second line for a chat, and what was counted in which group for programs; a detection has neither."""
    alert = make_alert(host="", reasons=reasons_of(make_evidence(group=(("User", "<b>\x1b[2J"),))))
    document = document_of(AlertChange(alert.id, 1, "opened", Level.HIGH, NOW, alert))
    first, second = document["text"].split("\n")
    assert first == "[high] Failed SSH login 0: User=<b>\\x1b[2J (district-1)"
    assert second == "User = <b>\\x1b[2J: counted 10 (event_count: >= 10 within 10 min)"
    assert document["correlation"] == {
        "type": "event_count",
        "counted": "10",
        "asked": "event_count: >= 10 within 10 min",
        "group": [{"field": "User", "value": "<b>\\x1b[2J"}],
    }
    assert "correlation" not in document_of(CHANGE)
    assert "\n" not in document_of(CHANGE)["text"]


def test_a_correlation_without_a_group_over_several_hosts_says_so() -> None:
    """In place of the host."""
    alert = make_alert(host="", site="", reasons=reasons_of(make_evidence(group=())))
    text = document_of(AlertChange(alert.id, 1, "opened", Level.HIGH, NOW, alert))["text"]
    assert text == "[high] Failed SSH login 0: several (several)\ncounted 10 (event_count: >= 10 within 10 min)"


def test_the_body_is_json_in_which_no_html_begins() -> None:
    """Escaped, yet the same value."""
    assert body_of({"a": "<b>&"}) == b'{"a":"\\u003cb\\u003e\\u0026"}'


@pytest.mark.parametrize("status", [400, 404, 409, 410, 413, 422])
async def test_a_refusal_of_the_message_is_final(status: int) -> None:
    """4xx that judge the message: a dead letter that says what the other side said, made visible."""
    async with hooked() as hook, Poster(60) as poster:
        hook.script = [status]
        with pytest.raises(DeadLetter, match=rf"HTTP {status}: said \\x1b\[2J"):
            await poster.post(hook.url, b"{}", {})


@pytest.mark.parametrize("status", [301, 401, 403, 407, 408, 425, 429, 500, 502, 503])
async def test_anything_else_is_tried_again(status: int) -> None:
    """Timeouts, limits, credentials, redirects and failures of the server."""
    async with hooked() as hook, Poster(60) as poster:
        hook.script = [status]
        with pytest.raises(Retry, match=f"HTTP {status}"):
            await poster.post(hook.url, b"{}", {})


async def test_a_server_may_say_how_long_to_wait() -> None:
    """Retry-After in seconds is obeyed up to a minute."""
    async with hooked() as hook, Poster(60) as poster:
        hook.script, hook.headers = [503], {"Retry-After": "3600"}
        with pytest.raises(SlowDown) as slow:
            await poster.post(hook.url, b"{}", {})
    assert slow.value.after == 60


async def test_nobody_there_and_no_answer_in_time_are_tried_again() -> None:
    """Refused connections, names that do not exist, addresses that are none, silence."""
    async with Poster(0.2) as poster:
        for url in ("http://127.0.0.1:1/", "http://no-such-host.invalid/", "nonsense"):
            with pytest.raises(Retry):
                await poster.post(url, b"{}", {})
