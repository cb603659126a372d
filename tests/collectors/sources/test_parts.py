"""A file in parts: every line once, in order, whatever the parts' size."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collectors.framing import Bad
from collectors.sources import parts as module
from collectors.sources.files import DamagedError
from collectors.sources.parts import Part, json_lines, parts

LIMIT = 100
RECORD = b'{"a": 1}'

lines_of_bytes = st.lists(st.one_of(st.binary(max_size=40), st.just(b"x" * 300), st.just(b"\r")), max_size=20)


def read(pieces: Sequence[Part]) -> list[bytes]:
    """The lines of the parts, a Bad one as its first bytes."""
    found = []
    for piece in pieces:
        lines = json_lines(piece, LIMIT)
        assert lines is not None
        found += [line.raw if isinstance(line, Bad) else line for line in lines]
    return found


@given(lines=lines_of_bytes, size=st.integers(1, 400), ended=st.booleans())
def test_the_parts_hold_each_line_once(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int, ended: bool
) -> None:
    """Put together they are the file, and each begins where a line does."""
    content = b"\n".join([RECORD, *lines]) + (b"\n" if ended else b"")
    file = tmp_path_factory.getbasetemp() / "file"
    file.write_bytes(content)
    pieces = list(parts(file, size))
    assert b"".join(content[piece.start : piece.end] for piece in pieces) == content
    assert all(not piece.start or content[piece.start - 1 : piece.start] == b"\n" for piece in pieces)
    assert b"".join(read(pieces)) == content


def test_a_line_without_end_is_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first bytes come as Bad, and the line behind it is read."""
    monkeypatch.setattr(module, "SIZE", 50)
    file = tmp_path / "file"
    file.write_bytes(RECORD + b"\n" + b"x" * 1000 + b"\n" + RECORD)
    assert read(list(parts(file, 50))) == [RECORD, b"x" * LIMIT, RECORD]


def test_what_is_no_plain_json_lines_is_one_part(tmp_path: Path) -> None:
    """Compressed lines are read through; a document over several lines and text are somebody else's."""
    packed, document, text = tmp_path / "a", tmp_path / "b", tmp_path / "c"
    packed.write_bytes(gzip.compress(RECORD + b"\n" + RECORD))
    document.write_bytes(b'[\n{"a":\n1}]')
    text.write_bytes(b"<38>hello")
    assert read(list(parts(packed, 1))) == [RECORD, RECORD]
    assert str(Part(packed)) == str(packed)
    assert str(Part(packed, 1, 5)) == f"{packed}, bytes 1 to 5"
    for file in (document, text):
        assert list(parts(file, 1)) == [Part(file)]
        assert json_lines(Part(file), LIMIT) is None


def test_a_damaged_file_says_so_behind_its_good_lines(tmp_path: Path) -> None:
    """As in a replay."""
    file = tmp_path / "file"
    file.write_bytes(gzip.compress((RECORD + b"\n") * 100)[:-8])
    lines = iter(json_lines(Part(file), LIMIT) or ())
    assert [next(lines) for _ in range(100)] == [RECORD] * 100
    with pytest.raises(DamagedError):
        next(lines)


def test_what_cannot_be_read_is_left_to_who_reads_it(tmp_path: Path) -> None:
    """A file that is not there, a folder, a link to itself."""
    loop = tmp_path / "file"
    loop.symlink_to(loop)
    for path in (loop, tmp_path, tmp_path / "nothing"):
        assert list(parts(path)) == [Part(path)]
