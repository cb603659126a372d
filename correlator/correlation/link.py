"""Correlations put together with what they refer to: who feeds whom with which fields, or why one cannot be evaluated."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from correlator.correlation.carried import Carried
from correlator.correlation.cycles import in_order
from correlator.correlation.draft import DEFAULT, Draft, Limits, check, drafted
from correlator.correlation.plan import Input, Linked, Plan
from correlator.correlation.referred import Known, Target, Unlinked
from correlator.correlation.rule import Correlation
from correlator.source import Compiled, Failure, Rule

MAX_REASON: Final = 1000
"""Characters of a reason, which may have those of correlations below in it."""

MAX_NAMED: Final = 8
"""Rules of a cycle, or of a remark, that are named."""

MAX_TITLE: Final = 80
"""Characters of a title in a cycle."""


class Links(NamedTuple):
    """The plan, why correlations are not in it, and what should be looked at besides."""

    plan: Plan
    failures: tuple[Failure, ...]
    remarks: tuple[str, ...]


def linked(compiled: Compiled, limits: Limits = DEFAULT) -> Compiled:
    """Return the same with its correlations linked: those that cannot be are among the failures.

    Of `inputs` those stay that a correlation in force refers to; the others are skipped after all.
    """
    kept = frozenset(each.rule.ref.id for each in compiled.inputs)
    links = link(compiled.correlations, compiled.rules, limits, _absent(compiled), kept)
    if unused := kept - links.plan.silenced.keys():
        told = tuple(
            each for each in links.failures if each.id not in unused
        )  # with the reasons that are at the bottom
        return replace(linked(_without(compiled, unused), limits), failures=(*compiled.failures, *told))
    failed = {each.id for each in links.failures}
    return replace(
        compiled,
        correlations=tuple(each for each in compiled.correlations if each.ref.id not in failed),
        plan=links.plan,
        failures=(*compiled.failures, *links.failures),
        remarks=(*compiled.remarks, *links.remarks),
    )


def _without(compiled: Compiled, unused: Collection[str]) -> Compiled:
    """Return the same with these inputs skipped after all."""
    return replace(
        compiled,
        rules=tuple(each for each in compiled.rules if each.ref.id not in unused),
        correlations=tuple(each for each in compiled.correlations if each.ref.id not in unused),
        inputs=tuple(each for each in compiled.inputs if each.rule.ref.id not in unused),
        skipped=(*compiled.skipped, *(each for each in compiled.inputs if each.rule.ref.id in unused)),
    )


def _absent(compiled: Compiled) -> dict[str, str]:
    """Return why rules are not evaluated, by what a correlation may name them."""
    why: dict[str, str] = {}
    for each in compiled.skipped:
        told = f"it is left out by correlate.{each.part}"
        why |= {each.rule.ref.id.casefold(): told, each.rule.name: told}
    for failure in compiled.failures:
        why |= {failure.id.casefold(): str(failure), failure.name: str(failure)}
    why.pop("", None)
    return why


def link(
    correlations: Sequence[Correlation],
    rules: Sequence[Rule],
    limits: Limits = DEFAULT,
    absent: Mapping[str, str] = MappingProxyType({}),
    kept: Collection[str] = (),
) -> Links:
    """Return the plan of those correlations that can be evaluated; each other is a failure, with all that refer to it.

    Ids are unique over both. `absent`: of rules that are not evaluated, by id in lower case and by name, why. `kept`: ids
    of those that are there for correlations alone: each is silenced by all that refer to it.
    """
    linker = _Linker(Known(correlations, rules, absent), limits)
    linker.resolve(correlations)
    drafts = linker.drafts()
    failures = tuple(
        _failure(each, *linker.broken[each.ref.id]) for each in correlations if each.ref.id in linker.broken
    )
    plan = _plan(drafts, linker.carried, kept)
    return Links(plan, failures, tuple(linker.remarks(correlations, plan)))


def _failure(each: Correlation, reason: str, key: str) -> Failure:
    lines = dict(each.lines)
    if key == "rules" and key not in lines:
        key = "condition"  # which names them then
    return Failure(each.file, lines.get(key, each.line), reason, each.ref.id, name=each.name, kind="correlation")


class _Broken(NamedTuple):
    """Why a correlation is not evaluated, and the key of its section that says so, "" for the whole."""

    reason: str
    key: str

    @classmethod
    def of(cls, error: Unlinked) -> Self:
        return cls(str(error)[:MAX_REASON], error.key)


class _Linker:
    """Finds what each refers to, then makes drafts, lower levels first. `broken`: by id, why one cannot be evaluated."""

    def __init__(self, known: Known, limits: Limits) -> None:
        self._known = known
        self._limits = limits
        self._targets: dict[str, tuple[Target, ...]] = {}
        self._correlations: dict[str, Correlation] = {}
        self._drafts: dict[str, Draft] = {}
        self.broken: dict[str, _Broken] = {}
        self.carried = Carried()

    def resolve(self, correlations: Iterable[Correlation]) -> None:
        for each in correlations:
            self._correlations[each.ref.id] = each
            try:
                check(each, self._limits)
                self._targets[each.ref.id] = self._known.targets(each)
            except Unlinked as error:
                self.broken[each.ref.id] = _Broken.of(error)

    def drafts(self) -> list[Draft]:
        """Return the drafts, lower levels first, within a level in the order in which they are written."""
        edges = {
            name: [each.ref.id for each in targets if each.ref.id in self._targets]
            for name, targets in self._targets.items()
        }
        ordered, rings = in_order(edges)
        for ring in rings:
            for at, name in enumerate(ring):
                told = f"it refers to itself: {self._way(ring, at)}; one of them must not refer to the next"
                self.broken[name] = _Broken(told, "rules")
        for name in ordered:
            if name not in self.broken:
                self._draft(name)
        return sorted(
            (self._drafts[name] for name in self._correlations if name in self._drafts), key=lambda each: each.level
        )

    def _way(self, ring: Sequence[str], start: int) -> str:
        """Return the way around from one of the ring: its first correlations are named, the others counted."""
        names = [ring[(start + each) % len(ring)] for each in range(min(len(ring), MAX_NAMED))]
        titles = [repr(self._correlations[name].ref.title[:MAX_TITLE]) for name in names]
        more = [f"{len(ring) - MAX_NAMED:,} more"] if len(ring) > MAX_NAMED else []
        return " -> ".join((*titles, *more, titles[0]))

    def _draft(self, name: str) -> None:
        correlation, targets = self._correlations[name], self._targets[name]
        try:
            lower = [self._lower(each) for each in targets]
            inputs = self._known.inputs(correlation, targets)
            draft = drafted(correlation, targets, inputs, lower)
            self.carried.take(draft)
            self._drafts[name] = draft
        except Unlinked as error:
            self.broken[name] = _Broken.of(error)

    def _lower(self, target: Target) -> Draft | None:
        if broken := self.broken.get(target.ref.id):
            raise Unlinked(f"it refers to {target.ref.title!r}, which is not evaluated: {broken.reason}", "rules")
        return self._drafts.get(target.ref.id)

    def remarks(self, correlations: Iterable[Correlation], plan: Plan) -> Iterable[str]:
        """Yield of correlations that are not evaluated which rules are heard because of it."""
        for each in correlations:
            if each.ref.id in self.broken and not each.generate:
                heard = [found for found in self._known.found(each) if self._is_heard(found, plan)]
                if heard:
                    more = f" and {len(heard) - MAX_NAMED} more" if len(heard) > MAX_NAMED else ""
                    names = ", ".join(repr(found.ref.title) for found in heard[:MAX_NAMED]) + more
                    yield f"{each.ref.title!r} is not evaluated, so what it refers to makes matches of its own: {names}"

    def _is_heard(self, target: Target, plan: Plan) -> bool:
        return target.ref.id not in self.broken and target.ref.id not in plan.silenced


# The plan --------------------------------------------------------------------------------------------------------------


def _plan(drafts: Sequence[Draft], carried: Carried, kept: Collection[str]) -> Plan:
    silenced = _silenced(drafts, kept)
    parents = _parents(drafts)
    linked = {
        each.version: Linked(
            each.correlation,
            each.version,
            each.level,
            each.inputs,
            carried.of(each.correlation.ref.id),
            each.correlation.ref.id in silenced,
            tuple(parents[each.correlation.ref.id]),
        )
        for each in drafts
    }
    feeds: defaultdict[str, list[tuple[Linked, Input]]] = defaultdict(list)
    for each in drafts:
        for asked, target in zip(each.inputs, each.targets, strict=True):
            if isinstance(target, Rule):
                feeds[asked.rule].append((linked[each.version], asked))
    titles = {target.ref.id: target.ref.title for each in drafts for target in each.targets}
    return Plan(linked, {rule: tuple(found) for rule, found in feeds.items()}, silenced, titles)


def _silenced(drafts: Sequence[Draft], kept: Collection[str]) -> dict[str, tuple[str, ...]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in drafts:
        for target in each.targets:
            if not each.correlation.generate or target.ref.id in kept:
                found[target.ref.id].append(each.correlation.ref.title)
    return {rule: tuple(titles) for rule, titles in found.items()}


def _parents(drafts: Sequence[Draft]) -> defaultdict[str, list[tuple[str, Input]]]:
    found: defaultdict[str, list[tuple[str, Input]]] = defaultdict(list)
    for each in drafts:
        for entering in each.inputs:
            found[entering.rule].append((each.version, entering))
    return found
