"""From a raw message to an event: facts of both RFCs, times, charsets, and what is no syslog at all."""

import contextlib
import time as stopwatch
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collectors import rfc3164, rfc5424
from collectors.syslog import parse
from soc.clock import SECOND
from soc.errors import DeadLetter
from soc.events import Event, LogSource, from_wire, to_wire
from soc.testing import NOW

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
RECORDINGS = Path(__file__).parents[2] / "deploy" / "recordings"


def micros(moment: datetime) -> int:
    return round(moment.timestamp() * SECOND)


def read(raw: bytes | str, received: int = NOW, zone: ZoneInfo = VIETNAM) -> Event:
    data = raw.encode() if isinstance(raw, str) else raw
    return parse(data, received=received, site="s", source={"type": "syslog", "address": "192.0.2.9"}, zone=zone)


# ---- RFC 5424 section 6.5


def test_rfc5424_example_1() -> None:
    """No structured data, a BOM, facility 4 and severity 2."""
    event = read(
        "<34>1 2003-10-11T22:14:15.003Z mymachine.example.com su - ID47 - \ufeff'su root' failed for lonvick on /dev/pts/8"
    )
    assert event.time == micros(datetime(2003, 10, 11, 22, 14, 15, 3000, UTC))
    assert event.host == "mymachine.example.com"
    assert event.fields["facility"] == "auth"
    assert event.fields["severity"] == "crit"
    assert event.fields["program"] == "su"
    assert event.fields["msgid"] == "ID47"
    assert event.fields["message"] == "'su root' failed for lonvick on /dev/pts/8"
    assert "pid" not in event.fields


def test_rfc5424_example_2() -> None:
    """An offset, microseconds, and a process id; no BOM."""
    event = read("<165>1 2003-08-24T05:14:15.000003-07:00 192.0.2.1 myproc 8710 - - %% It's time to make the do-nuts.")
    assert event.time == micros(datetime(2003, 8, 24, 5, 14, 15, 3, timezone(timedelta(hours=-7))))
    assert event.host == "192.0.2.1"
    assert (event.fields["facility"], event.fields["severity"]) == ("local4", "notice")
    assert event.fields["pid"] == 8710
    assert event.fields["message"] == "%% It's time to make the do-nuts."


def test_rfc5424_examples_3_and_4() -> None:
    """Structured data becomes fields, with and without a message."""
    start = "<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog - ID47 "
    one = '[exampleSDID@32473 iut="3" eventSource="Application" eventID="1011"]'
    event = read(f"{start}{one} \ufeffAn application event log entry...")
    assert event.fields["sd.exampleSDID@32473.eventSource"] == "Application"
    assert event.fields["message"] == "An application event log entry..."
    event = read(f'{start}{one}[examplePriority@32473 class="high"]')
    assert event.fields["sd.examplePriority@32473.class"] == "high"
    assert event.fields["message"] == ""


def test_structured_data_escapes_repeats_and_damage() -> None:
    """Escapes are undone, repeated parameters make a list, an unescaped bracket is tolerated, damage is message."""
    start = "<13>1 2003-10-11T22:14:15Z h p - - "
    fields = read(start + r'[a x="1 \"q\" \\ \] \n" y="]" x="2"] m').fields
    assert fields["sd.a.x"] == [r'1 "q" \ ] \n', "2"]
    assert fields["sd.a.y"] == "]"
    assert fields["message"] == "m"
    assert read(start + '[broken x="1 m').fields["message"] == '[broken x="1 m'
    assert read(start + "-m").fields["message"] == "-m"


# ---- RFC 3164 section 5.4


def test_rfc3164_example_1() -> None:
    """The classic form, in the zone of the settings, with the year of receipt."""
    event = read("<34>Oct 11 22:14:15 mymachine su: 'su root' failed for lonvick on /dev/pts/8")
    assert event.time == micros(datetime(2025, 10, 11, 22, 14, 15, tzinfo=VIETNAM))  # 11 October 2026 is ahead of NOW
    assert event.host == "mymachine"
    assert event.logsource == LogSource("linux", None, "auth")
    assert event.fields["TargetUser"] == "root"
    assert event.fields["User"] == "lonvick"
    assert event.fields["Action"] == "su_failed"


def test_rfc3164_example_2() -> None:
    """No PRI at all: user.notice, the whole text is the message, the sender is the host, the time that of receipt."""
    event = read("Use the BFG!")
    assert (event.fields["facility"], event.fields["severity"]) == ("user", "notice")
    assert event.fields["message"] == "Use the BFG!"
    assert (event.host, event.time, event.source["clock"]) == ("192.0.2.9", NOW, "missing")


def test_rfc3164_examples_3_and_4() -> None:
    """A zone where the host should be is the host; a header of another kind is content."""
    event = read("<165>Aug 24 05:34:00 CST 1987 mymachine myproc[10]: %% It's time to make the do-nuts.")
    assert event.host == "CST"
    assert event.fields["message"].startswith("1987 mymachine myproc[10]: %% It's")
    text = "1990 Oct 22 10:52:01 TZ-6 scapegoat.dmz.example.org 10.1.2.3 sched[0]: That's All Folks!"
    event = read(f"<0>{text}")
    assert event.fields["message"] == text
    assert (event.fields["facility"], event.source["clock"]) == ("kern", "missing")


def test_priorities_that_are_none() -> None:
    """Leading zeros, more than 191 and letters are content (section 4.3.3)."""
    for text in ("<00>Oct 11 22:14:15 h p: x", "<192>1 - h p - - - x", "<999>x", "<a>x", "<13"):
        event = read(text)
        assert event.fields["message"] == text
        assert event.fields["facility"] == "user"


@pytest.mark.parametrize(
    ("text", "host", "program", "pid", "message"),
    [
        ("<13>Sep  2 03:04:05 h CRON[12]: (root) CMD (x)", "h", "CRON", 12, "(root) CMD (x)"),
        ("<13>Sep  2 03:04:05 su: no host", "192.0.2.9", "su", None, "no host"),
        ("<13>2026-09-02T03:04:05.123456+07:00 h app[7]: m", "h", "app", 7, "m"),
        ("<13>Sep  2 03:04:05 2001:db8::7 postfix/smtpd[9]: m", "2001:db8::7", "postfix/smtpd", 9, "m"),
        ("<13>Sep  2 2026 03:04:05 fw %ASA-6-302013: Built", "fw", "%ASA-6-302013", None, "Built"),
        ("<189>6705: *Sep  2 03:04:05.673: %SYS-5-CONFIG_I: x", "192.0.2.9", "%SYS-5-CONFIG_I", None, "x"),
        ("<13>Sep  2 03:04:05 h just text", "h", None, None, "just text"),
        ("<13>app[77]: no time", "192.0.2.9", "app", 77, "no time"),
        ("Sep  2 03:04:05 h systemd[1]: a file's line", "h", "systemd", 1, "a file's line"),
    ],
)
def test_headers_as_they_are_sent(text: str, host: str, program: str | None, pid: int | None, message: str) -> None:
    """What real senders make of RFC 3164."""
    event = read(text)
    assert event.host == host
    assert event.fields.get("program") == program
    assert event.fields.get("pid") == pid
    assert event.fields["message"] == message


# ---- times


def bsd(stamp: str, received: datetime, zone: ZoneInfo = VIETNAM) -> Event:
    return read(f"<13>{stamp} h p: m", micros(received), zone)


def test_years_around_new_year() -> None:
    """The old year's last messages come after midnight; a clock that is ahead begins the new one early."""
    received = datetime(2027, 1, 1, 0, 10, tzinfo=VIETNAM)
    assert bsd("Dec 31 23:59:59", received).time == micros(datetime(2026, 12, 31, 23, 59, 59, tzinfo=VIETNAM))
    received = datetime(2026, 12, 31, 23, 59, 50, tzinfo=VIETNAM)
    assert bsd("Jan  1 00:00:05", received).time == micros(datetime(2027, 1, 1, 0, 0, 5, tzinfo=VIETNAM))


def test_29_february() -> None:
    """It belongs to the last leap year that is not ahead, and to no other."""
    received = datetime(2026, 11, 22, tzinfo=VIETNAM)
    assert bsd("Feb 29 12:00:00", received).time == micros(datetime(2024, 2, 29, 12, tzinfo=VIETNAM))
    received = datetime(2028, 2, 29, 13, tzinfo=VIETNAM)
    assert bsd("Feb 29 12:00:00", received).time == micros(datetime(2028, 2, 29, 12, tzinfo=VIETNAM))


def test_a_day_off_is_the_same_year() -> None:
    """A clock that is a day ahead is not taken for last year's: it is in the future, and the event says so."""
    received = datetime(2026, 11, 22, 12, tzinfo=VIETNAM)
    event = bsd("Nov 23 12:00:00", received)
    assert (event.time, event.source["clock"]) == (micros(received), "future")


def test_the_zone_is_the_setting() -> None:
    """The same text means another moment in another zone; an offset in the message wins."""
    received = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert bsd("Nov 22 10:00:00", received, ZoneInfo("UTC")).time == micros(datetime(2026, 11, 22, 10, tzinfo=UTC))
    assert bsd("Nov 22 10:00:00", received).time == micros(datetime(2026, 11, 22, 3, tzinfo=UTC))
    event = read("<13>1 2026-09-01T10:00:00+07:00 h p - - - m")
    assert event.time == micros(datetime(2026, 9, 1, 3, tzinfo=UTC))


@pytest.mark.parametrize(
    ("stamp", "why"),
    [
        ("-", "missing"),
        ("2026-13-01T00:00:00Z", "unreadable"),
        ("2026-09-21", "unreadable"),
        ("1969-12-31T23:59:59Z", "unreadable"),
        ("0001-01-01T00:00:00+14:00", "unreadable"),
        ("9999-12-31T23:59:59-23:00", "future"),
        ("yesterday", "unreadable"),
    ],
)
def test_times_that_are_replaced(stamp: str, why: str) -> None:
    """The time of receipt stands in for one that is missing, unreadable or far ahead; the event says why."""
    event = read(f"<13>1 {stamp} h p - - - m")
    assert (event.time, event.source["clock"]) == (NOW, why)


def test_times_that_are_kept() -> None:
    """Delay is never skew, and a little ahead is within the bound."""
    assert "clock" not in read("<13>1 2019-01-01T00:00:00Z h p - - - m").source
    event = parse(b"<13>1 2026-09-21T14:14:20Z h p - - - m", received=NOW, site="s", max_future=60)
    assert event.time == NOW + 60 * SECOND
    assert read("<13>Feb 30 25:00:00 h p: m").source["clock"] == "unreadable"


# ---- what is unusable


@pytest.mark.parametrize("raw", [b"", b" \t ", b"\0\0\0", b"<13>", b"<13>  \0", b"\xef\xbb\xbf"])
def test_nothing_is_a_dead_letter(raw: bytes) -> None:
    """A message without content has no event."""
    with pytest.raises(DeadLetter) as error:
        read(raw)
    assert error.value.reason == "empty"


@pytest.mark.parametrize("raw", ["<34>1 ", "<34>1 2003-10-11T22:14:15Z", "<34>1 2003-10-11T22:14:15Z host app -"])
def test_a_header_cut_short_is_a_dead_letter(raw: str) -> None:
    """RFC 5424 claimed, and not whole."""
    with pytest.raises(DeadLetter) as error:
        read(raw)
    assert error.value.reason == "malformed_header"


# ---- charsets


@pytest.mark.parametrize(
    ("raw", "charset", "message"),
    [
        ("<13>1 - h p - - - Tiếng Việt".encode(), "utf-8", "Tiếng Việt"),
        (b"<13>1 - h p - - - caf\xe9", "latin-1", "café"),
        (b"<13>1 - h p - - - \x80\x81", "base64", "\ufffd\ufffd"),
        (b"<13>1 - h p - - - a\0b\x1b[31m", "utf-8", "a\0b\x1b[31m"),
        (b"\xef\xbb\xbf<13>1 - h p - - - m", "utf-8", "m"),
    ],
)
def test_charsets(raw: bytes, charset: str, message: str) -> None:
    """Every byte can be had back, and the message is text whatever it was."""
    event = read(raw)
    assert event.charset == charset
    assert event.fields["message"] == message
    assert event.raw_bytes() == raw


NASTY = st.one_of(
    st.binary(max_size=300),
    st.builds(
        lambda p, v, rest: f"<{p}>{v}".encode() + rest,
        st.integers(-1, 300),
        st.sampled_from(["", "1 ", "1 - - - - - ", "2 ", "Sep  2 03:04:05 ", "1 2026-09-02T03:04:05Z h sshd 1 - "]),
        st.binary(max_size=200),
    ),
    st.builds(
        lambda program, text: f"<38>Sep  2 03:04:05 h {program}[1]: {text}".encode("utf-8", "surrogateescape"),
        st.sampled_from(["sshd", "sudo", "CRON", "nginx", "postgres", "su", "useradd", "x"]),
        st.text(alphabet=st.characters(codec="utf-8"), max_size=200),
    ),
)


@given(NASTY)
@example(b'<13>1 - - - - - [a b="\\')
@example(b'<38>Sep  2 03:04:05 h nginx: 1 - - [x] "\\" 200 1')
def test_content_never_raises(raw: bytes) -> None:
    """Any bytes make an event that survives the wire with its raw, or a dead letter: nothing else."""
    try:
        event = read(raw)
    except DeadLetter:
        return
    assert from_wire(to_wire(event)) == event
    assert event.raw_bytes() == raw
    assert event.time >= 0


@given(st.text(max_size=50))
def test_parsers_alone_never_raise(text: str) -> None:
    """Each format's parser gives parts or None, whatever the text (lone surrogates too)."""
    for prefix in ("", "<13>", "<13>1 ", "<13>1 - - - - - ", "<13>Sep  2 03:04:05 "):
        rfc5424.parse(prefix + text, UTC)
        rfc3164.parse(prefix + text, UTC, NOW)


HEAD = "<38>Sep  2 03:04:05 h "
HOSTILE = [
    '<13>1 - h p - - [a b="' + '\\"' * 30_000,
    "<13>1 - h p - - " + '[a b="c"]' * 7_000 + "x",
    "<13>1 - h p - - [a" + ' b="c"' * 10_000,
    "<13>1" + " " * 60_000,
    HEAD + "sshd[1]: Failed password for " + " from 1 port 1" * 4_500 + "!",
    HEAD + "sshd[1]: Failed password for " + " from " + "x" * 60_000,
    HEAD + "sshd[1]: Connection closed by invalid user " + "1 port 1 " * 7_000 + "!",
    HEAD + "sshd[1]: " + "message repeated 2 times: [ " * 2_000 + "]" * 2_000,
    HEAD + "sshd[1]: pam_unix(sshd:session): session opened for user " + " by " * 15_000,
    HEAD + "sshd[1]: pam_unix(sshd:session): session opened for user " + "(uid=" + "1" * 60_000,
    HEAD + "sudo: a : " + " ; USER=" * 8_000,
    HEAD + "CRON[1]: (a) CMD " + "(" * 60_000,
    HEAD + "nginx: 1 - " + "[a] " * 15_000,
    HEAD + 'nginx: 1 - - [a] "' + '\\"' * 30_000,
    HEAD + "nginx: 1 - " + ' [a] "b" 1' * 6_000,
    HEAD + "postgres[1]: user=" + " " * 60_000 + "x",
    HEAD + "postgres[1]: user=" + "user=" * 12_000 + " LOG:  x",
    HEAD + 'postgres[1]: FATAL:  no pg_hba.conf entry for host "x", user "' + '", database "' * 4_500 + '"x',
    HEAD + "postgres[1]: LOG:  disconnection: session time: 1 user=" + " database=" * 3_000 + " host=" * 5_000 + "!",
    HEAD + "postgres[1]: LOG:  connection authorized: user=" + " database=x" * 5_000,
    HEAD + "postgres[1]: ERROR:  relation " + " does not exist" * 4_000 + "\n",
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_no_pattern_runs_away(text: str) -> None:
    """64 KiB made to backtrack cost milliseconds (quadratic patterns would take seconds)."""
    start = stopwatch.process_time()
    with contextlib.suppress(DeadLetter):
        read(text[:65_536])
    assert stopwatch.process_time() - start < 0.25


# ---- recordings of real daemons


@pytest.mark.parametrize("name", ["auth", "cron", "postgresql", "sshd", "sudo"])
def test_both_formats_of_a_recording_agree(name: str) -> None:
    """One sender sent the same messages as RFC 3164 and RFC 5424: same fields, host and second."""
    old = (RECORDINGS / f"{name}.log").read_bytes().splitlines()
    new = (RECORDINGS / "rfc5424" / f"{name}.log").read_bytes().splitlines()
    received = micros(datetime(2026, 11, 23, tzinfo=UTC))
    assert len(old) == len(new) > 0
    for one, two in zip(old, new, strict=True):
        a, b = read(one, received, ZoneInfo("UTC")), read(two, received, ZoneInfo("UTC"))
        assert (a.fields, a.host, a.logsource, a.time // SECOND) == (b.fields, b.host, b.logsource, b.time // SECOND)
