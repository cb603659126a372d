"""What is deployed beside the service: Prometheus' rules and Grafana's panels ask for metrics that there are."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

from soc.metrics import Metrics

DEPLOY = Path(__file__).parents[1] / "deploy"
NAME = re.compile(r"vonggac_\w+")
SELECTOR = re.compile(r"(vonggac_\w+)\{([^}]*)\}")
BY = re.compile(r"\bby \(([^)]*)\)\s*\(")
SUFFIXES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}


def exported() -> dict[str, frozenset[str]]:
    """Every name that a page of metrics has, with its labels."""
    found: dict[str, frozenset[str]] = {}
    for each in vars(Metrics()).values():
        if isinstance(each, MetricWrapperBase):
            labels = frozenset(each._labelnames) | ({"le"} if each._type == "histogram" else set())
            found |= {f"{each._name}{suffix}": labels for suffix in SUFFIXES[str(each._type)]}
    return found


def alerts() -> Iterator[dict[str, Any]]:
    """Prometheus' alert rules."""
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text("utf-8"))["groups"]:
        yield from group["rules"]


def dashboards() -> Iterator[dict[str, Any]]:
    """Grafana's dashboards."""
    for file in (DEPLOY / "grafana" / "provisioning" / "dashboards").glob("*.json"):
        yield orjson.loads(file.read_bytes())


def panels() -> Iterator[dict[str, Any]]:
    """The panels that show something."""
    yield from (panel for board in dashboards() for panel in board["panels"] if panel["type"] != "row")


def queries() -> Iterator[tuple[str, str]]:
    """Who asks, and what."""
    yield from ((each["alert"], each["expr"]) for each in alerts())
    yield from ((panel["title"], target["expr"]) for panel in panels() for target in panel["targets"])


@pytest.mark.parametrize(("who", "query"), list(queries()))
def test_what_is_asked_for_is_exported(who: str, query: str) -> None:
    """Every name, every label that is selected or summed by; and the brackets are closed."""
    known = exported()
    names = set(NAME.findall(query))
    assert names, who
    assert names <= known.keys(), names - known.keys()
    for name, selected in SELECTOR.findall(query):
        labels = set(re.findall(r"(\w+)\s*=~?", selected))
        assert labels <= known[name], (who, labels - known[name])
    for listed in BY.findall(query):
        labels = {label.strip() for label in listed.split(",")}
        assert labels <= frozenset().union(*(known[name] for name in names)), (who, labels)
    assert [query.count(bracket) for bracket in "([{"] == [query.count(bracket) for bracket in ")]}"]


def test_counters_are_asked_for_their_growth() -> None:
    """Their height says nothing: they begin at nought with the process."""
    counters = {name for name in exported() if name.endswith(("_total", "_bucket"))}
    for who, query in queries():
        for name in counters & set(NAME.findall(query)):
            plain = re.sub(rf"(increase|rate)\({name}(\{{[^}}]*\}})?\[\w+\]\)", "", query)
            assert name not in NAME.findall(plain), who


def test_every_metric_of_correlations_is_shown_or_wakes_somebody() -> None:
    """What nobody looks at need not be measured."""
    asked = {name for _, query in queries() for name in NAME.findall(query)}
    of_correlations = {name for name in exported() if name.startswith(("vonggac_correlate_", "vonggac_hits_"))}
    needed = {name for name in of_correlations if not name.endswith(("_sum", "_count"))}
    assert needed <= asked, needed - asked


def test_every_alert_says_what_is_so_and_what_to_do() -> None:
    """In two texts, whose labels its query has."""
    names = [each["alert"] for each in alerts()]
    assert len(names) == len(set(names))
    for each in alerts():
        assert each["labels"]["severity"] in ("info", "warning", "critical"), each["alert"]
        assert each["annotations"].keys() == {"summary", "description"}, each["alert"]
        grouped = {label.strip() for listed in BY.findall(each["expr"]) for label in listed.split(",")}
        named = set(re.findall(r"\$labels\.(\w+)", " ".join(each["annotations"].values())))
        assert named <= grouped, each["alert"]


def test_panels_do_not_lie_on_each_other() -> None:
    """Each has a number and a place of its own, and says what it shows."""
    for board in dashboards():
        ids = [panel["id"] for panel in board["panels"]]
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in board["panels"]]
        assert len(ids) == len(set(ids)) == len(set(places))
    assert all(panel["description"] for panel in panels())


def test_what_is_written_is_loaded() -> None:
    """Prometheus names the alerts, Grafana the folder and the source of data, and the containers have both."""
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text("utf-8"))
    assert prometheus["rule_files"] == ["alerts.yml"]
    provisioning = DEPLOY / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "prometheus.yaml").read_text("utf-8"))["datasources"]
    assert {panel["datasource"]["uid"] for panel in panels()} == {each["uid"] for each in sources}
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "dashboards.yaml").read_text("utf-8"))["providers"]
    assert provider["options"]["path"] == "/etc/grafana/provisioning/dashboards"
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
    assert "./prometheus:/etc/prometheus:ro" in services["prometheus"]["volumes"]
    assert "./grafana/provisioning:/etc/grafana/provisioning:ro" in services["grafana"]["volumes"]
