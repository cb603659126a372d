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

from correlator.syntax import All, Any, FieldRef, Named, Not, Test
from correlator.tools.explaining import Absence, Cause, Explanation, Verdict, causes, field_with, only_field, seen
from correlator.tools.wording import wording
from soc.printing import COLOURS, visible
from soc.rules.phrases import (
    FIRST,
    MAX_VALUE,
    asked,
    condition_of,
    of_keywords,
    of_values,
    one_of_list,
    parts_of,
    selections,
    value_of,
)

FOLDED: Final = 8
"""Values of a list that are shown; of a longer one those that hold, or the first few."""

MAX_CAUSES: Final = 12
"""Reasons that are said in words."""

WHOLE: Final = 65_536
"""Characters of an event's value where nothing is folded."""

_UNTOLD: Final = "events of this kind cannot tell"

_FIELD: Final = "cyan"


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
        return [(selections(cause, list(names)), cause) for cause, names in told.values()]

    def _uncovered(self) -> Text:
        wanted = self._explanation.rule.logsource
        parts = " and ".join(f"{name} {getattr(wanted, name)}" for name in self._explanation.uncovered)
        have = parts_of(self._explanation.logsource)
        return Text(visible(f"the rule is for {parts}, the event is {have}: the rule does not see it. If it did:", 400))

    def _cause(self, cause: Cause) -> Text:
        if not cause.tests:
            return Text(f"{_UNTOLD}: it counts against the rule")
        atoms = [wording(test.atom) for test in cause.tests]
        field = cause.field or field_with(cause.tests[0], self._fields)
        if field is None:
            return of_keywords(atoms)
        found = seen(field, self._fields)
        text = Text.assemble((visible(field), _FIELD), " is ", value_of(found, atoms))
        if found.absence is not Absence.MISSING:
            text.append(", ").append_text(of_values(cause, atoms))
        for name in dict.fromkeys(test.atom.other for test in cause.tests if isinstance(test.atom, FieldRef)):
            text.append(f"; {visible(name)} is ").append_text(value_of(seen(name, self._fields), ()))
        return text

    def _seen_fields(self) -> Table:
        """Return what the event has of each field that the rule looks at."""
        table = _grid()
        limit = WHOLE if self._every else 3 * MAX_VALUE
        for field, tests in _by_field(self._explanation.verdict).items():
            atoms = [wording(each.node.atom) for each in tests if isinstance(each.node, Test)]
            value = value_of(seen(field, self._fields), atoms, limit)
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
        return Text.assemble(name, " ", asked(verdict, atoms))

    def _list(self, branch: Tree, verdict: Verdict) -> None:
        tests = verdict.tests
        shown = tests
        if len(tests) > FOLDED and not self._every:
            shown = tuple(each for each in tests if each.holds)[:FOLDED] or tests[:FIRST]
        verbs = {wording(each.node.atom).does for each in tests if isinstance(each.node, Test)}
        for each in shown:
            label = Text.assemble(_mark(each.holds), " ", one_of_list(each.node, verb=len(verbs) > 1))
            branch.add(label if each.decisive else _dimmed(label))
        if len(shown) < len(tests):
            branch.add(Text(f"… {len(tests) - len(shown):,} more, {_left(tests, shown)} (--all)", style="dim"))


def _mark(holds: bool) -> Text:
    return Text("✓", style="bold green") if holds else Text("✗", style="bold red")


def _dimmed(label: Text) -> Text:
    label.stylize("dim", 1)  # not the mark
    return label


def _left(tests: Sequence[Verdict], shown: Sequence[Verdict]) -> str:
    true = sum(each.holds for each in tests) - sum(each.holds for each in shown)
    return f"{true:,} true" if true else "none true"


def _grid() -> Table:
    """Return rows of a mark, a name and what is said of it."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=2, justify="right")
    grid.add_column(max_width=34, overflow="fold")
    grid.add_column(overflow="fold")
    return grid


def _near(file: str) -> str:
    """Return the path as it is from here, where it is below."""
    path = Path(file)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else file


def _by_field(verdict: Verdict) -> dict[str, list[Verdict]]:
    """Return the tests of each field, those that hold first; fields in their order."""
    fields: dict[str, list[Verdict]] = {}
    for each in verdict.tests:
        if isinstance(each.node, Test) and each.node.field is not None:
            fields.setdefault(each.node.field, []).append(each)
    return {field: sorted(tests, key=lambda each: not each.holds) for field, tests in fields.items()}
