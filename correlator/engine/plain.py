"""The plain evaluator: one closure tree a rule. Neutral syntax in, a predicate over an event's fields out.

No I/O and no pySigma. A rule's whole condition is evaluated without looking for reasons; `explain` is a second pass
for the few rules that matched.
"""

from collections.abc import Callable
from itertools import groupby
from typing import Final, NamedTuple

from correlator.engine.atoms import check_of
from correlator.engine.record import Record, Text
from correlator.engine.text import Check, fold, glob
from correlator.syntax import All, Anchor, Any, Atom, Exists, FieldRef, Glob, Named, Node, Not, Null, Test
from soc.alerts import Reason

MAX_VALUE: Final = 256
"""Characters of an event's value, and of a pattern, that a reason keeps."""

MAX_REASONS: Final = 32
"""Reasons that a match keeps; a condition over many selections could give hundreds."""

Holds = Callable[[Record], bool]
Explain = Callable[[Record, str, list[Reason]], None]


class Predicate(NamedTuple):
    """What a node is compiled to: whether it holds of an event, and by which values (added to a list)."""

    holds: Holds
    explain: Explain


def reasons(predicate: Predicate, record: Record) -> tuple[Reason, ...]:
    """Return by which selections, fields and values a predicate that holds does so. None for what is negated."""
    found: list[Reason] = []
    predicate.explain(record, "", found)
    return tuple(dict.fromkeys(found))[:MAX_REASONS]


def predicate(node: Node, known: dict[int, Predicate] | None = None) -> Predicate:
    """Compile one node, and so its tree. `known`: what parts of conditions that share some were compiled to (`tree`)."""
    known = {} if known is None else known
    if id(node) not in known:
        known[id(node)] = _predicate(node, known)
    return known[id(node)]


def _predicate(node: Node, known: dict[int, Predicate]) -> Predicate:
    match node:
        case Test(field, atom):
            return _test(field, atom)
        case Named(name, inner):
            return _named(name, predicate(inner, known))
        case Not(inner):
            return _not(predicate(inner, known))
        case All(nodes):
            return _all([predicate(each, known) for each in nodes])
        case Any(nodes):
            return _any(nodes, known)


def _named(name: str, inner: Predicate) -> Predicate:
    return Predicate(inner.holds, lambda record, _, found: inner.explain(record, name, found))


def _not(inner: Predicate) -> Predicate:
    holds = inner.holds
    return Predicate(lambda record: not holds(record), lambda _record, _name, _found: None)


def _all(inner: list[Predicate]) -> Predicate:
    tests = [each.holds for each in inner]

    def holds(record: Record) -> bool:
        for test in tests:  # noqa: SIM110 - all() with a generator costs twice as much here
            if not test(record):
                return False
        return True

    def explain(record: Record, name: str, found: list[Reason]) -> None:
        for each in inner:
            each.explain(record, name, found)

    return Predicate(holds, explain)


def _any(nodes: tuple[Node, ...], known: dict[int, Predicate]) -> Predicate:
    inner = [predicate(each, known) for each in nodes]
    tests = [test for key, run in groupby(nodes, _mergeable) for test in _merged(key, list(run), known)]

    def holds(record: Record) -> bool:
        for test in tests:  # noqa: SIM110 - as above
            if test(record):
                return True
        return False

    def explain(record: Record, name: str, found: list[Reason]) -> None:
        for each in inner:
            if each.holds(record):
                each.explain(record, name, found)

    return Predicate(holds, explain)


def _mergeable(node: Node) -> tuple[str, bool] | None:
    """Patterns on one field can share its reading: return what they must have in common."""
    match node:
        case Test(str(field), Glob(_, cased)):
            return field, cased
    return None


def _merged(key: tuple[str, bool] | None, run: list[Node], known: dict[int, Predicate]) -> list[Holds]:
    if key is None or len(run) == 1:
        return [predicate(each, known).holds for each in run]
    field, cased = key
    patterns = [each.atom for each in run if isinstance(each, Test) and isinstance(each.atom, Glob)]
    exact = frozenset("".join(map(str, p.parts)) for p in map(_folded, patterns) if _is_exact(p))
    checks = [_pattern(each) for each in patterns if not _is_exact(each)]

    def check(text: str) -> bool:
        if text in exact:
            return True
        for each in checks:  # noqa: SIM110 - as above
            if each(text):
                return True
        return False

    return [_on_text(field, check, cased=cased)]


def _is_exact(pattern: Glob) -> bool:
    return all(isinstance(part, str) for part in pattern.parts)


def _folded(pattern: Glob) -> Glob:
    if pattern.cased:
        return pattern
    return Glob(tuple(fold(part) if isinstance(part, str) else part for part in pattern.parts))


def _pattern(pattern: Glob) -> Check:
    return glob(_folded(pattern).parts)


def _test(field: str | None, atom: Atom) -> Predicate:
    match atom:
        case Exists(wanted) if field is not None:
            return _explained(field, atom, lambda record: (field in record.fields) is wanted)
        case Null() if field is not None:
            return _explained(field, atom, lambda record: field in record.fields and record.fields[field] is None)
        case FieldRef() if field is not None:
            return _explained(field, atom, _reference(field, atom))
        case Exists() | Null() | FieldRef():
            raise ValueError(f"{type(atom).__name__} must be bound to a field")
    cased = not isinstance(atom, Glob) or atom.cased
    check = _pattern(atom) if isinstance(atom, Glob) else check_of(atom)
    if field is None:
        return _keyword(check, atom, cased=cased)
    return _explained(field, atom, _on_text(field, check, cased=cased), check)


def _on_text(field: str, check: Check, *, cased: bool) -> Holds:
    def holds(record: Record) -> bool:
        text = record.texts[field] if cased else record.folded[field]
        if text.__class__ is str:
            return check(text)
        return text is not None and any(map(check, text))

    return holds


def _explained(field: str, atom: Atom, holds: Holds, check: Check | None = None) -> Predicate:
    pattern = str(atom)[:MAX_VALUE]
    cased = not isinstance(atom, Glob) or atom.cased

    def explain(record: Record, name: str, found: list[Reason]) -> None:
        value = _hit(record.texts[field], check, cased=cased)
        found.append(_reason(Reason(name, field, value, pattern), record))

    return Predicate(holds, explain)


def _hit(text: Text, check: Check | None, *, cased: bool) -> str:
    """Return the value of which the check holds, of a list the first element that satisfies it."""
    if isinstance(text, str):
        return text
    for each in text or ():
        if check is None or check(each if cased else fold(each)):
            return each
    return ""


def _reason(reason: Reason, record: Record) -> Reason:
    """Return the reason with the part of a long value that the pattern is about."""
    if len(reason.value) <= MAX_VALUE:
        return reason
    alike = reason.value.isascii() or reason.pattern.isascii()
    folded = record.folded[reason.field] if alike and reason.field is not None else None
    lowered = folded if isinstance(folded, str) else None  # as good then, and at hand
    return Reason(reason.selection, reason.field, reason.excerpt(MAX_VALUE, lowered), reason.pattern)


def _keyword(check: Check, atom: Atom, *, cased: bool) -> Predicate:
    pattern = str(atom)[:MAX_VALUE]

    def holds(record: Record) -> bool:
        for text in record.every(cased=cased):
            if check(text) if isinstance(text, str) else text is not None and any(map(check, text)):
                return True
        return False

    def explain(record: Record, name: str, found: list[Reason]) -> None:
        for text in record.every(cased=True):
            if value := _hit((text,) if isinstance(text, str) else text, check, cased=cased):
                found.append(_reason(Reason(name, None, value, pattern), record))
                return

    return Predicate(holds, explain)


_ANCHORED: Final[dict[Anchor, Callable[[str, str], bool]]] = {
    Anchor.IS: str.__eq__,
    Anchor.STARTS: str.startswith,
    Anchor.ENDS: str.endswith,
    Anchor.CONTAINS: str.__contains__,
}


def _reference(field: str, atom: FieldRef) -> Holds:
    stands = _ANCHORED[atom.anchor]

    def holds(record: Record) -> bool:
        texts = record.texts if atom.cased else record.folded
        others = _several(texts[atom.other])
        return any(stands(text, other) for text in _several(texts[field]) for other in others)

    return holds


def _several(text: Text) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else text or ()
