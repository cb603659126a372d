"""What a rule that compiles may still have wrong: it can never fire, always fires, or says something twice.

A warning is said only where it is certain to be so here: none of these is a matter of taste.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from correlator.engine.plain import predicate
from correlator.engine.record import Record
from correlator.source import Rule
from correlator.syntax import All, Any, Exists, Glob, Named, Node, Not, Regex, Test, Wildcard
from correlator.tools.logic import decided
from correlator.tools.slowness import slow_group
from correlator.tools.written import Written
from soc.events import LogSource

SHORTEST_KEYWORD: Final = 3
"""Characters of a keyword that says something by itself."""

OFTENER: Final = 4
"""How many times as often the other rules of a logsource must write a field's name, to call this one mistaken."""


@dataclass(frozen=True, slots=True)
class Warned:
    """One thing to look at. `kind` is one of few words, for a filter; `text` says what is so and what to do."""

    kind: str
    file: str
    line: int
    text: str
    rule: str


class Found(NamedTuple):
    """What a look at one rule gives: the kind, the selection that it is in ("" for none) and the text."""

    kind: str
    selection: str
    text: str


def check(rule: Rule, document: Written, unseen: Callable[[LogSource], bool]) -> Iterator[Warned]:
    """Yield what is to be said of one rule. `unseen`: whether no event can have what a rule's logsource covers."""

    def warned(kind: str, line: int, text: str) -> Warned:
        return Warned(kind, rule.file, line, text, rule.ref.id)

    for kind, remedy in of_head(document):
        yield warned(kind, document.line, remedy)
    if unseen(rule.logsource):
        text = (
            f"no event that we collect is of the logsource {said(rule.logsource)}: the rule cannot fire on the stream"
        )
        yield warned("no-event", document.keys.get("logsource", document.line), text)
    yield from (warned(*found) for found in of_selections(rule.condition, document))
    condition = document.keys.get("detection", document.line)
    for kind, selection, text in _of_condition(rule.condition):
        yield warned(kind, document.selections.get(selection, condition), text)


def of_head(document: Written) -> Iterator[tuple[str, str]]:
    """Yield kind and text of what is missing around the detection, or the correlation."""
    for key, remedy in _HEAD.items():
        if key not in document.keys:
            yield f"no-{key}", remedy


def of_selections(condition: Node, document: Written) -> Iterator[tuple[str, int, str]]:
    """Yield kind, line and text of what is said twice or not used in the selections of a rule or a filter."""
    for line, value in document.repeated:
        yield "repeated", line, f"{value!r} stands in this list already; remove one"
    for name in document.selections.keys() - set(_names(condition)):
        text = f"the condition does not use the selection {name}; name it there, or remove it"
        yield "unused", document.selections[name], text


def of_expressions(condition: Node) -> Iterator[Found]:
    """Yield what is to be said of its regular expressions."""
    for selection, test in dict.fromkeys(leaves(condition)):
        if isinstance(test.atom, Regex) and (found := _of_expression(test.atom)):
            kind, text = found
            yield Found(kind, selection, text)


_HEAD: Final[Mapping[str, str]] = {
    "id": "the rule has no id; give it a random one, so that its matches stay its own when the title changes",
    "level": "the rule has no level and counts as medium; say what its matches are worth",
}


def said(logsource: LogSource) -> str:
    """Return a logsource as PRODUCT/CATEGORY/SERVICE, `*` for a part that is not stated."""
    return "/".join(part or "*" for part in logsource)


def _names(node: Node) -> Iterator[str]:
    match node:
        case Named(name, _):
            yield name
        case Not(inner):
            yield from _names(inner)
        case All(nodes) | Any(nodes):
            for each in nodes:
                yield from _names(each)


def _of_condition(condition: Node) -> Iterator[Found]:
    if (outcome := decided(condition)) is not None:
        yield Found("always", "", _ALWAYS) if outcome else Found("never", "", _NEVER)
    elif all(_is_presence(test) for _, test in leaves(condition)):
        yield Found("any-value", "", "only asks which fields are there: whatever they hold, the rule fires")
    elif predicate(condition).holds(Record({})):
        yield Found("no-field", "", _NO_FIELD)
    yield from of_expressions(condition)
    for selection, keyword in _short(condition, "", alone=True):
        text = f"the keyword {keyword!r} is found in nearly every event; make it longer, or say in which field"
        yield Found("short-keyword", selection, text)


_NEVER: Final = "the condition contradicts itself: the rule can never fire. Look at what its filters exclude"
_ALWAYS: Final = "the condition cannot fail: the rule fires on every event of its logsource"
_NO_FIELD: Final = "the rule fires on an event that has none of its fields; select by what must be there too"


def leaves(node: Node, selection: str = "") -> Iterator[tuple[str, Test]]:
    """Yield every test with its selection."""
    match node:
        case Test():
            yield selection, node
        case Named(name, inner):
            yield from leaves(inner, name)
        case Not(inner):
            yield from leaves(inner, selection)
        case All(nodes) | Any(nodes):
            for each in nodes:
                yield from leaves(each, selection)


def _is_presence(test: Test) -> bool:
    return isinstance(test.atom, Exists) or (isinstance(test.atom, Glob) and set(test.atom.parts) == {Wildcard.ANY})


def _of_expression(atom: Regex) -> tuple[str, str] | None:
    pattern, flags = atom.pattern, atom.flags
    if all(re.search(pattern, text, flags) for text in ("", "\x01", "Zq 7")):
        return "any-value", f"{atom} is found in every text: it selects nothing"
    if group := slow_group(pattern, flags):
        return "slow", f"an attacker can make {group} take forever: a repeated group must be repeated in one way only"
    return None


def _short(node: Node, selection: str, *, alone: bool) -> Iterator[tuple[str, str]]:
    """Yield keywords that are too short, but for those that another test must accompany."""
    match node:
        case Test(None, Glob(parts)) if alone:
            text = "".join(part for part in parts if isinstance(part, str))
            if len(text) < SHORTEST_KEYWORD:
                yield selection, text
        case Named(name, inner):
            yield from _short(inner, name, alone=alone)
        case All(nodes):
            for each in nodes:
                yield from _short(each, selection, alone=False)
        case Any(nodes):
            for each in nodes:
                yield from _short(each, selection, alone=alone)


# What only shows beside the other rules ------------------------------------------------------------------------------


def misnamed(rules: Sequence[Rule], document: Callable[[Rule], Written]) -> Iterator[Warned]:
    """Yield fields whose name differs only in case from what nearly all other rules of the logsource write."""
    for (logsource, _), uses in spellings(rules).items():
        for name, users in uses.items():
            if text := _mistaken(name, len(users), logsource, uses):
                for rule, selection in users.values():
                    line = document(rule).selections.get(selection, rule.line)
                    yield Warned("field-case", rule.file, line, text, rule.ref.id)


def unwritten(name: str, logsource: LogSource, known: "Spellings") -> str:
    """Return what is to be said of a field that no rule of the logsource writes so, and several in another case, or ""."""
    uses = known.get((logsource, name.casefold()), {})
    return "" if name in uses or not uses else _mistaken(name, 1, logsource, uses)


def _mistaken(name: str, users: int, logsource: LogSource, uses: Mapping[str, "_Users"]) -> str:
    usual, often = max(((other, len(rules)) for other, rules in uses.items()), key=lambda each: each[1])
    if name == usual or often < OFTENER * users:
        return ""
    return f"{often} rules of {said(logsource)} write the field {name} as {usual}; names are case-sensitive"


_Users = dict[str, tuple[Rule, str]]
"""Rules by id, each with the first selection that is meant."""


Spellings = Mapping[tuple[LogSource, str], Mapping[str, _Users]]
"""By logsource and a field's name in lower case: how it is written, by whom."""


def spellings(rules: Iterable[Rule]) -> Spellings:
    """Return how the fields of each logsource are written."""
    found: defaultdict[tuple[LogSource, str], defaultdict[str, _Users]] = defaultdict(lambda: defaultdict(dict))
    for rule in rules:
        for selection, test in leaves(rule.condition):
            if test.field is not None:
                found[rule.logsource, test.field.casefold()][test.field].setdefault(rule.ref.id, (rule, selection))
    return found


def kinds(warned: Iterable[Warned]) -> Counter[str]:
    """Count by kind."""
    return Counter(each.kind for each in warned)
