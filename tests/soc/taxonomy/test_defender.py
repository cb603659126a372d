"""Defender's names with and without spaces."""

from soc.taxonomy.defender import FIELDS, aliases


def test_each_name_has_its_spellings_without_spaces() -> None:
    """Joined or with underscores, with the words' own capitals or all capitalised."""
    told = aliases()
    assert {alias for alias, name in told.items() if name == "Threat Name"} == {"ThreatName", "Threat_Name"}
    assert {alias for alias, name in told.items() if name == "Security intelligence Version"} == {
        "SecurityintelligenceVersion",
        "SecurityIntelligenceVersion",
        "Security_intelligence_Version",
        "Security_Intelligence_Version",
    }


def test_no_spelling_is_that_of_two_names_and_none_has_spaces() -> None:
    """A rule's field means one field of the event."""
    assert not any(" " in alias for alias in aliases())
    assert len({name.lower().replace(" ", "") for name in FIELDS}) == len(FIELDS)
