"""The logsources that events have here, against the parsers that give them and the rules that want them."""

import os
from collections.abc import Iterator
from pathlib import Path

import yaml

from collectors import fields
from soc.events import LogSource
from soc.taxonomy import covers, logsources
from soc.taxonomy.produced import SYSLOG

SIGMA = Path(os.environ.get("SOC_SIGMA_PATH", Path(__file__).parents[4] / "shared" / "sigma"))
TRACED = {
    LogSource("windows", "file_access"),
    LogSource("windows", "file_rename"),
}
"""What the appendix takes from Event Tracing (Microsoft-Windows-Kernel-File), which no Windows channel has."""


def wanted() -> Iterator[LogSource]:
    """Yield the logsource of each rule of SigmaHQ."""
    for path in SIGMA.glob("rules*/**/*.yml"):
        for document in yaml.load_all(path.read_text("utf-8"), yaml.CSafeLoader):
            stated = document.get("logsource", {})
            yield LogSource(stated.get("product"), stated.get("category"), stated.get("service"))


def test_syslog_gives_what_its_parsers_name() -> None:
    """The table here and the parsers' own are the same."""
    known = {logsource for logsource, _ in fields._PROGRAMS.values()}
    assert known | {fields._AUTH, fields._SYSLOG} == SYSLOG


def test_a_service_is_there_with_each_of_its_categories_and_without() -> None:
    """Events of Security are process creations, connections, or neither."""
    assert LogSource("windows", None, "security") in logsources()
    assert LogSource("windows", "network_connection", "security") in logsources()
    assert LogSource("windows", "network_connection", "system") not in logsources()


def test_every_windows_rule_of_sigmahq_covers_some_event_but_for_traced_files() -> None:
    """No service is missing in the table of channels, no category in that of EventIDs."""
    rules = {rule for rule in wanted() if rule.product == "windows"}
    assert len(rules) > 50
    assert {rule for rule in rules if not any(covers(rule, event) for event in logsources())} == TRACED
