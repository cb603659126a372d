"""Dead letters: what could not be processed, kept on soc.deadletter with the reason."""

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import orjson

from soc.bus.base import DEADLETTER, Bus, Message, Record
from soc.errors import DeadLetter
from soc.events import text_of
from soc.metrics import Metrics

KEPT_BYTES = 64 * 1024
"""How much of an input is kept; `size` tells how much there was."""
CUT_CHARACTERS = 1000
"""A multiple of four, so that base64 stays base64. With every one escaped it is far below the least bound of a value."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter. `topic` is where `retry` publishes it again; empty for input that never was on the bus, or was cut.

    `text` is the input in `charset` (base64 where it is no text), cut at KEPT_BYTES; `size` is its whole length.
    """

    stage: str
    reason: str
    detail: str
    time: int
    topic: str
    key: str
    text: str
    charset: str
    size: int
    headers: dict[str, str]
    source: dict[str, Any]

    def to_message(self) -> Message:
        """Return the message to publish."""
        return Message(self.stage.encode(), orjson.dumps(asdict(self)))

    @classmethod
    def from_record(cls, record: Record) -> Self:
        """Return the letter. Raises DeadLetter where the record is none."""
        try:
            return cls(**orjson.loads(record.value))
        except (TypeError, ValueError) as error:
            raise DeadLetter("malformed_letter", str(error)) from None

    def input(self) -> bytes:
        """Return the kept bytes of the input."""
        return base64.b64decode(self.text) if self.charset == "base64" else self.text.encode(self.charset)

    @property
    def retriable(self) -> bool:
        """Tell whether `retry` can publish it again: it came from a topic and was kept whole."""
        return bool(self.topic) and self.size <= KEPT_BYTES

    def cut(self) -> Self:
        """Return the letter with CUT_CHARACTERS of the input, for a bus whose settings leave no room for all of it."""
        text, key = self.text[:CUT_CHARACTERS], self.key[:CUT_CHARACTERS]
        return replace(self, text=text, key=key, headers={}, topic="")


def of_record(stage: str, record: Record, error: DeadLetter, time: int) -> Letter:
    """Return the letter for a record of the bus that a stage could not process."""
    text, charset = text_of(record.value[:KEPT_BYTES])
    headers = {name: value.decode("latin-1") for name, value in record.headers}
    source = {"partition": record.partition, "offset": record.offset}
    key = record.key.decode("utf-8", "replace")
    size = len(record.value)
    return Letter(
        stage, error.reason, error.detail[:1000], time, record.topic, key, text, charset, size, headers, source
    )


def of_input(stage: str, raw: bytes, error: DeadLetter, time: int, source: dict[str, Any]) -> Letter:
    """Return the letter for input that never became an event."""
    text, charset = text_of(raw[:KEPT_BYTES])
    return Letter(stage, error.reason, error.detail[:1000], time, "", "", text, charset, len(raw), {}, source)


async def bury(bus: Bus, metrics: Metrics, letters: Sequence[Letter]) -> None:
    """Publish and count the letters, cut where the bus finds one too large. Raises what publish raises."""
    if not letters:
        return
    try:
        await bus.publish(DEADLETTER, [letter.to_message() for letter in letters])
    except DeadLetter:
        await bus.publish(DEADLETTER, [letter.cut().to_message() for letter in letters])
    for letter in letters:
        metrics.deadletters.labels(letter.stage, letter.reason).inc()
