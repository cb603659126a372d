"""pySigma's processing pipelines: what they do to rules, and what of them is refused and how."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from correlator.compiler import modifiers
from correlator.compiler.compile import compile_files
from correlator.compiler.pipelines import PipelineError, read
from correlator.engine.plain import predicate
from correlator.engine.record import Record
from correlator.source import Compiled, Failure
from soc.events import LogSource

RULE = """\
title: A rule under test
id: 00000000-0000-4000-8000-000000000001
logsource:
    product: linux
    service: sshd
detection:
"""

DETECTION_LINE = len(RULE.splitlines()) + 1


def compiled(
    folder: Path, detection: str, *pipelines: str, placeholders: Mapping[str, list[str | int]] = {}
) -> Compiled:
    """Compile a detection part that goes through pipelines, each given by its transformations, or whole."""
    texts = [
        (f"p{n}.yml", text if "transformations:" in text else "transformations:\n" + textwrap.dedent(text))
        for n, text in enumerate(pipelines)
    ]
    if "condition:" not in detection:
        detection = "sel:\n" + textwrap.indent(textwrap.dedent(detection), "    ") + "\ncondition: sel\n"
    file = folder / "rule.yml"
    file.write_text(RULE + textwrap.indent(textwrap.dedent(detection), "    "), encoding="utf-8")
    modifiers.register()
    return compile_files([file], dict(placeholders), read(texts))


def fires(made: Compiled, fields: Mapping[str, Any]) -> bool:
    """Tell whether the one rule fires."""
    assert not made.failures, made.failures
    (rule,) = made.rules
    return predicate(rule.condition).holds(Record(fields))


def failure(made: Compiled) -> Failure:
    """Return the one failure."""
    assert not made.rules
    (found,) = made.failures
    return found


RENAME = """
- id: names
  type: field_name_mapping
  mapping:
      User: winlog.user
      Image: [process.path, process.image]
"""


def test_a_field_is_renamed(tmp_path: Path) -> None:
    """The rule's name is no longer asked for."""
    made = compiled(tmp_path, "User: root", RENAME)
    assert fires(made, {"winlog.user": "ROOT"})
    assert not fires(made, {"User": "root"})


@pytest.mark.parametrize(
    ("detection", "fields", "expected"),
    [
        ("User|base64offset|contains: root", {"winlog.user": "xcm9vdx"}, True),
        ("User|wide|base64: root", {"winlog.user": "cgBvAG8AdAA="}, True),
        ("User|cased: root", {"winlog.user": "Root"}, False),
        ("User|cased: root", {"winlog.user": "root"}, True),
        ("User|windash: '-a'", {"winlog.user": "\N{EN DASH}a"}, True),
        ("User|re|i: ^ROOT$", {"winlog.user": "root"}, True),
        ("User|cidr: 10.0.0.0/8", {"winlog.user": "10.1.1.1"}, True),
        ("User|exists: false", {"User": "x"}, True),
        ("User|fieldref: Image2", {"winlog.user": "a", "Image2": "a"}, True),
        ("Other|fieldref: User", {"winlog.user": "a", "Other": "a"}, True),
        ("Other|fieldref|endswith: User", {"winlog.user": "a", "Other": "ba"}, True),
        ("User|neq: root", {"winlog.user": "root"}, False),
        ("User|gt: 5", {"winlog.user": "6"}, True),
        ("User: null", {"winlog.user": None}, True),
        ("User|contains|all: [a, b]", {"winlog.user": "a"}, False),
        ("User|contains|all: [a, b]", {"winlog.user": "ba"}, True),
    ],
)
def test_modifiers_mean_the_same_of_a_renamed_field(
    tmp_path: Path, detection: str, fields: dict[str, Any], expected: bool
) -> None:
    """Ours, which stand in pySigma's place, too."""
    assert fires(compiled(tmp_path, detection, RENAME), fields) is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [({"process.path": "a"}, True), ({"process.image": "a"}, True), ({"Image": "a"}, False)],
)
def test_a_field_with_two_new_names_is_either(tmp_path: Path, fields: dict[str, Any], expected: bool) -> None:
    """Wherever the value stands."""
    assert fires(compiled(tmp_path, "Image|endswith: a", RENAME), fields) is expected


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"process.path": "a"}, False),
        ({"process.image": "a", "process.path": "b"}, False),
        ({"process.path": "b"}, True),
    ],
)
def test_not_equal_of_two_new_names_is_neither(tmp_path: Path, fields: dict[str, Any], expected: bool) -> None:
    """The negation is that of the whole."""
    assert fires(compiled(tmp_path, "Image|neq: a", RENAME), fields) is expected


def test_alternatives_that_are_negated_each_stay_alternatives(tmp_path: Path) -> None:
    """As the rule says it, through a pipeline that touches nothing of them."""
    made = compiled(tmp_path, "- A|neq: a\n- B|neq: a", RENAME)
    assert fires(made, {"A": "a", "B": "b"})


def test_the_alert_key_is_renamed_with_the_fields(tmp_path: Path) -> None:
    """Its fields are the rule's; what changes the list `fields` of a rule is not meant."""
    text = "alert_key: [User, Other]\nfields: [Image]\n"
    pipeline = (
        RENAME + "- {type: add_field, field: x}\n- {type: set_field, fields: [y]}\n- {type: remove_field, field: Other}"
    )
    (tmp_path / "rule.yml").write_text(f"{text}{RULE}    sel: {{A: 1}}\n    condition: sel\n", encoding="utf-8")
    (rule,) = compile_files([tmp_path / "rule.yml"], {}, read([("p.yml", "transformations:\n" + pipeline)])).rules
    assert rule.alert_key == ("winlog.user", "Other")


def test_a_value_is_mapped(tmp_path: Path) -> None:
    """To one, or to several of which any will do."""
    made = compiled(tmp_path, "User: root", "- {type: map_string, mapping: {root: ['0', toor]}}")
    assert [fires(made, {"User": value}) for value in ("0", 0, "toor", "root")] == [True, True, True, False]


@pytest.mark.parametrize(
    ("transformation", "value", "fields"),
    [
        ("{type: replace_string, regex: '^C:', replacement: 'D:'}", "'C:\\x'", {"F": "d:\\x"}),
        ("{type: set_value, value: 7}", "x", {"F": 7}),
        ("{type: convert_type, target_type: num}", "'4688'", {"F": 4688}),
        ("{type: case, method: upper}", "abc", {"F": "ABC"}),
        ("{type: regex, method: ignore_case_flag}", "a*c", {"F": "AbC"}),
        ("{type: field_name_prefix, prefix: w.}", "x", {"w.F": "x"}),
        ("{type: field_name_suffix, suffix: .text}", "x", {"F.text": "x"}),
        ("{type: field_name_prefix_mapping, mapping: {F: G}}", "x", {"G": "x"}),
        ("{type: nest, items: [{type: field_name_prefix, prefix: w.}]}", "x", {"w.F": "x"}),
    ],
)
def test_other_transformations_of_names_and_values(
    tmp_path: Path, transformation: str, value: str, fields: dict[str, Any]
) -> None:
    """One example of each."""
    assert fires(compiled(tmp_path, f"F: {value}", f"- {transformation}"), fields)


def test_hashes_become_fields_of_their_own(tmp_path: Path) -> None:
    """As the published pipelines do it."""
    pipeline = "- {type: hashes_fields, valid_hash_algos: [MD5, SHA1], field_prefix: File, drop_algo_prefix: false}"
    made = compiled(tmp_path, f"Hashes|contains: 'MD5={'0' * 32}'", pipeline)
    assert fires(made, {"FileMD5": "0" * 32})


def test_a_condition_is_added(tmp_path: Path) -> None:
    """And stands in the reasons under the same name at each start."""
    pipeline = "- {type: add_condition, conditions: {Channel: Security}}"
    made = compiled(tmp_path, "User: root", pipeline)
    assert fires(made, {"User": "root", "Channel": "security"})
    assert not fires(made, {"User": "root"})
    assert made.rules == compiled(tmp_path, "User: root", pipeline).rules


def test_a_condition_is_added_negated_and_before_several(tmp_path: Path) -> None:
    """To each of the rule's conditions, its operators kept together."""
    pipeline = "- {type: add_condition, conditions: {Lab: yes}, negated: true, name: lab}"
    made = compiled(tmp_path, "a: {A: 1}\nb: {B: 1}\ncondition: [a or b, a and b]", pipeline)
    assert fires(made, {"B": 1})
    assert not fires(made, {"A": 1, "B": 1, "Lab": "true"})


def test_a_logsource_is_changed(tmp_path: Path) -> None:
    """It is that which decides what events the rule sees."""
    (rule,) = compiled(tmp_path, "A: 1", "- {type: change_logsource, product: Windows, service: Security}").rules
    assert rule.logsource == LogSource("windows", None, "security")


def test_conditions_of_a_pipeline_hold(tmp_path: Path) -> None:
    """It may speak of other rules than this one."""
    pipeline = """
    - type: field_name_prefix
      prefix: w.
      rule_conditions: [{type: logsource, product: windows}]
    - type: field_name_suffix
      suffix: .x
      field_name_conditions: [{type: include_fields, fields: [A]}]
    """
    assert fires(compiled(tmp_path, "A: 1\nB: 1", pipeline), {"A.x": 1, "B": 1})


def test_pipelines_are_applied_by_priority_and_then_in_order(tmp_path: Path) -> None:
    """As pySigma's own tools do."""
    late = "priority: 20\ntransformations: [{type: field_name_suffix, suffix: .late}]"
    early = "priority: 10\ntransformations: [{type: field_name_suffix, suffix: .early}]"
    last = "priority: 20\ntransformations: [{type: field_name_suffix, suffix: .last}]"
    assert fires(compiled(tmp_path, "A: 1", late, early, last), {"A.early.late.last": 1})


# Placeholders --------------------------------------------------------------------------------------------------------

PLACEHOLDERS = "vars:\n    admins: [alice, 'b*']\ntransformations: [{type: value_placeholders, include: [admins]}]"


def test_placeholders_take_the_pipeline_s_values(tmp_path: Path) -> None:
    """With their wildcards."""
    made = compiled(tmp_path, "User|expand: '%admins%'", PLACEHOLDERS)
    assert [fires(made, {"User": user}) for user in ("Alice", "bob", "carol")] == [True, True, False]


def test_placeholders_that_a_pipeline_leaves_take_the_settings_values(tmp_path: Path) -> None:
    """First the pipeline, then the settings."""
    made = compiled(tmp_path, "User|expand: '%admins%@%site%'", PLACEHOLDERS, placeholders={"site": ["here"]})
    assert fires(made, {"User": "alice@here"})
    wild = compiled(tmp_path, "User|expand: 'x%other%'", "- {type: wildcard_placeholders}")
    assert fires(wild, {"User": "xyz"})


def test_a_placeholder_without_a_value_is_a_failure_at_its_line(tmp_path: Path) -> None:
    """The one that has a value is not blamed."""
    found = failure(compiled(tmp_path, "A|expand: '%admins%'\nB|expand: '%other%'", PLACEHOLDERS))
    assert "%other%" in found.reason
    assert found.line == DETECTION_LINE + 2


# What is refused -----------------------------------------------------------------------------------------------------


def test_a_rule_that_the_pipeline_refuses_is_a_failure_of_the_rule(tmp_path: Path) -> None:
    """Its message, the file, and the line where the rule begins."""
    found = failure(compiled(tmp_path, "User: root", "- {type: rule_failure, message: Not here}"))
    assert str(found) == f"{tmp_path / 'rule.yml'}:1: Not here"


def test_a_field_that_the_pipeline_refuses_is_a_failure_at_its_line(tmp_path: Path) -> None:
    """The field that meets the condition, not the first one."""
    pipeline = """
    - type: detection_item_failure
      message: No such field
      field_name_conditions: [{type: include_fields, fields: [B]}]
    """
    found = failure(compiled(tmp_path, "A: 1\nB: 1\nC: 1", pipeline))
    assert (found.reason, found.line) == ("No such field", DETECTION_LINE + 2)


def test_a_query_expression_is_refused_by_name(tmp_path: Path) -> None:
    """It is text for another system."""
    pipeline = "- {type: query_expression_placeholders, expression: '{field} in list({id})'}"
    found = failure(compiled(tmp_path, "A: 1\nB|expand: '%x%'", pipeline))
    assert "SigmaQueryExpression" in found.reason
    assert found.line == DETECTION_LINE + 2


def test_a_selection_of_which_nothing_is_left_is_refused(tmp_path: Path) -> None:
    """It would hold of every event."""
    pipeline = """
    - type: drop_detection_item
      field_name_conditions: [{type: include_fields, fields: [A]}]
    """
    assert "leaves nothing of 'sel'" in failure(compiled(tmp_path, "A: 1", pipeline)).reason
    assert fires(compiled(tmp_path, "A: 1\nB: 1", pipeline), {"B": 1})
    nested = failure(compiled(tmp_path, "- A: 1\n- B: 1", pipeline))
    assert "leaves nothing of 'sel'" in nested.reason


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("transformations: }", r"p\.yml:1: not YAML"),
        ("transformations:\n  - a: b: c", r"p\.yml:2: not YAML"),
        ("", "a map with a list 'transformations' is expected"),
        ("7", "a map with a list"),
        ("[]", "a map with a list"),
        ("title: x\nlogsource: {}\n", "a map with a list"),
        ("transformations: {}", "a map with a list"),
        ("transformations: [7]", "no processing pipeline"),
        ("transformations: [{type: nosuch}]", "Unknown transformation type 'nosuch'"),
        ("transformations: [{id: x}]", "Missing transformation type"),
        ("transformations: [{type: field_name_mapping}]", "mapping"),
        ("transformations: [{type: rule_failure, message: x, rule_conditions: [{type: nosuch}]}]", "nosuch"),
        ("nosuch: 1\ntransformations: []", "nosuch"),
        ("priority: high\ntransformations: []", "'priority'.*int is expected"),
        ("vars: [1]\ntransformations: []", "'vars'.*dict is expected"),
        ("transformations: []\npostprocessing: [{type: embed, prefix: x}]", "'postprocessing' changes queries"),
        ("transformations: []\nfinalizers: [{type: concat}]", "'finalizers' changes queries"),
        ("transformations: [{type: command_placeholders, command: 'id'}]", "'command_placeholders' is not followed"),
        ("transformations: [{type: file_placeholders, path: /etc/passwd}]", "'file_placeholders' is not followed"),
        ("transformations: [{type: nest, items: [{type: http_placeholders, url: x}]}]", "'http_placeholders'"),
        ("transformations: " + "[" * 100_000, "nested deeper"),
        ("transformations: &a [{type: nest, items: *a}]", "aliases repeat each other without end"),
        ("transformations: []\n---\ntransformations: []", "not YAML"),
        ("!!python/object/apply:os.system [id]", "not YAML"),
    ],
)
def test_a_pipeline_that_cannot_be_read_is_refused_by_its_file(text: str, why: str) -> None:
    """The start is refused: rules would be others than the site means."""
    with pytest.raises(PipelineError, match=why) as caught:
        read([("p.yml", text)])
    assert str(caught.value).startswith("p.yml:")


def test_external_sources_are_not_followed_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline is data: it runs no command and fetches nothing."""
    monkeypatch.setenv("PYSIGMA_ALLOW_EXTERNAL_SOURCES", "1")
    with pytest.raises(PipelineError, match="is not followed"):
        read([("p.yml", "transformations: [{type: command_placeholders, command: id, allow_external_sources: true}]")])


def test_no_pipeline_is_none() -> None:
    """Then rules are compiled as they are."""
    assert read([]) is None


PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
KEYS = st.sampled_from(
    ["type", "mapping", "id", "items", "rule_conditions", "fields", "message", "value", "conditions"]
)
TYPES = st.sampled_from(
    ["field_name_mapping", "nest", "map_string", "add_condition", "set_value", "rule_failure", "case"]
)
ITEMS = st.lists(
    st.dictionaries(
        KEYS, PLAIN | TYPES | st.lists(PLAIN, max_size=2) | st.dictionaries(st.text(max_size=3), PLAIN, max_size=2)
    ),
    max_size=3,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.fixed_dictionaries({"transformations": ITEMS}, optional={"vars": PLAIN, "priority": PLAIN, "name": PLAIN}))
def test_any_pipeline_is_read_or_refused_and_rules_compile_or_fail(tmp_path: Path, document: dict[str, Any]) -> None:
    """Nothing else is raised, whatever a pipeline says."""
    try:
        made = compiled(tmp_path, "A: 1", yaml.safe_dump(document))
    except PipelineError:
        return
    assert len(made.rules) + len(made.failures) == 1
