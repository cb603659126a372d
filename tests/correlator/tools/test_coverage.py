"""Which rules could fire: by the events of their logsource, the fields that those have, and their EventIDs."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from correlator.compiler.compile import compile_files
from correlator.engine.plain import predicate
from correlator.engine.record import Record
from correlator.rules import RuleSet
from correlator.syntax import All, Exists, FieldRef, Glob, Named, Node, Not, Test
from correlator.syntax import Any as AnyOf
from correlator.tools import coverage
from correlator.tools.coverage import Census, State, by_logsource, sights, unwatched
from soc.events import LogSource

SSHD = LogSource("linux", None, "sshd")
HEAD = "title: A rule\nid: 00000000-0000-4000-8000-00000000000{}\nlogsource: {{product: linux, service: sshd}}\n"


def rules(folder: Path, *detections: str) -> RuleSet:
    """Rules with these detection parts, of one line."""
    for number, detection in enumerate(detections):
        text = HEAD.format(number) + f"detection: {{{detection}}}\n"
        (folder / f"{number}.yml").write_text(text, "utf-8")
    compiled = compile_files([folder], {})
    assert not compiled.failures
    return RuleSet(compiled.rules)


def census(*events: dict[str, Any]) -> Census:
    """What was seen of one logsource."""
    seen = Census()
    for fields in events:
        seen.count(fields)
    return seen


@pytest.mark.parametrize(
    ("detection", "state", "missing"),
    [
        ("a: {User: x}, condition: a", State.ABLE, ()),
        ("a: {Other: x}, condition: a", State.BLIND, ("Other",)),
        ("a: {User: x, Other: x, More: y}, condition: a", State.BLIND, ("More", "Other")),
        ("a: [{User: x}, {Other: x}], condition: a", State.ABLE, ()),
        ("a: {User: x}, f: {Other: x}, condition: a and not f", State.ABLE, ()),
        ("a: {Other|exists: false}, condition: a", State.ABLE, ()),
        ("a: {User|exists: false}, condition: a", State.ABLE, ()),
        ("a: {User: x}, f: {Other|exists: false}, condition: a and not f", State.BLIND, ()),
        ("a: {User|fieldref: Other}, condition: a", State.BLIND, ("Other",)),
        ("a: {EventID: 5}, condition: a", State.BLIND, ("EventID=5",)),
        ("a: {EventID: [5, 1]}, condition: a", State.ABLE, ()),
        ("a: [word], condition: a", State.ABLE, ()),
    ],
)
def test_a_rule_can_fire_where_its_fields_are_there(
    tmp_path: Path, detection: str, state: State, missing: tuple[str, ...]
) -> None:
    """What is missing is named."""
    seen = {SSHD: census({"User": "a", "EventID": 1}, {"User": "b", "EventID": "2"})}
    (sight,) = sights(rules(tmp_path, detection), seen)
    assert (sight.state, sight.events, sight.missing) == (state, 2, missing)


def test_a_rule_whose_logsource_is_not_seen_is_unseen(tmp_path: Path) -> None:
    """And what no rule sees is told too."""
    other = LogSource("cisco", None, "aaa")
    loaded = rules(tmp_path, "a: {User: x}, condition: a")
    (sight,) = sights(loaded, {other: census({"User": "a"})})
    assert sight.state is State.UNSEEN
    assert unwatched(loaded, {other: census({}, {}), SSHD: census({})}) == [(other, 2)]


def test_one_of_several_logsources_is_enough(tmp_path: Path) -> None:
    """Fields that one kind of event lacks may be there in another."""
    loaded = rules(tmp_path, "a: {User: x}, condition: a", "a: {B: x}, condition: a")
    seen = {SSHD: census({"B": 1}), LogSource("linux", "x", "sshd"): census({"User": 1})}
    assert [sight.state for sight in sights(loaded, seen)] == [State.ABLE, State.ABLE]
    (row,) = by_logsource(sights(loaded, seen))
    assert (row.rules, row.events, row.states[State.ABLE]) == (2, 2, 2)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log may invent names without end."""
    monkeypatch.setattr(coverage, "MAX_NAMES", 10)
    seen = census(*({f"name{number}": 1, "EventID": number} for number in range(100)))
    assert seen.events == 100
    assert len(seen.names) <= 12
    assert len(seen.event_ids) <= 10


NAMES = ["a", "b", "c"]
tests = st.builds(
    Test, st.sampled_from(NAMES), st.sampled_from([Glob(("1",)), Exists(True), Exists(False), FieldRef("b")])
)
nodes: st.SearchStrategy[Node] = st.recursive(
    tests,
    lambda inner: st.one_of(
        st.builds(Not, inner),
        st.builds(Named, st.just("n"), inner),
        st.builds(All, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
    ),
    max_leaves=8,
)


@given(node=nodes, event=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(["1", "2"])))
def test_what_fires_on_an_event_can_fire(node: Node, event: dict[str, str]) -> None:
    """The answer "cannot" is never wrong."""
    if predicate(node).holds(Record(event)):
        assert coverage._may_hold(node, census(event))
