"""Values without a field."""

from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, matches, misses, refuses

ALL: Final = "'|all':\n  - 'one'\n  - 'two'"

AREA: Final = Area(
    "Keywords",
    (
        Clause(
            "keyword stands anywhere",
            "Keywords search",
            "in any value of the event, at any place in it, without case",
            (
                matches("- 'evil'", message="an EVIL thing"),
                matches("- 'evil'", message="x", program="evild"),
                matches("'evil'", message="an evil thing"),
                misses("- 'evil'", message="good"),
            ),
        ),
        Clause(
            "keywords are OR",
            "Keywords search",
            "one of a list is enough",
            (matches("- 'one'\n- 'two'", message="two"), misses("- 'one'\n- 'two'", message="three")),
        ),
        Clause(
            "keywords with all",
            "Keywords search",
            "every one must stand somewhere, in one value or in several",
            (
                matches(ALL, message="two one"),
                matches(ALL, message="two", program="one"),
                misses(ALL, message="two"),
            ),
        ),
        Clause(
            "keywords with all beside others",
            SILENT,
            "a map in a list: OR with the others",
            (
                matches("- '|all': [one, two]\n- three", message="three"),
                matches("- '|all': [one, two]\n- three", message="two one"),
                matches("- '|all': [one, two]\n- A: 1", A=1),
                misses("- '|all': [one, two]\n- three", message="two"),
            ),
            "the meaning of lists",
        ),
        Clause(
            "keywords see every kind of value",
            SILENT,
            "numbers, booleans, lists, and maps as their JSON",
            (
                matches("- '4688'", pid=4688),
                matches("- 4688", message="event 4688"),
                matches("- 4688", pid=46881),
                matches("- 'true'", flag=True),
                matches("- '1.5'", load=1.5),
                matches("- 'evil'", tags=["good", "evil"]),
                matches("- 'evil'", a={"b": "evil"}),
                misses("- '4689'", pid=4688),
            ),
            '"across an entire event"',
        ),
        Clause(
            "keywords do not see names",
            SILENT,
            "of fields, nor null",
            (
                matches("- 'message'", message="a message"),
                misses("- 'message'", message="x"),
                misses("- 'none'", message=None),
                misses("- 'null'", message=None),
            ),
            "a name is ours or the shipper's, not what happened",
        ),
        Clause(
            "keyword within one value",
            SILENT,
            "it must stand in one value: nothing is joined, and the raw line is not searched beside its fields",
            (matches("- 'one*two'", message="one two"), misses("- 'one*two'", message="one", program="two")),
            "the order of fields means nothing",
        ),
        Clause(
            "wildcards in keywords",
            SILENT,
            "as in other values",
            (
                matches("- 'on*o'", message="one two"),
                matches(r"- 'a\*b'", message="xa*bx"),
                misses(r"- 'a\*b'", message="xaxbx"),
                misses("- 'on?two'", message="one two"),
            ),
            "keywords are values",
        ),
        Clause(
            "modifiers on keywords",
            SILENT,
            "`startswith`, `endswith`, `re` and `cidr` look at each value as a whole; others change the keyword",
            (
                matches("'|re': '^x\\d$'", message="x7"),
                misses("'|re': '^x\\d$'", message="xx7"),
                matches("'|startswith': 'evil'", message="evil thing"),
                misses("'|startswith': 'evil'", message="an evil thing"),
                matches("'|endswith': 'evil'", message="an evil"),
                misses("'|cased': 'Evil'", message="an evil thing"),
                matches("'|cidr': 10.0.0.0/8", address="10.1.1.1"),
                misses("'|cidr': 10.0.0.0/8", message="from 10.1.1.1"),
                matches("'|base64offset|contains': 'net user'", message="x bmV0IHVzZXI= y"),
                matches("'|neq': 'evil'", message="good"),
                misses("'|neq': 'evil'", message="evil"),
            ),
            "an anchor must be somewhere",
        ),
        Clause(
            "keywords that need a field",
            SILENT,
            "null, numeric and time comparisons, `exists`, `fieldref`",
            (
                refuses("- null", "field"),
                refuses("'|gt': 5", "field"),
                refuses("'|hour': 5", "field"),
                refuses("'|exists': true", "field"),
                refuses("'|fieldref': A", "field"),
                matches("A|gt: 5", A=6),
            ),
            "compared with any value of an event they mean nothing",
        ),
    ),
)
