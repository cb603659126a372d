"""Which fields of an event the hits of a correlation carry, because correlations above it ask for them."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from correlator.correlation.draft import Draft
from correlator.correlation.referred import Unlinked

MAX_CARRIED: Final = 64
"""Fields that the hits of one correlation carry: each hit is written with all of them."""

_Fields = dict[str, None]


class Carried:
    """What each correlation carries, kept up as drafts are taken, lower ones first."""

    def __init__(self) -> None:
        """Begin without any."""
        self._drafts: dict[str, Draft] = {}
        self._fields: dict[str, _Fields] = {}

    def of(self, name: str) -> tuple[str, ...]:
        """Return what the correlation of that id carries: what those above ask for, but for what it groups by."""
        return tuple(self._fields[name])

    def take(self, draft: Draft) -> None:
        """Take one of which all lower ones are taken. Raises Unlinked, and takes nothing, where one below cannot carry it."""
        for name, fields in list(self._asked(draft)):
            self._fields[name] |= fields
        self._drafts[draft.correlation.ref.id] = draft
        self._fields[draft.correlation.ref.id] = {}

    def _asked(self, top: Draft) -> Iterator[tuple[str, _Fields]]:
        """Yield which fields those below it carry from now on. What one carries already, those below that carry too."""
        levels: list[defaultdict[str, _Fields]] = [defaultdict(dict) for _ in range(top.level)]
        for each in top.inputs:
            if below := self._drafts.get(each.rule):
                levels[below.level][each.rule] |= dict.fromkeys((*each.group, *each.values))
        while levels:
            for name, asked in levels.pop().items():
                draft = self._drafts[name]
                if not (new := self._new(draft, asked)):
                    continue
                yield name, new
                for source in draft.sources:
                    if below := self._drafts.get(source.rule):
                        levels[below.level][source.rule] |= new

    def _new(self, draft: Draft, asked: _Fields) -> _Fields:
        correlation = draft.correlation
        carried = self._fields[correlation.ref.id]
        new = {field: None for field in asked if field not in carried and field not in correlation.group_by}
        if len(carried) + len(new) > MAX_CARRIED:
            raise Unlinked(
                f"with it, hits of {correlation.ref.title!r} would have to carry more than {MAX_CARRIED} fields for the"
                " correlations above; ask for fewer, in this one or in the others that rest on it",
                "group-by",
            )
        for alias, _ in correlation.aliases:
            if alias in new:
                raise Unlinked(
                    f"it asks for {alias!r}, an alias that {correlation.ref.title!r} does not group by: group that by"
                    f" {alias!r} too, or ask for a field of its events",
                    "group-by",
                )
        return new
