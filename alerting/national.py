"""What soc.national carries: contents for the National SOC with an id each and no number, one partition a stream.

`report` writes them, `push` numbers and sends them. mock/schema has the JSON Schemas of what is sent.
"""

from dataclasses import dataclass
from typing import Any, Final, Self

import orjson

from soc.bus.base import Message, Record
from soc.errors import DeadLetter
from soc.events import digest

VERSION: Final = 1
STREAMS: Final = ("urgent", "regular")
"""Each stream's name, at the index of its partition of soc.national."""


@dataclass(frozen=True, slots=True)
class Content:
    """One content. `id` depends on what it is about alone, never on when or by whom it was written."""

    id: str
    type: str
    body: dict[str, Any]

    def to_message(self, stream: str) -> Message:
        """Return the message for soc.national."""
        value = orjson.dumps({"id": self.id, "type": self.type, "body": self.body})
        return Message(self.id.encode(), value, partition=STREAMS.index(stream))

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """Return the content of a record. Raises DeadLetter("malformed_content")."""
        try:
            content = cls(**orjson.loads(record.value))
        except (TypeError, ValueError) as error:
            raise DeadLetter("malformed_content", f"no content for the National SOC: {error!r}"[:500]) from None
        if not (isinstance(content.id, str) and isinstance(content.type, str) and isinstance(content.body, dict)):
            raise DeadLetter("malformed_content", "id, type and body are no text, text and object")
        return content


@dataclass(frozen=True, slots=True)
class Number:
    """A message's number. `epoch`: the log's identity; in a new log numbers begin at 1 again."""

    stream: str
    epoch: str
    seq: int

    def to_document(self) -> dict[str, Any]:
        """Return the JSON-ready form."""
        return {"stream": self.stream, "epoch": self.epoch, "seq": self.seq}


def numbered(content: Content, number: Number, province: str) -> dict[str, Any]:
    """Return the content as it is sent: always the same for the same content, number and province."""
    head = {"version": VERSION, "type": content.type, "province": province, "id": content.id}
    return {**content.body, **head, **number.to_document()}


def tombstone(refused: str, number: Number) -> Content:
    """Return what takes the number of the content `refused`, under an id of its own."""
    ident = digest("tombstone", number.stream, number.epoch, number.seq)
    return Content(ident, "tombstone", {"replaces": refused})


def id_in(record: Record) -> str | None:
    """Return the id of the content in a record, None where it is malformed."""
    try:
        return Content.from_record(record).id
    except DeadLetter:
        return None
