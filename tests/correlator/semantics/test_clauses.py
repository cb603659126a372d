"""Each clause of Sigma's semantics, on the plain evaluator and on the engine."""

import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from correlator.compiler.compile import compile_files
from correlator.correlation.link import linked
from correlator.rules import RuleSet
from correlator.source import Compiled
from correlator.tools.replaying import Replayed
from soc.clock import SECOND
from soc.events import Event, LogSource
from tests.correlator.semantics.areas import AREAS
from tests.correlator.semantics.clause import SILENT, Clause, Course, Example, Refusal, Rejection

Fires = Callable[..., bool]
RuleFrom = Callable[..., RuleSet]
Compile = Callable[[str], Compiled]

LOGSOURCE: Final = LogSource("linux", None, "sshd")

ROOT: Final = Path(__file__).parent.parent.parent.parent
SIGMA: Final = Path(os.environ.get("SOC_SIGMA_PATH", ROOT.parent / "shared" / "sigma"))
_PAGES: Final = (
    "rules-specification",
    "appendix-modifiers",
    "filters-specification",
    "correlation-rules-specification",
)
CLAUSES: Final = [clause for area in AREAS for clause in area.clauses]


def whole(detection: str) -> str:
    """Return a detection part; of a selection alone, one with a sound entry before it, so that lines can be told."""
    if "condition:" in detection:
        return detection
    return "sel:\n" + "".join(f"    {line}\n" for line in detection.splitlines()) + "condition: sel\n"


@pytest.fixture
def compiled(tmp_path: Path) -> Compile:
    """Return a function that compiles and links whole documents."""

    def make(documents: str) -> Compiled:
        file = tmp_path / "correlation.yml"
        file.write_text(documents, encoding="utf-8")
        return linked(compile_files([file], {}))

    return make


def matched(compiled: Compiled, events: Iterable[tuple[float, Mapping[str, Any]]]) -> int:
    """Return how many matches the correlations make of events of the logsource that all rules are for."""
    assert not compiled.failures, compiled.failures
    rules, replayed = RuleSet(compiled.rules, plan=compiled.plan), Replayed(compiled.plan)
    for number, (second, fields) in enumerate(events):
        time = int(second * SECOND)
        event = Event(f"e{number}", time, time, "site", "host", LOGSOURCE, dict(fields), None, "utf-8", {})
        replayed.add(event, rules.evaluate(LOGSOURCE, dict(fields)))
    return len(list(replayed.finish()))


def is_positive(example: Example | Refusal | Course | Rejection) -> bool:
    """Tell whether something is found."""
    if isinstance(example, Course):
        return example.matches > 0
    return isinstance(example, Example) and example.fires


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize("clause", CLAUSES, ids=[clause.name for clause in CLAUSES])
def test_clause(fires: Fires, rule_from: RuleFrom, compiled: Compile, clause: Clause) -> None:
    """Every example fires, does not fire, or is refused with the reason."""
    for example in clause.examples:
        if isinstance(example, Course):
            assert matched(compiled(example.documents), example.events) == example.matches, example
        elif isinstance(example, Rejection):
            reasons = [each.reason for each in compiled(example.documents).failures]
            assert any(re.search(example.reason, reason) for reason in reasons), (example, reasons)
        elif isinstance(example, Refusal):
            rules = rule_from(whole(example.detection), clause.placeholders)
            assert not rules.rules or "filter:" in example.detection, example
            assert re.search(example.reason, rules.failures[0].reason), (example, rules.failures[0])
        else:
            assert fires(example.detection, example.fields, **clause.placeholders) is example.fires, example


def test_every_clause_has_an_example_of_either_kind() -> None:
    """What fires, and what does not fire or is refused."""
    for clause in CLAUSES:
        kinds = {is_positive(example) for example in clause.examples}
        assert kinds == {True, False}, clause.name


def test_every_clause_has_a_name_of_its_own() -> None:
    """A name stands for one clause, in the page and in the tests."""
    assert not [name for name, count in Counter(clause.name for clause in CLAUSES).items() if count > 1]


def test_every_choice_of_ours_has_a_reason() -> None:
    """Where the specification says nothing, the page says why."""
    assert not [clause.name for clause in CLAUSES if clause.source == SILENT and not clause.why]


def test_every_source_is_a_heading_of_the_specification() -> None:
    """A reader finds it there."""
    pages = [SIGMA / "specification" / f"sigma-{name}.md" for name in _PAGES]
    if not all(page.exists() for page in pages):
        pytest.skip(f"no specification in {SIGMA}")
    headings = {match for page in pages for match in re.findall(r"(?m)^#+ (.+)$", page.read_text("utf-8"))}
    assert not {clause.source for clause in CLAUSES} - headings - {SILENT}
