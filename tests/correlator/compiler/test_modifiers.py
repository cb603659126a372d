"""What is refused is refused where it stands. What modifiers mean is in tests/correlator/semantics."""

from collections.abc import Callable

import pytest


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")
@pytest.mark.parametrize(
    ("selection", "why"),
    [
        ("F|nosuch: 'a'", "nosuch"),
        ("F|re: '('", "invalid"),
        ("F|re: '[[:alpha:]]+'", "[:alpha:]"),
        ("F|re: 'a\\Z'", "\\Z"),
        ("F|contains|expand|re: 'a'", "unmodified"),
        ("F|re: null", "needs a text"),
        ("F|expand: '%x%'", "has no value"),
        ("F|base64|expand: '%x%'", "placeholder"),
        ("F|hour: 24", "never"),
        ("F|base64offset: 'x'", "two bytes"),
        ("F|cidr|expand: '%x%'", "has no value"),
        ("F|cidr: '10.0.0.0/99'", "CIDR"),
        ("F|gt: 'abc'", "incompatible"),
        ("F|exists: 'abc'", "incompatible"),
        ("F|contains: null", "incompatible"),
        ("F: []", "empty list"),
    ],
)
def test_a_wrong_modifier_or_value_is_refused_at_its_line(
    refused: Callable[[str], str], selection: str, why: str
) -> None:
    """The failure names the line of the field, not of the file."""
    reason = refused(f"sel:\n  Good: 1\n  {selection}\ncondition: sel\n")
    assert reason.startswith("10: ")
    assert why in reason
