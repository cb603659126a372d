"""What rules cost: told to the metrics as it grows, and to the log where a rule is slow."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from correlator.costs import HOUR, MINUTE, PERIOD, Costs
from correlator.rules import RuleSet
from correlator.source import Rule
from correlator.statistics import Cost, Statistics
from correlator.syntax import Exists, Test
from soc.events import LogSource
from soc.metrics import Metrics
from soc.testing import ManualClock, make_rule

PERCENT = 1.0


class Working(RuleSet):
    """Rules whose statistics a test sets."""

    def __init__(self) -> None:
        condition = Test("Field", Exists(True))
        super().__init__([Rule(make_rule(n), LogSource("linux"), (), f"{n}.yml", 1, condition) for n in range(3)])
        self.done = Statistics()

    def statistics(self) -> Statistics:
        return self.done

    def work(self, number: int, evaluations: int, seconds: float) -> None:
        """Let a rule have been evaluated more often."""
        rule = self.rules[number].ref.id
        before = self.done.rules.get(rule, Cost())
        cost = Cost(before.evaluations + evaluations, before.seconds + seconds)
        rules: Mapping[str, Cost] = {**self.done.rules, rule: cost}
        self.done = replace(self.done, rules=rules, judged=self.done.judged + 1, undecided=self.done.undecided + 2)


@pytest.fixture
def rules() -> Working:
    """Three rules that have done nothing yet."""
    return Working()


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still."""
    return ManualClock()


@pytest.fixture
def costs(rules: Working, metrics: Metrics, clock: ManualClock) -> Costs:
    """The costs of those rules."""
    return Costs(rules, PERCENT, metrics, clock)


def value(metrics: Metrics, name: str, number: int | None = None) -> float:
    """Return a metric's value, of a rule if one is named."""
    labels = {} if number is None else {"rule": make_rule(number).id}
    return metrics.registry.get_sample_value(f"vonggac_{name}", labels) or 0.0


def test_costs_are_told_every_few_seconds(costs: Costs, rules: Working, metrics: Metrics, clock: ManualClock) -> None:
    """Not after every batch: there are thousands of rules."""
    rules.work(1, 10, 0.5)
    costs.look()
    assert value(metrics, "rule_evaluations_total", 1) == 0
    clock.advance(PERIOD)
    costs.look()
    costs.look()
    assert value(metrics, "rule_evaluations_total", 1) == 10
    assert value(metrics, "rule_cost_seconds_total", 1) == 0.5
    assert value(metrics, "values_judged_total") == 1
    assert value(metrics, "events_undecided_total") == 2


def test_rules_that_were_no_candidates_have_no_metric(
    costs: Costs, rules: Working, metrics: Metrics, clock: ManualClock
) -> None:
    """Thousands of series that stay 0 would only cost."""
    rules.work(1, 10, 0.5)
    clock.advance(PERIOD)
    costs.look()
    assert metrics.registry.get_sample_value("vonggac_rule_evaluations_total", {"rule": make_rule(0).id}) is None


def test_other_rules_go_on_where_the_former_ended(
    costs: Costs, rules: Working, metrics: Metrics, clock: ManualClock
) -> None:
    """What the former did is told, what warmed the new is not, and nothing is counted twice."""
    rules.work(0, 10, 0.5)
    others = Working()
    others.work(0, 7, 7.0)
    costs.follow(others)
    assert value(metrics, "rule_evaluations_total", 0) == 10
    others.work(0, 1, 0.25)
    clock.advance(PERIOD)
    costs.look()
    assert value(metrics, "rule_evaluations_total", 0) == 11
    assert value(metrics, "rule_cost_seconds_total", 0) == 0.75


def test_what_a_rule_set_forgot_is_not_taken_back(
    costs: Costs, rules: Working, metrics: Metrics, clock: ManualClock
) -> None:
    """A counter never falls."""
    rules.work(0, 10, 0.5)
    clock.advance(PERIOD)
    costs.look()
    rules.done = replace(rules.done, rules={})
    clock.advance(PERIOD)
    costs.look()
    assert value(metrics, "rule_evaluations_total", 0) == 10


def test_a_slow_rule_is_named_each_minute_in_the_metrics_and_once_an_hour_in_the_log(
    costs: Costs, rules: Working, metrics: Metrics, clock: ManualClock
) -> None:
    """With its file, so that it is found; the others are not named."""
    with capture_logs() as logs:
        for _ in range(3):
            rules.work(0, 2_000, 0.5)
            rules.work(1, 2_000, 0.9)
            clock.advance(MINUTE)
            costs.look()
    assert [value(metrics, "rule_slow_total", number) for number in range(3)] == [0, 3, 0]
    assert [(each["event"], each["file"], each["processor"]) for each in logs] == [("rule slow", "1.yml", "1.5 %")]
    with capture_logs() as logs:
        clock.advance(HOUR)
        costs.look()
        rules.work(1, 2_000, 0.9)
        clock.advance(MINUTE)
        costs.look()
    assert len(logs) == 1
