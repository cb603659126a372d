"""Rule files as they lie on the disk: which there are, their bytes, and a fingerprint of all that a compile depends on.

Both the compiler and whoever wants to know whether its last answer still stands read the files by this, in this order.
No pySigma here: this is read in a running consumer too.
"""

import os
import stat
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from functools import cache
from hashlib import blake2b
from importlib.metadata import version
from pathlib import Path
from typing import Final, NamedTuple

MAX_FILE: Final = 1_048_576
"""Bytes of the largest rule file that is read."""

REFUSED: Final = 65
"""The compiler's exit status where its request cannot be answered, for the reason on standard error (EX_DATAERR)."""

FINGERPRINT: Final = 64
"""Characters of a fingerprint."""

ROOM: Final = Path(__file__).parent.parent
DEPENDS_ON: Final = (
    *("compiler/*.py", "correlation/rule.py", "correlation/plan.py"),
    *("limit.py", "source.py", "syntax.py", "../soc/alerts.py", "../soc/events.py"),
)
"""The code that a compiled rule depends on: what reads rules, and what rules are made of."""

PACKAGES: Final = ("pysigma", "pyyaml")


class RuleFile(NamedTuple):
    """A file's bytes; or, of a file or folder that cannot be read, why."""

    path: str
    data: bytes
    error: str = ""


def read_all(paths: Sequence[Path]) -> Iterator[RuleFile]:
    """Yield each rule file once, folders in the order of names; links are followed, names that begin with a dot are not.

    A path that is named itself is read whatever its name.
    """
    seen: set[tuple[int, int]] = set()
    for path in paths:
        for each in _within(path, seen) if _is_folder(path) else [path]:
            if (found := each if isinstance(each, RuleFile) else _read(each, seen)) is not None:
                yield found


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # no permission: to read it fails too, and that is told
        return False


def _within(top: Path, seen: set[tuple[int, int]]) -> Iterator[Path | RuleFile]:
    unreadable: list[OSError] = []
    for folder, folders, names in os.walk(top, onerror=unreadable.append, followlinks=True):
        try:
            if not _first_time(Path(folder).stat(), seen):  # a link that leads back, or to what was read already
                folders.clear()
                continue
        except OSError as error:  # gone between two calls
            unreadable.append(error)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(names) if is_rule(name))
    yield from (RuleFile(str(error.filename), b"", f"cannot be read: {error}") for error in unreadable)


def is_rule(name: str) -> bool:
    """Tell whether a file in a folder of rules is one, by its name."""
    return name.endswith((".yml", ".yaml")) and not name.endswith((".samples.yml", ".samples.yaml")) and name[0] != "."


def _first_time(found: os.stat_result, seen: set[tuple[int, int]]) -> bool:
    identity = (found.st_dev, found.st_ino)
    if identity in seen:
        return False
    seen.add(identity)
    return True


def _read(path: Path, seen: set[tuple[int, int]]) -> RuleFile | None:
    """Return the file, or None where it was read under another name."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a FIFO would block for ever
        with closing(os.fdopen(descriptor, "rb")) as stream:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return RuleFile(str(path), b"", "cannot be read: not a file")
            if not _first_time(found, seen):
                return None
            data = stream.read(MAX_FILE + 1)
    except OSError as error:
        return RuleFile(str(path), b"", f"cannot be read: {error}")
    if len(data) > MAX_FILE:
        return RuleFile(str(path), b"", f"cannot be read: larger than {MAX_FILE} bytes")
    return RuleFile(str(path), data)


class Fingerprint:
    """What a compile's answer depends on, in `FINGERPRINT` characters: the request, each file, our code, its libraries."""

    def __init__(self, request: bytes) -> None:
        """Begin with what is asked of the compiler."""
        self._state = blake2b(digest_size=FINGERPRINT // 2)
        self._take(_code(), request)

    def add(self, file: RuleFile) -> None:
        """Take the next file."""
        self._take(os.fsencode(file.path), file.data, file.error.encode("utf-8", "surrogatepass"))

    def __str__(self) -> str:
        """Return the fingerprint of what was taken so far."""
        return self._state.hexdigest()

    def _take(self, *parts: bytes) -> None:
        for part in parts:
            self._state.update(b"%d:" % len(part))
            self._state.update(part)


@cache
def _code() -> bytes:
    """Return a digest of the code that compiles, and the versions of what it builds on."""
    state = blake2b(f"{sys.version} {[version(name) for name in PACKAGES]}".encode())
    for pattern in DEPENDS_ON:
        for file in sorted(ROOM.glob(pattern)):
            state.update(file.read_bytes())
    return state.digest()
