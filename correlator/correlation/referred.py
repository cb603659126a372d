"""What a correlation refers to: ids and names become rules, aliases the fields of their events."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from correlator.correlation.plan import Input
from correlator.correlation.rule import Correlation
from correlator.source import Rule

Target = Rule | Correlation
"""What may be referred to."""


class Unlinked(Exception):
    """The correlation cannot be evaluated; the message says why, and what to do."""


class Known:
    """The rules that are evaluated, by id in any case and by name; and why others are not."""

    def __init__(self, correlations: Sequence[Correlation], rules: Sequence[Rule], absent: Mapping[str, str]) -> None:
        """See `link`."""
        self._absent = absent
        self._ids: dict[str, Target] = {}
        self._names: defaultdict[str, list[Target]] = defaultdict(list)
        every: tuple[Target, ...] = (*rules, *correlations)
        for each in every:
            self._ids.setdefault(each.ref.id.casefold(), each)
            if each.name:
                self._names[each.name].append(each)

    def targets(self, correlation: Correlation) -> tuple[Target, ...]:
        """Return what it refers to, in order. Raises Unlinked where one is not there, not told apart, or meant twice."""
        found: dict[str, str] = {}
        targets = []
        for reference in correlation.rules:
            target = self._find(reference)
            if (other := found.setdefault(target.ref.id, reference)) is not reference:
                raise Unlinked(f"{other!r} and {reference!r} are the same rule; remove one of them")
            targets.append(target)
        return tuple(targets)

    def found(self, correlation: Correlation) -> Iterator[Target]:
        """Yield those that it refers to and that are there."""
        for reference in correlation.rules:
            try:
                yield self._find(reference)
            except Unlinked:
                continue

    def input(self, correlation: Correlation, number: int, targets: Sequence[Target]) -> Input:
        """Return how hits of one of its targets enter it. Raises Unlinked where an alias is of no target."""
        target = targets[number]
        fields = {alias: self._field(alias, meant, target, targets) for alias, meant in correlation.aliases}
        return Input(
            target.ref.id,
            number,
            tuple(fields.get(name) or name for name in correlation.group_by),
            tuple(fields.get(name) or name for name in correlation.condition.fields),
        )

    def _field(
        self, alias: str, meant: Sequence[tuple[str, str]], target: Target, targets: Sequence[Target]
    ) -> str | None:
        """Return an alias's field in events of a target, None where it says nothing of that."""
        found = None
        for reference, field in meant:
            named = self._find(reference)
            if not any(named is each for each in targets):
                raise Unlinked(f"the alias {alias!r} names {reference!r}, which the correlation does not refer to")
            if named is target:
                found = field
        return found

    def _find(self, reference: str) -> Target:
        if (found := self._ids.get(reference.casefold())) is not None:
            return found
        named = self._names.get(reference, ())
        if len(named) == 1:
            return named[0]
        if named:
            places = " and ".join(f"{each.file}:{each.line}" for each in named[:2])
            raise Unlinked(f"{len(named)} rules have the name {reference!r} ({places}); refer to one by its id")
        why = self._absent.get(reference) or self._absent.get(reference.casefold())
        if why:
            raise Unlinked(f"it refers to {reference!r}, which is not evaluated: {why}")
        raise Unlinked(f"it refers to {reference!r}, and no rule that was read has that id or name")
