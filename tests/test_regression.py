"""SigmaHQ's regression data by the real path: the file as `soc rules test` reads it, the rules as the service loads them."""

import os
from pathlib import Path

import pytest

from collectors.sources import Options
from correlator.choice import Choice
from correlator.load import load
from correlator.rules import RuleSet
from correlator.tools.samples import judge
from soc.rules.samples import read

SIGMA = Path(os.environ.get("SOC_SIGMA_PATH", Path(__file__).parents[2] / "shared" / "sigma"))

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
def test_each_regression_folder_fires_its_rule(sigmahq: RuleSet, info: Path) -> None:
    """EVTX (or raw text) and the JSON beside it both fire the rule that the folder names, as often as it says."""
    samples = list(read(info, Options("test")))
    assert {Path(sample.name).suffix for sample in samples} in ({".evtx", ".json"}, {".raw"})
    assert [str(each) for each in judge(sigmahq, samples) if not each.passed] == []
