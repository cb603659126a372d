"""A recording in parts that several processes can read at once: JSON lines by ranges of bytes, other files whole."""

import os
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from collectors.framing import Bad
from collectors.sources import jsonfile
from collectors.sources.files import CHUNK, GZIP, ZSTD, Content, DamagedError, lines

SIZE: Final = 8 * 1024 * 1024
"""Bytes of a part, but for the line that goes over its end. A process holds one part."""


class Part(NamedTuple):
    """Some of a file's lines, from byte `start` to byte `end`; `end` None: the whole file, whatever it is."""

    path: Path
    start: int = 0
    end: int | None = None

    def __str__(self) -> str:
        """Return it for a message."""
        return str(self.path) if self.end is None else f"{self.path}, bytes {self.start} to {self.end}"


def parts(path: Path, size: int = SIZE) -> Iterator[Part]:
    """Yield a file's parts in order. One that cannot be read is one part: who reads it says why."""
    if not _is_plain_lines(path):
        yield Part(path)
        return
    with path.open("rb") as file:
        start, whole = 0, os.fstat(file.fileno()).st_size
        while start < whole:
            end = _line_end(file, min(start + size, whole))
            yield Part(path, start, end)
            start = end


class Lines:
    """The lines of a part of a file, with their ends or without, once. `position`: bytes of the part that were read."""

    def __init__(self, lines: Iterator[bytes | Bad], content: Content | None = None) -> None:
        """Take the lines, and whose position is theirs; None: they are in memory."""
        self._lines = lines
        self._content = content

    def __iter__(self) -> Iterator[bytes | Bad]:
        """Return the lines. One of more than the limit may come as Bad or whole: look at its length."""
        return self._lines

    @property
    def position(self) -> int:
        """How far a progress bar should be; 0 where a part is done in no time."""
        return self._content.position if self._content else 0


def json_lines(part: Part, limit: int) -> Lines | None:
    """Return the lines of a part; None where the file is no JSON lines. What is compressed is decompressed.

    To read them raises DamagedError where a compressed file ends badly.
    """
    if part.end is not None:
        return Lines(_range(part.path, part.start, part.end, limit))
    content = _Content(part.path)
    chunks = iter(content)
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= CHUNK:
            break
    if not jsonfile.is_json(head) or not jsonfile.is_lines(head):
        return None
    return Lines(_until_damage(lines(chain((head,), chunks), limit), content), content)


class _Content(Content):
    """A file's content as far as it can be read."""

    damage: DamagedError | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from super().__iter__()
        except DamagedError as error:
            self.damage = error


def _until_damage(read: Iterator[bytes | Bad], content: _Content) -> Iterator[bytes | Bad]:
    yield from read
    if content.damage:
        raise content.damage


def _range(path: Path, start: int, end: int, limit: int) -> Iterator[bytes | Bad]:
    if end - start > 2 * SIZE:  # a line without end, which is not held
        return lines(_chunks(path, start, end), limit)
    with path.open("rb") as file:
        file.seek(start)
        return iter(BytesIO(file.read(end - start)))


def _chunks(path: Path, start: int, end: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        file.seek(start)
        while start < end and (chunk := file.read(min(CHUNK, end - start))):
            start += len(chunk)
            yield chunk


def _line_end(file: BinaryIO, at: int) -> int:
    """Return the first place from `at` on at which a line begins, or the file's end."""
    file.seek(at - 1)
    for piece in iter(partial(file.readline, CHUNK), b""):
        if piece.endswith(b"\n"):
            break
    return file.tell()


def _is_plain_lines(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(CHUNK)
    except OSError:
        return False
    return not head.startswith((GZIP, ZSTD)) and jsonfile.is_json(head) and jsonfile.is_lines(head)
