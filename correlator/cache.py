"""Compiled rules on the disk, each answer of the compiler under the fingerprint of all that it depends on.

An answer is a pickle, and reading one can run code: it is taken only from a folder and a file that are ours and that
nobody else may write, whole, and made of nothing but the values that rules are made of. What is not so is compiled
again, and the log says why. Nothing here is an error: without the cache a start is slower.
"""

import gc
import os
import pickle
import stat
import tempfile
import time
from hashlib import blake2b
from io import BytesIO
from pathlib import Path
from re import RegexFlag
from typing import Any, Final

import structlog

from correlator import source, syntax
from correlator.correlation import plan
from correlator.correlation import rule as correlation
from correlator.source import Compiled, Rule
from correlator.syntax import Test
from soc.alerts import Level, RuleRef
from soc.events import LogSource

log = structlog.get_logger()

KEPT: Final = 4
"""Answers that are kept: today's rules, and those before a change that is taken back."""

ABANDONED: Final = 3600.0
"""Seconds after which a file that was begun and not finished is removed."""

MAGIC: Final = b"vonggac rules 1\n"
SUFFIX: Final = ".rules"
BEGUN: Final = ".begun"
_DIGEST: Final = 32
_NOT_OURS: Final = stat.S_IWGRP | stat.S_IWOTH

_VALUES: Final = {
    (kind.__module__, kind.__name__): kind
    for kind in (
        *(
            each
            for module in (source, syntax, correlation, plan)
            for each in vars(module).values()
            if isinstance(each, type)
        ),
        Level,
        LogSource,
        RuleRef,
        RegexFlag,
    )
    if kind.__module__
    in {each.__module__ for each in (Rule, Test, correlation.Correlation, plan.Plan, Level, LogSource, RegexFlag)}
}


class _Unsafe(Exception):
    """What is there is not read; the message says why."""


class Cache:
    """A folder of the compiler's answers."""

    def __init__(self, folder: Path) -> None:
        """Take the folder; it is made, for us alone, when there is something to keep."""
        self._folder = folder

    def read(self, fingerprint: str) -> Compiled | None:
        """Return what was kept under that fingerprint; None where nothing was, or nothing that may be read."""
        file = self._file(fingerprint)
        try:
            _check_folder(self._folder)
            compiled = decoded(_payload(_content(file), fingerprint))
            os.utime(file)  # the oldest is removed first
        except FileNotFoundError:
            return None
        except (OSError, _Unsafe) as error:
            log.warning("rules cache not read, compiling", file=str(file), reason=str(error))
            return None
        return compiled

    def write(self, fingerprint: str, payload: bytes) -> None:
        """Keep an answer: whole or not at all. Other processes may do the same at the same time."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            _check_folder(self._folder)
            self._put(self._file(fingerprint), _head(fingerprint, payload), payload)
            self._prune()
        except (OSError, _Unsafe) as error:
            log.warning("rules cache not written", folder=str(self._folder), reason=str(error))

    def _file(self, fingerprint: str) -> Path:
        return self._folder / f"{fingerprint}{SUFFIX}"

    def _put(self, file: Path, *parts: bytes) -> None:
        descriptor, begun = tempfile.mkstemp(BEGUN, dir=self._folder)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.writelines(parts)
            Path(begun).replace(file)
        except BaseException:
            Path(begun).unlink(missing_ok=True)
            raise

    def _prune(self) -> None:
        kept = sorted(self._folder.glob(f"*{SUFFIX}"), key=_age)
        for file in kept[KEPT:]:
            file.unlink(missing_ok=True)
        for file in self._folder.glob(f"*{BEGUN}"):
            if _age(file) > ABANDONED:
                file.unlink(missing_ok=True)


def decoded(payload: bytes) -> Compiled:
    """Return the compiler's answer. Raises OSError, which says why, where it is none or holds anything but values."""
    collecting = gc.isenabled()
    gc.disable()  # nothing of it is garbage, and to look three times takes longer than to read
    try:
        compiled = _Unpickler(BytesIO(payload)).load()
    except Exception as error:  # noqa: BLE001 - pickle meets wrong bytes with exceptions of any type
        raise OSError(f"not what the compiler writes: {error}") from None
    finally:
        if collecting:
            gc.enable()
    if not isinstance(compiled, Compiled):
        raise OSError("not what the compiler writes")
    return compiled


class _Unpickler(pickle.Unpickler):
    """Makes values of rules and nothing else."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        if (found := _VALUES.get((module_name, global_name))) is None:
            raise pickle.UnpicklingError(f"{module_name}.{global_name} is no part of a rule")
        return found


def _age(file: Path) -> float:
    """Return the seconds since the file was written or read; endless where it is gone."""
    try:
        return time.time() - file.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _check_folder(folder: Path) -> None:
    found = folder.stat()
    if not stat.S_ISDIR(found.st_mode):
        raise _Unsafe("not a folder")
    _check_ours(found)


def _check_ours(found: os.stat_result) -> None:
    if found.st_uid != os.geteuid():
        raise _Unsafe(f"it belongs to user {found.st_uid}, and this is user {os.geteuid()}")
    if found.st_mode & _NOT_OURS:
        raise _Unsafe("others may write it; take that from them (chmod go-w)")


def _content(file: Path) -> bytes:
    descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as stream:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _Unsafe("not a file")
        _check_ours(found)
        return stream.read()


def _head(fingerprint: str, payload: bytes) -> bytes:
    return MAGIC + fingerprint.encode() + blake2b(payload, digest_size=_DIGEST).digest()


def _payload(content: bytes, fingerprint: str) -> bytes:
    size = len(MAGIC) + len(fingerprint) + _DIGEST
    payload = content[size:]
    if content[:size] != _head(fingerprint, payload):
        raise _Unsafe("damaged, or of another version")
    return payload
