"""What the correlator's tests share: rules written in a few lines, compiled as in the service."""

import os
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from correlator.compile import compile_files
from correlator.rules import RuleSet, rule_of
from soc.events import LogSource

LOGSOURCE = LogSource("linux", None, "sshd")

HEAD = """\
title: A rule under test
id: 00000000-0000-4000-8000-000000000001
level: high
logsource:
    product: linux
    service: sshd
detection:
"""

RuleFrom = Callable[..., RuleSet]
Fires = Callable[..., bool]


@pytest.fixture
def rule_from(tmp_path: Path) -> RuleFrom:
    """Return a function that compiles one rule from its detection part; a refused rule is in `failures`."""

    def make(detection: str, placeholders: Mapping[str, Sequence[str | int]] | None = None) -> RuleSet:
        file = tmp_path / "rule.yml"
        file.write_text(HEAD + textwrap.indent(textwrap.dedent(detection), "    "), encoding="utf-8")
        compiled = compile_files([file], placeholders or {})
        return RuleSet([rule_of(source) for source in compiled.rules], compiled.failures)

    return make


@pytest.fixture
def fires(rule_from: RuleFrom) -> Fires:
    """Return a function that tells whether a selection (or a whole detection part) fires on fields."""

    def decide(detection: str, fields: Mapping[str, Any], **placeholders: Sequence[str | int]) -> bool:
        if "condition:" not in detection:
            detection = "sel:\n" + textwrap.indent(textwrap.dedent(detection), "    ") + "\ncondition: sel\n"
        rules = rule_from(detection, placeholders)
        assert not rules.failures, rules.failures
        return bool(rules.evaluate(LOGSOURCE, fields))

    return decide


@pytest.fixture
def refused(rule_from: RuleFrom) -> Callable[[str], str]:
    """Return a function that compiles a detection part that must be refused and returns "LINE: REASON"."""

    def decide(detection: str) -> str:
        rules = rule_from(detection)
        assert not rules.rules
        return f"{rules.failures[0].line}: {rules.failures[0].reason}"

    return decide


@pytest.fixture(scope="session")
def sigma_path() -> Path:
    """The folder of SigmaHQ's rules and regression data: SOC_SIGMA_PATH, else ../shared/sigma. It must be there."""
    default = Path(__file__).parents[3] / "shared" / "sigma"
    path = Path(os.environ.get("SOC_SIGMA_PATH", default))
    assert (path / "regression_data").is_dir(), (
        f"{path} has no Sigma rules: set SOC_SIGMA_PATH to a clone of SigmaHQ/sigma"
    )
    return path
