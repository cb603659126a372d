"""Dead letters keep the input, whatever bytes it is, and the reason."""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from soc.bus import connect
from soc.bus.base import DEADLETTER, Record, TopicPartition
from soc.bus.deadletters import KEPT_BYTES, Letter, bury, of_input, of_record
from soc.clock import SystemClock
from soc.errors import DeadLetter
from soc.metrics import Metrics
from soc.settings import BusSettings

_ERROR = DeadLetter("malformed_json", "line 1")


def stored(letter: Letter) -> Letter:
    """Return the letter as it is read back from the bus."""
    return Letter.from_record(Record(DEADLETTER, 0, 0, 0, *letter.to_message()[:2]))


@given(st.binary(max_size=400))
def test_any_input_is_recoverable(raw: bytes) -> None:
    """Text, Latin-1 or binary: the bytes come back exactly."""
    letter = stored(of_input("syslog", raw, _ERROR, 5, {"address": "192.0.2.1"}))
    assert letter.input() == raw
    assert (letter.stage, letter.reason, letter.detail) == ("syslog", "malformed_json", "line 1")
    assert letter.size == len(raw)
    assert not letter.retriable


@given(st.binary(max_size=100), st.binary(max_size=400), st.binary(max_size=9))
def test_a_record_is_recoverable(key: bytes, value: bytes, header: bytes) -> None:
    """What a stage could not process can be published again where it came from."""
    record = Record("soc.events", 2, 17, 99, key, value, (("schema", header),))
    letter = stored(of_record("detect", record, _ERROR, 5))
    assert letter.input() == value
    assert (letter.topic, letter.source) == ("soc.events", {"partition": 2, "offset": 17})
    assert letter.headers["schema"].encode("latin-1") == header
    assert letter.retriable


def test_a_large_input_is_cut() -> None:
    """KEPT_BYTES are kept, the size is told, and it cannot be retried."""
    record = Record("soc.events", 0, 0, 0, b"k", b"x" * (KEPT_BYTES + 1))
    letter = of_record("detect", record, _ERROR, 5)
    assert len(letter.input()) == KEPT_BYTES
    assert letter.size == KEPT_BYTES + 1
    assert not letter.retriable


def test_a_long_detail_is_cut() -> None:
    """An attacker does not write the log twice."""
    assert len(of_input("s", b"", DeadLetter("r", "x" * 5000), 0, {}).detail) == 1000


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"{}", b'{"stage": "x"}', orjson.dumps({"stage": 1, "more": 2})])
def test_what_is_no_letter_is_refused(value: bytes) -> None:
    """As a dead letter of its own kind."""
    with pytest.raises(DeadLetter) as refused:
        Letter.from_record(Record(DEADLETTER, 0, 0, 0, b"", value))
    assert refused.value.reason == "malformed_letter"


async def test_buried_letters_are_on_the_bus_and_counted(tmp_path: Path) -> None:
    """One publish for all; none for none."""
    metrics = Metrics()
    settings = BusSettings(url=f"sqlite:///{tmp_path}/bus")
    async with connect(settings, metrics, SystemClock()) as bus:
        await bury(bus, metrics, [])
        letters = [of_input("syslog", b"%d" % n, _ERROR, n, {}) for n in range(3)]
        await bury(bus, metrics, letters)
        found = await bus.read(TopicPartition(DEADLETTER, 0), 0, 10)
    assert [Letter.from_record(record) for record in found] == letters
    assert metrics.deadletters.labels("syslog", "malformed_json")._value.get() == 3


async def test_a_letter_that_the_bus_finds_too_large_is_cut(tmp_path: Path) -> None:
    """Every byte of it must be escaped, and the bus takes little: the beginning and the reason are kept all the same."""
    metrics = Metrics()
    settings = BusSettings(url=f"sqlite:///{tmp_path}/bus", max_message_bytes=1024)
    record = Record("soc.events", 0, 7, 0, b"\x01" * 9000, b"\x01" * 16_000, (("schema", b"1"), ("x", b"\x01" * 9000)))
    async with connect(settings, metrics, SystemClock()) as bus:
        small = of_input("syslog", b"small", _ERROR, 0, {})
        await bury(bus, metrics, [small, of_record("detect", record, _ERROR, 5)])
        first, second = map(Letter.from_record, await bus.read(TopicPartition(DEADLETTER, 0), 0, 10))
    assert first == small
    assert b"\x01" * 500 in second.input()
    assert (second.reason, second.detail, second.size, second.source["offset"]) == (
        *_ERROR.args[0].split(": "),
        16_000,
        7,
    )
    assert not second.retriable
