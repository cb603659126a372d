"""Null, empty and missing are three things; `exists` asks for the field alone."""

from typing import Any, Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, matches, misses, refuses

PRESENT: Final[tuple[Any, ...]] = ("x", "", None, [], 0, False)

AREA: Final = Area(
    "Null, empty, missing",
    (
        Clause(
            "null",
            "Special Field Values",
            "the field is there and its value is null; a missing field is not null (see below)",
            (
                matches("F: null", F=None),
                matches("F: ~", F=None),
                matches("F:", F=None),
                misses("F: null"),
                misses("F: null", F=""),
                misses("F: null", F=0),
                misses("F: null", F="null"),
            ),
            '`exists` "only verifies the presence of a field, not its value, be it empty or null": so null is a value',
        ),
        Clause(
            "empty",
            "Special Field Values",
            "the field is there and its text is empty",
            (
                matches("F: ''", F=""),
                misses("F: ''", F=None),
                misses("F: ''"),
                misses("F: ''", F="x"),
                misses("F: ''", F=" "),
            ),
            "as null",
        ),
        Clause(
            "not null",
            "Special Field Values",
            "a selection that `not` negates; true of a missing field, too",
            (
                matches("sel: {A: 1}\nfilter: {F: null}\ncondition: sel and not filter", A=1, F="x"),
                matches("sel: {A: 1}\nfilter: {F: null}\ncondition: sel and not filter", A=1),
                misses("sel: {A: 1}\nfilter: {F: null}\ncondition: sel and not filter", A=1, F=None),
            ),
        ),
        Clause(
            "null in a list of values",
            "Special Field Values",
            "accepted, as one alternative",
            (
                matches("F: ['', null]", F=None),
                matches("F: ['', null]", F=""),
                misses("F: ['', null]", F="x"),
                misses("F: ['', null]"),
            ),
            "the text forbids it, pySigma does not; refusing would lose the rule and gain nothing",
        ),
        Clause(
            "null under modifiers and as a keyword",
            SILENT,
            "every modifier but `neq` and `all`",
            (
                refuses("F|contains: null", "incompatible"),
                refuses("F|cased: null", "incompatible"),
                refuses("F|re: null", "needs a text"),
                refuses("- null", "bound to a field"),
                matches("F|neq: null", F="x"),
                matches("F|neq: null"),
                misses("F|neq: null", F=None),
            ),
            "null has no text and belongs to a field",
        ),
        Clause(
            "comparisons on a missing field",
            SILENT,
            "false, whatever is compared",
            (
                *(
                    misses(f"F{test}")
                    for test in ("|re: ''", "|contains: ''", "|lt: 5", "|cidr: 0.0.0.0/0", "|hour: 0")
                ),
                *(misses(f"F{test}", F=None) for test in ("|re: ''", "|contains: ''", "|lt: 5", "|fieldref: F")),
                matches("F|contains: ''", F=""),
            ),
            "nothing is there to be compared; null is no text either",
        ),
        Clause(
            "negation on a missing field",
            SILENT,
            "true, with `not` and with `neq`",
            (
                matches("B|neq: [1, 2]", A=1),
                matches("sel: {B: [1, 2]}\ncondition: not sel", A=1),
                matches("sel: {A: 1}\nfilter: {B: 2}\ncondition: sel and not filter", A=1),
                misses("sel: {A: 1}\nfilter: {B: 2}\ncondition: sel and not filter", A=1, B=2),
            ),
            "what is not there does not match, so its negation holds",
        ),
        Clause(
            "exists",
            "Field Existence",
            "the field is there, whatever its value: null, empty and an empty list count",
            (
                *(matches("F|exists: true", F=value) for value in PRESENT),
                misses("F|exists: true", G="x"),
            ),
        ),
        Clause(
            "exists false",
            "Field Existence",
            "the field is not there",
            (
                matches("F|exists: false", G="x"),
                *(misses("F|exists: false", F=value) for value in PRESENT),
            ),
        ),
        Clause(
            "exists with another value",
            "Generic Modifiers",
            "only true and false are defined",
            (
                refuses("F|exists: 'true'", "incompatible"),
                refuses("F|exists: 1", "incompatible"),
                refuses("F|contains|exists: true", "incompatible|unmodified"),
                refuses("'|exists': true", "field"),
                matches("F|exists: true", F=1),
            ),
        ),
        Clause(
            "exists with neq",
            SILENT,
            "its negation",
            (matches("F|exists|neq: true"), misses("F|exists|neq: true", F=None)),
            "`neq` negates whatever stands before it",
        ),
    ),
)
