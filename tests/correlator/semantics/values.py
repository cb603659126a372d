"""Text, numbers, booleans, and what YAML makes of a value."""

from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, matches, misses, refuses

BIG: Final = 2**64 - 1
ODD: Final = 2**53 + 1
"""The first whole number that a float cannot hold."""

AREA: Final = Area(
    "Values",
    (
        Clause(
            "text ignores case",
            "General",
            "letters are compared without case",
            (matches("F: 'Root'", F="rOOT"), misses("F: 'Root'", F="r00t")),
        ),
        Clause(
            "text is the whole value",
            "General",
            "nothing may stand before or behind it",
            (matches("F: 'root'", F="root"), misses("F: 'root'", F="root2"), misses("F: 'root'", F=" root")),
        ),
        Clause(
            "case beyond ASCII",
            "General",
            "ignored for every character of Unicode that casefolds to one character",
            (
                matches("F: 'ĐẶNG'", F="đặng"),
                matches("F: 'ΣΊΣΥΦΟΣ'", F="σίσυφος"),
                matches("F: 'ПРИВЕТ'", F="привет"),
                misses("F: 'ĐẶNG'", F="dang"),
            ),
        ),
        Clause(
            "case that changes the length",
            SILENT,
            "not ignored: ß and ss, ß and ẞ differ",
            (matches("F: 'straße'", F="STRAßE"), misses("F: 'straße'", F="STRASSE"), misses("F: 'ß'", F="ẞ")),
            "`?` must stay one character, and a needle must be found where it stands",
        ),
        Clause(
            "Unicode's forms of one character",
            SILENT,
            "differ: nothing is normalised",
            (
                matches("F: 'é'", F="É"),
                misses("F: '\N{LATIN SMALL LETTER E WITH ACUTE}'", F="e\N{COMBINING ACUTE ACCENT}"),
            ),
            "a log's bytes are evidence; the rule names the ones it means",
        ),
        Clause(
            "integer and its text",
            "General",
            "are the same, in either direction",
            (
                matches("F: 4688", F=4688),
                matches("F: 4688", F="4688"),
                matches("F: '4688'", F=4688),
                misses("F: 4688", F=46880),
            ),
        ),
        Clause(
            "whole number as a float",
            SILENT,
            "is the integer; 6.0 in a rule is the text 6.0, too",
            (
                matches("F: 4688", F=4688.0),
                matches("F: 6.0", F=6),
                matches("F: 6.0", F="6"),
                matches("F: 6.0", F="6.0"),
                misses("F: 6", F="6.0"),
                matches("F: 1000000000000000", F=1e15),
                matches("F: 1.0e16", F=1e16),
                misses("F: 4688", F=4688.5),
            ),
            "JSON has one kind of number",
        ),
        Clause(
            "numbers written otherwise in an event's text",
            SILENT,
            "are other texts: '04688', '4688.0' and '+4688' are not 4688",
            (
                matches("F: 4688", F="4688"),
                *(misses("F: 4688", F=text) for text in ("04688", "4688.0", "+4688", " 4688")),
            ),
            "values are strings; `gte` and `lte` compare numbers",
        ),
        Clause(
            "number with a fraction",
            SILENT,
            "has the shortest text that means it; write '1.10' with quotes where the text is meant",
            (
                matches("F: 1.5", F=1.5),
                matches("F: 1.5", F="1.5"),
                matches("F: 0.0000001", F=1e-7),
                matches("F: '1.10'", F="1.10"),
                misses("F: 1.10", F="1.10"),
                misses("F: 1.5", F="1.50"),
            ),
            "YAML makes the number, and forgets how it was written",
        ),
        Clause(
            "huge integers",
            SILENT,
            "are exact, up to 64 digits; longer ones are refused",
            (
                matches(f"F: {BIG}", F=BIG),
                matches(f"F: {ODD}", F=ODD),
                matches(f"F: {ODD}", F=str(ODD)),
                matches(f"F: {10**60}", F=str(10**60)),
                misses(f"F: {ODD}", F=ODD - 1),
                refuses(f"F: 1{'0' * 64}", "64 digits"),
                refuses(f"F|gt: 0x1{'0' * 5000}", "64 digits"),
                matches(f"F: '1{'0' * 64}'", F=f"1{'0' * 64}"),
                matches(f"F|gte: {BIG}", F=BIG),
                misses(f"F|gt: {BIG}", F=BIG),
            ),
            "logon and keyword identifiers have 64 bits, a float 53",
        ),
        Clause(
            "infinity and not-a-number",
            SILENT,
            "nan and inf without quotes",
            (
                refuses("F: .nan", "Invalid number"),
                refuses("F|gt: .inf", "Invalid number"),
                matches("F: 'nan'", F="NaN"),
            ),
            "nothing can equal them; write 'nan' for the text",
        ),
        Clause(
            "boolean",
            SILENT,
            "its text is true or false, without regard to case",
            (
                matches("F: true", F=True),
                matches("F: true", F="True"),
                matches("F: 'TRUE'", F=True),
                matches("F: false", F=False),
                misses("F: true", F=False),
            ),
            "values are strings, and these are YAML's and JSON's words",
        ),
        Clause(
            "boolean and number",
            SILENT,
            "differ: true is not 1, false not 0",
            (
                matches("F: 1", F=1),
                misses("F: true", F=1),
                misses("F: 1", F=True),
                misses("F: 0", F=False),
                misses("F: false", F=0),
            ),
            "their texts differ",
        ),
        Clause(
            "numbers and booleans under modifiers of text",
            SILENT,
            "are their text",
            (
                matches("F|contains: 44", F="port 4444"),
                matches("F|startswith: 46", F=4688),
                matches("F|startswith: '46'", F=4688),
                matches("F|contains: true", F="it is TRUE"),
                matches("F|cased: true", F=True),
                misses("F|endswith: 46", F=4688),
            ),
            "values are strings; the quotes are a matter of style",
        ),
        Clause(
            "YAML 1.2",
            "Yaml File",
            "no, off, 10:30, 1_000 and dates without quotes are text, true and false alone are booleans",
            (
                matches("F: no", F="No"),
                matches("F: OFF", F="off"),
                matches("F: 10:30", F="10:30"),
                matches("F: 2020-01-01", F="2020-01-01"),
                matches("F: 1_000", F="1_000"),
                misses("F: no", F=False),
                misses("F: 1_000", F=1000),
            ),
            "the specification names version 1.2.2; PyYAML reads 1.1",
        ),
        Clause(
            "digits behind a zero, an exponent without a point",
            SILENT,
            "text: 00000429, 12e5",
            (
                matches("F: 00000429", F="00000429"),
                matches("F: 12e5", F="12E5"),
                misses("F: 00000429", F=429),
                misses("F: 12e5", F=1200000),
            ),
            "a keyboard layout and a part of a hash; YAML would make other numbers of them",
        ),
        Clause(
            "hexadecimal without quotes",
            SILENT,
            "a number, compared in decimal; write '0x17' with quotes for the text",
            (matches("F: 0x17", F=23), matches("F: '0x17'", F="0X17"), misses("F: 0x17", F="0x17")),
            "YAML; the specification's example has the quotes",
        ),
    ),
)
