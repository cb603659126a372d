"""Who is told of alerts, and how."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr

from soc.settings.base import LevelName, Port, Section, Url


class MailReceiver(Section):
    """Operators who are told by mail."""

    kind: Literal["mail"] = "mail"
    """Tells receivers apart."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
    """Names the receiver in metrics and in the consumer group."""
    host: str
    """The SMTP server."""
    port: Port = 25
    """Its port."""
    sender: str
    """The address that mails come from."""
    to: tuple[str, ...]
    """The addresses that mails go to."""
    username: str = ""
    """Signs in to the server; empty: without."""
    password: SecretStr = SecretStr("")
    """The password for that."""
    tls: Literal["none", "starttls", "tls"] = "starttls"
    """How the connection is secured."""
    min_level: LevelName = "high"
    """The lowest level that is told."""


class WebhookReceiver(Section):
    """Operators who are told by an HTTP POST."""

    kind: Literal["webhook"] = "webhook"
    """Tells receivers apart."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
    """Names the receiver in metrics and in the consumer group."""
    url: Url
    """Where alerts are posted."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Sent with each request."""
    min_level: LevelName = "high"
    """The lowest level that is told."""


Receiver = Annotated[MailReceiver | WebhookReceiver, Field(discriminator="kind")]
