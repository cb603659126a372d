"""The correlator's settings: which rules, and the site's own word on them, as a file and as variables say it."""

from pathlib import Path

import pytest

from soc.errors import SettingsError
from soc.settings import CorrelateSettings, load

FILE = """
[correlate]
rules = ["/opt/sigma/rules", "/etc/vonggac/rules"]
pipelines = ["/etc/vonggac/names.yml"]
disabled = ["6a4dcd1b-0f4e-4cf0-a3ab-3bf5a6a51d4e", "noisy.yml"]
cache = ""

[correlate.only]
min_level = "medium"
tags = ["attack.*"]

[correlate.without]
statuses = ["deprecated", "unsupported"]
logsources = ["macos", "*/dns"]

[correlate.levels]
"0b7889b4-5577-4521-a60a-3376ee7f9f7b" = "critical"

[correlate.placeholders]
admins = ["alice", "bob"]

[correlate.placeholder_files]
servers = "/etc/vonggac/servers.txt"
"""


def test_a_site_says_which_rules_it_wants(tmp_path: Path) -> None:
    """Tables within [correlate]."""
    (tmp_path / "soc.toml").write_text(FILE, "utf-8")
    said = load(tmp_path / "soc.toml", {}).correlate
    assert said.only.min_level == "medium"
    assert said.without.statuses == ("deprecated", "unsupported")
    assert said.disabled == ("6a4dcd1b-0f4e-4cf0-a3ab-3bf5a6a51d4e", "noisy.yml")
    assert said.levels == {"0b7889b4-5577-4521-a60a-3376ee7f9f7b": "critical"}
    assert said.placeholder_files == {"servers": Path("/etc/vonggac/servers.txt")}
    assert said.cache_folder is None


def test_variables_reach_the_tables_within() -> None:
    """SOC_CORRELATE__ONLY__TAGS is correlate.only.tags."""
    environment = {
        "SOC_CORRELATE__ONLY__MIN_LEVEL": "high",
        "SOC_CORRELATE__WITHOUT__TAGS": '["attack.t1059*"]',
        "SOC_CORRELATE__LEVELS": '{"a": "low"}',
        "SOC_CORRELATE__CACHE": "/var/cache/vonggac",
    }
    said = load(None, environment).correlate
    assert (said.only.min_level, said.without.tags, said.levels) == ("high", ("attack.t1059*",), {"a": "low"})
    assert said.cache_folder == Path("/var/cache/vonggac")


def test_without_a_word_all_rules_are_wanted_and_the_cache_is_beside_the_other_data() -> None:
    """The defaults of a first run."""
    said = CorrelateSettings()
    assert said.cache_folder == Path("data/rules")
    assert not any(said.only.model_dump().values())
    assert not any(said.without.model_dump().values())


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        ({"SOC_CORRELATE__ONLY__MIN_LEVEL": "loud"}, r"correlate\.only\.min_level: .*levels are"),
        ({"SOC_CORRELATE__WITHOUT__MIN_LEVEL": "low"}, r"there is no setting correlate\.without\.min_level"),
        ({"SOC_CORRELATE__ONLY__LEVELS": '["loud"]'}, r"correlate\.only\.levels\.0: .*levels are"),
        ({"SOC_CORRELATE__LEVELS": '{"a": "loud"}'}, r"correlate\.levels\.a: .*levels are"),
        ({"SOC_CORRELATE__WITHOUT__STATUSES": '["old"]'}, r"correlate\.without\.statuses\.0: .*'deprecated'"),
        ({"SOC_CORRELATE__ONLY__TAG": "x"}, r"correlate\.only\.tag; did you mean tags\?"),
        ({"SOC_CORRELATE__DISABLED": "x.yml"}, r"correlate\.disabled: .*want a list"),
    ],
)
def test_a_wrong_word_is_refused_by_name(environment: dict[str, str], message: str) -> None:
    """Down to the entry of the list."""
    with pytest.raises(SettingsError, match=message):
        load(None, environment)


def test_soc_hits_is_kept_for_as_long_as_correlations_need() -> None:
    """The longest timespan, an outage and the lateness; more where it is set, never less."""
    assert load(None, {}).bus.hits_retention_hours == 168 + 72 + 1
    longer = {"SOC_CORRELATE__MAX_TIMESPAN_HOURS": "720", "SOC_CORRELATE__LATENESS_SECONDS": "7200"}
    assert load(None, longer).bus.hits_retention_hours == 720 + 72 + 2
    assert load(None, {"SOC_BUS__HITS_RETENTION_HOURS": "1000"}).bus.hits_retention_hours == 1000
    with pytest.raises(SettingsError, match=r"^the settings: .*bus.hits_retention_hours: 240 is less than .* 241"):
        load(None, {"SOC_BUS__HITS_RETENTION_HOURS": "240"})
