"""The rules that come with Vonggac: sound Sigma, each with samples, and firing on just what it should."""

import shutil
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from collectors import syslog
from collectors.sources import Options
from correlator.choice import Choice
from correlator.correlation.draft import Limits
from correlator.correlation.link import link
from correlator.correlation.rule import Correlation, Kind
from correlator.engine.atoms import MAX_SEARCHED
from correlator.engine.plain import predicate
from correlator.engine.record import Record
from correlator.load import builtin, load
from correlator.rules import RuleSet
from correlator.tools.samples import EventSequence, Sample, judge
from soc.alerts import Level
from soc.rules.samples import read as samples_of

FOLDER = builtin()
SAMPLES = sorted(FOLDER.rglob("*.samples.yml"))
RULES = sorted(path for path in FOLDER.rglob("*.yml") if path not in SAMPLES)
CORRELATIONS = [path for path in RULES if path.parent.name == "correlation"]
DETECTIONS = [path for path in RULES if path not in CORRELATIONS]
RECORDINGS = FOLDER.parent / "deploy/recordings"
RECEIVED = 1_795_363_200_000_000  # 22 November 2026, 16:00 UTC: after the recordings were made

EXCLUDED = {
    "attacktag": "fetches MITRE's data from the network",
    "d3_fendtag": "fetches MITRE's data from the network",
}
"""Validators of `sigma check` that are not run, and why."""

LEVELS = {"informational", "low", "medium", "high", "critical"}


def stem(path: str | Path) -> str:
    """Return a rule's name, of its file or of its samples'."""
    return Path(path).name.removesuffix(".yml").removesuffix(".samples")


def read(path: Path) -> Any:
    """Return a YAML file's document."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def ruleset() -> RuleSet:
    """Every built-in rule, compiled once."""
    return load(Choice(paths=(FOLDER,)))


@pytest.fixture(scope="module")
def changed(ruleset: RuleSet) -> RuleSet:
    """The same rules, for another plan: the engine that they built is not to be built for each."""
    return RuleSet(ruleset.rules)


def samples(path: Path) -> list[Sample | EventSequence]:
    """Return a file's samples."""
    return list(samples_of(path, Options("test", now=lambda: RECEIVED)))


def fired(ruleset: RuleSet, line: str) -> set[str]:
    """Return the names of the rules that fire on a syslog message."""
    event = syslog.parse(line.encode(), received=RECEIVED, site="test")
    return {stem(hit.rule.file) for hit in ruleset.evaluate(event.logsource, dict(event.fields))}


def test_there_are_enough_rules_and_none_fails_to_compile(ruleset: RuleSet) -> None:
    """Shows that every file in rules/ is a rule that the service evaluates."""
    assert [str(failure) for failure in ruleset.failures] == []
    assert len(ruleset.rules) == len(DETECTIONS) >= 28


def test_every_correlation_is_evaluated(ruleset: RuleSet) -> None:
    """Shows that every file in rules/correlation/ is a correlation in force, of every type that our sources have use for."""
    plan = ruleset.plan.linked.values()
    assert sorted(stem(each.correlation.file) for each in plan) == [stem(path) for path in CORRELATIONS]
    kinds = Counter(str(each.correlation.kind) for each in plan)
    assert kinds.keys() == {"event_count", "value_count", "value_sum", "temporal", "temporal_ordered"}
    assert len(CORRELATIONS) >= 14
    assert {each.sliding for each in plan} == {True, False}
    assert max(each.level for each in plan) >= 2


def test_correlations_silence_what_is_not_worth_a_look_alone(ruleset: RuleSet) -> None:
    """Shows that no rule above `informational` falls silent, and none of those that are worth nothing alone is heard."""
    silenced = ruleset.plan.silenced
    quiet = {stem(rule.file) for rule in ruleset.rules if rule.ref.id in silenced}
    assert quiet == {stem(rule.file) for rule in ruleset.rules if rule.ref.level is Level.INFORMATIONAL}
    assert not any(each.silent for each in ruleset.plan.linked.values())


@pytest.mark.parametrize("path", RULES, ids=stem)
def test_rule_has_what_an_operator_needs(path: Path) -> None:
    """Shows that pySigma takes the rule without an error and that nothing of its head is missing."""
    rule = (SigmaCorrelationRule if path in CORRELATIONS else SigmaRule).from_dict(read(path))
    assert rule.errors == []
    assert rule.id is not None
    assert uuid.UUID(str(rule.id)).version == 4
    assert all((rule.title, rule.description, rule.author, rule.date))
    assert str(rule.level) in LEVELS
    assert rule.falsepositives
    assert any(tag.namespace == "attack" for tag in rule.tags)


def test_ids_and_titles_are_unique() -> None:
    """Shows that no two rules share an id or a title."""
    documents = [read(path) for path in RULES]
    assert len({each["id"] for each in documents}) == len(documents)
    assert len({each["title"] for each in documents}) == len(documents)


def test_sigma_check_finds_nothing(tmp_path: Path) -> None:
    """Shows that the validators of sigma-cli have no issue with the rules, which it wants in one folder, without samples."""
    for path in RULES:
        shutil.copy(path, tmp_path)
    options = [part for name in EXCLUDED for part in ("--exclude", name)]
    command = [sys.executable, "-m", "sigma.cli.main", "check", "--fail-on-error", "--fail-on-issues", *options]
    done = subprocess.run([*command, str(tmp_path)], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Found 0 errors, 0 condition errors and 0 issues" in done.stdout + done.stderr


def test_each_rule_has_samples_and_each_sample_file_a_rule() -> None:
    """Shows that rules and sample files come in pairs."""
    assert [stem(path) for path in SAMPLES] == [stem(path) for path in RULES]


@pytest.mark.parametrize("path", SAMPLES, ids=stem)
def test_rule_fires_on_its_samples_alone(path: Path, ruleset: RuleSet) -> None:
    """Shows that the rule fires on each sample under `match`, on none under `no_match`, and that there are two of each."""
    judged = list(judge(ruleset, samples(path)))
    assert [each.sample.name for each in judged if not each.passed] == []
    wanted = Counter(each.sample.matches != 0 for each in judged)
    assert min(wanted[True], wanted[False]) >= 2


@pytest.mark.parametrize("path", CORRELATIONS, ids=stem)
def test_what_a_correlation_must_not_match_comes_near_it(path: Path, ruleset: RuleSet) -> None:
    """Shows that of the sequences under `no_match` one at least has hits that enter the correlation."""
    found = samples(path.with_suffix(".samples.yml"))
    sequences = [each for each in found if isinstance(each, EventSequence)]
    judged = judge(ruleset, sequences)
    assert any(each.entered for each in judged if each.sample.matches == 0)
    assert len(sequences) == len(found)


def mutants(correlation: Correlation) -> Iterator[tuple[str, Correlation]]:
    """Yield what the correlation would be with another number, a longer timespan, a group less, or no order."""
    for bound, threshold in correlation.condition.bounds:
        for step in (-1, 1):
            condition = replace(correlation.condition, bounds=((bound, threshold + step),))
            yield f"{threshold} {step:+}", replace(correlation, condition=condition)
    yield "timespan", replace(correlation, timespan=min(1000 * correlation.timespan, Limits().timespan))
    for name in correlation.group_by if len(correlation.group_by) > 1 else ():
        yield name, replace(correlation, group_by=tuple(each for each in correlation.group_by if each != name))
    if correlation.kind is Kind.TEMPORAL_ORDERED:
        yield "order", replace(correlation, kind=Kind.TEMPORAL)


@pytest.mark.parametrize("path", CORRELATIONS, ids=stem)
def test_samples_notice_each_change_of_a_correlation(path: Path, ruleset: RuleSet, changed: RuleSet) -> None:
    """Shows that number, timespan, each part of the group, and the order matter to the samples."""
    correlations = [each.correlation for each in ruleset.plan.linked.values()]
    (own,) = [each for each in correlations if stem(each.file) == stem(path)]
    sequences = [replace(each, rule=own.ref.id) for each in samples(path.with_suffix(".samples.yml"))]
    for name, mutant in mutants(own):
        links = link([mutant if each is own else each for each in correlations], ruleset.rules)
        assert not links.failures
        changed.plan = links.plan
        assert not all(each.passed for each in judge(changed, sequences)), name


@pytest.mark.parametrize("path", sorted(RECORDINGS.rglob("*.log")), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recording_raises_alerts_but_not_everywhere(path: Path, ruleset: RuleSet) -> None:
    """Shows that rules fire on each recording, in both formats of syslog, and leave its ordinary lines alone."""
    lines = path.read_text(encoding="utf-8").splitlines()
    hits = [fired(ruleset, line) for line in lines]
    assert any(hits)
    assert not all(hits)


@pytest.mark.parametrize("name", ["sshd", "sudo", "auth", "cron", "postgresql"])
def test_both_formats_of_a_recording_fire_the_same_rules(name: str, ruleset: RuleSet) -> None:
    """Shows that RFC 3164 and RFC 5424 forms of the same messages mean the same to the rules."""
    pair = ((RECORDINGS / folder / f"{name}.log").read_text(encoding="utf-8") for folder in ("", "rfc5424"))
    old, new = ([fired(ruleset, line) for line in text.splitlines()] for text in pair)
    assert old == new


@pytest.mark.parametrize("path", DETECTIONS, ids=stem)
def test_rule_stays_quick_on_hostile_values(path: Path, ruleset: RuleSet) -> None:
    """Shows that no pattern of the rule goes quadratic on the longest text that is searched, made of what nearly satisfies it."""
    (rule,) = [each for each in ruleset.rules if stem(each.file) == stem(path)]
    found = (each for each in samples(path.with_suffix(".samples.yml")) if isinstance(each, Sample))
    for sample in (each for each in found if each.matches):
        ((_, fields),) = sample.events
        for cut in (0, 1, 7):
            hostile = {name: grown(value, cut) for name, value in fields.items()}
            begun = time.process_time()
            predicate(rule.condition).holds(Record(hostile))
            assert time.process_time() - begun < 0.5, (sample.name, cut)


def grown(value: Any, cut: int) -> Any:
    """Return a text repeated to that length, without its last characters each time; other values as they are."""
    if not isinstance(value, str) or len(value) <= cut:
        return value
    part = value[: len(value) - cut]
    return (part * (MAX_SEARCHED // len(part) + 1))[:MAX_SEARCHED]
