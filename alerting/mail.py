"""Notifications by mail: plain text, one message a revision of an alert, told apart by Message-ID."""

from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, parseaddr
from typing import Final

import aiosmtplib

from alerting.facts import facts_of, headline_of, line_of, nameless
from alerting.told import message_id
from alerting.visible import visible
from soc.alerts import AlertChange
from soc.clock import SECOND
from soc.errors import DeadLetter, Retry
from soc.settings import MailReceiver

TIMEOUT: Final = 30.0
PERMANENT: Final = 500
"""SMTP replies from 500 on are final. RFC 5321, 4.2.1."""

OURS: Final = frozenset({530, 534, 535, 538})
"""Final replies about our credentials, not about the message. RFC 4954."""


def text_of(change: AlertChange) -> str:
    """Return the body. It says only what does not change later, so that a repetition says the same."""
    facts = facts_of(change)
    lines = [
        f"An alert was {facts['kind']}.",
        "",
        f"Level:  {facts['level']}",
        f"Rule:   {facts['title']} ({facts['rule']})",
        f"Host:   {facts['host'] or nameless(change.alert)}",
        f"Site:   {facts['site'] or nameless(change.alert)}",
        f"When:   {facts['time']}",
        f"Alert:  {facts['id']}, revision {facts['revision']}",
    ]
    if description := change.alert.rule.description:
        lines += ["", visible(description, 1000)]
    if found := line_of(change.alert):
        lines += ["", "What was correlated:", f"  {found}"]
    elif facts["reasons"]:
        lines += ["", "What matched first:"]
        lines += [f"  {each['selection']}: {each['field']} = {each['value']}" for each in facts["reasons"]]
    return "\n".join(lines) + "\n"


def compose(receiver: MailReceiver, change: AlertChange) -> EmailMessage:
    """Return the message, its headers encoded as RFC 2047 asks and free of line ends.

    An encoded word that a log brings (a host called "=?utf-8?q?=0D=0ABcc:...?=") is taken apart: `email` would decode it
    and write the line end that it holds.
    """
    message = EmailMessage(policy=SMTP)
    message["From"] = receiver.sender
    message["To"] = ", ".join(receiver.to)
    message["Subject"] = headline_of(change).replace("=?", "= ?")
    message["Message-ID"] = f"<{message_id(change)}>"
    message["Date"] = formatdate(change.time / SECOND)
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: holiday replies stay away
    message.set_content(text_of(change), charset="utf-8", cte="quoted-printable")
    return message


class MailSender:
    """Sends to one receiver. A recipient who has accepted a message is not sent it again while others are retried."""

    def __init__(self, receiver: MailReceiver) -> None:
        """Connect at each message: they are few, and the server may come and go."""
        self._receiver = receiver
        self._message = ""
        self._answered: dict[str, str] = {}

    async def tell(self, change: AlertChange) -> None:
        """Return once the server has taken the message for every recipient.

        Raises DeadLetter("refused") naming those for whom it was refused for good, after all others have it; Retry.
        """
        if self._message != message_id(change):
            self._message, self._answered = message_id(change), {}
        recipients = [parseaddr(each)[1] for each in self._receiver.to]
        waiting = [each for each in recipients if each not in self._answered]
        if waiting:
            replies = await self._send(compose(self._receiver, change), waiting)
            self._answered |= {to: said for to, (code, said) in replies.items() if code not in _TRY_AGAIN}
            if later := [f"{to}: {said}" for to, (code, said) in replies.items() if code in _TRY_AGAIN]:
                raise Retry("; ".join(later))
        if refused := [f"{to}: {said}" for to, said in self._answered.items() if said]:
            raise DeadLetter("refused", "; ".join(refused))

    async def _send(self, message: EmailMessage, to: list[str]) -> dict[str, tuple[int, str]]:
        """Return the final reply for each recipient: (code, "" where it was accepted)."""
        try:
            errors = await self._transaction(message, to)
        except aiosmtplib.SMTPRecipientsRefused as error:
            errors = {each.recipient: (each.code, each.message) for each in error.recipients}
        except aiosmtplib.SMTPResponseException as error:
            if error.code in _TRY_AGAIN or not isinstance(error, _ABOUT_THE_MESSAGE):
                raise Retry(_said(error.code, error.message)) from None
            errors = dict.fromkeys(to, (error.code, error.message))
        except (aiosmtplib.SMTPException, OSError) as error:
            raise Retry(f"{type(error).__name__}: {visible(str(error), 200)}") from None
        return {each: (errors[each][0], _said(*errors[each])) if each in errors else (250, "") for each in to}

    async def _transaction(self, message: EmailMessage, to: list[str]) -> dict[str, tuple[int, str]]:
        """Hand the message over; return what the server said of recipients whom it did not take."""
        receiver = self._receiver
        errors, _ = await aiosmtplib.send(
            message,
            sender=parseaddr(receiver.sender)[1],
            recipients=to,
            hostname=receiver.host,
            port=receiver.port,
            username=receiver.username or None,
            password=receiver.password.get_secret_value() or None,
            use_tls=receiver.tls == "tls",
            start_tls=receiver.tls == "starttls",
            timeout=TIMEOUT,
        )
        return {each: (reply.code, reply.message) for each, reply in errors.items()}


_TRY_AGAIN: Final = frozenset({*range(400, PERMANENT), *OURS})

_ABOUT_THE_MESSAGE: Final = (aiosmtplib.SMTPSenderRefused, aiosmtplib.SMTPDataError)
"""Other refusals are of us, whatever their code: the next try may find the server or the settings in order."""


def _said(code: int, text: str) -> str:
    return f"{code} {visible(text, 200)}"
