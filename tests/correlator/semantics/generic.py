"""The generic modifiers, and `windash`."""

from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, matches, misses, refuses

DASHES: Final = "-/\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}"
FLAGS: Final = "F|contains|all|windash: [' -a', ' -b']"

AREA: Final = Area(
    "Generic modifiers and windash",
    (
        Clause(
            "contains",
            "Generic Modifiers",
            "the value stands somewhere in the field",
            (
                matches("F|contains: 'Evil'", F="an eVIL thing"),
                matches("F|contains: 'evil'", F="evil"),
                misses("F|contains: 'evil'", F="ev il"),
            ),
        ),
        Clause(
            "startswith",
            "Generic Modifiers",
            "the field begins with the value",
            (matches("F|startswith: 'Abc'", F="abcdef"), misses("F|startswith: 'abc'", F="xabc")),
        ),
        Clause(
            "endswith",
            "Generic Modifiers",
            "the field ends with the value",
            (
                matches("F|endswith: '\\cmd.exe'", F="C:\\Windows\\CMD.EXE"),
                misses("F|endswith: '\\cmd.exe'", F="C:\\Windows\\cmd.exe "),
                misses("F|endswith: '\\cmd.exe'", F="C:\\Windows\\cmd.exe\n"),
            ),
        ),
        Clause(
            "startswith and endswith together",
            SILENT,
            "`contains`",
            (matches("F|startswith|endswith: b", F="abc"), misses("F|startswith|endswith: b", F="ac")),
            "each puts its wildcard",
        ),
        Clause(
            "all",
            "Generic Modifiers",
            "every value must hold",
            (
                matches("F|contains|all: ['a', 'b']", F="b then a"),
                matches("F|all|contains: ['a', 'b']", F="b then a"),
                misses("F|contains|all: ['a', 'b']", F="only b"),
                misses("F|all: ['a', 'b']", F="a"),
            ),
        ),
        Clause(
            "all on one value",
            "Generic Modifiers",
            "accepted",
            (matches("F|all: 'a'", F="a"), misses("F|all: 'a'", F="b")),
            "the text forbids it for the sake of some back ends; here it means nothing",
        ),
        Clause(
            "all with other kinds of values",
            SILENT,
            "with `re`, `cidr`, comparisons and what a modifier made several of: every value, of which any form",
            (
                matches("F|re|all: ['^a', 'z$']", F="a to z"),
                misses("F|re|all: ['^a', 'z$']", F="a to y"),
                matches("F|cidr|all: [10.0.0.0/8, 10.1.0.0/16]", F="10.1.2.3"),
                misses("F|cidr|all: [10.0.0.0/8, 10.1.0.0/16]", F="10.2.2.3"),
                matches(FLAGS, F="x /a \N{EN DASH}b"),
                misses(FLAGS, F="x /a /a"),
            ),
            "`all` links what the rule wrote",
        ),
        Clause(
            "cased",
            "Generic Modifiers",
            "letters are compared with their case",
            (matches("F|cased: 'Abc'", F="Abc"), misses("F|cased: 'Abc'", F="abc")),
        ),
        Clause(
            "cased with anchors",
            SILENT,
            "in either order",
            (
                matches("F|contains|cased: 'Abc'", F="xAbcx"),
                misses("F|cased|contains: 'Abc'", F="xabcx"),
                matches("F|startswith|cased: 'Abc'", F="Abcx"),
                misses("F|startswith|cased: 'Abc'", F="abcx"),
                matches("F|cased|endswith: 'Abc'", F="xAbc"),
                misses("F|cased|endswith: 'Abc'", F="xabc"),
                matches("F|cased: ['A*c', 'x']", F="Abc"),
                misses("F|cased|all: ['A*', '*C']", F="Abc"),
            ),
            "what one changes the other leaves",
        ),
        Clause(
            "cased beside values without it",
            SILENT,
            "each entry has its own: one field may be compared both ways",
            (
                matches("F|contains|cased: 'A'\nF|contains: 'B'", F="Ab"),
                misses("F|contains|cased: 'A'\nF|contains: 'B'", F="ab"),
            ),
            "modifiers belong to an entry",
        ),
        Clause(
            "cased on what has no case",
            SILENT,
            "`re`, `cidr`, comparisons",
            (
                refuses("F|re|cased: 'a'", "incompatible"),
                refuses("F|cidr|cased: 10.0.0.0/8", "incompatible"),
                refuses("F|gt|cased: 5", "incompatible"),
                matches("F|re: 'A'", F="A"),
            ),
            "`re` minds case by default, and has `i`",
        ),
        Clause(
            "neq",
            "Generic Modifiers",
            "the negation of what stands there without it",
            (
                matches("F|neq: 'a'", F="b"),
                misses("F|neq: 'a'", F="A"),
                misses("F|neq: 5", F=5),
                misses("F|neq: 5", F="5"),
                matches("F|neq: ''", F="x"),
            ),
        ),
        Clause(
            "neq with a list",
            SILENT,
            "NOT of the whole list: none of its values",
            (
                matches("F|neq: ['a', 'b']", F="c"),
                misses("F|neq: ['a', 'b']", F="b"),
            ),
            '"different from the specified values"',
        ),
        Clause(
            "neq with other modifiers",
            SILENT,
            "NOT of all that they say, in either order",
            (
                matches("F|contains|neq: 'a'", F="bcd"),
                misses("F|neq|contains: 'a'", F="bad"),
                misses("F|contains|all|neq: [a, b]", F="ab"),
                matches("F|contains|all|neq: [a, b]", F="a"),
                misses("F|re|neq: '^a'", F="abc"),
                matches("F|cidr|neq: 10.0.0.0/8", F="11.0.0.1"),
                matches("F|cidr|neq: 10.0.0.0/8", F="no address"),
                misses("F|gt|neq: 5", F=6),
                matches("F|gt|neq: 5", F=5),
                matches("F|gt|neq: 5", F="no number"),
                matches("F|hour|neq: 5", F="2020-06-10T02:50:56Z"),
                matches("F|base64offset|contains|neq: 'foobar'", F="zzz"),
            ),
            "pySigma negates the entry, wherever `neq` stands",
        ),
        Clause(
            "windash covers all five dashes",
            "String Modifiers",
            "- / en dash, em dash and horizontal bar, in the rule and in the event",
            (
                *(
                    matches(f"F|contains|windash: ' {written}enc '", F=f"powershell {dash}enc x")
                    for written in DASHES
                    for dash in DASHES
                ),
                misses("F|contains|windash: ' -enc '", F="powershell +enc x"),
            ),
        ),
        Clause(
            "windash permutes each flag for itself",
            "String Modifiers",
            "two flags of one value may have different dashes",
            (
                matches("F|windash|contains: '-f x -g'", F="/f x \N{EM DASH}g"),
                misses("F|windash|contains: '-f x -g'", F="/f x g"),
            ),
        ),
        Clause(
            "windash leaves dashes inside words",
            SILENT,
            "only a dash that begins a flag is one: `-param-name` has one; wildcards stay",
            (
                matches("F|windash: '-param-name'", F="/param-name"),
                misses("F|windash: '-param-name'", F="-param/name"),
                matches("F|windash|contains: ' -e* '", F="x /encoded y"),
                misses("F|windash: '-?'", F="/"),
            ),
            "pySigma; `all possible permutations` would take paths for flags",
        ),
        Clause(
            "windash with other modifiers",
            SILENT,
            "each form is changed like a value: `cased`, `neq`, `base64`",
            (
                matches("F|contains|windash|cased: ' -Enc'", F="x /Enc"),
                misses("F|contains|windash|cased: ' -Enc'", F="x /enc"),
                misses("F|contains|windash|neq: ' -enc'", F="x /enc"),
                matches("F|windash|base64: '-a'", F="L2E="),
            ),
            "the forms are alternatives of one value",
        ),
        Clause(
            "windash with many flags",
            SILENT,
            "more than five flags in one value; the message has the remedy",
            (
                refuses("F|windash: '-a -b -c -d -e -f'", "more than five flags"),
                matches("F|windash: '-a -b -c -d -e'", F="/a /b -c -d -e"),
            ),
            "each flag makes five times as many forms; five make 3,125",
        ),
        Clause(
            "unknown modifiers",
            "Value Modifiers",
            "names are in lower case, without spaces around them",
            (
                refuses("F|nosuch: 'a'", "nosuch"),
                refuses("F|Contains: 'a'", "Contains"),
                refuses("'F|contains ': 'a'", "contains"),
                matches("F|contains: 'a'", F="xax"),
            ),
        ),
    ),
)
