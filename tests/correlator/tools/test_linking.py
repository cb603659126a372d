"""Warnings about correlations that are in force: each on the one that it is for, and none on a sound one."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from correlator.compiler.compile import compile_files
from correlator.correlation.link import linked
from correlator.correlation.rule import Correlation
from correlator.source import Compiled
from correlator.tools.checking import Warned
from correlator.tools.linking import check, silenced
from correlator.tools.written import Written, unknown, written
from soc.events import LogSource

RULE: Final = """\
title: {title}
name: {title}
id: 00000000-0000-4000-8000-00000000000{number}
level: {level}
logsource: {{product: {product}}}
detection: {{sel: {selection}, condition: sel}}
---
"""
CORRELATION: Final = """\
title: Correlated
id: 00000000-0000-4000-8000-000000000009
level: high
correlation:
    type: {kind}
    rules: [{rules}]
    group-by: [{group}]
    timespan: 10m
    condition: {condition}
generate: true
"""
PLAIN: Final = "{Action: exec, User: root}"

Check = Callable[..., list[Warned]]


def rules() -> str:
    """Two rules of what is collected, four more that write the same field, and one of what is not."""
    told = [("one", "linux", PLAIN), ("two", "linux", PLAIN), ("alien", "amiga", PLAIN)]
    told += [(f"more{number}", "linux", PLAIN) for number in range(3)]
    text = "".join(
        RULE.format(title=title, number=number, level="low", product=product, selection=selection)
        for number, (title, product, selection) in enumerate(told, 1)
    )
    dead = RULE.format(title="dead", number=7, level="low", product="linux", selection="{Other: x}")
    return text + dead.replace("condition: sel", "condition: sel and not sel")


def compiled_of(tmp_path: Path, text: str) -> Compiled:
    """What a file gives, linked; nothing in it fails."""
    file = tmp_path / "rules.yml"
    file.write_text(text, "utf-8")
    compiled = linked(compile_files([file], {}))
    assert not compiled.failures, compiled.failures
    return compiled


def warned_of(compiled: Compiled) -> list[Warned]:
    """What is said; no event is an Amiga's."""

    def document(each: Correlation) -> Written:
        return written(Path(each.file).read_text("utf-8"))[each.line]

    def unseen(logsource: LogSource) -> bool:
        return logsource.product == "amiga"

    return list(check(compiled, document, unseen))


@pytest.fixture
def warnings(tmp_path: Path) -> Check:
    """Return a function that checks one correlation by its parts."""

    def run(kind: str, condition: str, names: str = "one", group: str = "User", more: str = "") -> list[Warned]:
        text = CORRELATION.format(kind=kind, rules=names, group=group, condition=condition)
        return warned_of(compiled_of(tmp_path, rules() + text + more))

    return run


@pytest.mark.parametrize(
    ("kind", "condition", "names"),
    [
        ("event_count", "{gte: 2}", "one"),
        ("event_count", "{gte: 2, lt: 4}", "one, alien"),
        ("value_count", "{gt: 1, field: Action}", "one"),
        ("temporal", "one or two", "one, two"),
        ("temporal", "one and not two", "one, two"),
        ("temporal", "one or alien", "one, alien"),
        ("temporal_ordered", "{gte: 2}", "one, two, alien"),
        ("value_sum", "{gt: 10, field: Bytes}", "one"),
        ("value_avg", "{gt: 10, lt: 20, field: Bytes}", "one"),
    ],
)
def test_a_sound_correlation_has_no_warning(warnings: Check, kind: str, condition: str, names: str) -> None:
    """Neither what is asked nor what it refers to is doubtful."""
    assert warnings(kind, condition, names) == []


@pytest.mark.parametrize(
    ("kind", "condition", "names"),
    [
        ("event_count", "{eq: 0}", "one"),
        ("event_count", "{lt: 1}", "one"),
        ("event_count", "{gt: 3, lt: 4}", "one"),
        ("event_count", "{gte: 5, lte: 4}", "one"),
        ("value_count", "{lt: 0, field: Action}", "one"),
        ("temporal", "{gte: 3}", "one, two"),
        ("temporal_ordered", "{gte: 3}", "one, two"),
        ("temporal", "one and two and not one", "one, two"),
        ("value_sum", "{gt: 5, lt: 4, field: Bytes}", "one"),
        ("value_avg", "{eq: 5, neq: 5, field: Bytes}", "one"),
    ],
)
def test_a_condition_that_cannot_hold_is_told(warnings: Check, kind: str, condition: str, names: str) -> None:
    """On its line."""
    (found,) = warnings(kind, condition, names)
    assert (found.kind, found.line) == ("never", 7 * 7 + 9)


def test_who_asks_for_no_event_is_told_what_finds_silence(warnings: Check) -> None:
    """Not that bounds contradict each other."""
    texts = [warnings("event_count", condition)[0].text for condition in ("{eq: 0}", "{lt: 1}", "{gte: 5, lte: 4}")]
    assert ["did not follow" in text for text in texts] == [True, True, False]


@pytest.mark.parametrize(
    ("kind", "condition", "names"),
    [
        ("event_count", "{gte: 2}", "alien, dead"),
        ("temporal", "one and alien", "one, alien"),
        ("temporal", "{gte: 2}", "one, alien"),
        ("temporal_ordered", "{gte: 3}", "one, two, alien"),
    ],
)
def test_what_rests_on_rules_that_never_fire_is_told(warnings: Check, kind: str, condition: str, names: str) -> None:
    """With the names of those."""
    (found,) = warnings(kind, condition, names)
    assert found.kind == "no-event"
    assert "alien" in found.text
    assert "one" not in found.text.split(": ", 1)[1]


def test_a_correlation_above_one_that_never_fires_never_does(warnings: Check) -> None:
    """Through all levels; what it silences unawares is told besides."""
    above = """\
---
title: Above
level: high
correlation:
    type: temporal
    rules: [00000000-0000-4000-8000-000000000009, one]
    group-by: [User]
    timespan: 10m
"""
    found = warnings("event_count", "{gte: 2}", "alien", more=above)
    assert [each.kind for each in found] == ["no-event", "no-id", "no-event", "silenced"]
    assert "these never do: Correlated" in found[2].text
    assert "it silences Correlated (high), one (low);" in found[3].text


@pytest.mark.parametrize(
    ("kind", "condition", "names", "said"),
    [
        ("event_count", "{gte: 1}", "one", "for every group that has one;"),
        ("value_count", "{gt: 0, field: Action}", "one", "for every group that has one;"),
        ("event_count", "{lt: 5}", "one", "has just one"),
        ("event_count", "{neq: 3}", "one", "has just one"),
        ("value_count", "{lte: 2, field: Action}", "one", "has just one"),
        ("temporal", "{gte: 1}", "one, two", "for every group that has one;"),
        ("temporal_ordered", "{gte: 1}", "one, two", "for every group that has one;"),
    ],
)
def test_a_condition_that_one_event_satisfies_is_told(
    warnings: Check, kind: str, condition: str, names: str, said: str
) -> None:
    """Whatever it counts."""
    (found,) = warnings(kind, condition, names)
    assert found.kind == "one-event"
    assert said in found.text


def test_one_event_may_be_enough_for_the_correlations_above(warnings: Check) -> None:
    """It groups anew for them."""
    above = """\
---
title: Above
id: 00000000-0000-4000-8000-000000000008
level: high
correlation:
    type: event_count
    rules: [00000000-0000-4000-8000-000000000009]
    group-by: [User]
    timespan: 10m
    condition: {gte: 2}
generate: false
"""
    assert warnings("event_count", "{gte: 1}", more=above) == []


def test_a_field_in_another_case_is_told_once(warnings: Check) -> None:
    """Of group-by and of the condition; host and site are every event's, and what no rule writes is not known."""
    assert warnings("event_count", "{gte: 2}", "one, two", "host, site, Image") == []
    (found,) = warnings("event_count", "{gte: 2}", "one, two", "user, host")
    assert (found.kind, found.line) == ("field-case", 7 * 7 + 7)
    assert "5 rules of linux/*/* write the field user as User" in found.text
    (found,) = warnings("value_count", "{gte: 2, field: ACTION}")
    assert (found.kind, found.line) == ("field-case", 7 * 7 + 9)


def test_an_alias_that_nothing_uses_is_told(tmp_path: Path) -> None:
    """By its name."""
    text = CORRELATION.format(kind="event_count", rules="one", group="who", condition="{gte: 2}")
    text = text.replace("    timespan", "    aliases: {who: {one: User}, what: {one: Action}}\n    timespan")
    (found,) = warned_of(compiled_of(tmp_path, rules() + text))
    assert (found.kind, found.line) == ("unused", 7 * 7 + 8)
    assert "the alias what;" in found.text


@pytest.mark.parametrize(
    ("level", "generate", "warned"),
    [
        ("low", "", True),
        ("critical", "", True),
        ("informational", "", False),
        ("low", "generate: false\n", False),
        ("low", "generate: true\n", False),
    ],
)
def test_what_falls_silent_unnoticed_is_told(tmp_path: Path, level: str, generate: str, warned: bool) -> None:
    """Where the correlation does not say that it is meant, and the rule is more than material for correlations."""
    rule = RULE.format(title="one", number=1, level=level, product="linux", selection=PLAIN)
    text = CORRELATION.format(kind="event_count", rules="one", group="User", condition="{gte: 2}")
    compiled = compiled_of(tmp_path, rule + text.replace("generate: true\n", generate))
    assert [each.kind for each in warned_of(compiled)] == (["silenced"] if warned else [])
    expected = [] if "true" in generate else [("one", ("Correlated",))]
    assert [(each.rule.ref.title, each.by) for each in silenced(compiled)] == expected


def test_generate_may_stand_in_the_section(tmp_path: Path) -> None:
    """As pySigma writes it."""
    text = CORRELATION.format(kind="event_count", rules="one", group="User", condition="{gte: 2}")
    text = text.replace("generate: true\n", "").replace("    timespan", "    generate: false\n    timespan")
    assert warned_of(compiled_of(tmp_path, rules() + text)) == []


def test_a_file_that_changed_meanwhile_does_no_harm(tmp_path: Path) -> None:
    """Of its text nothing is said then."""
    text = CORRELATION.format(kind="event_count", rules="one", group="User", condition="{gte: 1}")
    compiled = compiled_of(tmp_path, rules() + text.replace("generate: true\n", ""))
    found = list(check(compiled, lambda each: unknown(each.line), lambda _: False))
    assert [(each.kind, each.line) for each in found] == [("one-event", 7 * 7 + 1)]
