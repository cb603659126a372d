"""Hyperscan, where there is a wheel of it: many expressions searched in one pass, in time linear in the text."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Final

hyperscan: Any
try:
    import hyperscan
except ImportError:  # no wheel for this machine
    hyperscan = None

AVAILABLE: Final = hyperscan is not None
"""Whether it is installed. Without it every search is right and some are slower."""

FLAGS: Final[dict[str, int]] = (
    {}
    if hyperscan is None
    else {
        "i": hyperscan.HS_FLAG_CASELESS,
        "m": hyperscan.HS_FLAG_MULTILINE,
        "s": hyperscan.HS_FLAG_DOTALL,
    }
)


class Scanner:
    """Expressions, known by their place in the sequence. Raises ValueError where one is beyond hyperscan."""

    def __init__(self, expressions: Sequence[bytes], flags: Sequence[str]) -> None:
        """Compile them: in ASCII mode, `flags` of i, m and s each."""
        base = hyperscan.HS_FLAG_SINGLEMATCH | hyperscan.HS_FLAG_ALLOWEMPTY
        database = hyperscan.Database()
        try:
            database.compile(
                expressions=list(expressions),
                ids=list(range(len(expressions))),
                flags=[base | sum(FLAGS[letter] for letter in letters) for letters in flags],
            )
        except hyperscan.error as error:
            raise ValueError(str(error)) from None
        self._scan = database.scan
        self._noted: list[int] = []
        self._note = partial(_note, self._noted)  # made once, as `any` is called for every event; no cycle, it must go

    def found(self, data: bytes) -> list[int]:
        """Return the places of the expressions that are found, each once."""
        found: list[int] = []
        self._scan(data, lambda place, _start, _end, _flags, _context: found.append(place))
        return found

    def any(self, wire: bytes) -> bool:
        """Tell whether an expression is found."""
        self._scan(wire, self._note)
        if not self._noted:
            return False
        self._noted.clear()
        return True


def _note(noted: list[int], place: int, _start: int, _end: int, _flags: int, _context: object) -> None:
    noted.append(place)


def literal(data: bytes) -> bytes:
    """Return the expression that finds just these bytes."""
    return b"".join(b"\\x%02x" % byte for byte in data)
