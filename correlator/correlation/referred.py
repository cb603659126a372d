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

    def __init__(self, reason: str, key: str) -> None:
        """`key`: of the correlation's section, at fault."""
        super().__init__(reason)
        self.key = key


class Known:
    """The rules that are evaluated, by id in any case and by name; and why others are not."""

    def __init__(self, correlations: Sequence[Correlation], rules: Sequence[Rule], absent: Mapping[str, str]) -> None:
        """See `link`."""
        self._absent = absent
        self._ids: dict[str, Target] = {}
        self._names: defaultdict[str, list[Target]] = defaultdict(list)
        self._near: dict[str, Target] = {}
        every: tuple[Target, ...] = (*rules, *correlations)
        for each in every:
            self._ids.setdefault(each.ref.id.casefold(), each)
            if each.name:
                self._names[each.name].append(each)
                self._near.setdefault(each.name.casefold(), each)
        for each in every:
            self._near.setdefault(each.ref.title.casefold(), each)

    def targets(self, correlation: Correlation) -> tuple[Target, ...]:
        """Return what it refers to, in order. Raises Unlinked where one is not there, not told apart, or meant twice."""
        found: dict[str, str] = {}
        targets = []
        for reference in correlation.rules:
            target = self._find(reference)
            if (other := found.setdefault(target.ref.id, reference)) is not reference:
                raise Unlinked(f"{other!r} and {reference!r} are the same rule; remove one of them", "rules")
            targets.append(target)
        return tuple(targets)

    def found(self, correlation: Correlation) -> Iterator[Target]:
        """Yield those that it refers to and that are there."""
        for reference in correlation.rules:
            try:
                yield self._find(reference)
            except Unlinked:
                continue

    def inputs(self, correlation: Correlation, targets: Sequence[Target]) -> tuple[Input, ...]:
        """Return how hits of each of its targets enter it. Raises Unlinked where an alias is of no target."""
        ids = frozenset(each.ref.id for each in targets)
        fields = {alias: self._fields(alias, meant, ids) for alias, meant in correlation.aliases}

        def named(names: Sequence[str], rule: str) -> tuple[str, ...]:
            return tuple(fields.get(name, {}).get(rule, name) for name in names)

        return tuple(
            Input(rule, number, named(correlation.group_by, rule), named(correlation.condition.fields, rule))
            for number, rule in enumerate(each.ref.id for each in targets)
        )

    def _fields(self, alias: str, meant: Sequence[tuple[str, str]], ids: frozenset[str]) -> dict[str, str]:
        """Return an alias's field by the id of the target; a target that it says nothing of is not there."""
        fields: dict[str, str] = {}
        for reference, field in meant:
            rule = self._find(reference, "aliases").ref.id
            if rule not in ids:
                told = f"the alias {alias!r} names {reference!r}, which the correlation does not refer to"
                raise Unlinked(told, "aliases")
            if rule in fields:
                told = f"the alias {alias!r} names one rule twice, by id and by name; remove {reference!r} or the other"
                raise Unlinked(told, "aliases")
            fields[rule] = field
        return fields

    def _find(self, reference: str, key: str = "rules") -> Target:
        if (found := self._ids.get(reference.casefold())) is not None:
            return found
        named = self._names.get(reference, ())
        if len(named) == 1:
            return named[0]
        if named:
            places = " and ".join(f"{each.file}:{each.line}" for each in named[:2])
            raise Unlinked(f"{len(named)} rules have the name {reference!r} ({places}); refer to one by its id", key)
        why = self._absent.get(reference) or self._absent.get(reference.casefold())
        if why:
            raise Unlinked(f"it refers to {reference!r}, which is not evaluated: {why}", key)
        told = f"it refers to {reference!r}, and no rule that was read has that id or name{self._meant(reference)}"
        raise Unlinked(told, key)

    def _meant(self, reference: str) -> str:
        """Return which rule is meant by what is a name but for its case, or a title, as a remedy."""
        if (found := self._near.get(reference.casefold())) is None:
            return ""
        by = f"the name {found.name!r}" if found.name else f"the id {found.ref.id!r}"
        return f"; did you mean {found.ref.title!r}? Refer to it by {by}, in that case"
