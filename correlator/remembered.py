"""What the correlate stage keeps in a commit's metadata: where a replay begins, and from when rules are judged.

    {"m": OFFSET, "b": {BEGIN: "NAMES"}}

m: the lowest offset of soc.hits that the state at the commit needs. b: for each instant (microseconds since the epoch) the
names, NAME characters each, of the judged correlations that began then. One that is not named begins afresh.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

import orjson

from soc.bus.topics import MAX_METADATA
from soc.events import digest

NAME: Final = 8
"""Characters of a digest of the correlation's version: few enough for some 480 correlations."""


class Remembered(NamedTuple):
    """What a commit said. `begins`: of each named correlation (see `name`) when it began."""

    lowest: int
    begins: Mapping[str, int]


class Written(NamedTuple):
    """A commit's metadata. `forgotten`: how many correlations found no room: they begin afresh after a restart."""

    metadata: str
    forgotten: int


def name(version: str) -> str:
    """Return the name that a version has in metadata."""
    return digest(version)[:NAME]


def write(lowest: int, begins: Mapping[str, int]) -> Written:
    """Return the metadata; `begins`: of each judged version when it began. The oldest are named first."""
    room = MAX_METADATA - len(_document(lowest, {}))
    named: dict[str, str] = {}
    forgotten = 0
    for version, begin in sorted(begins.items(), key=lambda each: (each[1], each[0])):
        key = str(begin)
        needed = NAME if key in named else NAME + len(key) + len('"":"",')
        if needed > room:
            forgotten += 1
            continue
        room -= needed
        named[key] = named.get(key, "") + name(version)
    return Written(_document(lowest, named), forgotten)


def read(metadata: str) -> Remembered | None:
    """Return what a commit's metadata says, or None where it is not of this form."""
    try:
        document = orjson.loads(metadata)
        begins = {
            names[at : at + NAME]: int(begin)
            for begin, names in document["b"].items()
            for at in range(0, len(names), NAME)
        }
        return Remembered(int(document["m"]), begins)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def _document(lowest: int, named: Mapping[str, str]) -> str:
    return orjson.dumps({"m": lowest, "b": named}).decode()
