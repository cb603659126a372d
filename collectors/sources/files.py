"""A file's content as chunks, decompressed as its first bytes say. Streaming: a bomb costs time, not memory."""

import mmap
import os
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import cramjam

from collectors.framing import Bad

CHUNK: Final = 64 * 1024
GZIP: Final = b"\x1f\x8b"
ZSTD: Final = b"\x28\xb5\x2f\xfd"


class DamagedError(Exception):
    """The compressed stream is cut short or broken; what came before it is good."""


class Content:
    """A file's content in chunks of bounded size. `position`: how many bytes of the file itself have been read."""

    def __init__(self, path: Path) -> None:
        """Open nothing yet."""
        self._path = path
        self.position = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield chunks. Raises OSError, and DamagedError where a compressed stream ends badly."""
        with self._path.open("rb") as file:
            magic = file.read(4)
            file.seek(0)
            if magic.startswith(GZIP):
                yield from self._gzip(file)
            elif magic == ZSTD:
                yield from self._zstd(file)
            else:
                yield from self._plain(file)

    def _plain(self, file: BinaryIO) -> Iterator[bytes]:
        while chunk := file.read(CHUNK):
            self.position += len(chunk)
            yield chunk

    def _gzip(self, file: BinaryIO) -> Iterator[bytes]:
        """Members one after another (RFC 1952 section 2.2)."""
        stream = None
        for chunk in self._plain(file):
            data, out = chunk, b""
            while data or len(out) == CHUNK:  # output that did not fit is asked for without new input
                stream = stream or zlib.decompressobj(wbits=31)
                try:
                    out = stream.decompress(data, CHUNK)
                except zlib.error as error:
                    raise DamagedError(f"gzip: {error}") from None
                if out:
                    yield out
                data = stream.unconsumed_tail
                if stream.eof:
                    data, out, stream = stream.unused_data.lstrip(b"\0"), b"", None  # zeros: padding of old tools
        if stream:
            raise DamagedError("gzip: the end is missing")

    def _zstd(self, file: BinaryIO) -> Iterator[bytes]:
        """The library decompresses whole files only, so a thread has it write into a pipe, which holds it back."""
        out, into = os.pipe()
        trouble: list[str] = []

        def pump() -> None:
            try:
                sink = cramjam.File(f"/dev/fd/{into}", read=False, write=True, truncate=False)
            finally:
                os.close(into)
            try:
                with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    cramjam.zstd.decompress_into(content, sink)
            except (cramjam.DecompressionError, OSError) as error:
                trouble.append(f"zstd: {error}")

        thread = threading.Thread(target=pump, name="zstd", daemon=True)
        thread.start()
        try:
            while chunk := os.read(out, CHUNK):
                yield chunk
        finally:
            os.close(out)  # a pump that still writes is ended by the broken pipe
            thread.join()
            self.position = os.fstat(file.fileno()).st_size
        if trouble:
            raise DamagedError(trouble[0])


def lines(chunks: Iterator[bytes], limit: int) -> Iterator[bytes | Bad]:
    """Yield each line without its end; one of more than `limit` bytes as Bad. Lines are found by LF alone."""
    rest, dropped = b"", 0
    for chunk in chunks:
        *whole, last = chunk.split(b"\n")
        for part in whole:
            if dropped:
                yield Bad("oversized", rest, dropped + len(part))
            elif len(rest) + len(part) > limit:
                yield Bad("oversized", (rest + part)[:limit], len(rest) + len(part))
            else:
                yield (rest + part).removesuffix(b"\r")
            rest, dropped = b"", 0
        if dropped:
            dropped += len(last)
        elif len(rest) + len(last) > limit:
            dropped, rest = len(rest) + len(last), (rest + last)[:limit]
        else:
            rest += last
    if dropped:
        yield Bad("oversized", rest, dropped)
    elif rest:
        yield rest.removesuffix(b"\r")
