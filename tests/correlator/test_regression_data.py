"""SigmaHQ's own rules and regression data: every rule compiles or says why not, and fires on its sample."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from correlator.rules import RuleSet, load
from soc.events import LogSource
from soc.taxonomy import windows


@pytest.fixture(scope="module")
def sigmahq(sigma_path: Path) -> RuleSet:
    """All of SigmaHQ's rules."""
    return load(sorted(sigma_path.glob("rules*")))


def test_every_rule_of_sigmahq_compiles_but_for_unresolved_placeholders(sigmahq: RuleSet) -> None:
    """What does not compile says why, and the reason is right."""
    assert len(sigmahq.rules) > 3000
    for failure in sigmahq.failures:
        assert "has no value" in failure.reason, str(failure)


def infos() -> list[Path]:
    """The regression folders; where SigmaHQ is missing, one test that fails rather than none that runs."""
    default = Path(__file__).parents[3] / "shared" / "sigma"
    root = Path(os.environ.get("SOC_SIGMA_PATH", default)) / "regression_data"
    return sorted(root.rglob("info.yml")) or [root / "info.yml"]


@pytest.mark.parametrize("info", infos(), ids=lambda path: path.parent.name)
def test_each_regression_folder_fires_its_rule(sigmahq: RuleSet, info: Path) -> None:
    """The rule that the folder names fires, on as many events as the folder says, or more (two folders count a burst as one)."""
    described = yaml.safe_load(info.read_text(encoding="utf-8"))
    (wanted,) = (rule["id"] for rule in described["rule_metadata"])
    fired = [
        hit.rule.ref.id
        for logsource, fields in samples(info.parent)
        for hit in sigmahq.evaluate(logsource, fields)
        if hit.rule.ref.id == wanted
    ]
    expected = [test.get("match_count") for test in described.get("regression_tests_info") or [{}]]
    assert len(fired) >= (expected[0] or 1)


def samples(folder: Path) -> Iterator[tuple[LogSource, dict[str, Any]]]:
    """Yield logsource and fields of each event in the folder."""
    for path in folder.glob("*.json"):
        for document in documents(path.read_text(encoding="utf-8-sig")):
            fields = flat(document["Event"])
            yield windows(fields), fields
    for path in folder.glob("*.raw"):
        for line in path.read_text(encoding="utf-8").splitlines():
            yield LogSource("cisco", None, "aaa"), {"message": line}


def documents(text: str) -> Iterator[Any]:
    """Yield each of the JSON documents that a file holds one after the other."""
    decoder = json.JSONDecoder()
    while text := text.lstrip():
        document, end = decoder.raw_decode(text)
        yield from document if isinstance(document, list) else [document]
        text = text[end:]


def flat(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return an EVTX record's fields as Sigma names them: System's, then EventData's and UserData's."""
    fields: dict[str, Any] = {}
    for name, value in event["System"].items():
        match value:
            case {"#attributes": attributes, **rest}:
                fields |= {f"{name}_{key}": each for key, each in attributes.items()}
                if "#text" in rest:
                    fields[name] = rest["#text"]
            case _:
                fields[name] = value
    fields |= leaves(event.get("EventData") or {})
    return fields | leaves(event.get("UserData") or {})


def leaves(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return a tree's leaves by name, the names without spaces."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        if isinstance(value, dict):
            found |= leaves(value)
        elif name != "xmlns":
            found[name.replace(" ", "")] = value
    return found
