"""EVTX: Windows' own event log files. A damaged chunk or record is reported, and reading goes on behind it."""

import struct
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import evtx
import orjson

from collectors.sources import windows
from collectors.sources.record import BadRecord, Origin
from soc import taxonomy
from soc.events import Event

MAGIC: Final = b"ElfFile\0"
_HEADER: Final = 4096
_CHUNK: Final = 65_536
_CHUNK_MAGIC: Final = b"ElfChnk\0"
_MOST_ERRORS: Final = 100_000


def read(file: BinaryIO, origin: Origin) -> Iterator[Event | BadRecord]:
    """Yield each record; what is damaged as BadRecord ("damaged_evtx", "truncated")."""
    number = 0
    file.seek(0)
    for number, item in enumerate(_records(file), 1):
        yield _bad(item, number) if isinstance(item, str) else _event(item, number, origin)
    for detail in _missing_chunks(file):
        number += 1
        yield BadRecord("truncated", detail, b"", number, 0)


def _records(file: BinaryIO) -> Iterator[dict[str, Any] | str]:
    """Yield what the parser gives, or the text of its error."""
    try:
        records = iter(evtx.PyEvtxParser(file, number_of_threads=1).records_json())
    except (RuntimeError, OSError, ValueError) as error:
        yield str(error)
        return
    for _ in range(_MOST_ERRORS):
        try:
            yield from records
        except (RuntimeError, OSError, ValueError) as error:
            yield str(error)
        except BaseException as error:
            if type(error).__name__ != "PanicException":  # how a bug in the parser comes out; it is no Exception
                raise
            yield str(error)
            return
        else:
            return


def _event(record: dict[str, Any], number: int, origin: Origin) -> Event | BadRecord:
    try:
        fields = windows.fields_of(orjson.loads(record["data"]))
    except orjson.JSONDecodeError as error:
        return _bad(str(error), number)
    if fields is None:
        return _bad("a record without System", number)
    time = windows.time_of(fields, origin.options.zone)
    host, logsource = windows.host_of(fields), taxonomy.windows(fields)
    return origin.event(number, time, host=host, logsource=logsource, fields=fields)


def _bad(detail: str, number: int) -> BadRecord:
    return BadRecord("damaged_evtx", detail[:500], b"", number, 0)


def _missing_chunks(file: BinaryIO) -> Iterator[str]:
    """Say which chunks the file's header promises and the parser passes over without a word, as they are not there.

    The count of chunks is the 16-bit number at byte 42 of the file header (libevtx, "Windows XML Event Log (EVTX)
    format", section 2).
    """
    size = file.seek(0, 2)
    file.seek(0)
    header = file.read(_HEADER)
    if len(header) < _HEADER:
        return
    (promised,) = struct.unpack_from("<H", header, 42)
    there = min(promised, (size - _HEADER) // _CHUNK)
    for offset in range(_HEADER, _HEADER + there * _CHUNK, _CHUNK):
        file.seek(offset)
        if file.read(len(_CHUNK_MAGIC)) != _CHUNK_MAGIC:
            yield f"the chunk at byte {offset} has no header"
    if there < promised:
        yield f"{promised - there} of {promised} chunks are missing or cut short at the end"
