"""Lists and maps, in a rule and in an event; names of fields."""

from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, matches, misses, refuses

TWO: Final = "F: ['a', 'b*', 7]"
MAPS: Final = "- A: 1\n  B: 2\n- C: 3"

AREA: Final = Area(
    "Lists and maps",
    (
        Clause(
            "map is AND",
            "Maps",
            "every entry must hold",
            (
                matches("A: 1\nB: 2", A=1, B=2),
                misses("A: 1\nB: 2", A=1, B=3),
                misses("A: 1\nB: 2", A=1),
            ),
        ),
        Clause(
            "list of values is OR",
            "Maps",
            "one value is enough; kinds may be mixed",
            (matches(TWO, F="bcd"), matches(TWO, F="7"), matches(TWO, F=7), misses(TWO, F="c")),
        ),
        Clause(
            "list of maps is OR",
            "Lists",
            "one map is enough, and every entry of it must hold",
            (matches(MAPS, A=1, B=2), matches(MAPS, C=3), misses(MAPS, A=1), misses(MAPS, B=2)),
        ),
        Clause(
            "maps mixed with strings in a list",
            SILENT,
            "OR: a string is a keyword",
            (
                matches("- 'evil'\n- A: 1", A=1),
                matches("- 'evil'\n- A: 1", B="so evil"),
                misses("- 'evil'\n- A: 1", A=2),
            ),
            "both are items of a list",
        ),
        Clause(
            "list within a list of items",
            SILENT,
            "OR within OR",
            (matches("- [one, two]\n- A: 1", B="two"), misses("- [one, two]\n- A: 1", B="three")),
            "the meaning of lists, twice",
        ),
        Clause(
            "one field under several modifiers",
            SILENT,
            "entries like any others: AND",
            (
                matches("F|startswith: a\nF|endswith: z", F="abz"),
                misses("F|startswith: a\nF|endswith: z", F="abc"),
            ),
            "their keys differ",
        ),
        Clause(
            "key twice in a map",
            SILENT,
            "a field with the same modifiers in one selection, and a selection",
            (
                refuses("F: 1\nF: 2", "Duplicate key"),
                refuses("sel: {F: 1}\nsel: {F: 2}\ncondition: sel", "Duplicate key"),
                matches("F|contains|all: [1, 2]", F="12"),
            ),
            "YAML forbids it; which one is meant is not known",
        ),
        Clause(
            "empty list, map or selection",
            SILENT,
            "as a selection or as a field's values",
            (
                refuses("F: []", "empty list"),
                refuses("[]", "empty list"),
                refuses("{}", "empty"),
                refuses("sel:\ncondition: sel", "bound to a field"),
                matches("F: ''", F=""),
            ),
            "neither everything nor nothing can be meant; write null or ''",
        ),
        Clause(
            "map or list as a value",
            SILENT,
            "below a field",
            (
                refuses("F: {a: b}", "Unsupported type"),
                refuses("F: [[a]]", "Unsupported type"),
                matches("F: [a]", F="a"),
            ),
            "fields are flat",
        ),
        Clause(
            "names of fields",
            "Field Usage",
            "as written, case, spaces and dots included; numbers are names, too",
            (
                matches("F: x", F="x"),
                matches("Threat Name|contains: x", **{"Threat Name": "axb"}),
                matches("a.b: x", **{"a.b": "x"}),
                matches("4: x", **{"4": "x"}),
                misses("f: x", F="x"),
                misses("ThreatName: x", **{"Threat Name": "x"}),
            ),
        ),
        Clause(
            "list in an event",
            SILENT,
            "any element may satisfy a value",
            (
                matches("F: 'b'", F=["a", "B"]),
                matches("F: 7", F=["a", 7]),
                matches("F|lt: 5", F=[9, 1]),
                matches("F|cidr: 10.0.0.0/8", F=["::1", "10.1.1.1"]),
                misses("F: 'b'", F=["a", "ab"]),
                misses("F: '*'", F=[]),
            ),
            "a field with several values; most back ends do so",
        ),
        Clause(
            "several values on a list in an event",
            SILENT,
            "each for itself: different elements may satisfy them",
            (
                matches("F|all: ['a', 'b']", F=["a", "b"]),
                matches("F|gt: 5\nF|lt: 3", F=[1, 9]),
                misses("F|all: ['a', 'b']", F=["a", "c"]),
            ),
            "entries do not know of each other",
        ),
        Clause(
            "negation on a list in an event",
            SILENT,
            "no element may satisfy the value",
            (
                matches("F|neq: 'a'", F=["b", "c"]),
                misses("F|neq: 'a'", F=["b", "a"]),
                misses("sel: {F: a}\ncondition: not sel", F=["b", "a"]),
            ),
            "`neq` is the negation of equality",
        ),
        Clause(
            "null in a list in an event",
            SILENT,
            "no element: the list has only its others",
            (matches("F: 'a'", F=["a", None]), misses("F: null", F=["a", None]), misses("F: null", F=[None])),
            "the field's value is the list, which is not null",
        ),
        Clause(
            "map in an event",
            SILENT,
            "one text, its JSON; its parts are no fields",
            (
                matches('a|contains: \'"b":"x"\'', a={"b": "x"}),
                matches("a: '{\"b\":1}'", a={"b": 1}),
                misses("a.b: x", a={"b": "x"}),
                misses("b: x", a={"b": "x"}),
            ),
            "fields are flat; the text can still be searched",
        ),
        Clause(
            "list within a list in an event",
            SILENT,
            "one element, its JSON",
            (matches("F: '[\"a\",1]'", F=[["a", 1]]), misses("F: a", F=[["a", 1]])),
            "as a map",
        ),
    ),
)
