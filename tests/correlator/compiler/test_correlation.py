"""Correlation documents in, correlations out: what is kept, what is refused on which line, and that nothing else is raised."""

import os
import re
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from sigma.correlations import SigmaCorrelationRule, SigmaExtendedCorrelationCondition
from sigma.exceptions import SigmaError

from correlator.compiler.boolean import MAX_DEPTH
from correlator.compiler.compile import compile_files
from correlator.compiler.correlation import MAX_RULES, compile_correlation
from correlator.compiler.criterion import MAX_FIELDS
from correlator.compiler.locate import MAX_REASON, Refused
from correlator.compiler.relation import MAX_WORDS, RelationError, parse
from correlator.correlation.plan import judged_at_hits
from correlator.correlation.rule import Bound, Condition, Correlation, Either, Every, Expression, Kind, Refers, Without
from correlator.source import Failure
from soc.alerts import Level
from soc.clock import SECOND

ROOT: Final = Path(__file__).parents[3]
SIGMA: Final = Path(os.environ.get("SOC_SIGMA_PATH", ROOT.parent / "shared" / "sigma"))
SCHEMA: Final = SIGMA / "specification" / "tests" / "schema" / "correlation"
SPECIFICATION: Final = SIGMA / "specification" / "sigma-correlation-rules-specification.md"

RULE: Final = """\
title: Many failed logins
id: 5cd9cc0a-4b5e-4f3e-93f5-3d1a1a3b3f10
name: many_failed_logins
status: test
level: high
author: Ada
correlation:
    type: value_count
    rules:
        - failed_login
        - c2b9b2a8-8a43-4d0c-8a3a-7d9a29dfbf0e
    group-by: [SourceIp, who]
    timespan: 10m
    aliases:
        who:
            failed_login: User
    condition:
        field: User
        gte: 5
"""

UUIDS: Final = ("C2B9B2A8-8A43-4D0C-8A3A-7D9A29DFBF0E", "c2b9b2a8-8a43-4d0c-8a3a-7d9a29dfbf0e")


def read(tmp_path: Path, text: str) -> Correlation | Failure:
    """Compile one file of one document."""
    file = tmp_path / "rule.yml"
    file.write_text(text, encoding="utf-8")
    compiled = compile_files([file], {})
    assert not compiled.rules
    outcomes: list[Correlation | Failure] = [*compiled.correlations, *compiled.failures]
    (found,) = outcomes
    return found


def correlation(section: Any, **around: Any) -> Correlation:
    """Compile a correlation section."""
    return compile_correlation({"title": "x", **around, "correlation": section}, "x.yml", 1)


def section(**changes: Any) -> dict[str, Any]:
    """Return a section that compiles, with some keys changed, and those left out that are None."""
    written = {"type": "event_count", "rules": ["a", "b"], "timespan": "5m", "condition": {"gte": 3}, **changes}
    return {key: value for key, value in written.items() if value is not None}


def test_a_correlation_keeps_what_is_written(tmp_path: Path) -> None:
    """What matches need as of a detection rule, and the section."""
    found = read(tmp_path, RULE)
    assert isinstance(found, Correlation)
    assert (found.ref.id, found.ref.title) == ("5cd9cc0a-4b5e-4f3e-93f5-3d1a1a3b3f10", "Many failed logins")
    assert (found.ref.level, found.name, found.status, found.author) == (
        Level.HIGH,
        "many_failed_logins",
        "test",
        "Ada",
    )
    assert found.kind is Kind.VALUE_COUNT
    assert found.rules == ("failed_login", UUIDS[1])
    assert found.group_by == ("SourceIp", "who")
    assert found.aliases == (("who", (("failed_login", "User"),)),)
    assert found.timespan == 600 * SECOND
    assert dict(found.lines) == {
        each: RULE.splitlines().index(f"    {each}:") + 1 for each in ("rules", "aliases", "condition")
    } | {"type": 8, "group-by": 12, "timespan": 13}
    assert found.condition == Condition(((Bound.GTE, 5),), ("User",))
    assert (found.generate, found.file, found.line) == (False, str(tmp_path / "rule.yml"), 1)


REFUSED: Final = [
    ("title: Many failed logins\n", "", 1, "title"),
    ("title: Many failed logins", "title: 7", 1, "title"),
    ("id: 5cd9cc0a", "id: 5c", 2, "UUID"),
    ("id: 5cd9cc0a-4b5e-4f3e-93f5-3d1a1a3b3f10", "id: 7", 2, ""),
    ("name: many_failed_logins", "name: [x]", 3, "name"),
    ("status: test", "status: done", 4, "done"),
    ("level: high", "level: urgent", 5, "urgent"),
    ("author: Ada", "author: Ada\ntaxonomy: ecs", 7, "taxonomy 'ecs'"),
    ("author: Ada", "author: Ada\ngenerate: maybe", 7, "true or false"),
    ("author: Ada", "author: Ada\nrelated: [7]", 7, ""),
    ("author: Ada", "author: Ada\ndetection: {}", 7, "either 'correlation' or 'detection'"),
    ("    type: value_count", "    type: count", 8, "'count' is no type; the types are event_count,"),
    ("    type: value_count", "    type: [x]", 8, "is no type"),
    ("    type: value_count\n", "", 7, "the type is missing"),
    ("    type: value_count", "    type: temporal_ordered_extended", 8, "has no order"),
    ("    type: value_count", "    type: temporal_extended", 8, "needs a condition of rules"),
    ("    timespan: 10m\n", "", 7, "timespan is missing"),
    *(
        ("timespan: 10m", f"timespan: {wrong}", 13, "is no timespan")
        for wrong in ("10", "m", "0m", "10 m", "1h30m", "-5m", "10D", "1.5h", "9999999999s", "٣m")
    ),
    ("    timespan: 10m", "    window: 10m", 13, "'window' is no key of a correlation; it has type,"),
    ("        - failed_login", "        - 7", 10, "put a number in quotes"),
    ("        - failed_login", "        - ''", 10, "by its id or its name"),
    ("        - failed_login", f"        - {'x' * 501}", 10, "longer than"),
    ("        - failed_login", f"        - {UUIDS[0]}", 11, "twice"),
    ("        - failed_login\n        - c2b9b2a8-8a43-4d0c-8a3a-7d9a29dfbf0e\n", "        []\n", 9, "must be a list"),
    ("        - failed_login\n        - c2b9b2a8-8a43-4d0c-8a3a-7d9a29dfbf0e\n", "        a: b\n", 9, "must be a list"),
    (
        "    rules:\n        - failed_login\n        - c2b9b2a8-8a43-4d0c-8a3a-7d9a29dfbf0e\n",
        "",
        7,
        "refers to no rule",
    ),
    ("group-by: [SourceIp, who]", "group-by: [SourceIp, SourceIp]", 12, "twice"),
    ("group-by: [SourceIp, who]", "group-by: [SourceIp, '']", 12, "field's name"),
    ("group-by: [SourceIp, who]", "group-by: {a: b}", 12, "field's name"),
    ("group-by: [SourceIp, who]", f"group-by: [{'x' * 257}]", 12, "more than 256 characters"),
    ("        who:\n            failed_login: User", "        who: User", 15, "must be a map of rule and field"),
    ("        who:\n            failed_login: User", "        - who", 14, "aliases must be a map"),
    ("            failed_login: User", "            failed_login: [User]", 16, "field's name"),
    (
        "    condition:\n        field: User\n        gte: 5\n",
        "",
        7,
        "needs a condition, for example 'condition: {field",
    ),
    ("        field: User\n        gte: 5\n", "        - gte\n", 17, "needs a condition"),
    ("        field: User\n", "", 17, "value_count needs 'field'"),
    ("        field: User\n", "        field: []\n", 17, "value_count needs 'field'"),
    ("        field: User\n", "        field: [A, A]\n", 18, "twice"),
    ("        gte: 5\n", "", 17, "compares with nothing; add one of gt, gte"),
    ("        gte: 5", "        min: 5", 19, "'min' is no key of a condition"),
    ("        gte: 5", "        gte: 5\n        percentile: 5", 20, "use 'type: value_percentile'"),
    *(
        ("        gte: 5", f"        gte: {wrong}", 19, why)
        for wrong, why in [
            ("five", "gte must be a number"),
            ("'5'", "without quotes"),
            ("true", "gte must be a number"),
            ("", "gte must be a number"),
            (".inf", "finite"),
            (".nan", "finite"),
            ("9" * 400, "finite"),
            ("[5]", "gte must be a number"),
        ]
    ),
    ("    type: value_count", "    type: event_count", 18, "event_count looks at no field"),
    ("    type: value_count", "    type: temporal", 18, "temporal looks at no field"),
    ("    type: value_count", "    type: value_percentile", 17, "needs 'percentile' in its condition, a number from 0"),
    ("field: User", "field: [A, B]", None, "compiles"),
]


@pytest.mark.parametrize(("old", "new", "line", "why"), REFUSED)
def test_what_cannot_be_compiled_names_line_and_reason(
    tmp_path: Path, old: str, new: str, line: int | None, why: str
) -> None:
    """The line is that of the key, or the element, at fault; the reason says what to do."""
    assert old in RULE
    found = read(tmp_path, RULE.replace(old, new))
    if line is None:
        assert isinstance(found, Correlation)
        return
    assert isinstance(found, Failure)
    assert why in found.reason
    assert found.line == line
    assert found.kind == "correlation"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("5s", 5), ("90m", 5400), ("2h", 7200), ("1d", 86_400), ("2w", 1_209_600), ("1M", 2_629_746), ("1y", 31_556_952)],
)
def test_timespans(text: str, seconds: int) -> None:
    """Those of the specification, and weeks, months and years as pySigma has them."""
    assert correlation(section(timespan=text)).timespan == seconds * SECOND


def test_a_whole_number_is_one_however_it_is_written() -> None:
    """So that its state stays when somebody writes 10 for 10.0."""
    whole, point = (correlation(section(condition={"gte": number})) for number in (10, 10.0))
    assert repr(whole) == repr(point)


@pytest.mark.parametrize("value", [0, 3, -3, 2.5, 1e6, 0.001])
def test_thresholds_are_any_finite_numbers(value: float) -> None:
    """Whole or not, as they are written."""
    assert correlation(section(condition={"gt": value})).condition.bounds == ((Bound.GT, value),)


def test_several_comparisons_are_a_range() -> None:
    """The specification joins them by AND."""
    found = correlation(section(condition={"lte": 200, "gt": 100.5, "neq": 150}))
    assert set(found.condition.bounds) == {(Bound.LTE, 200), (Bound.GT, 100.5), (Bound.NEQ, 150)}


def written(kind: Kind, bounds: dict[str, int]) -> dict[str, Any]:
    """Return a condition of this type."""
    field = {"field": "F"} if kind.startswith("value_") else {}
    return {**bounds, **field, **({"percentile": 95} if kind is Kind.VALUE_PERCENTILE else {})}


@pytest.mark.parametrize(("kind", "bound"), list(product(Kind, Bound)))
def test_every_comparison_of_every_type_says_when_it_is_judged(kind: Kind, bound: Bound) -> None:
    """At its hits where a later hit can only make it true, else when its window is over."""
    found = correlation(section(type=kind.value, condition=written(kind, {bound.value: 2})))
    assert found.condition.bounds == ((bound, 2),)
    mean = kind in (Kind.VALUE_AVG, Kind.VALUE_PERCENTILE, Kind.VALUE_MEDIAN)
    assert judged_at_hits(found) is (bound in (Bound.GT, Bound.GTE) and not mean)
    ranged = correlation(section(type=kind.value, condition=written(kind, {bound.value: 2, "lt": 9})))
    assert not judged_at_hits(ranged)


@pytest.mark.parametrize("kind", [Kind.TEMPORAL, Kind.TEMPORAL_ORDERED])
def test_temporal_types_need_no_condition(kind: Kind) -> None:
    """They ask for every rule; one rule is enough to be asked for."""
    found = correlation(section(type=kind.value, rules="a", condition=None))
    assert (found.condition, found.rules) == (Condition(), ("a",))
    assert judged_at_hits(found)


@pytest.mark.parametrize("percentile", [0, 50, 99.9, 100])
def test_a_percentile_is_of_a_hundred(percentile: float) -> None:
    """Both ends included."""
    given = {"field": "F", "lte": 1, "percentile": percentile}
    assert correlation(section(type="value_percentile", condition=given)).condition.percentile == percentile


@pytest.mark.parametrize("percentile", [-1, 100.5, "95", True, None, float("nan")])
def test_what_is_no_percentile_is_refused(percentile: Any) -> None:
    """With what one is."""
    with pytest.raises(Refused, match="percentile"):
        correlation(section(type="value_percentile", condition={"field": "F", "lte": 1, "percentile": percentile}))


@pytest.mark.parametrize("kind", [each for each in Kind if each.startswith("value_") and each != "value_count"])
def test_numeric_types_look_at_one_field(kind: Kind) -> None:
    """A list of one is one."""
    assert correlation(
        section(type=kind.value, condition={**written(kind, {"gt": 1}), "field": ["F"]})
    ).condition.fields
    with pytest.raises(Refused, match="looks at one field"):
        correlation(section(type=kind.value, condition={**written(kind, {"gt": 1}), "field": ["F", "G"]}))


@pytest.mark.parametrize(
    ("around", "within", "generate"), [({}, {}, False), ({"generate": True}, {}, True), ({}, {"generate": True}, True)]
)
def test_generate_stands_beside_the_section_or_in_it(around: Any, within: Any, *, generate: bool) -> None:
    """The specification writes it beside, pySigma within; both must agree."""
    assert correlation(section(**within), **around).generate is generate
    with pytest.raises(Refused, match="differs"):
        correlation(section(generate=True), generate=False)


@pytest.mark.parametrize("group", [None, []])
def test_no_group_by_is_one_group(group: Any) -> None:
    """The specification calls it mandatory and optional in one breath; pySigma leaves it out."""
    assert correlation(section(**{"group-by": group})).group_by == ()


def test_an_alias_may_name_a_rule_by_its_id_or_its_name(tmp_path: Path) -> None:
    """Whether it is the same rule shows at linking, where an id is written on either side; else here."""
    assert isinstance(read(tmp_path, RULE.replace("            failed_login: U", "            other: U")), Correlation)
    with pytest.raises(Refused, match="'c', which the correlation does not refer to") as caught:
        correlation(section(aliases={"who": {"a": "User", "c": "Account"}}))
    assert caught.value.path == ("correlation", "aliases", "who", "c")


def test_sizes_are_bounded() -> None:
    """A file must not make a correlation that no process bears."""
    names = [f"r{number}" for number in range(MAX_RULES + 1)]
    fields = [f"f{number}" for number in range(MAX_FIELDS + 1)]
    for changes in (
        {"rules": names},
        {"type": "temporal", "rules": None, "condition": " and ".join(names)},
        {"group-by": fields},
        {"type": "value_count", "condition": {"gt": 1, "field": fields}},
        {"aliases": {field: {"a": "x"} for field in fields}},
    ):
        with pytest.raises(Refused, match="more than"):
            correlation(section(**changes))


def test_a_reason_does_not_repeat_all_that_is_written() -> None:
    """It goes to logs and pages."""
    with pytest.raises(Refused) as caught:
        correlation(section(type="x" * 100_000))
    assert len(str(caught.value)) <= MAX_REASON


# Boolean conditions --------------------------------------------------------------------------------------------------


def true(expression: Expression, present: set[int]) -> bool:
    """Evaluate an expression."""
    match expression:
        case Refers(number):
            return number in present
        case Every(parts):
            return all(true(part, present) for part in parts)
        case Either(parts):
            return any(true(part, present) for part in parts)
        case Without(part):
            return not true(part, present)


@pytest.mark.parametrize(
    "text",
    ["a", "not a", "a and b", "a or b and c", "(a or b) and c", "not a or b", "not (a or b)", "a and not (b or not c)"],
)
def test_precedence_is_that_of_logic(text: str) -> None:
    """`not`, then `and`, then `or`: as Python's, on every combination."""
    expression, names = parse(text)
    for values in product((False, True), repeat=len(names)):
        present = {number for number, value in enumerate(values) if value}
        assert true(expression, present) is eval(text, {}, dict(zip(names, values, strict=True)))


def test_a_boolean_condition_numbers_the_rules() -> None:
    """As `rules` has them, or without it in the order in which they are named."""
    bare = correlation(section(type="temporal", rules=None, condition="b AND (not a)"))
    assert bare.rules == ("b", "a")
    assert bare.condition.expression == Every((Refers(0), Without(Refers(1))))
    assert not judged_at_hits(bare)
    listed = correlation(section(type="temporal_extended", rules=["a", "b"], condition="b or a or b"))
    assert listed.rules == ("a", "b")
    assert listed.condition.expression == Either((Refers(1), Refers(0), Refers(1)))
    assert judged_at_hits(listed)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "missing before the end"),
        ("a and", "missing before the end"),
        ("a b", "'b' is not expected"),
        ("(a", "closing parenthesis"),
        ("a)", "not expected"),
        ("and a", "missing before 'and'"),
        ("a | b", "not expected"),
        ("a and $b", "no rule's name"),
        ("not " * (MAX_DEPTH + 1) + "a", "deeper"),
        ("(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1), "deeper"),
        (" or ".join(["a"] * MAX_WORDS), "longer than"),
    ],
)
def test_a_boolean_condition_that_cannot_be_read_is_refused(text: str, why: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(RelationError, match=why):
        parse(text)


def test_a_boolean_condition_and_the_rules_agree() -> None:
    """As pySigma has it: none more on either side."""
    with pytest.raises(Refused, match="'c' is not in 'rules'"):
        correlation(section(type="temporal", condition="a or b or c"))
    with pytest.raises(Refused, match="'b' is in 'rules' and not in the condition"):
        correlation(section(type="temporal", condition="a"))


@pytest.mark.parametrize("kind", [each for each in Kind if each is not Kind.TEMPORAL])
def test_a_boolean_condition_is_of_temporal_alone(kind: Kind) -> None:
    """Of other types it would say nothing."""
    with pytest.raises(Refused, match="belongs to 'type: temporal'"):
        correlation(section(type=kind.value, condition="a and b"))


# The specification ---------------------------------------------------------------------------------------------------

UNREADABLE: Final = {"value_percentile": "needs 'percentile'", "event_count_ecs": "taxonomy 'ecs'"}


@pytest.mark.skipif(not SCHEMA.exists(), reason="no specification")
def test_the_schema_s_samples_compile(tmp_path: Path) -> None:
    """But for two, which are refused with the remedy: a percentile of nothing, and another taxonomy."""
    samples = sorted(SCHEMA.glob("*.yml"))
    assert len(samples) >= 8
    for sample in samples:
        found = read(tmp_path, sample.read_text("utf-8"))
        if why := UNREADABLE.get(sample.stem):
            assert isinstance(found, Failure)
            assert why in found.reason
        else:
            assert isinstance(found, Correlation), found


@pytest.mark.skipif(not SPECIFICATION.exists(), reason="no specification")
def test_the_specification_s_examples_compile(tmp_path: Path) -> None:
    """All that are whole; and the percentile that names none is refused, so is the fragment about names."""
    whole: list[Correlation] = []
    refused: list[Failure] = []
    for block in re.findall(r"```ya?ml\n(.*?)```", SPECIFICATION.read_text("utf-8"), re.DOTALL):
        for document in yaml.safe_load_all(block):
            if "correlation" not in document:
                continue
            text = yaml.safe_dump({"title": "x", **document, **({"id": None} if document.get("id") == "—" else {})})
            found = read(tmp_path, text)
            if isinstance(found, Correlation):
                whole.append(found)
            else:
                refused.append(found)
    assert len(whole) == 9
    assert [found.reason.split()[0] for found in refused] == ["the", "value_percentile"]


# Documents of any kind -----------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["a", "b", "5m", "1M", "temporal", "value_sum", "a and not b", *UUIDS])
    | st.text(max_size=6),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["a", "field", "gte", "lt", "percentile"]) | st.text(max_size=3), inner, max_size=3
        )
    ),
    max_leaves=6,
)
KEYS: Final = ("type", "rules", "generate", "group-by", "timespan", "aliases", "condition", "x")
HEADS: Final = (
    "title",
    "id",
    "name",
    "status",
    "level",
    "tags",
    "related",
    "date",
    "generate",
    "falsepositives",
    "fields",
)


@given(
    st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=4) | VALUES,
    st.dictionaries(st.sampled_from(HEADS), VALUES, max_size=3),
)
def test_any_document_is_a_correlation_or_refused(changes: Any, around: dict[str, Any]) -> None:
    """Whatever an author writes, nothing else is raised."""
    made = {**section(), **changes} if isinstance(changes, dict) else changes
    with suppress(Refused):
        correlation(made, **around)


NAMES = st.sampled_from(["a", "b", "_c", "d1", *UUIDS])
FIELDS = st.sampled_from(["User", "SourceIp", "x.y", 4])
BOUNDS = st.dictionaries(
    st.sampled_from([each.value for each in Bound]), st.integers(-5, 10**6), min_size=1, max_size=1
)
EXPRESSIONS = st.sampled_from(["a", "a and b", "a or b and not d1", "not (a or _c)", "a and not", "b and (a or a)"])


@st.composite
def sections(draw: st.DrawFn) -> dict[str, Any]:
    """Return a section that both readers are likely to accept: one comparison, and a field where the type wants one."""
    kind = draw(st.sampled_from(Kind))
    made: dict[str, Any] = {"type": draw(st.sampled_from([kind.value, kind.value.upper()]))}
    made["timespan"] = f"{draw(st.integers(1, 999))}{draw(st.sampled_from('smhdwMy'))}"
    made["rules"] = draw(st.lists(NAMES, min_size=1, max_size=3, unique_by=str.lower) | NAMES)
    made["condition"] = written(kind, draw(BOUNDS))
    if kind in (Kind.TEMPORAL, Kind.TEMPORAL_ORDERED) and draw(st.booleans()):
        made["condition"] = draw(EXPRESSIONS)
        if draw(st.booleans()):
            made["rules"] = ["a", "b"]
        else:
            del made["rules"]
    more: dict[str, st.SearchStrategy[Any]] = {
        "group-by": st.lists(FIELDS, max_size=3, unique=True) | st.just("User"),
        "generate": st.booleans(),
        "aliases": st.just({}),
    }
    return {**made, **draw(st.fixed_dictionaries({}, optional=more))}


@given(sections())
def test_what_pysigma_reads_too_is_read_as_it_reads_it(made: dict[str, Any]) -> None:
    """References, group, timespan, comparison: wherever both accept the document."""
    try:
        ours = correlation(made)
        theirs = SigmaCorrelationRule.from_dict({"title": "x", "correlation": made})
    except (Refused, SigmaError):
        return
    assert ours.kind.value == theirs.type.name.lower()
    assert list(ours.group_by) == (theirs.group_by or [])
    assert ours.timespan == theirs.timespan.seconds * SECOND
    assert ours.generate == theirs.generate
    if isinstance(theirs.condition, SigmaExtendedCorrelationCondition):
        listed = [each.reference for each in theirs.rules] if theirs.rules else theirs.condition.get_referenced_rules()
        assert list(ours.rules) == listed
        return
    assert list(ours.rules) == [each.reference for each in theirs.rules or ()]
    if "condition" in made:
        assert ours.condition.bounds == ((Bound(theirs.condition.op.name.lower()), theirs.condition.count),)
        assert list(ours.condition.fields) == ([theirs.condition.fieldref] if theirs.condition.fieldref else [])


@given(st.text("ab ()notrd", max_size=30))
def test_any_boolean_condition_is_read_or_refused(text: str) -> None:
    """The parser raises nothing else."""
    with suppress(RelationError):
        parse(text)
