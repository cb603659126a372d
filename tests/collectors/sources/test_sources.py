"""Recordings: detection by content, formats, damage, bounds, and ids that stay."""

import gzip
import json
import os
import struct
import zlib
from collections import Counter
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import cramjam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from collectors.sources import BadRecord, Options, Recording, read
from collectors.sources.files import Content, lines
from soc.errors import Stop
from soc.events import Event, LogSource, to_document, to_wire
from soc.testing import NOW, make_event

SAMPLES = Path(os.environ.get("SOC_EVENTS_PATH", Path(__file__).parents[3].parent / "shared" / "events"))
OPTIONS = Options(site="s", now=lambda: NOW)
FLAT = {"Channel": "Security", "EventID": "4625", "Computer": "dc1", "TimeCreated": "2020-06-10T02:50:56.539Z"}


def write(folder: Path, content: bytes | str, name: str = "file") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def split(path: Path, options: Options = OPTIONS) -> tuple[list[Event], list[BadRecord]]:
    records = list(read(path, options))
    return [r for r in records if isinstance(r, Event)], [r for r in records if isinstance(r, BadRecord)]


def one(folder: Path, document: dict[str, Any], options: Options = OPTIONS) -> Event:
    events, bad = split(write(folder, json.dumps(document)), options)
    assert not bad
    (event,) = events
    return event


# ---- the sample of 20,000 Windows events


def test_the_windows_sample() -> None:
    """All 20,000 are read, with the machine as host, their own time, and a logsource; ids are the same again."""
    path = SAMPLES / "windows-20k.jsonl.gz"
    assert path.exists(), f"{path} is missing: set SOC_EVENTS_PATH to the folder of windows-20k.jsonl.gz"
    events, bad = split(path)
    assert (len(events), len(bad)) == (20_000, 0)
    assert len({event.id for event in events}) == 20_000
    assert [event.id for event in events] == [event.id for event in read(path, OPTIONS) if isinstance(event, Event)]
    assert all(event.logsource.product == "windows" and event.host and "clock" not in event.source for event in events)
    assert "wec.internal.cloudapp.net" not in {event.host for event in events}
    assert min(event.time for event in events) > 1_500_000_000_000_000
    assert max(event.time for event in events) < 1_700_000_000_000_000
    services = Counter(event.logsource.service for event in events)
    assert services["sysmon"] == 15_720
    assert services["security"] == 2_251
    assert max(len(to_wire(event)) for event in events) < 1 << 20


# ---- what a file is


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lambda data: bytes(cramjam.zstd.compress(data))])
def test_compression_is_told_by_content(tmp_path: Path, pack: Any) -> None:
    """Plain, gzip and zstd give the same records, whatever the name says."""
    content = b"".join(json.dumps({**FLAT, "n": number}).encode() + b"\n" for number in range(3000))
    events, bad = split(write(tmp_path, pack(content), "misleading.txt"))
    assert (len(events), bad) == (3000, [])
    assert [event.fields["n"] for event in events] == list(range(3000))


def test_gzip_members_and_zstd_frames_follow_one_another(tmp_path: Path) -> None:
    """Concatenated archives are one stream; zeros behind a gzip are padding."""
    line = json.dumps(FLAT).encode() + b"\n"
    assert len(split(write(tmp_path, gzip.compress(line) * 3 + b"\0" * 10))[0]) == 3
    assert len(split(write(tmp_path, bytes(cramjam.zstd.compress(line)) * 3))[0]) == 3


def test_syslog_text(tmp_path: Path) -> None:
    """Anything that is text is syslog, a line a message."""
    text = "<38>Sep  2 03:04:05 h sshd[1]: Accepted password for a from 192.0.2.1 port 1 ssh2\r\n\nUse the BFG!\n\xe9"
    events, bad = split(
        write(tmp_path, text.encode("latin-1")), Options(site="s", zone=ZoneInfo("UTC"), now=lambda: NOW)
    )
    assert not bad
    assert [event.fields["message"] for event in events][1:] == ["Use the BFG!", "é"]
    assert events[0].fields["Action"] == "login_accepted"
    assert events[0].source == {"type": "syslog", "file": "file", "record": 1, "format": "rfc3164"}
    assert [event.source["record"] for event in events] == [1, 3, 4]


def test_a_recording_of_the_repository() -> None:
    """A recording of a real daemon, read as a file."""
    events, bad = split(Path(__file__).parents[3] / "deploy" / "recordings" / "sshd.log")
    assert len(events) == 194
    assert not bad


@pytest.mark.parametrize("content", [b"\xff\xfe{\0}\0", b"\x7fELF" + bytes(500), bytes(100)])
def test_what_is_no_recording(tmp_path: Path, content: bytes) -> None:
    """UTF-16 and binary files are one bad record that says what to do."""
    events, (bad,) = split(write(tmp_path, content))
    assert not events
    assert bad.reason == "unknown_format"
    assert split(write(tmp_path, b"")) == ([], [])


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(Stop, match=r"none: cannot be read: No such file"):
        list(read(tmp_path / "none", OPTIONS))


# ---- JSON


def test_whole_documents(tmp_path: Path) -> None:
    """A pretty object, several of them, and an array give the same events as lines do."""
    documents = [{**FLAT, "n": number, "EventData": {"a": [1, 2]}} for number in range(3)]
    as_lines = split(write(tmp_path, "\n".join(json.dumps(each) for each in documents)))[0]
    pretty = "\n".join(json.dumps(each, indent=2) for each in documents)
    for text in (pretty, json.dumps(documents), json.dumps(documents, indent=1), "\ufeff" + pretty):
        events, bad = split(write(tmp_path, text))
        assert not bad
        assert [event.fields for event in events] == [event.fields for event in as_lines]


def test_our_own_events_pass_as_they_are(tmp_path: Path) -> None:
    """A line that is a wire form is that event; one that only looks so is a bad record."""
    document = to_document(make_event(7))
    assert one(tmp_path, document) == make_event(7)
    _, (bad,) = split(write(tmp_path, json.dumps({**document, "time": "noon"})))
    assert bad.reason == "malformed_event"


def test_other_json(tmp_path: Path) -> None:
    """Fields are flat, time and host are found, the logsource is what the options state; nested records keep raw."""
    document = {
        "@timestamp": "2021-05-06T07:08:09Z",
        "host": {"name": "h1"},
        "list": [1, {"a": 2}],
        "a": {"b": {"c": None}},
    }
    event = one(tmp_path, document, Options(site="s", logsource=LogSource("zeek", None, "dns"), now=lambda: NOW))
    assert event.fields == {
        "@timestamp": "2021-05-06T07:08:09Z",
        "host.name": "h1",
        "list": [1, '{"a":2}'],
        "a.b.c": None,
    }
    assert (event.host, event.time, event.logsource) == ("h1", 1_620_284_889_000_000, LogSource("zeek", None, "dns"))
    assert json.loads(event.raw or "") == document
    assert one(tmp_path, {"x": 1, "y": ["a"]}).raw is None


@pytest.mark.parametrize(
    "value",
    [
        1_620_284_889,
        1_620_284_889.0,
        1_620_284_889_000,
        1_620_284_889_000_000,
        1_620_284_889_000_000_000,
        "2021-05-06T14:08:09+07:00",
        "2021-05-06T07:08:09.0000000Z",
    ],
)
def test_times_of_other_json(tmp_path: Path, value: Any) -> None:
    """Seconds to nanoseconds, and ISO 8601 with any offset and fraction."""
    assert one(tmp_path, {"ts": value}).time == 1_620_284_889_000_000


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ({}, "missing"),
        ({"ts": "noon"}, "unreadable"),
        ({"ts": -5}, "unreadable"),
        ({"ts": 1e300}, "unreadable"),
        ({"ts": "2199-01-01T00:00:00Z"}, "future"),
    ],
)
def test_times_that_are_replaced(tmp_path: Path, document: dict[str, Any], why: str) -> None:
    """The time of reading stands in, and the event says why."""
    event = one(tmp_path, document)
    assert (event.time, event.source["clock"]) == (NOW, why)


def test_broken_lines(tmp_path: Path) -> None:
    """A broken line, one that is no object and one that is too long are told with number and reason; the rest is read."""
    good = json.dumps(FLAT)
    text = "\n".join([good, '{"a": ', "[1]", '{"a": "\\ud800"}', '{"x": "' + "y" * 70_000 + '"}', "", good])
    events, bad = split(write(tmp_path, text))
    assert [event.source["record"] for event in events] == [1, 7]
    assert [(record.number, record.reason) for record in bad] == [
        (2, "malformed_json"),
        (3, "malformed_json"),
        (4, "malformed_json"),
        (5, "oversized"),
    ]
    assert bad[0].raw == b'{"a": '
    assert bad[3].size == 70_009


def test_broken_documents(tmp_path: Path) -> None:
    """Reading goes on at the next object that begins a line."""
    pretty = json.dumps(FLAT, indent=1)
    events, bad = split(write(tmp_path, f'{{"a": \n nonsense}}\n{pretty}\n{{"b": ]\n{pretty}'))
    assert len(events) == 2
    assert [record.reason for record in bad] == ["malformed_json", "malformed_json"]
    deep = "[" * 100_000
    assert split(write(tmp_path, "[{" + deep))[1][0].reason == "malformed_json"


# ---- Windows


NESTED = {
    "Event": {
        "#attributes": {"xmlns": "x"},
        "System": {
            "Provider": {"#attributes": {"Name": "P", "Guid": "g"}},
            "EventID": {"#attributes": {"Qualifiers": 16384}, "#text": "7045"},
            "TimeCreated": {"#attributes": {"SystemTime": "2025-11-27T07:40:10.1653241Z"}},
            "Execution": {"#attributes": {"ProcessID": 1, "ThreadID": 2}},
            "Channel": "System",
            "Computer": "srv",
            "Security": None,
        },
        "EventData": {"Image": "a.exe", "Channel": "spoofed", "ProcessId": 4, "Data": [{"#attributes": {"Name": "named"}, "#text": "v"}, "plain"], "Obj": {"#attributes": {"Name": "x"}, "#text": "t"}},
    }
}  # fmt: skip


def test_nested_windows_records(tmp_path: Path) -> None:
    """EVTX's nesting becomes Sigma's flat names; an event's own data cannot change its channel."""
    event = one(tmp_path, NESTED)
    assert event.fields == {
        "Provider_Name": "P",
        "Provider_Guid": "g",
        "EventID": 7045,
        "EventID_Qualifiers": 16384,
        "TimeCreated": "2025-11-27T07:40:10.1653241Z",
        "Execution_ProcessID": 1,
        "Execution_ThreadID": 2,
        "Channel": "System",
        "Computer": "srv",
        "Security": None,
        "Image": "a.exe",
        "ProcessId": 4,
        "named": "v",
        "Data": ["plain"],
        "Obj": "t",
    }
    assert (event.host, event.logsource) == ("srv", LogSource("windows", None, "system"))
    assert event.time == 1_764_229_210_165_324


def test_user_data(tmp_path: Path) -> None:
    """What stands inside UserData's one element is flat; deeper names are joined."""
    document = {
        "Event": {
            "System": NESTED["Event"]["System"],
            "UserData": {"Op": {"#attributes": {"x": 1}, "Id": "i", "In": {"a": 1}}},
        }
    }
    fields = one(tmp_path, document).fields
    assert (fields["Id"], fields["In_a"]) == ("i", 1)


def test_beats_and_sentinel(tmp_path: Path) -> None:
    """Winlogbeat 6 and 7 and Sentinel's JSON-in-JSON have the same names in the end."""
    six = {
        "log_name": "Security",
        "event_id": 4624,
        "computer_name": "dc1",
        "source_name": "P",
        "host": {"name": "forwarder"},
        "event_data": {"TargetUserName": "u"},
        "message": "m",
    }
    seven = {
        "winlog": {
            "channel": "Security",
            "event_id": "4624",
            "computer_name": "dc1",
            "provider_name": "P",
            "event_data": {"TargetUserName": "u"},
        },
        "message": "m",
        "host": {"name": "forwarder"},
    }
    sentinel = {
        "Channel": "Security",
        "EventID": 4624,
        "Computer": "dc1",
        "Provider": "P",
        "EventData": '{"TargetUserName":"u"}',
        "Message": "m",
    }
    for document in (six, seven, sentinel):
        event = one(tmp_path, document)
        wanted = {
            "Channel": "Security",
            "EventID": 4624,
            "Computer": "dc1",
            "Provider_Name": "P",
            "TargetUserName": "u",
            "Message": "m",
        }
        assert {name: event.fields[name] for name in wanted} == wanted
        assert (event.host, event.logsource.service) == ("dc1", "security")


def test_the_forwarder_is_not_the_host(tmp_path: Path) -> None:
    """NXLog's Hostname is the machine, host the collector; the machine's clock goes before the time of arrival."""
    event = one(
        tmp_path, {**FLAT, "Computer": None, "Hostname": "ws1", "host": "wec", "@timestamp": "2020-07-01T00:00:00Z"}
    )
    assert (event.host, event.time) == ("ws1", 1_591_757_456_539_000)
    local = {
        "Channel": "Security",
        "EventID": 1,
        "EventTime": "2020-06-09 22:50:54",
        "@timestamp": "2020-06-10T02:50:56Z",
    }
    assert one(tmp_path, local).time == 1_591_757_456_000_000


# ---- EVTX


def evtx_file(good: int = 1) -> bytes:
    """A file header that promises chunks, and that many chunks of zeros with the right magic."""
    header = bytearray(b"ElfFile\0" + bytes(4088))
    struct.pack_into("<QQQIHHHH", header, 8, 0, good - 1, 1, 128, 1, 3, 4096, good)
    struct.pack_into("<I", header, 124, zlib.crc32(bytes(header[:120])))
    return bytes(header) + (b"ElfChnk\0" + bytes(65_528)) * good


def test_damaged_evtx(tmp_path: Path) -> None:
    """Broken chunks, chunks that are not there, half a header: bad records with the reason, never a crash."""
    _, bad = split(write(tmp_path, evtx_file(2)))
    assert {record.reason for record in bad} <= {"damaged_evtx", "truncated"}
    _, bad = split(write(tmp_path, evtx_file(3)[: 4096 + 65_536 + 100]))
    assert "2 of 3 chunks are missing or cut short at the end" in {record.detail for record in bad}
    _, bad = split(write(tmp_path, evtx_file()[:1000]))
    assert [record.reason for record in bad] == ["damaged_evtx"]
    _, bad = split(write(tmp_path, gzip.compress(evtx_file())))
    assert [record.reason for record in bad] == ["unknown_format"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 69_000), st.binary(min_size=1, max_size=40)), max_size=8), st.integers(8, 70_000)
)
def test_any_damage_to_an_evtx_is_survived(tmp_path: Path, hits: list[tuple[int, bytes]], size: int) -> None:
    """Bytes overwritten anywhere, and the end cut off anywhere."""
    content = bytearray(evtx_file())
    for at, data in hits:
        content[at : at + len(data)] = data
    list(read(write(tmp_path, bytes(content[:size])), OPTIONS))


# ---- damage and bombs


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: bytes(cramjam.zstd.compress(data))])
def test_truncated_archives(tmp_path: Path, pack: Any) -> None:
    """What came before the cut is read, and the cut is told."""
    content = b"".join(json.dumps({**FLAT, "n": os.urandom(40).hex()}).encode() + b"\n" for _ in range(5000))
    packed = pack(content)
    events, bad = split(write(tmp_path, packed[: len(packed) // 2]))
    assert 0 < len(events) < 5000
    assert bad[-1].reason == "truncated"


def test_a_tiny_truncated_archive(tmp_path: Path) -> None:
    """Also where the whole file is one chunk, nothing that could be read is lost."""
    packed = gzip.compress(json.dumps(FLAT).encode() + b"\n")
    events, bad = split(write(tmp_path, packed[:-4]))
    assert (len(events), [record.reason for record in bad]) == (1, ["truncated"])


@pytest.mark.parametrize("pack", [gzip.compress, lambda data: bytes(cramjam.zstd.compress(data))])
def test_bombs_cost_no_memory(tmp_path: Path, pack: Any) -> None:
    """A line of 50 MB in a small file is one oversized record; no chunk and no kept prefix is large."""
    path = write(tmp_path, pack(b'{"a": "' + b"x" * 50_000_000))
    assert path.stat().st_size < 1_000_000
    assert max(len(chunk) for chunk in Content(path)) <= 65_536
    (bad,) = list(lines(iter(Content(path)), 65_536))
    assert not isinstance(bad, bytes)
    assert (bad.reason, len(bad.raw), bad.size) == ("oversized", 65_536, 50_000_007)
    _, records = split(path)
    assert [record.reason for record in records] == ["oversized"]


def test_an_archive_can_be_left_early(tmp_path: Path) -> None:
    """Reading no further ends the decompression."""
    chunks = iter(Content(write(tmp_path, bytes(cramjam.zstd.compress(bytes(10_000_000))))))
    assert set(next(chunks)) == {0}
    chunks.close()  # type: ignore[attr-defined]  # a generator


@given(st.lists(st.binary(max_size=30)), st.integers(1, 40))
def test_lines_do_not_depend_on_chunks(chunks: list[bytes], limit: int) -> None:
    """The same lines come out however the content is cut."""
    whole = list(lines(iter([b"".join(chunks)]), limit))
    assert list(lines(iter(chunks), limit)) == whole
    assert all(len(line) <= limit for line in whole if isinstance(line, bytes))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["Event", "System", "EventData", "UserData", "Data", "Channel", "EventID", "winlog", "channel", "log_name", "event_id", "event_data", "#text", "#attributes", "Provider", "TimeCreated", "host", "ts", "x"]),
        inner,
        max_size=4,
    ),
    max_leaves=12,
)  # fmt: skip


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.one_of(JSON.map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass")), st.binary(max_size=50)),
        max_size=5,
    )
)
def test_any_content_is_events_or_bad_records(tmp_path: Path, parts: list[bytes]) -> None:
    """Whatever a file holds, reading it gives encodable events and bad records, the same each time."""
    path = write(tmp_path, b"\n".join(parts))
    records = list(read(path, OPTIONS))
    for record in records:
        if isinstance(record, Event):
            to_wire(record)
    assert [r.id for r in records if isinstance(r, Event)] == [
        r.id for r in read(path, OPTIONS) if isinstance(r, Event)
    ]


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    """A pipe can be read once, and ids need the whole file first: it would be waited for without end."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(Stop, match="no regular file"):
            Recording(path, OPTIONS)
