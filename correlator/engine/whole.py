"""Keywords: atoms that any value of an event may satisfy."""

import re
from collections.abc import Mapping
from typing import Any, Final

from correlator.engine.atlas import Masks
from correlator.engine.column import Column, Verdict
from correlator.engine.hyper import AVAILABLE, Scanner, literal
from correlator.engine.judge import NONE
from correlator.engine.memory import Memory
from correlator.engine.needles import Needles
from correlator.engine.text import fold
from correlator.limit import Timer
from correlator.syntax import Atom, Glob

_RUN: Final = re.compile(r"[ !#-+.0-9;-@^-z|~-][ !#-+.0-@^-z|~-]*")
"""Characters that every JSON writes as they are, in lower case: none that can stand between values."""

_NUMBER: Final = re.compile(r"[0-9.e+-]*")
"""What may be written in another way: 1e3 is 1000."""

_ESCAPE: Final = r"\\u(?:00[2-7]|000[89acd]|0[1-9a-f]|[1-9a-f])"
_ESCAPED: Final = re.compile(_ESCAPE)
_SUSPECT: Final = (_ESCAPE.encode(), b"\\xe2\\x84\\xaa", b"\\xc5\\xbf")
"""A letter that is written as an escape, and the two beyond ASCII that are ASCII's without case (K, s)."""


class Whole:
    """The keywords of a route."""

    def __init__(self, keywords: Mapping[Atom, int], masks: Masks, memory: Memory) -> None:
        """Take the atoms, each with its number."""
        self._column = Column(keywords, masks, memory)
        self.judge = self._column.judge
        self._may_hold = Prefilter(keywords, memory.timer).may_hold
        self.nothing = self._column.verdict(NONE)
        """What it means that no keyword holds."""

    def verdict(self, fields: Mapping[str, Any], wire: bytes | None) -> Verdict | None:
        """Return what an event means as a whole, None where no keyword holds. `wire`: the JSON that the fields are from."""
        if not self._may_hold(wire):
            return None
        atoms = NONE.union(*(self._column.several(value).atoms for value in fields.values()))
        return self._column.verdict(atoms) if atoms else None

    def forget(self) -> None:
        """Drop everything that was remembered."""
        self._column.forget()


class Prefilter:
    """Tells from an event's JSON that no keyword holds, which is nearly always so."""

    def __init__(self, keywords: Mapping[Atom, int], timer: Timer | None = None) -> None:
        """Take from each keyword the longest run of characters that JSON leaves alone."""
        runs = {_run(atom) for atom in keywords}
        self._automaton = Needles(dict.fromkeys(runs, 0), timer) if "" not in runs else None
        expressions = [*(literal(run.encode()) for run in runs), *_SUSPECT]
        if AVAILABLE and self._automaton:
            self._any = Scanner(expressions, ["i"] * len(expressions)).any
        else:
            self._any = self._any_without_hyperscan

    def may_hold(self, wire: bytes | None) -> bool:
        """Tell whether a keyword may hold of some value of the event. Without its JSON one may."""
        return wire is None or self._any(wire)

    def _any_without_hyperscan(self, wire: bytes) -> bool:
        text = wire.decode("utf-8", "replace").casefold()
        return self._automaton is None or bool(self._automaton.found(text)) or _ESCAPED.search(text) is not None


def _run(atom: Atom) -> str:
    if not isinstance(atom, Glob):
        return ""
    texts = (part for part in atom.parts if isinstance(part, str))
    run = max((run for text in texts for run in _RUN.findall(fold(text))), key=len, default="")
    return "" if _NUMBER.fullmatch(run) else run
