"""SigmaHQ's regression data by the real path: the file as `soc replay` reads it, the rules as `soc correlate` loads them."""

import os
from pathlib import Path

import pytest
import yaml

from collectors.sources import BadRecord, Options, Recording
from correlator.choice import Choice
from correlator.load import load
from correlator.rules import RuleSet
from soc.events import LogSource

SIGMA = Path(os.environ.get("SOC_SIGMA_PATH", Path(__file__).parents[2] / "shared" / "sigma"))
STATED = {"cisco": LogSource("cisco", None, "aaa")}
"""Logsources of recordings that do not tell their own, as `soc replay --product --service` states them."""

pytestmark = pytest.mark.xdist_group("sigmahq")  # the rules are compiled once

INFOS = sorted(SIGMA.glob("regression_data/**/info.yml")) or [SIGMA / "regression_data" / "info.yml"]


@pytest.fixture(scope="module")
def sigmahq() -> RuleSet:
    """All of SigmaHQ's rules."""
    return load(Choice(paths=tuple(sorted(SIGMA.glob("rules*")))))


def test_every_rule_of_sigmahq_compiles_but_for_unresolved_placeholders(sigmahq: RuleSet) -> None:
    """What does not compile says why, and the reason is right."""
    assert len(sigmahq.rules) > 3000
    for failure in sigmahq.failures:
        assert "has no value" in failure.reason, str(failure)


@pytest.mark.parametrize("info", INFOS, ids=lambda path: path.parent.name)
@pytest.mark.parametrize("kind", ["recorded", "json"])
def test_each_regression_folder_fires_its_rule(sigmahq: RuleSet, info: Path, kind: str) -> None:
    """EVTX (or raw text) and the JSON beside it both fire the rule that the folder names."""
    wanted = {rule["id"] for rule in yaml.safe_load(info.read_text("utf-8"))["rule_metadata"]}
    suffixes = {".evtx", ".raw"} if kind == "recorded" else {".json", ".raw"}
    files = [path for path in info.parent.iterdir() if path.suffix in suffixes]
    assert files
    options = Options("test", logsource=STATED.get(info.relative_to(SIGMA).parts[2], LogSource()))
    fired = set()
    for record in (record for path in files for record in Recording(path, options)):
        assert not isinstance(record, BadRecord), record
        fired |= {hit.rule.ref.id for hit in sigmahq.evaluate(record.logsource, record.fields)}
    assert wanted <= fired
