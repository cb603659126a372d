"""Mail as a real SMTP server receives it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from hypothesis import given
from hypothesis import strategies as st

from alerting.mail import MailSender, compose
from soc.alerts import Alert, AlertChange, Level, Reason
from soc.errors import DeadLetter, Retry
from soc.evidence import reasons_of
from soc.settings import MailReceiver
from soc.testing import NOW, make_alert, make_evidence

RECEIVER = MailReceiver(name="ops", host="h", sender="soc@example.vn", to=("an@example.vn",))

_ENCODED = (
    "=?",
    "?=",
    "?q?",
    "utf-8",
    "=?utf-8?q?=0D=0ABcc:_evil@x?=",
    "=?utf-8?b?DQpCY2M6IGVAeA==?=",
    "=?utf-8?q?=0A?=",
)
"""Encoded words with line ends in them, and their pieces."""


class Inbox:
    """A mail server that can refuse."""

    def __init__(self) -> None:
        self.mails: list[Envelope] = []
        self.recipient: Callable[[str], str] = lambda _: "250 OK"
        self.data = "250 OK"

    async def handle_RCPT(self, _s: SMTP, _session: Session, envelope: Envelope, to: str, _options: Any) -> str:  # noqa: N802 - aiosmtpd's name
        """Answer for one recipient."""
        reply = self.recipient(to)
        if reply.startswith("2"):
            envelope.rcpt_tos.append(to)
        return reply

    async def handle_DATA(self, _s: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        """Keep the mail."""
        if self.data.startswith("2"):
            self.mails.append(envelope)
        return self.data


@asynccontextmanager
async def serving(inbox: Inbox) -> AsyncIterator[MailReceiver]:
    """Serve, and give the receiver that leads there."""
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(inbox), "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        sender, to = "Trực ban <soc@example.vn>", ("an@example.vn",)
        yield MailReceiver(name="ops", host="127.0.0.1", port=port, sender=sender, to=to, tls="none")
    finally:
        server.close()


def change(alert: Alert | None = None, kind: str = "opened", revision: int = 1) -> AlertChange:
    """Return a change of the alert."""
    alert = alert or make_alert(level=Level.HIGH)
    return AlertChange(alert.id, revision, kind, Level.HIGH, NOW, alert)


def parsed(envelope: Envelope) -> EmailMessage:
    """Return the mail as its reader sees it."""
    content = envelope.content
    assert isinstance(content, bytes)
    message = message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


async def test_a_mail_arrives_whole_with_its_message_id() -> None:
    """Vietnamese survives in subject and text; the Message-ID comes from alert and revision."""
    alert = make_alert(level=Level.HIGH, host="máy-chủ", site="xã-Đông-Hà")
    alert = replace(alert, rule=replace(alert.rule, title="Đăng nhập SSH thất bại nhiều lần"))
    inbox = Inbox()
    async with serving(inbox) as receiver:
        await MailSender(receiver).tell(change(alert))
    mail = parsed(inbox.mails[0])
    assert mail["Subject"] == "[high] Đăng nhập SSH thất bại nhiều lần: máy-chủ (xã-Đông-Hà)"
    assert mail["Message-ID"] == f"<{alert.id}.1@vonggac>"
    assert mail["From"] == "Trực ban <soc@example.vn>"
    assert mail.get_content_type() == "text/plain"
    assert "Đăng nhập SSH thất bại nhiều lần" in mail.get_content()
    assert inbox.mails[0].rcpt_tos == ["an@example.vn"]


def test_log_content_cannot_add_headers_or_act() -> None:
    """Line ends, HTML and escapes of an attacker stay text in their line."""
    evil = "x\r\nBcc: all@example.vn\r\n\r\n<script>alert(1)</script>\x1b[2J"
    alert = make_alert(host=evil, site=evil, reasons=(Reason("s", "User", evil),))
    alert = replace(alert, rule=replace(alert.rule, title=evil, description=evil))
    receiver = MailReceiver(name="ops", host="h", sender="soc@example.vn", to=("an@example.vn",))
    raw = compose(receiver, change(alert)).as_bytes()
    mail = message_from_bytes(raw, policy=default)
    assert isinstance(mail, EmailMessage)
    assert mail["Bcc"] is None
    assert not mail.is_multipart()
    assert mail.get_content_type() == "text/plain"
    assert "\x1b" not in mail.get_content()
    assert max(map(len, raw.splitlines())) < 998


@given(host=st.lists(st.sampled_from([*_ENCODED, "x", " ", "é", ":", "\n", "a" * 40]), max_size=12).map("".join))
def test_encoded_words_in_a_log_stay_text(host: str) -> None:
    """A host name that is an RFC 2047 encoded line end adds no header: the mail has ours alone, and can be written."""
    written = message_from_bytes(compose(RECEIVER, change(make_alert(host=host))).as_bytes(), policy=default)
    assert sorted(written.keys()) == sorted(compose(RECEIVER, change()).keys())


def test_a_flood_of_text_is_bounded() -> None:
    """A megabyte in every field gives a mail of a few kilobytes."""
    huge = "A" * 1_000_000
    alert = make_alert(host=huge, site=huge, reasons=tuple(Reason(huge, huge, huge) for _ in range(100)))
    alert = replace(alert, rule=replace(alert.rule, title=huge, description=huge))
    receiver = MailReceiver(name="ops", host="h", sender="soc@example.vn", to=("an@example.vn",))
    assert len(compose(receiver, change(alert)).as_bytes()) < 10_000


def test_one_revision_is_always_the_same_mail() -> None:
    """What changes later (the count) is not told, so that a repetition is a repetition."""
    receiver = MailReceiver(name="ops", host="h", sender="soc@example.vn", to=("an@example.vn",))
    early, late = make_alert(), make_alert(count=99, last_seen=NOW + 5_000_000, revision=40)
    assert compose(receiver, change(early)).as_bytes() == compose(receiver, change(late)).as_bytes()


async def test_a_message_refused_for_good_is_a_dead_letter() -> None:
    """554 to the text: trying again is pointless."""
    inbox = Inbox()
    inbox.data = "554 no\x1b[2J thanks"
    async with serving(inbox) as receiver:
        with pytest.raises(DeadLetter, match=r"554 no\\x1b\[2J thanks"):
            await MailSender(receiver).tell(change())


@pytest.mark.parametrize("reply", ["451 greylisted", "421 busy", "530 authenticate first"])
async def test_a_temporary_refusal_is_tried_again(reply: str) -> None:
    """4xx, and what concerns our credentials alone, says nothing about the message."""
    inbox = Inbox()
    inbox.data = reply
    async with serving(inbox) as receiver:
        with pytest.raises(Retry):
            await MailSender(receiver).tell(change())


async def test_a_server_that_is_away_is_tried_again() -> None:
    """Nothing listens there."""
    receiver = MailReceiver(
        name="ops", host="127.0.0.1", port=1, sender="s@example.vn", to=("a@example.vn",), tls="none"
    )
    with pytest.raises(Retry):
        await MailSender(receiver).tell(change())


async def test_starttls_is_never_skipped() -> None:
    """A server without STARTTLS gets nothing where it is asked for."""
    inbox = Inbox()
    async with serving(inbox) as receiver:
        with pytest.raises(Retry):
            await MailSender(receiver.model_copy(update={"tls": "starttls"})).tell(change())
    assert inbox.mails == []


async def test_recipients_who_have_it_are_not_sent_it_again() -> None:
    """One is greylisted, one unknown, one fine: the next try goes to the greylisted one alone; the unknown is named."""
    inbox = Inbox()
    replies = {
        "grey@example.vn": ["451 later", "250 OK"],
        "gone@example.vn": ["550 unknown"],
        "ok@example.vn": ["250 OK"],
    }
    inbox.recipient = lambda to: replies[to].pop(0)
    async with serving(inbox) as receiver:
        sender = MailSender(receiver.model_copy(update={"to": ("ok@example.vn", "grey@example.vn", "gone@example.vn")}))
        with pytest.raises(Retry, match="grey"):
            await sender.tell(change())
        with pytest.raises(DeadLetter, match=r"gone@example\.vn: 550"):
            await sender.tell(change())
    assert [mail.rcpt_tos for mail in inbox.mails] == [["ok@example.vn"], ["grey@example.vn"]]


def test_a_correlations_mail_says_what_was_counted_in_which_group() -> None:
    """In one line; where several hosts took part, the subject has the group instead of one."""
    alert = make_alert(level=Level.HIGH, host="", reasons=reasons_of(make_evidence()))
    mail = message_from_bytes(compose(RECEIVER, change(alert)).as_bytes(), policy=default)
    assert isinstance(mail, EmailMessage)
    text = mail.get_content().replace("\r\n", "\n")
    assert mail["Subject"].strip() == "[high] Failed SSH login 0: SourceIp=203.0.113.7, User=root (district-1)"
    assert "Host:   several\n" in text
    line = "  SourceIp = 203.0.113.7, User = root: counted 10 (event_count: >= 10 within 10 min)\n"
    assert f"What was correlated:\n{line}" in text
    assert "What matched first" not in text


def test_a_group_of_a_log_cannot_act_in_a_mail() -> None:
    """Its names and values are the attacker's, and as long as they like."""
    evil = "x\r\nBcc: all@example.vn\r\n\x1b[2J=?utf-8?q?=0D=0ABcc:_evil@x?=" + "A" * 10_000
    evidence = make_evidence(group=tuple((f"{n}{evil}", evil) for n in range(100)), counted=evil, condition=evil)
    raw = compose(RECEIVER, change(make_alert(host="", site="", reasons=reasons_of(evidence)))).as_bytes()
    mail = message_from_bytes(raw, policy=default)
    assert sorted(mail.keys()) == sorted(compose(RECEIVER, change()).keys())
    assert len(raw) < 5_000
    assert b"\x1b" not in raw
