"""Filters on rules: which rules they change and how, until when, and what is said of those that change none."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st
from sigma.collection import SigmaCollection
from sigma.exceptions import SigmaError

from correlator.choice import Choice
from correlator.choice import apply as chosen
from correlator.compiler.compile import compile_files
from correlator.correlation.rule import Condition, Correlation, Kind
from correlator.filters import Filtered, State, apply, expired
from correlator.load import load
from correlator.rules import RuleSet
from correlator.source import Compiled, Failure, Filter, Rule, Skipped
from correlator.syntax import All
from correlator.tools.replaying import Replayed
from soc.clock import SECOND
from soc.events import LogSource
from soc.testing import NOW, ManualClock, make_event, make_rule
from tests.correlator.compiler.test_filters import OF_THE_SPECIFICATION
from tests.correlator.engine.agreement import Tally, agree
from tests.correlator.strategies import LOGSOURCE, conditions, events, rule_of
from tests.correlator.written import CONDITIONS, selections

RAR: Final = "6f3e2987-db24-4c78-a860-b4f4095a7095"
WINDOWS: Final = LogSource("windows", "process_creation", None)
PART: Final = st.sampled_from((None, "a", "b"))
LOGSOURCES: Final = st.builds(LogSource, PART, PART, PART)

RULES: Final = """\
title: An archive is made
id: 6F3E2987-DB24-4C78-A860-B4F4095A7095
name: rar_archive
logsource: {product: windows, category: process_creation}
detection:
    selection: {Image|endswith: rar.exe}
    condition: selection
---
title: A shell
id: 00000000-0000-4000-8000-000000000002
logsource: {product: windows, category: process_creation}
detection:
    selection: {Image|endswith: cmd.exe}
    condition: selection
---
title: A login
id: df0841c0-9846-4e9f-ad8a-7df91571771b
name: login
logsource: {product: linux, service: sshd}
detection:
    selection: {Action: login}
    condition: selection
"""

FILTER: Final = """\
title: Backup {number}
logsource: {logsource}
{head}
filter:
    rules: {rules}
    host: {{User: backup}}
    condition: {condition}
"""

Applied = Callable[..., Filtered]


def written(
    rules: str = "any",
    condition: str = "not host",
    logsource: str = "{product: windows}",
    head: str = "",
    number: int = 1,
) -> str:
    """Return a filter's document."""
    return FILTER.format(rules=rules, condition=condition, logsource=logsource, head=head, number=number)


@pytest.fixture
def applied(tmp_path: Path) -> Applied:
    """Return a function that compiles the rules and filters, and applies them."""

    def run(*filters: str, now: int = NOW, choice: Choice | None = None) -> Filtered:
        file = tmp_path / "rules.yml"
        file.write_text("\n---\n".join((RULES, *filters)), "utf-8")
        compiled = compile_files([file], {})
        assert not compiled.failures
        return apply(chosen(choice or Choice(), compiled), now)

    return run


def fired(filtered: Filtered, fields: Mapping[str, Any], logsource: LogSource = WINDOWS) -> list[str]:
    """Return the titles of the rules that fire."""
    rules = RuleSet(filtered.compiled.rules)
    return [hit.rule.ref.title for hit in rules.evaluate(logsource, dict(fields))]


# Which rules ---------------------------------------------------------------------------------------------------------


def test_the_example_of_the_specification_requires_what_it_selects(applied: Applied) -> None:
    """As it is written: without `not` the rule fires for those accounts alone, and other rules stay as they are."""
    filtered = applied(OF_THE_SPECIFICATION)
    rar = {"Image": "C:\\rar.exe"}
    assert fired(filtered, {**rar, "User": "adm_jane"}) == ["An archive is made"]
    assert fired(filtered, {**rar, "User": "jane"}) == fired(filtered, rar) == []
    assert fired(filtered, {"Image": "C:\\cmd.exe", "User": "jane"}) == ["A shell"]
    assert fired(filtered, {"Action": "login"}, LOGSOURCE) == ["A login"]
    assert len(filtered.compiled.remarks) == 1
    assert "'A login', whose logsource linux/*/sshd its own, windows/process_creation/*" in filtered.compiled.remarks[0]


@pytest.mark.parametrize(
    ("rules", "hidden"),
    [
        ("any", {"An archive is made", "A shell"}),
        (RAR, {"An archive is made"}),
        (f"[{RAR.upper()}, rar_archive]", {"An archive is made"}),
        ("[rar_archive, 00000000-0000-4000-8000-000000000002]", {"An archive is made", "A shell"}),
    ],
)
def test_rules_are_named_by_id_by_name_or_any(applied: Applied, rules: str, hidden: set[str]) -> None:
    """An id in any case, a name as it is written; the other rules are the same objects as before."""
    filtered = applied(written(rules))
    (effect,) = filtered.effects
    assert {rule.ref.title for rule in effect.rules} == hidden
    for image, title in (("rar.exe", "An archive is made"), ("cmd.exe", "A shell")):
        assert fired(filtered, {"Image": image, "User": "root"}) == [title]
        assert fired(filtered, {"Image": image, "User": "backup"}) == ([] if title in hidden else [title])
    assert not filtered.compiled.remarks


def test_several_filters_all_apply(applied: Applied) -> None:
    """In the order in which they were read, behind the rule's own condition."""
    filtered = applied(written(), written(number=2).replace("User: backup", "User: jane"))
    assert [fired(filtered, {"Image": "cmd.exe", "User": user}) for user in ("root", "backup", "jane")] == [
        ["A shell"],
        [],
        [],
    ]
    shell = filtered.compiled.rules[1].condition
    assert isinstance(shell, All)
    assert len(shell.nodes) == 3


def test_filters_of_any_rule_find_their_rules_once() -> None:
    """Those of one logsource share the answer: thousands of filters on thousands of rules are no more to keep."""
    rule = Rule(make_rule(), LogSource("linux"), (), "r.yml", 1, All(()))
    each = Filter("f", "f", LogSource("linux"), None, All(()), "f.yml", 1)
    made = Compiled((rule,), (), filters=(each, replace(each, id="g"), replace(each, id="h", expires="2020-01-01")))
    first, second, ended = apply(made, NOW).effects
    assert first.rules == (rule,)
    assert first.rules is second.rules is ended.rules
    assert ended.state is State.EXPIRED


def test_without_filters_nothing_changes(applied: Applied) -> None:
    """Not one object."""
    filtered = applied()
    assert filtered == Filtered(filtered.compiled)
    assert filtered.until is None
    assert not any(filtered.states.values())


@given(LOGSOURCES, LOGSOURCES)
def test_covering_is_that_of_pysigma(own: LogSource, other: LogSource) -> None:
    """A logsource that has every part that the filter's states; whatever else it has."""
    if any(own) and any(other):
        rule = replace(rule_of(All(())), logsource=other)
        each = Filter("f", "F", own, None, All(()), "f.yml", 1)
        effect = apply(Compiled((rule,), (), filters=(each,)), NOW).effects[0]
        assert bool(effect.rules) is _of_pysigma(own, other)


def _of_pysigma(own: LogSource, other: LogSource) -> bool:
    """Tell whether pySigma applies a filter of one logsource to a rule of another."""

    def said(logsource: LogSource) -> dict[str, str]:
        return {name: part for name, part in logsource._asdict().items() if part}

    rule: dict[str, Any] = {
        "title": "A rule",
        "logsource": said(other),
        "detection": {"sel": {"A": 1}, "condition": "sel"},
    }
    each: dict[str, Any] = {
        "title": "A filter",
        "logsource": said(own),
        "filter": {"rules": "any", "f": {"B": 1}, "condition": "not f"},
    }
    collection = SigmaCollection.from_dicts([rule, each])
    return len(collection.rules[0].detection.detections) > 1  # type: ignore[union-attr] # the rule comes first


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much])
@given(
    st.sampled_from(CONDITIONS), st.sampled_from(CONDITIONS), st.lists(selections, min_size=6, max_size=6),
    st.lists(events, max_size=4),
)  # fmt: skip
def test_a_filter_means_what_pysigma_makes_of_it(
    tmp_path: Path, own: str, added: str, parts: list[Any], given_events: list[dict[str, Any]]
) -> None:
    """Selections of one name in both, patterns of names and all: what pySigma puts into the rule fires on the same."""
    rule = _document("detection", own, parts[:3])
    each = _document("filter", added, parts[3:])
    file = tmp_path / "rules.yml"
    file.write_text("\n---\n".join(json.dumps(part) for part in (rule, each, _by_pysigma(rule, each))), "utf-8")
    compiled = compile_files([file], {})
    assume(not compiled.failures)
    filtered = apply(replace(compiled, rules=compiled.rules[:1]), NOW).compiled.rules[0]
    theirs = compiled.rules[1]
    for fields in given_events:
        fired_on = [bool(RuleSet([one]).evaluate(LOGSOURCE, dict(fields))) for one in (filtered, theirs)]
        assert fired_on[0] is fired_on[1], fields


def _document(kind: str, condition: str, parts: Sequence[Any]) -> dict[str, Any]:
    logsource = {"product": "linux", "service": "sshd"}
    content = {**dict(zip("abc", parts, strict=True)), "condition": condition}
    rules = {"rules": "any"} if kind == "filter" else {}
    return {"title": f"A {kind}", "logsource": logsource, kind: {**rules, **content}}


def _by_pysigma(rule: dict[str, Any], each: dict[str, Any]) -> dict[str, Any]:
    """Return the rule with the filter as pySigma puts it there: its names for selections, its condition."""
    try:
        detection = SigmaCollection.from_dicts([rule, each]).rules[0].detection  # type: ignore[union-attr] # the rule
    except SigmaError:
        reject()
    (prefix,) = {name.removesuffix("_a") for name in detection.detections if name.endswith("_a")}
    renamed = {f"{prefix}_{name}": each["filter"][name] for name in "abc"}
    own = {name: rule["detection"][name] for name in "abc"}
    return {**rule, "title": "Theirs", "detection": {**own, **renamed, "condition": detection.condition[0]}}


# What it means ---------------------------------------------------------------------------------------------------------


def test_reasons_tell_the_filter_by_its_title(applied: Applied) -> None:
    """Beside the rule's own; of what is negated there are none."""
    filtered = applied(written(condition="host"))
    (hit,) = RuleSet(filtered.compiled.rules).evaluate(WINDOWS, {"Image": "cmd.exe", "User": "backup"})
    assert [reason.selection for reason in hit.reasons] == ["selection", "filter: Backup 1: host"]


@given(
    st.lists(conditions, min_size=1, max_size=3),
    st.lists(conditions, min_size=1, max_size=2),
    st.lists(events, max_size=4),
)
def test_a_filtered_rule_fires_where_rule_and_filters_hold(nodes: Any, added: Any, given_events: Any) -> None:
    """Whatever both ask; the engine and the plain evaluator agree."""
    rules = tuple(rule_of(node, number) for number, node in enumerate(nodes))
    each = tuple(Filter(str(n), f"F{n}", LOGSOURCE, None, node, "f", 1) for n, node in enumerate(added))
    filtered = apply(Compiled(rules, (), filters=each), NOW)
    agree(filtered.compiled.rules, given_events, Tally())
    alone = RuleSet([*rules, *(rule_of(node, 100 + number) for number, node in enumerate(added))])
    together = RuleSet(filtered.compiled.rules)
    for fields in given_events:
        held = {hit.rule.ref.id for hit in alone.evaluate(LOGSOURCE, fields)}
        wanted = {rule.ref.id for rule in rules if rule.ref.id in held} if _all_hold(held, len(added)) else set()
        assert {hit.rule.ref.id for hit in together.evaluate(LOGSOURCE, fields)} == wanted


def _all_hold(held: set[str], filters: int) -> bool:
    return all(str(100 + number) in held for number in range(filters))


def test_what_a_filter_hides_enters_no_correlation(tmp_path: Path) -> None:
    """Its inputs are the hits of the filtered rules."""
    burst = "correlation: {type: event_count, rules: [login], group-by: [Host], timespan: 1h, condition: {gte: 2}}"
    file = tmp_path / "rules.yml"
    each = written("login", logsource="{product: linux}")
    file.write_text("\n---\n".join((RULES, each, f"title: Burst\n{burst}")), "utf-8")
    rules = load(Choice(paths=(file,)), clock=ManualClock())
    assert len(rules.plan.linked) == 1
    for users, bursts in ((("jane", "backup"), 0), (("jane", "backup", "root"), 1)):
        replayed = Replayed(rules.plan)
        for number, user in enumerate(users):
            event = make_event(number, fields={"Action": "login", "User": user, "Host": "web01"})
            replayed.add(event, rules.evaluate(event.logsource, event.fields))
        assert len(list(replayed.finish())) == bursts


# Days ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires", "ended"), [("2026-09-20", True), ("2026-09-21", True), ("2026-09-22", False), ("", False)]
)
def test_a_filter_ends_when_its_day_begins(applied: Applied, expires: str, ended: bool) -> None:
    """In UTC: a site's own day is not known. It hides nothing then, and a remark says so."""
    assert datetime.fromtimestamp(NOW / SECOND, UTC).date().isoformat() == "2026-09-21"
    filtered = applied(written(head=f"expires: {expires}" if expires else ""))
    assert fired(filtered, {"Image": "cmd.exe", "User": "backup"}) == (["A shell"] if ended else [])
    assert filtered.states[State.EXPIRED if ended else State.APPLIED] == 1
    assert [expires in remark for remark in filtered.compiled.remarks] == [True] * ended


def test_the_next_filter_to_expire(applied: Applied) -> None:
    """Tells when to apply them anew: to the microsecond, and not before."""
    days = ("2026-09-01", "2026-10-02", "2026-10-01")
    filtered = applied(*(written(head=f"expires: {day}", number=n) for n, day in enumerate(days)))
    until = round(datetime(2026, 10, 1, tzinfo=UTC).timestamp()) * SECOND
    assert filtered.until == until
    first = filtered.compiled.filters[2]
    assert not expired(first, until - 1)
    assert expired(first, until)


# What is said of them --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("filter_text", "remark"),
    [
        (written("nobody"), "names 'nobody': no rule that was read has that id or name"),
        (written("login"), "names 'A login', whose logsource linux/*/sshd its own, windows/*/*, does not cover"),
        (written(logsource="{product: macos}"), "none that was read has its logsource, macos/*/*"),
    ],
)
def test_a_filter_that_changes_nothing_is_told(applied: Applied, filter_text: str, remark: str) -> None:
    """Once, with file, line and title."""
    filtered = applied(filter_text)
    assert filtered.states[State.UNUSED] == 1
    (found,) = filtered.compiled.remarks
    assert remark in found
    assert "rules.yml:25: the filter 'Backup 1'" in found


def test_only_some_names_in_vain_are_told(applied: Applied) -> None:
    """And how many more there are."""
    remarks = applied(written("[" + ", ".join(f"r{n}" for n in range(9)) + "]")).compiled.remarks
    assert len(remarks) == 6
    assert "names 4 more rules in vain" in remarks[-1]


def test_a_filter_that_names_a_correlation_is_told_the_remedy() -> None:
    """It changes the rules that the correlation refers to, when it names them."""
    correlation = Correlation(
        make_rule(1), "burst", Kind.EVENT_COUNT, ("login",), (), (), SECOND, Condition(), False, "c.yml", 1
    )
    each = Filter("f", "F", LogSource("linux"), ("burst",), All(()), "f.yml", 3)
    compiled = Compiled((rule_of(All(())),), (), correlations=(correlation,), filters=(each,))
    (remark,) = apply(compiled, NOW).compiled.remarks
    assert "names the correlation 'Failed SSH login 1': a filter is for detection rules" in remark


def test_rules_that_are_left_out_or_fail_are_told_elsewhere() -> None:
    """That a filter is for one of those is no mistake of the filter's."""
    rule = rule_of(All(()), 1)
    each = Filter("f", "F", LOGSOURCE, ("1", "2"), All(()), "f.yml", 3)
    compiled = Compiled(
        (rule_of(All(()), 3),), (Failure("a", 1, "x", "2"),), (Skipped(rule, "disabled"),), filters=(each,)
    )
    filtered = apply(compiled, NOW)
    assert not filtered.compiled.remarks
    assert filtered.effects[0].rules == ()
    assert filtered.states[State.APPLIED] == 1


def test_a_rule_that_is_left_out_gives_its_id_to_no_other() -> None:
    """Two files may hold one id, of which the site has left out one."""
    left_out, rule = rule_of(All(()), 1), replace(rule_of(All(()), 1), logsource=LogSource("windows"))
    each = Filter("f", "F", LOGSOURCE, ("1",), All(()), "f.yml", 3)
    filtered = apply(Compiled((rule,), (), (Skipped(left_out, "disabled"),), filters=(each,)), NOW)
    assert filtered.compiled.rules == (rule,)
    assert filtered.effects[0].rules == ()


def test_filters_that_fail_are_counted_apart_from_rules() -> None:
    """For the metric."""
    failures = (Failure("a", 1, "x"), Failure("a", 2, "y", kind="filter"))
    assert apply(Compiled((), failures), NOW).states[State.FAILED] == 1


def test_a_site_disables_a_filter_as_it_does_a_rule(applied: Applied) -> None:
    """By id, title or file; of two with one id the second is refused, as two rules are."""
    fields = {"Image": "cmd.exe", "User": "backup"}
    filtered = applied(written(), choice=Choice(disabled=("backup 1",)))
    assert fired(filtered, fields) == ["A shell"]
    assert not filtered.compiled.remarks
    filtered = applied(written(), written())
    (failure,) = filtered.compiled.failures
    assert (failure.kind, failure.line) == ("filter", 34)
    assert "give it its own" in failure.reason
    assert fired(filtered, fields) == []


def test_two_rules_may_share_a_name(applied: Applied) -> None:
    """Both are meant: names are the site's to keep apart."""
    rules = (rule_of(All(()), 1), replace(rule_of(All(()), 2), name="n"), replace(rule_of(All(()), 3), name="n"))
    each = Filter("f", "F", LOGSOURCE, ("n",), All(()), "f.yml", 3)
    found: tuple[Rule, ...] = apply(Compiled(rules, (), filters=(each,)), NOW).effects[0].rules
    assert [rule.ref.id for rule in found] == ["2", "3"]
