"""The layer for the ATT&CK Navigator."""

from correlator.source import Rule
from correlator.syntax import All
from correlator.tools.navigator import layer
from soc.alerts import Level, RuleRef
from soc.events import LogSource


def rule(number: int, level: Level, *tags: str) -> Rule:
    """A rule with tags."""
    return Rule(RuleRef(str(number), f"Rule {number}", level, tags), LogSource(), (), "file", 1, All(()))


def test_a_technique_has_the_number_of_its_rules() -> None:
    """Once a rule; tactics, other tags and techniques of other matrices are left out."""
    made = layer(
        [
            rule(1, Level.LOW, "attack.t1059", "attack.T1059", "attack.execution", "cve.2020-1"),
            rule(2, Level.HIGH, "attack.t1059", "attack.t1059.001", "attack.t0831", "attack.g0007"),
        ],
        "Ours",
    )
    assert made["versions"] == {"layer": "4.5"}
    assert (made["name"], made["domain"]) == ("Ours", "enterprise-attack")
    assert made["gradient"]["maxValue"] == 2
    assert [(each["techniqueID"], each["score"], each["comment"]) for each in made["techniques"]] == [
        ("T1059", 2, "high: Rule 2\nlow: Rule 1"),
        ("T1059.001", 1, "high: Rule 2"),
    ]
    assert [each["showSubtechniques"] for each in made["techniques"]] == [True, False]
    assert made["techniques"][0]["metadata"] == [{"name": "high", "value": "1"}, {"name": "low", "value": "1"}]


def test_a_comment_is_bounded() -> None:
    """The gravest rules are named."""
    made = layer([rule(number, Level.LOW, "attack.t1001") for number in range(100)], "Ours")
    assert made["techniques"][0]["comment"].endswith("\nand 80 more")


def test_no_rule_gives_an_empty_layer() -> None:
    """Which is still a layer."""
    assert layer([], "Ours")["techniques"] == []
