"""RFC 6587 framing: what a stream gives depends on its bytes alone."""

from collections.abc import Iterable
from time import process_time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from collectors.framing import CREDIBLE, Bad, Framer

LIMIT = 40


def frames(stream: bytes, sizes: Iterable[int] = (), limit: int = LIMIT) -> list[bytes | Bad]:
    """Feed the stream in pieces of these sizes, the rest at once, and end it."""
    framer = Framer(limit)
    out, at = [], 0
    for size in sizes:
        out += framer.feed(stream[at : at + size])
        at += size
    return [*out, *framer.feed(stream[at:]), *framer.finish()]


def counted(message: bytes) -> bytes:
    return b"%d %s" % (len(message), message)


def test_both_framings_on_one_connection() -> None:
    """Counted and LF-ended messages may follow one another."""
    stream = counted(b"<13>one") + b"<14>two\n" + counted(b"<15>three") + b"\n<16>four\r\n"
    assert frames(stream) == [b"<13>one", b"<14>two", b"<15>three", b"<16>four"]


def test_lf_inside_a_counted_message_is_content() -> None:
    """Octet counting is transparent: LF, NUL and digits stay in the message."""
    assert frames(counted(b"<13>a\n5 <1>b\0c") + counted(b"<13>d")) == [b"<13>a\n5 <1>b\0c", b"<13>d"]


def test_nul_as_a_trailer() -> None:
    """A connection whose first trailer is NUL in front of a PRI uses NUL; a message is complete without the next."""
    framer = Framer(LIMIT)
    assert framer.feed(b"<13>a\0<13>b\0") == [b"<13>a", b"<13>b"]
    assert framer.feed(b"<13>c\nd\0") == [b"<13>c\nd"]


def test_nul_is_content_on_an_lf_connection() -> None:
    """Once LF ends messages, a NUL cannot begin one: no forging by content."""
    assert frames(b"<13>a\n<13>b\0<38>forged\n") == [b"<13>a", b"<13>b\0<38>forged"]


def test_lines_without_a_priority() -> None:
    """A line that begins with anything else, digits too, is a message."""
    assert frames(b"Use the BFG!\n2026-11-22 up\n7 <b> x\n") == [b"Use the BFG!", b"2026-11-22 up", b"7 <b> x"]


def test_a_count_that_is_too_small_leaves_junk() -> None:
    """What a too small count leaves is reported, and the next message is found again, by LF or by count."""
    assert frames(b"6 <13>hello\n" + counted(b"<13>next")) == [b"<13>he", Bad("octet_count", b"llo", 3), b"<13>next"]
    assert frames(b"6 <13>hello" + counted(b"<13>next")) == [b"<13>he", Bad("octet_count", b"llo", 3), b"<13>next"]


def test_a_count_that_is_too_large_swallows_and_recovers() -> None:
    """A too large count takes the beginning of the next message; its rest is reported."""
    got = frames(b"10 <13>one" + counted(b"<13>two") + counted(b"<13>three"))
    assert got == [b"<13>one7 <", Bad("octet_count", b"13>two", 6), b"<13>three"]


def test_an_incredible_count_is_not_waited_for() -> None:
    """A count that no message has is wrong: reading goes on at the next one."""
    stream = b"%d <13>a\n" % (CREDIBLE + 1) + counted(b"<13>b")
    assert frames(stream) == [Bad("octet_count", b"%d <13>a" % (CREDIBLE + 1), 14), b"<13>b"]


def test_oversized_messages_are_skipped() -> None:
    """Both framings: the first bytes and the size are told, and the next message comes."""
    long = b"<13>" + b"x" * 100
    kept = long[:LIMIT]
    assert frames(counted(long) + counted(b"<13>a")) == [Bad("oversized", kept, 104), b"<13>a"]
    assert frames(long + b"\n<13>a\n") == [Bad("oversized", kept, 104), b"<13>a"]


@pytest.mark.parametrize("over", range(8))
def test_the_limit_is_exact_for_lines(over: int) -> None:
    """A line of the limit passes, one byte more does not, and the line behind it is untouched."""
    line = b"<13>".ljust(LIMIT + over, b"x")
    first = Bad("oversized", line[:LIMIT], LIMIT + over) if over else line
    assert frames(line + b"\n<1>\n") == [first, b"<1>"]


def test_the_end_of_the_stream() -> None:
    """A counted message cut short is truncated; a line without LF is a message."""
    assert frames(b"20 <13>half") == [Bad("truncated", b"<13>half", 8)]
    assert frames(counted(b"<13>a") + b"12") == [b"<13>a", Bad("truncated", b"12", 2)]
    assert frames(b"<13>no newline") == [b"<13>no newline"]
    assert frames(b"") == []


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.builds(lambda m: counted(b"<13>" + m), st.binary(max_size=60)),
        st.builds(lambda m, t: b"<13>" + m + t, st.binary(max_size=60), st.sampled_from([b"\n", b"\0", b"\r\n"])),
        st.builds(lambda n, m: b"%d <13>%s" % (n, m), st.integers(1, 10**9), st.binary(max_size=20)),
        st.sampled_from([b"\n", b"\0", b"\0<1", b"3>", b"12345678 <191>", b"9 <", b"0 <13>x"]),
    ),
    max_size=12,
)


@given(PIECES, st.lists(st.integers(1, 20)), st.integers(1, 50))
@example([b"<1>a\0<13", b">b"], [6], 4)
def test_any_split_gives_the_same(pieces: list[bytes], sizes: list[int], limit: int) -> None:
    """However the stream is cut, byte by byte too, the same messages come out."""
    stream = b"".join(pieces)
    whole = frames(stream, limit=limit)
    assert frames(stream, sizes, limit) == whole
    assert frames(stream, [1] * len(stream), limit) == whole


@given(PIECES, st.integers(1, 50))
def test_nothing_exceeds_the_limit(pieces: list[bytes], limit: int) -> None:
    """No message and no kept prefix is longer than the limit; what is waited for is bounded too."""
    framer = Framer(limit)
    for piece in pieces:
        for item in framer.feed(piece):
            assert len(item.raw if isinstance(item, Bad) else item) <= limit
        assert len(framer._rest) <= limit + 14


@given(st.lists(st.binary(min_size=1, max_size=30).filter(lambda m: m[-1:] not in b"\r\n\0")))
def test_counted_messages_come_back_exactly(bodies: list[bytes]) -> None:
    """Octet counting carries any bytes."""
    messages = [b"<13>" + body for body in bodies]
    assert frames(b"".join(map(counted, messages))) == messages


@pytest.mark.parametrize(
    "stream", [b"<13>" + b"a" * 60_000 + b"\n", b"60004 <13>" + b"a" * 60_000, b"1" * 60_000 + b"\n"]
)
def test_a_byte_at_a_time_is_not_read_over_and_over(stream: bytes) -> None:
    """What was searched for a trailer is not searched again: a slow sender must not cost more than a fast one."""
    framer, before = Framer(65_536), process_time()
    out = [item for at in range(len(stream)) for item in framer.feed(stream[at : at + 1])]
    assert len(out) == 1
    assert process_time() - before < 0.8
