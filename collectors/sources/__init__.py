"""Recordings: files whose records become events again. What a file is, its content says, not its name."""

import hashlib
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from collectors import syslog
from collectors.framing import Bad
from collectors.sources import evtxfile, jsonfile
from collectors.sources.files import CHUNK, Content, DamagedError, lines
from collectors.sources.record import BadRecord, Options, Origin
from soc.errors import DeadLetter, Stop
from soc.events import Event

__all__ = ["BadRecord", "Options", "Recording", "read"]

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_BINARY_SHARE: Final = 10


class Recording:
    """One file, read once from its beginning to its end."""

    def __init__(self, path: Path, options: Options) -> None:
        """Look at the file. Raises Stop where it cannot be read."""
        self.path = path
        self._options = options
        self._content = Content(path)
        self._damage = ""
        self._last = 0
        try:
            if path.exists() and not path.is_file():
                raise Stop(f"{path}: no regular file; name files, and write what comes out of a pipe to one first")
            with path.open("rb") as file:
                self._digest = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
                self.size = file.seek(0, 2)
        except OSError as error:
            raise Stop(f"{path}: cannot be read: {error.strerror}") from None

    @property
    def position(self) -> int:
        """How many of the file's `size` bytes have been read, for a progress bar."""
        return min(self._content.position, self.size)

    def __iter__(self) -> Iterator[Event | BadRecord]:
        """Yield every record in order. The id of an event depends on the file's bytes and the record's number alone."""
        origin = Origin(self.path.name, self._digest, self._options)
        for record in self._records(origin):
            self._last = record.number if isinstance(record, BadRecord) else self._last + 1
            yield record
        if self._damage:
            yield BadRecord("truncated", self._damage, b"", self._last + 1, 0)

    def _chunks(self) -> Iterator[bytes]:
        """Yield the content as far as it can be read."""
        try:
            yield from self._content
        except DamagedError as error:
            self._damage = str(error)

    def _records(self, origin: Origin) -> Iterator[Event | BadRecord]:
        head, chunks = b"", self._chunks()
        for chunk in chunks:
            head += chunk
            if len(head) >= CHUNK:
                break
        if head.startswith(evtxfile.MAGIC):
            yield from self._evtx(origin)
        elif jsonfile.is_json(head):
            yield from jsonfile.read(head, chunks, origin)
        elif head.startswith(_UTF16) or head[:CHUNK].count(0) * _BINARY_SHARE > len(head[:CHUNK]):
            remedy = "neither JSON, EVTX nor text in UTF-8 or Latin-1; convert it first"
            yield BadRecord("unknown_format", remedy, head[:1000], 1, self.size)
        else:
            yield from _syslog(chain((head,), chunks), origin)

    def _evtx(self, origin: Origin) -> Iterator[Event | BadRecord]:
        with self.path.open("rb") as file:
            if not file.read(len(evtxfile.MAGIC)).startswith(evtxfile.MAGIC):
                yield BadRecord("unknown_format", "a compressed EVTX: decompress it first", b"", 1, self.size)
                return
            for record in evtxfile.read(file, origin):
                self._content.position = file.tell()
                yield record


def _syslog(chunks: Iterator[bytes], origin: Origin) -> Iterator[Event | BadRecord]:
    options = origin.options
    for number, line in enumerate(lines(chunks, options.limit), 1):
        if isinstance(line, Bad):
            yield BadRecord(line.reason, f"a line of {line.size} bytes", line.raw, number, line.size)
            continue
        if not line.strip():
            continue
        source = {"type": "syslog", "file": origin.name, "record": number}
        try:
            event = syslog.parse(
                line,
                received=options.now(),
                site=options.site,
                source=source,
                id=origin.id(number),
                zone=options.zone,
                max_future=options.max_future,
            )
        except DeadLetter as error:
            yield BadRecord(error.reason, error.detail, line, number, len(line))
            continue
        yield event._replace(logsource=options.logsource) if any(options.logsource) else event


def read(path: Path, options: Options) -> Iterator[Event | BadRecord]:
    """Yield the records of a file in order. Raises Stop where it cannot be read."""
    yield from Recording(path, options)
