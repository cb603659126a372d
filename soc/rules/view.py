"""An explanation on a terminal: what decided first, then the whole condition, each part true or false.

Everything from a rule or an event is data: quoted, bounded, and never terminal control or markup.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from correlator.syntax import All, Any, FieldRef, Named, Node, Not, Test
from correlator.tools.explaining import Absence, Cause, Explanation, Seen, Verdict, causes, only_field, seen
from correlator.tools.wording import Wording, wording
from soc.alerts import Reason
from soc.events import LogSource
from soc.printing import COLOURS, visible

FOLDED: Final = 8
"""Values of a list that are shown; of a longer one those that hold, or the first few."""

FIRST: Final = 3
"""Values of a long list that are shown where none holds."""

MAX_CAUSES: Final = 12
"""Reasons that are said in words."""

MAX_VALUE: Final = 72
"""Characters of an event's value, and of a pattern."""

WHOLE: Final = 65_536
"""Characters of an event's value where nothing is folded."""

_UNTOLD: Final = "events of this kind cannot tell"

_FIELD: Final = "cyan"
_VALUE: Final = "yellow"


class View:
    """How one explanation is shown; `every`: with nothing folded."""

    def __init__(self, explanation: Explanation, *, every: bool) -> None:
        """Take the explanation."""
        self._explanation = explanation
        self._fields = explanation.fields
        self._every = every

    def print(self, console: Console, event: str) -> None:
        """Print it; `event` says which one it is."""
        console.print(*self._head(event), sep="\n")
        for title, content in (("Why", self._why()), ("Fields", self._seen_fields()), ("Condition", self._tree())):
            console.print(Text(f"\n{title}", style="bold underline"))
            console.print(content)

    # The head and the reasons

    def _head(self, event: str) -> Iterator[RenderableType]:
        rule, fired = self._explanation.rule, self._explanation.fired
        outcome = Text("✓ FIRES", style="bold green") if fired else Text("✗ DOES NOT FIRE", style="bold red")
        level = Text(rule.ref.level.label, style=COLOURS[rule.ref.level])
        yield Text.assemble(outcome, "  ", (visible(rule.ref.title), "bold"), "  ", level)
        grid = _grid()
        grid.add_row("", Text("rule", style="dim"), Text(visible(f"{_near(rule.file)}:{rule.line}", 400)))
        grid.add_row("", Text("event", style="dim"), Text(visible(event, 400)))
        yield grid

    def _why(self) -> Table:
        why = _grid()
        explanation = self._explanation
        if not explanation.covered:
            why.add_row(_mark(holds=False), Text("logsource", style="bold"), self._uncovered())
        found = self._told_once(causes(explanation.verdict))
        for names, cause in found if self._every else found[:MAX_CAUSES]:
            why.add_row(_mark(cause.holds is not cause.negated), names, self._cause(cause))
        if len(found) > MAX_CAUSES and not self._every:
            why.add_row("", Text("…", style="dim"), Text(f"{len(found) - MAX_CAUSES} more (--all)", style="dim"))
        return why

    def _told_once(self, found: list[Cause]) -> list[tuple[Text, Cause]]:
        """Return causes with the selections that they stand in: a missing field is told once for all of them."""
        told: dict[object, tuple[Cause, dict[str, None]]] = {}
        for cause in found:
            missing = cause.field is not None and seen(cause.field, self._fields).absence is Absence.MISSING
            key = (cause.field, cause.holds, cause.negated) if missing or not cause.tests else cause
            told.setdefault(key, (cause, {}))[1][cause.selection or "condition"] = None
        return [(_selections(cause, list(names)), cause) for cause, names in told.values()]

    def _uncovered(self) -> Text:
        wanted = self._explanation.rule.logsource
        parts = " and ".join(f"{name} {getattr(wanted, name)}" for name in self._explanation.uncovered)
        have = parts_of(self._explanation.logsource)
        return Text(visible(f"the rule is for {parts}, the event is {have}: the rule does not see it. If it did:", 400))

    def _cause(self, cause: Cause) -> Text:
        if not cause.tests:
            return Text(f"{_UNTOLD}: it counts against the rule")
        atoms = [wording(test.atom) for test in cause.tests]
        if cause.field is None:
            return _of_keywords(cause, atoms)
        found = seen(cause.field, self._fields)
        text = Text.assemble((visible(cause.field), _FIELD), " is ", _value(found, atoms))
        if found.absence is not Absence.MISSING:
            text.append(", ").append_text(_of_values(cause, atoms))
        for name in dict.fromkeys(test.atom.other for test in cause.tests if isinstance(test.atom, FieldRef)):
            text.append(f"; {visible(name)} is ").append_text(_value(seen(name, self._fields), ()))
        return text

    def _seen_fields(self) -> Table:
        """Return what the event has of each field that the rule looks at."""
        table = _grid()
        limit = WHOLE if self._every else 3 * MAX_VALUE
        for field, tests in _by_field(self._explanation.verdict).items():
            atoms = [wording(each.node.atom) for each in tests if isinstance(each.node, Test)]
            value = _value(seen(field, self._fields), atoms, limit)
            if field in self._explanation.names:
                value.append(f"  {visible(self._explanation.names[field])} in the rule", style="dim")
            table.add_row("", Text(visible(field), style=_FIELD), value)
        if any(isinstance(each.node, Test) and each.node.field is None for each in self._explanation.verdict.tests):
            table.add_row("", Text("any value", style="italic"), Text(f"of {len(self._fields)} fields", style="dim"))
        return table

    # The tree

    def _tree(self) -> Group:
        root = Tree("", hide_root=True, guide_style="dim")
        self._grow(root, self._explanation.verdict)
        return Group(Text(condition_of(self._explanation.verdict.node), style="italic"), root)

    def _grow(self, tree: Tree, verdict: Verdict) -> None:
        prefix, inner = Text(), verdict
        while isinstance(inner.node, Not | Named):
            if isinstance(inner.node, Named):
                prefix.append(visible(inner.node.name), style="bold").append("  ")
            else:
                prefix.append("not ")
            inner = inner.parts[0]
        label = Text.assemble(_mark(verdict.holds), " ", prefix, self._label(inner))
        branch = tree.add(label if verdict.decisive else _dimmed(label))
        if only_field(inner) is None:
            for part in inner.parts if inner.tests else ():
                self._grow(branch, part)
        elif isinstance(inner.node, All | Any):
            self._list(branch, inner)

    def _label(self, verdict: Verdict) -> Text:
        field = only_field(verdict)
        if not verdict.tests:
            return Text(_UNTOLD, style="italic")
        if field is None:
            return Text("all of" if isinstance(verdict.node, All) else "any of")
        atoms = [wording(each.node.atom) for each in verdict.tests if isinstance(each.node, Test)]
        name = Text("any value", style="italic") if field.name is None else Text(visible(field.name), style=_FIELD)
        return Text.assemble(name, " ", _asked(verdict, atoms))

    def _list(self, branch: Tree, verdict: Verdict) -> None:
        tests = verdict.tests
        shown = tests
        if len(tests) > FOLDED and not self._every:
            shown = tuple(each for each in tests if each.holds)[:FOLDED] or tests[:FIRST]
        verbs = {wording(each.node.atom).does for each in tests if isinstance(each.node, Test)}
        for each in shown:
            label = Text.assemble(_mark(each.holds), " ", _atom(each.node, verb=len(verbs) > 1))
            branch.add(label if each.decisive else _dimmed(label))
        if len(shown) < len(tests):
            branch.add(Text(f"… {len(tests) - len(shown):,} more, {_left(tests, shown)} (--all)", style="dim"))


def _mark(holds: bool) -> Text:
    return Text("✓", style="bold green") if holds else Text("✗", style="bold red")


def _dimmed(label: Text) -> Text:
    label.stylize("dim", 1)  # not the mark
    return label


def _cut(value: str, pattern: str, limit: int) -> str:
    return visible(Reason("", None, value, pattern).excerpt(limit), limit)


def _left(tests: Sequence[Verdict], shown: Sequence[Verdict]) -> str:
    true = sum(each.holds for each in tests) - sum(each.holds for each in shown)
    return f"{true:,} true" if true else "none true"


def _wanted(text: str) -> str:
    return visible(text, MAX_VALUE)


def _grid() -> Table:
    """Return rows of a mark, a name and what is said of it."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=2, justify="right")
    grid.add_column(max_width=34, overflow="fold")
    grid.add_column(overflow="fold")
    return grid


def parts_of(logsource: LogSource) -> str:
    """Return what an event's logsource states: "windows process_creation sysmon"."""
    return " ".join(filter(None, logsource)) or "without a logsource"


def _near(file: str) -> str:
    """Return the path as it is from here, where it is below."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _selections(cause: Cause, names: Sequence[str]) -> Text:
    text = Text("not " if cause.negated else "")
    text.append(visible(", ".join(names[:FIRST]), 400), style="bold")
    return text.append(f" and {len(names) - FIRST} more") if len(names) > FIRST else text


def _by_field(verdict: Verdict) -> dict[str, list[Verdict]]:
    """Return the tests of each field, those that hold first; fields in their order."""
    fields: dict[str, list[Verdict]] = {}
    for each in verdict.tests:
        if isinstance(each.node, Test) and each.node.field is not None:
            fields.setdefault(each.node.field, []).append(each)
    return {field: sorted(tests, key=lambda each: not each.holds) for field, tests in fields.items()}


def _value(found: Seen, atoms: Sequence[Wording], limit: int = MAX_VALUE) -> Text:
    """Return what the event has of a field: of a long text the part that the first atom is about."""
    if found.absence is not None:
        near = f" (the event has {visible(found.lookalike)}: names are case-sensitive)" if found.lookalike else ""
        return Text.assemble((found.absence.value, "magenta"), near)
    if not found.texts:
        return Text("an empty list", style="magenta")
    pattern = atoms[0].wanted.strip('"') if atoms else ""
    shown = ", ".join(f'"{_cut(text, pattern, limit)}"' for text in found.texts[:FIRST])
    more = f" and {len(found.texts) - FIRST} more" if len(found.texts) > FIRST else ""
    return Text.assemble((shown, _VALUE), (more, "dim"))


def _atom(node: Node, *, verb: bool) -> Text:
    words = wording(node.atom) if isinstance(node, Test) else Wording("", "")
    return Text(" ".join(filter(None, (words.does if verb or not words.wanted else "", _wanted(words.wanted)))))


def _said(does: str, wanted: str) -> str:
    return f"{does} {_wanted(wanted)}".rstrip()


def _asked(verdict: Verdict, atoms: Sequence[Wording]) -> Text:
    """Say what is asked: of one test all, of a list its verb, if it has one, and how many of its values are true."""
    if len(atoms) == 1:
        return Text(_said(atoms[0].does, atoms[0].wanted))
    link = "all" if isinstance(verdict.node, All) else "any"
    true = sum(each.holds for each in verdict.tests)
    count = Text(f"  {true:,} true" if true else "  none true", style="dim")
    return Text(f"{_verb(atoms)} {link} of {len(atoms):,} values".lstrip()).append_text(count)


def _verb(atoms: Sequence[Wording]) -> str:
    """Return the verb that all of them have, or nothing."""
    verbs = {atom.does for atom in atoms}
    return verbs.pop() if len(verbs) == 1 else ""


def _of_values(cause: Cause, atoms: Sequence[Wording]) -> Text:
    """Say what a value does or does not, behind it."""
    first, more = atoms[0], f" (and {len(atoms) - 1:,} more)" if len(atoms) > 1 else ""
    if cause.holds:
        return Text(_said(first.does, first.wanted) + more)
    if cause.of == 1 or cause.all_of:
        return Text(_said(first.does_not, first.wanted) + more)
    return Text(f"{_verb(atoms) or 'is'} none of {cause.of:,} values: {_wanted(first.wanted or first.does)}, …")


def _of_keywords(cause: Cause, atoms: Sequence[Wording]) -> Text:
    first, more = atoms[0], f" (and {len(atoms) - 1:,} more)" if len(atoms) > 1 else ""
    return Text(f"{'a' if cause.holds else 'no'} value of the event {_said(first.does, first.wanted)}{more}")


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
