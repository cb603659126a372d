"""The YAML source of a rule, looked up by its id; no path ever comes from a request."""

import asyncio
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from soc.clock import Clock
from soc.settings import Settings

MAX_BYTES = 1_000_000
"""A rule file longer than this is not read."""

RESCAN_SECONDS = 30.0
"""How often at most the folders are read again for an id that was not found."""

_ID = re.compile(r"^id:[ \t]*['\"]?([^\s'\"#]{1,100})['\"]?[ \t]*(?:#.*)?$", re.MULTILINE)
_DOCUMENTS = re.compile(r"^---[ \t]*$", re.MULTILINE)


class RuleSource(NamedTuple):
    """A rule as it stands in its file now: it may have changed since it matched."""

    file: str
    text: str


class RuleSources:
    """Finds rules among settings.correlate.rules, or among those that come with Vonggac."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Read nothing yet: the first lookup does."""
        self._roots = settings.correlate.rules or packaged()
        self._clock = clock
        self._index: dict[str, Path] = {}
        self._read: float | None = None
        self._lock = asyncio.Lock()

    async def find(self, rule_id: str) -> RuleSource | None:
        """Return the rule's source, None where no file has one with this id."""
        found = await asyncio.to_thread(self._look, rule_id)
        if found is None and await self._rescan():
            found = await asyncio.to_thread(self._look, rule_id)
        return found

    def _look(self, rule_id: str) -> RuleSource | None:
        path = self._index.get(rule_id)
        for text in _documents(path) if path else ():
            if rule_id in _ID.findall(text):
                return RuleSource(path.name if path else "", text.strip() + "\n")
        return None

    async def _rescan(self) -> bool:
        async with self._lock:
            if self._read is not None and self._clock.monotonic() - self._read < RESCAN_SECONDS:
                return False
            self._index = await asyncio.to_thread(_scan, self._roots)
            self._read = self._clock.monotonic()
            return True


def packaged() -> tuple[Path, ...]:
    """Return the folder of the rules that come with Vonggac: in a wheel, or else beside a checkout's packages."""
    package = Path(str(files("soc")))
    return tuple(path for path in (package / "_rules", package.parent / "rules") if path.is_dir())[:1]


def _scan(roots: tuple[Path, ...]) -> dict[str, Path]:
    """Return where each id is; the first file wins."""
    index: dict[str, Path] = {}
    for path in _files(roots):
        for text in _documents(path):
            for rule_id in _ID.findall(text):
                index.setdefault(rule_id, path)
    return index


def _files(roots: tuple[Path, ...]) -> Iterator[Path]:
    for root in roots:
        if root.is_file():
            yield root
        else:
            yield from sorted(path for path in root.rglob("*") if path.suffix in {".yml", ".yaml"})


def _documents(path: Path) -> list[str]:
    """Return the YAML documents of a file, as text; none where it cannot be read."""
    try:
        if path.stat().st_size > MAX_BYTES:
            return []
        return _DOCUMENTS.split(path.read_text("utf-8", errors="replace"))
    except OSError:
        return []
