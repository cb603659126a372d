"""Conditions as one kind of event says them: values, devices for drives, and what such events cannot tell."""

from pathlib import Path
from typing import Any

import pytest

from correlator.compiler.compile import compile_files
from correlator.rules import RuleSet, plain
from soc.taxonomy import windows

HEAD = """\
title: A rule under test
id: 00000000-0000-4000-8000-000000000003
level: high
logsource:
    product: windows
    category: {category}
detection:
    sel:
        {selection}
    condition: sel
"""
CONNECTED: dict[str, Any] = {
    "Channel": "Security",
    "EventID": 5156,
    "Application": r"\device\harddiskvolume12\windows\system32\lsass.exe",
    "Direction": "%%14593",
    "DestAddress": "203.0.113.9",
    "DestPort": "88",
    "Protocol": "6",
}
CREATED: dict[str, Any] = {
    "Channel": "Security",
    "EventID": 4688,
    "MandatoryLabel": "S-1-16-12288",
    "NewProcessName": r"C:\a\b.exe",
}
ASKED: dict[str, Any] = {
    "Channel": "Microsoft-Windows-DNS-Client/Operational",
    "EventID": 3008,
    "QueryName": "c2.example.com",
    "QueryStatus": "0",
}


def fires(folder: Path, category: str, text: str, event: dict[str, Any]) -> bool:
    """Tell whether a rule fires on an event; engine and plain evaluator must agree."""
    file = folder / "rule.yml"
    file.write_text(text if text.startswith("title") else HEAD.format(category=category, selection=text), "utf-8")
    compiled = compile_files([file], {})
    assert not compiled.failures
    rules, source = RuleSet(compiled.rules), windows(event)
    fired = bool(rules.evaluate(source, event))
    assert fired is bool(plain(rules.covering(source), event))
    return fired


@pytest.mark.parametrize(
    ("category", "selection", "event", "expected"),
    [
        ("network_connection", "Initiated: 'true'", CONNECTED, True),
        ("network_connection", "Initiated: true", CONNECTED, True),
        ("network_connection", "Initiated: 'True'", {**CONNECTED, "Direction": "Outbound"}, True),
        ("network_connection", "Initiated: 'false'", CONNECTED, False),
        ("network_connection", "Initiated: 'false'", {**CONNECTED, "Direction": "%%14592"}, True),
        ("network_connection", "Protocol: tcp", CONNECTED, True),
        ("network_connection", "Protocol: udp", CONNECTED, False),
        ("network_connection", r"Image: C:\Windows\System32\lsass.exe", CONNECTED, True),
        ("network_connection", r"Image|startswith: 'C:\Windows\'", CONNECTED, True),
        ("network_connection", r"Image|contains: ':\Windows\System32\'", CONNECTED, True),
        ("network_connection", r"Image|contains: 'D:\Windows\'", CONNECTED, True),
        ("network_connection", r"Image|endswith: '\lsass.exe'", CONNECTED, True),
        ("network_connection", r"Image|startswith: 'C:\System32\'", CONNECTED, False),
        ("network_connection", r"Image|startswith: 'C:\harddiskvolume12\'", CONNECTED, False),
        ("process_creation", "IntegrityLevel: High", CREATED, True),
        ("process_creation", "IntegrityLevel: [System, S-1-16-16384]", CREATED, False),
        ("process_creation", r"Image|startswith: 'C:\a\'", CREATED, True),
        ("dns_query", "QueryName|endswith: example.com", ASKED, True),
        ("dns_query", r"Image|endswith: '\finger.exe'", ASKED, False),
    ],
)
def test_a_rule_fires_by_the_values_that_the_event_has(
    tmp_path: Path, category: str, selection: str, event: dict[str, Any], *, expected: bool
) -> None:
    """Whatever the rule's way to write them."""
    assert fires(tmp_path, category, selection, event) is expected


@pytest.mark.parametrize(("condition", "expected"), [("sel", True), ("sel and not browser", False)])
def test_what_an_event_cannot_tell_counts_against_the_rule(tmp_path: Path, condition: str, *, expected: bool) -> None:
    """A query that a browser may have asked for is excused where browsers are."""
    text = HEAD.format(category="dns_query", selection="QueryName|endswith: example.com")
    browser = "    browser:\n        Image|endswith: '\\chrome.exe'\n    condition: " + condition
    assert fires(tmp_path, "", text.replace("    condition: sel", browser), ASKED) is expected
