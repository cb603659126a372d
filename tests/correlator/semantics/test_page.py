"""docs/sigma.md: the sentences that no clause holds."""

import re
from typing import Final

import pytest

from correlator import load, matching
from correlator.compiler import boolean, correlation, criterion, document, files, relation
from correlator.compiler import compile as compiler
from correlator.correlation import draft, feed
from correlator.engine import atoms, memory, plain
from tests.correlator.semantics.areas import AREAS
from tests.correlator.semantics.page import page

BOUNDS: Final = [
    f"{matching.MAX_VALUES:,} values, list elements counted",
    f"{memory.BUDGET} s of processor time; {atoms.MAX_SEARCHED:,} characters",
    f"{plain.MAX_REASONS} of {plain.MAX_VALUE} characters",
    f"{files.MAX_FILE // 2**20} MiB, nested {document.MAX_DEPTH} deep, {document.MAX_NODES:,} values",
    f"{boolean.MAX_DEPTH} parentheses",
    f"{correlation.MAX_RULES} rules, {criterion.MAX_FIELDS} fields to group by or look at, {criterion.MAX_FIELDS} aliases",
    f"{relation.MAX_WORDS:,} words and {boolean.MAX_DEPTH} parentheses and negations",
    f"on top of each other | {draft.MAX_LEVELS} |",
    f"a value of a group or a count | {feed.MAX_TEXT} characters",
    f"{compiler.MAX_SECONDS:g} s of processor time / {compiler.MAX_MEMORY // 2**30} GiB, {load.TIMEOUT:g} s",
    f"{atoms.MAX_NUMBER} characters |",
]


@pytest.mark.parametrize("bound", BOUNDS)
def test_the_bounds_are_those_of_the_code(bound: str) -> None:
    """A bound that moved takes its sentence along."""
    assert bound in page()


def test_every_clause_stands_in_one_table() -> None:
    """By what the specification says, or where it is silent."""
    text = page().split("## Where we differ")[0]
    for area in AREAS:
        for clause in area.clauses:
            assert text.count(f"\n| {clause.name} |") == 1


def test_every_row_has_the_cells_of_its_table() -> None:
    """A bar within a cell is escaped."""
    cells = 0
    for line in page().splitlines():
        if not line.startswith("|"):
            cells = 0
            continue
        found = len(re.findall(r"(?<!\\)\|", line))
        assert cells in {0, found}, line
        cells = found
