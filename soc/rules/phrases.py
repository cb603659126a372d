"""Verdicts in words: what a rule asks, what the event has, and how the one fares with the other.

Everything from a rule or an event is data: quoted, bounded, and never terminal control or markup.
"""

from collections.abc import Sequence
from typing import Final

from rich.text import Text

from correlator.syntax import All, Any, Named, Node, Not, Test
from correlator.tools.explaining import Cause, Seen, Verdict
from correlator.tools.wording import Wording, wording
from soc.alerts import Reason
from soc.events import LogSource
from soc.printing import visible

FIRST: Final = 3
"""Things that are named of many."""

MAX_VALUE: Final = 72
"""Characters of an event's value, and of a pattern."""

VALUE: Final = "yellow"
"""The style of what the event has."""


def asked(verdict: Verdict, atoms: Sequence[Wording]) -> Text:
    """Say what is asked: of one test all, of a list its verb, if it has one, and how many of its values are true."""
    if len(atoms) == 1:
        return Text(_said(atoms[0].does, atoms[0].wanted))
    link = "all" if isinstance(verdict.node, All) else "any"
    true = sum(each.holds for each in verdict.tests)
    count = Text(f"  {true:,} true" if true else "  none true", style="dim")
    return Text(f"{_verb(atoms)} {link} of {len(atoms):,} values".lstrip()).append_text(count)


def of_values(cause: Cause, atoms: Sequence[Wording]) -> Text:
    """Say what a value does or does not, behind it."""
    first, more = atoms[0], f" (and {len(atoms) - 1:,} more)" if len(atoms) > 1 else ""
    if cause.holds:
        return Text(_said(first.does, first.wanted) + more)
    if cause.of == 1 or cause.all_of:
        return Text(_said(first.does_not, first.wanted) + more)
    return Text(f"{_verb(atoms) or 'is'} none of {cause.of:,} values: {_wanted(first.wanted or first.does)}, …")


def of_keywords(atoms: Sequence[Wording]) -> Text:
    """Say what no value of the event does."""
    more = f" (and {len(atoms) - 1:,} more)" if len(atoms) > 1 else ""
    return Text(f"no value of the event {_said(atoms[0].does, atoms[0].wanted)}{more}")


def value_of(found: Seen, atoms: Sequence[Wording], limit: int = MAX_VALUE) -> Text:
    """Return what the event has of a field: of a long text the part that the first atom is about."""
    if found.absence is not None:
        near = f" (the event has {visible(found.lookalike)}: names are case-sensitive)" if found.lookalike else ""
        return Text.assemble((found.absence.value, "magenta"), near)
    if not found.texts:
        return Text("an empty list", style="magenta")
    pattern = atoms[0].wanted.strip('"') if atoms else ""
    shown = ", ".join(f'"{_cut(text, pattern, limit)}"' for text in found.texts[:FIRST])
    more = f" and {len(found.texts) - FIRST} more" if len(found.texts) > FIRST else ""
    return Text.assemble((shown, VALUE), (more, "dim"))


def one_of_list(node: Node, *, verb: bool) -> Text:
    """Say one value of a list, with its verb where the list has several."""
    words = wording(node.atom) if isinstance(node, Test) else Wording("", "")
    return Text(" ".join(filter(None, (words.does if verb or not words.wanted else "", _wanted(words.wanted)))))


def selections(cause: Cause, names: Sequence[str]) -> Text:
    """Name the selections that a cause stands in."""
    text = Text("not " if cause.negated else "")
    text.append(visible(", ".join(names[:FIRST]), 400), style="bold")
    return text.append(f" and {len(names) - FIRST} more") if len(names) > FIRST else text


def condition_of(node: Node) -> str:
    """Return a condition as a rule would write it, by the names of its selections."""
    match node:
        case Named(name, _):
            return visible(name)
        case Not(inner):
            return f"not {_enclosed(inner)}"
        case All(nodes):
            return " and ".join(map(_enclosed, nodes))
        case Any(nodes):
            return " or ".join(map(_enclosed, nodes))
        case Test():
            return "a test"


def _enclosed(node: Node) -> str:
    text = condition_of(node)
    return f"({text})" if isinstance(node, All | Any) else text


def parts_of(logsource: LogSource) -> str:
    """Return what an event's logsource states: "windows process_creation sysmon"."""
    return " ".join(filter(None, logsource)) or "without a logsource"


def _verb(atoms: Sequence[Wording]) -> str:
    """Return the verb that all of them have, or nothing."""
    verbs = {atom.does for atom in atoms}
    return verbs.pop() if len(verbs) == 1 else ""


def _said(does: str, wanted: str) -> str:
    return f"{does} {_wanted(wanted)}".rstrip()


def _wanted(text: str) -> str:
    return visible(text, MAX_VALUE)


def _cut(value: str, pattern: str, limit: int) -> str:
    return visible(Reason("", None, value, pattern).excerpt(limit), limit)
