"""Correlations and rules in, a plan out: who feeds whom with what, and why a correlation is not evaluated."""

import os
import re
import tracemalloc
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from correlator.choice import Choice, Selection, apply
from correlator.compiler.compile import compile_files
from correlator.correlation.carried import MAX_CARRIED
from correlator.correlation.cycles import in_order
from correlator.correlation.draft import HOUR, MAX_LEVELS, MONTH, Limits
from correlator.correlation.link import MAX_NAMED, Links, link, linked
from correlator.correlation.plan import Input, Linked, Plan
from correlator.correlation.rule import Aliases, Bound, Condition, Correlation, Kind
from correlator.source import Compiled, Failure, Rule, Skipped
from correlator.syntax import Glob, Test
from soc.alerts import Level, RuleRef
from soc.clock import SECOND
from soc.events import LogSource

ROOT: Final = Path(__file__).parents[3]
SIGMA: Final = Path(os.environ.get("SOC_SIGMA_PATH", ROOT.parent / "shared" / "sigma"))
SPECIFICATION: Final = SIGMA / "specification" / "sigma-correlation-rules-specification.md"
AT_HITS: Final = Condition(((Bound.GTE, 3),))
JUDGED: Final = Condition(((Bound.LT, 3),))


def rule(name: str, product: str = "linux") -> Rule:
    """Return a detection rule; its id is `id-` and its name."""
    reference = RuleRef(f"id-{name}", f"Rule {name}", Level.LOW)
    return Rule(reference, LogSource(product), (), f"{name}.yml", 1, Test("User", Glob(("root",))), name=name)


def correlation(
    name: str,
    *rules: str,
    by: tuple[str, ...] = ("User",),
    kind: Kind = Kind.EVENT_COUNT,
    condition: Condition = AT_HITS,
    aliases: Aliases = (),
    timespan: int = 60 * SECOND,
    generate: bool = False,
) -> Correlation:
    """Return a correlation; its id is `id-` and its name."""
    reference = RuleRef(f"id-{name}", f"Correlation {name}", Level.HIGH)
    return Correlation(reference, name, kind, rules, by, aliases, timespan, condition, generate, f"{name}.yml", 7)


A, B, C = rule("a"), rule("b"), rule("c")
RULES: Final = (A, B, C)


def plan(*correlations: Correlation) -> Plan:
    """Link what can be linked."""
    links = link(correlations, RULES)
    assert not links.failures, links.failures
    return links.plan


def found(where: Plan, name: str) -> Linked:
    """Return a linked correlation."""
    return next(each for each in where.linked.values() if each.correlation.name == name)


def failed(*correlations: Correlation, **more: Any) -> dict[str, str]:
    """Return the reasons of those that are not linked, by name."""
    links = link(correlations, RULES, **more)
    assert not {each.correlation.name for each in links.plan.linked.values()} & {each.name for each in links.failures}
    return {each.name: each.reason for each in links.failures}


# What is linked ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["a", "id-a", "ID-A"])
def test_a_rule_is_referred_to_by_its_name_or_its_id(reference: str) -> None:
    """The id in any case."""
    made = plan(correlation("x", reference))
    (one,) = made.linked.values()
    asked = Input("id-a", 0, ("User",), ())
    assert one.inputs == (asked,)
    assert made.feeds == {"id-a": ((one, asked),)}
    assert made.titles == {"id-a": "Rule a"}


def test_levels_come_in_order_and_parents_are_told() -> None:
    """However the correlations are written."""
    made = plan(correlation("top", "mid", "a"), correlation("mid", "low", "b"), correlation("low", "c"))
    assert [(each.correlation.name, each.level) for each in made.linked.values()] == [
        ("low", 1),
        ("mid", 2),
        ("top", 3),
    ]
    assert made.levels == 3
    low, mid, top = made.linked.values()
    assert low.parents == ((mid.version, mid.inputs[0]),)
    assert mid.parents == ((top.version, top.inputs[0]),)
    assert set(made.feeds) == {"id-a", "id-b", "id-c"}
    assert made.titles == {
        "id-a": "Rule a",
        "id-b": "Rule b",
        "id-c": "Rule c",
        "id-low": "Correlation low",
        "id-mid": "Correlation mid",
    }


def test_what_is_referred_to_falls_silent_unless_generate_says_otherwise() -> None:
    """As soon as one correlation does not generate it."""
    loud, quiet = correlation("loud", "a", "b", "low", generate=True), correlation("quiet", "b")
    made = plan(loud, quiet, correlation("low", "c", generate=True), correlation("also", "b"))
    assert made.silenced == {"id-b": ("Correlation quiet", "Correlation also")}
    assert not any(each.silent for each in made.linked.values())
    made = plan(correlation("top", "low"), correlation("low", "a"))
    assert (found(made, "low").silent, found(made, "top").silent) == (True, False)


def test_aliases_become_the_fields_of_each_rule() -> None:
    """Keyed by name or id, as the rule is referred to or not; a rule that an alias leaves out has a field of that name."""
    aliases = (("who", (("a", "User"), ("ID-B", "Account"))), ("many", (("a", "Port"),)))
    made = plan(
        correlation(
            "x",
            *("a", "b", "c"),
            by=("who", "Host"),
            kind=Kind.VALUE_COUNT,
            condition=replace(AT_HITS, fields=("many",)),
            aliases=aliases,
        )
    )
    assert [(each.group, each.values) for each in found(made, "x").inputs] == [
        (("User", "Host"), ("Port",)),
        (("Account", "Host"), ("many",)),
        (("who", "Host"), ("many",)),
    ]


def test_hits_carry_what_correlations_above_ask_for() -> None:
    """Their fields by their aliases, but for those that they are grouped by; through every level."""
    value = replace(AT_HITS, fields=("Port",))
    made = plan(
        correlation("low", "a", by=("User",)),
        correlation("mid", "low", "b", by=("who",), aliases=(("who", (("low", "Account"),)),)),
        correlation("top", "mid", by=("who", "Host"), kind=Kind.VALUE_COUNT, condition=value),
    )
    assert found(made, "low").carried == ("Account", "Host", "Port")
    assert found(made, "mid").carried == ("Host", "Port")
    assert found(made, "top").carried == ()


def test_an_ordered_correlation_feeds_the_fields_of_its_last_rule() -> None:
    """The hit at which it holds is one of that."""
    made = plan(
        correlation("one", "a"),
        correlation("two", "b"),
        correlation("mid", "one", "two", kind=Kind.TEMPORAL_ORDERED, condition=Condition()),
        correlation("top", "mid", by=("Host",)),
    )
    assert found(made, "one").carried == ()
    assert found(made, "two").carried == ("Host",)


def test_a_number_of_rules_in_order_may_end_at_any_of_them() -> None:
    """So each of them carries what is asked for above."""
    made = plan(
        correlation("one", "a"),
        correlation("two", "b"),
        correlation("mid", "one", "two", "c", kind=Kind.TEMPORAL_ORDERED, condition=Condition(((Bound.GTE, 2),))),
        correlation("top", "mid", by=("Host",)),
    )
    assert [found(made, name).carried for name in ("one", "two")] == [("Host",), ("Host",)]


def test_a_version_is_of_what_state_depends_on() -> None:
    """Not of words and places; of itself, of the correlations below, of the rules' ids."""
    low, top = correlation("low", "a"), correlation("top", "low")
    one = plan(low, top)
    assert all(re.fullmatch("[0-9a-f]{16}", version) for version in one.linked)
    words = replace(top.ref, title="Other", level=Level.LOW, description="x", tags=("t",))
    same = replace(top, ref=words, file="z.yml", line=99, status="test", author="Eve", generate=True, name="other")
    assert plan(low, same).linked.keys() == one.linked.keys()
    for changed in (
        replace(low, timespan=low.timespan + 1),
        replace(low, group_by=("Host", "User")),
        replace(low, condition=Condition(((Bound.GT, 3),))),
        replace(low, rules=("b",)),
        replace(low, kind=Kind.TEMPORAL),
        replace(low, aliases=(("User", (("a", "Account"),)),)),
    ):
        assert not plan(changed, top).linked.keys() & one.linked.keys()
    again = plan(low, replace(top, timespan=1))
    assert found(again, "low").version == found(one, "low").version
    assert found(again, "top").version != found(one, "top").version


# What is not ---------------------------------------------------------------------------------------------------------


def test_a_reference_in_vain_is_a_failure_that_says_why() -> None:
    """Nothing has that name; several have; it is listed twice; or it is known why it is not evaluated."""
    assert "no rule that was read has that id or name" in failed(correlation("x", "nowhere"))["x"]
    assert "same rule" in failed(correlation("x", "a", "id-a"))["x"]
    twin = replace(rule("d"), name="a")
    (failure,) = link([correlation("x", "a")], (*RULES, twin)).failures
    assert "2 rules have the name 'a' (a.yml:1 and d.yml:1)" in failure.reason
    assert (failure.file, failure.line, failure.id, failure.kind) == ("x.yml", 7, "id-x", "correlation")
    reasons = failed(correlation("x", "d"), correlation("y", "ID-D"), absent={"d": "why", "id-d": "why"})
    assert [reason.endswith("which is not evaluated: why") for reason in reasons.values()] == [True, True]


def test_a_failure_takes_those_above_it_along() -> None:
    """And no other; what they would have silenced is told to be heard."""
    links = link(
        [
            correlation("low", "nowhere"),
            correlation("mid", "low", "a"),
            correlation("top", "mid"),
            correlation("x", "b"),
        ],
        RULES,
    )
    reasons = {each.name: each.reason for each in links.failures}
    assert list(reasons) == ["low", "mid", "top"]
    assert reasons["top"].startswith("it refers to 'Correlation mid', which is not evaluated: it refers to 'Corr")
    assert "'nowhere'" in reasons["top"]
    assert [each.correlation.name for each in links.plan.linked.values()] == ["x"]
    assert links.remarks == (
        "'Correlation mid' is not evaluated, so what it refers to makes matches of its own: 'Rule a'",
    )


def test_a_cycle_is_named() -> None:
    """From each of its members; what stands above it fails with it, what does not is linked."""
    reasons = failed(
        correlation("one", "two"),
        correlation("two", "a", "three"),
        correlation("three", "one"),
        correlation("self", "self"),
        correlation("above", "b", "one"),
    )
    assert "'Correlation one' -> 'Correlation two' -> 'Correlation three' -> 'Correlation one'" in reasons["one"]
    assert "'Correlation two' -> 'Correlation three' -> 'Correlation one' -> 'Correlation two'" in reasons["two"]
    assert "'Correlation self' -> 'Correlation self'" in reasons["self"]
    assert reasons["above"].startswith("it refers to 'Correlation one', which is not evaluated: it refers to itself")
    assert len(reasons) == 5


def test_a_long_cycle_is_told_in_few_words() -> None:
    """Each of its members is named where its own reason begins; the memory grows with their number, not its square."""
    ring = [correlation(f"c{number}", f"c{(number + 1) % 3000}") for number in range(3000)]
    long = [replace(each, ref=replace(each.ref, title=each.ref.title + 250 * "t")) for each in ring]
    tracemalloc.start()
    reasons = failed(*long)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(reasons) == 3000
    assert re.match("it refers to itself: 'Correlation c7t+' -> 'Correlation c8t+' -> ", reasons["c7"])
    assert reasons["c7"].count(" -> ") == MAX_NAMED + 1
    assert re.search(" -> 2,992 more -> 'Correlation c7t+'; one of them must not refer to the next$", reasons["c7"])
    assert most < 20 * 1024**2


def test_too_many_levels_are_refused() -> None:
    """However long the chain, in time that grows with it."""
    chain = [correlation(f"c{number}", f"c{number - 1}" if number else "a") for number in range(3000)]
    reasons = failed(*chain)
    assert len(reasons) == 3000 - MAX_LEVELS
    assert f"more than {MAX_LEVELS} correlations" in reasons[f"c{MAX_LEVELS}"]
    assert "c2998" in reasons["c2999"]


def test_an_alias_of_another_rule_is_refused() -> None:
    """It would never be applied."""
    assert (
        "'b', which the correlation does not refer to"
        in failed(correlation("x", "a", aliases=(("who", (("b", "User"),)),)))["x"]
    )
    assert "no rule that was read" in failed(correlation("x", "a", aliases=(("who", (("z", "User"),)),)))["x"]


def test_a_timespan_beyond_the_limit_is_refused_with_the_remedy() -> None:
    """The setting is named."""
    limits = Limits(timespan=2 * HOUR)
    assert not failed(correlation("x", "a", timespan=2 * HOUR), limits=limits)
    reason = failed(correlation("x", "a", timespan=2 * HOUR + 1), limits=limits)["x"]
    assert "longer than 2 h" in reason
    assert "correlate.max_timespan_hours" in reason
    assert "minutes" not in reason
    assert "(M is months, m minutes)" in failed(correlation("x", "a", timespan=10 * MONTH))["x"]


@pytest.mark.parametrize(
    ("bound", "most"),
    [(Bound.GTE, 10), (Bound.GT, 9), (Bound.LT, 10), (Bound.LTE, 9), (Bound.EQ, 9), (Bound.NEQ, 9), (Bound.GT, 9.5)],
)
@pytest.mark.parametrize("kind", [Kind.EVENT_COUNT, Kind.VALUE_COUNT])
def test_a_count_beyond_what_is_remembered_is_refused(kind: Kind, bound: Bound, most: float) -> None:
    """What decides the comparison must be held; of numeric types the threshold is no number of hits."""
    limits = Limits(group_hits=10)
    assert not failed(correlation("x", "a", kind=kind, condition=Condition(((bound, most),))), limits=limits)
    more = Condition(((Bound.NEQ, 1), (bound, most + 1)))
    assert "correlate.max_group_hits" in failed(correlation("x", "a", kind=kind, condition=more), limits=limits)["x"]
    numeric = replace(more, fields=("F",))
    assert not failed(correlation("x", "a", kind=Kind.VALUE_SUM, condition=numeric), limits=limits)


def test_a_judged_window_has_the_fields_of_its_group_alone() -> None:
    """Who asks for others is refused, directly or above one that has none either."""
    low = correlation("low", "a", by=("User", "Host"), condition=JUDGED)
    assert not failed(low, correlation("top", "low", by=("Host",)))
    reason = failed(low, correlation("top", "low", by=("Host", "Port")))["top"]
    assert "asks 'Correlation low' for the field 'Port'" in reason
    assert "only 'Host', 'User'" in reason
    value = replace(AT_HITS, fields=("Port",))
    assert "'Port'" in failed(low, correlation("top", "low", kind=Kind.VALUE_COUNT, condition=value))["top"]
    mid = correlation("mid", "low", "b", by=("User",))
    assert "'Port'" in failed(low, mid, correlation("top", "mid", by=("Port",)))["top"]
    assert not failed(low, mid, correlation("top", "mid", by=("Host",)))
    ordered = replace(mid, kind=Kind.TEMPORAL_ORDERED, condition=Condition())
    assert not failed(low, ordered, correlation("top", "mid", by=("Port",)))
    some = replace(ordered, condition=Condition(((Bound.GTE, 1),)))
    assert "'Port'" in failed(low, some, correlation("top", "mid", by=("Port",)))["top"]


def test_hits_carry_a_bounded_number_of_fields() -> None:
    """The correlation that would be one too many is refused, through every level; the same fields again are no more."""
    fields = tuple(f"f{number}" for number in range(MAX_CARRIED))
    low, mid = correlation("low", "a", by=()), correlation("mid", "low", by=("own",))
    whole = [
        correlation("one", "mid", by=fields[:30]),
        correlation("two", "mid", by=(*fields[30:-1], "own")),
        correlation("three", "mid", by=fields),
        correlation("x", "mid", "b", by=("more",)),
    ]
    made = plan(low, mid, *whole[:2])
    assert (found(made, "low").carried, found(made, "mid").carried) == (("own", *fields[:-1]), fields[:-1])
    links = link([low, mid, *whole], RULES)
    assert {each.name for each in links.failures} == {"three", "x"}
    assert "hits of 'Correlation low' would have to carry more than 64 fields" in links.failures[0].reason
    assert found(links.plan, "mid").carried == fields[:-1]


def test_an_alias_that_a_correlation_does_not_group_by_cannot_be_asked_for() -> None:
    """No event has a field of that name; neither of it nor through another above it."""
    aliases = (("who", (("a", "User"), ("b", "Account"))),)
    low = correlation("low", "a", "b", by=("Host",), aliases=aliases)
    reasons = failed(
        low, correlation("top", "low", by=("who",)), correlation("mid", "low"), correlation("far", "mid", by=("who",))
    )
    assert reasons.keys() == {"top", "far"}
    assert "'who', an alias that 'Correlation low' does not group by: group that by 'who' too" in reasons["top"]
    assert not failed(replace(low, group_by=("Host", "who")), correlation("top", "low", by=("who",)))


def test_an_alias_names_a_rule_once() -> None:
    """By its id and by its name it would have two fields."""
    aliases = (("who", (("a", "User"), ("ID-A", "Account"))),)
    assert "names one rule twice" in failed(correlation("x", "a", by=("who",), aliases=aliases))["x"]


def test_a_reference_that_is_nearly_one_is_told_what_is_meant() -> None:
    """A name in another case, a title in any."""
    assert "did you mean 'Rule a'? Refer to it by the name 'a', in that case" in failed(correlation("x", "A"))["x"]
    assert "did you mean 'Rule b'?" in failed(correlation("x", "rule B"))["x"]
    nameless = replace(C, name="")
    (failure,) = link([correlation("x", "Rule c")], (nameless,)).failures
    assert failure.reason.endswith("did you mean 'Rule c'? Refer to it by the id 'id-c', in that case")


def test_a_failure_tells_the_line_of_the_key_at_fault() -> None:
    """The section's; where the condition names the rules, the condition's; of one without lines, the document's."""
    keys = ("type", "rules", "group-by", "timespan", "aliases", "condition")
    lines = tuple((key, number) for number, key in enumerate(keys, 10))
    limits = Limits(timespan=60 * SECOND, group_hits=10)
    low = correlation("low", "a", by=("Host",), condition=JUDGED)
    wrong = {
        "timespan": correlation("x", "a", timespan=61 * SECOND),
        "condition": correlation("x", "a", condition=Condition(((Bound.GTE, 99),))),
        "rules": correlation("x", "nowhere"),
        "aliases": correlation("x", "a", aliases=(("who", (("nowhere", "User"),)),)),
        "group-by": correlation("x", "low", by=("Port",)),
    }
    for key, each in wrong.items():
        (failure,) = link([low, replace(each, lines=lines)], RULES, limits).failures
        assert failure.line == dict(lines)[key], key
    (failure,) = link([replace(wrong["rules"], lines=lines[2:])], RULES).failures
    assert failure.line == dict(lines)["condition"]
    (failure,) = link([wrong["rules"]], RULES).failures
    assert failure.line == 7


# The whole rule set --------------------------------------------------------------------------------------------------


def test_what_the_site_leaves_out_is_told_to_those_that_refer_to_it() -> None:
    """Which setting leaves it out; and a rule that does not compile, with its place."""
    broken = Failure("broken.yml", 3, "no condition", "id-d", name="d")
    made = Compiled(
        RULES, (broken,), correlations=(correlation("x", "a"), correlation("y", "d"), correlation("z", "b"))
    )
    chosen = linked(apply(Choice(disabled=("id-a",)), made))
    assert [each.name for each in chosen.correlations] == ["z"]
    reasons = {each.name: each.reason for each in chosen.failures if each.kind == "correlation"}
    assert reasons["x"].endswith("it is left out by correlate.disabled")
    assert reasons["y"].endswith("broken.yml:3: no condition")
    assert broken in chosen.failures
    assert [each.correlation.name for each in chosen.plan.linked.values()] == ["z"]


def test_the_site_s_choice_holds_for_correlations_too() -> None:
    """Disabled, of a level, by the site's own level; a logsource is none of theirs."""
    made = Compiled(RULES, (), correlations=(correlation("x", "a"), correlation("y", "b")))
    chosen = apply(Choice(disabled=("Correlation x",), changed_levels={"id-y": Level.CRITICAL}), made)
    assert [each.ref.level for each in chosen.correlations] == [Level.CRITICAL]
    assert chosen.skipped == (Skipped(made.correlations[0], "disabled"),)
    assert not chosen.remarks
    low = apply(Choice(only=Selection(levels=frozenset({Level.LOW}))), made)
    assert not low.correlations
    assert apply(Choice(only=Selection(logsources=(LogSource("linux"),))), made).correlations == made.correlations


def test_a_correlation_goes_with_the_logsources_of_its_rules() -> None:
    """A site that has none of them wants neither; where it has one of them, it is told."""
    windows = rule("w", "windows")
    made = Compiled(
        (*RULES, windows),
        (),
        correlations=(correlation("top", "x"), correlation("x", "w"), correlation("y", "w", "A", "a")),
    )
    chosen = linked(apply(Choice(without=Selection(logsources=(LogSource("windows"),))), made))
    assert {(each.rule.name, each.part) for each in chosen.skipped} == {
        (name, "without.logsources") for name in ("w", "x", "top")
    }
    assert [each.name for each in chosen.failures] == ["y"]


def test_an_id_is_of_one_rule_or_correlation() -> None:
    """The second is refused, as of two rules."""
    twin = replace(correlation("x", "b"), ref=replace(A.ref, title="Twin"))
    chosen = apply(Choice(), Compiled(RULES, (), correlations=(twin,)))
    assert [each.reason for each in chosen.failures] == ["the id id-a is that of the rule in a.yml:1; give it its own"]


@pytest.mark.skipif(not SPECIFICATION.exists(), reason="no specification")
def test_the_specification_s_chain_is_linked(tmp_path: Path) -> None:
    """Failed logins, then one that succeeds: four documents of one file."""
    blocks = re.findall(r"```ya?ml\n(.*?)```", SPECIFICATION.read_text("utf-8"), re.DOTALL)
    (chain,) = (block for block in blocks if "\n---\n" in block)
    (tmp_path / "chain.yml").write_text(chain, encoding="utf-8")
    made = linked(compile_files([tmp_path / "chain.yml"], {}))
    assert not made.failures
    assert [(each.correlation.kind, each.level, each.silent) for each in made.plan.linked.values()] == [
        (Kind.EVENT_COUNT, 1, True),
        (Kind.TEMPORAL_ORDERED, 2, False),
    ]
    assert len(made.plan.feeds) == 2
    assert len(made.plan.silenced) == 3


@pytest.mark.skipif(not SPECIFICATION.exists(), reason="no specification")
def test_the_specification_s_aliases_are_linked(tmp_path: Path) -> None:
    """An address is the source's in one event and the destination's in the other."""
    blocks = re.findall(r"```ya?ml\n(.*?)```", SPECIFICATION.read_text("utf-8"), re.DOTALL)
    parts = [
        yaml.safe_load(block) for block in blocks if "internal_error" in block or "new_network_connection" in block
    ]
    around: dict[str, Any] = {"title": "x", "logsource": {"product": "linux"}}
    whole = [{**around, "title": str(number), **part, "id": None} for number, part in enumerate(parts)]
    text = "\n---\n".join(
        yaml.safe_dump({k: v for k, v in each.items() if v != "—"} | {"title": f"t{n}"}) for n, each in enumerate(whole)
    )
    (tmp_path / "aliases.yml").write_text(text, encoding="utf-8")
    made = linked(compile_files([tmp_path / "aliases.yml"], {}))
    assert not made.failures
    (one,) = made.plan.linked.values()
    assert [each.group for each in one.inputs] == [("destination.ip", "source.ip"), ("source.ip", "destination.ip")]


NAMES = st.integers(0, 7).map("c{}".format) | st.sampled_from(["a", "b", "nowhere"])


@given(st.lists(st.tuples(st.lists(NAMES, min_size=1, max_size=3, unique=True), st.booleans()), max_size=8))
def test_every_correlation_is_linked_or_a_failure(written: list[tuple[list[str], bool]]) -> None:
    """Whatever refers to whatever; and what is linked refers to what is there."""
    made = [
        correlation(f"c{number}", *rules, condition=JUDGED if judged else AT_HITS, by=("User",) if number % 3 else ())
        for number, (rules, judged) in enumerate(written)
    ]
    links: Links = link(made, RULES)
    names = [each.correlation.name for each in links.plan.linked.values()]
    assert sorted([*names, *(each.name for each in links.failures)]) == sorted(each.name for each in made)
    ids = {each.correlation.ref.id: each for each in links.plan.linked.values()}
    for each in links.plan.linked.values():
        below = [ids[entering.rule] for entering in each.inputs if entering.rule not in ("id-a", "id-b")]
        assert each.level == 1 + max((child.level for child in below), default=0)
        assert all(each.version in dict(child.parents) for child in below)


@given(st.dictionaries(st.integers(0, 9), st.lists(st.integers(0, 9), max_size=3), max_size=10))
def test_an_order_has_every_node_once(graph: dict[int, list[int]]) -> None:
    """Behind what it leads to where that is no cycle; a ring is a way along edges, back to where it begins."""
    edges = {str(node): [str(each) for each in ends if each in graph] for node, ends in graph.items()}
    ordered, rings = in_order(edges)
    known = {node for ring in rings for node in ring}
    assert sorted([*ordered, *known]) == sorted(edges)
    assert sum(map(len, rings)) == len(known)
    for ring in rings:
        assert all(after in edges[before] for before, after in pairwise([*ring, ring[0]]))
    if not rings:
        assert all(ordered.index(end) < ordered.index(node) for node in ordered for end in edges[node])
    for node in ordered:  # each finds, before it, one that it leads to
        assert not edges[node] or known & set(edges[node])
        known.add(node)
