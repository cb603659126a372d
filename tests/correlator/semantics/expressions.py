"""`re` and its sub-modifiers."""

from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, matches, misses, refuses

AREA: Final = Area(
    "Regular expressions",
    (
        Clause(
            "re searches",
            SILENT,
            "the expression may stand anywhere in the value; `^` and `$` bind it to its ends",
            (
                matches("F|re: 'b+c'", F="aabbcc"),
                matches("F|re: '^a.*c$'", F="abc"),
                misses("F|re: '^b+c'", F="aabbcc"),
                misses("F|re: 'b{2,3}c'", F="abc"),
            ),
            "anchors would have no use otherwise; SigmaHQ's rules are written so",
        ),
        Clause(
            "re is case-sensitive",
            "Regular Expression",
            "but under `i`",
            (matches("F|re: 'ABC'", F="ABC"), misses("F|re: 'ABC'", F="abc")),
        ),
        Clause(
            "metacharacters",
            "Regular Expression",
            ". ^ $ * + ? {n,m} [a-z] [^a-z] | () and what else Python's `re` has in common with PCRE",
            (
                matches("F|re: '^(ab|c)+[^x-z]{1,2}.?$'", F="abcdd"),
                matches(r"F|re: '\d+\.\w+\s(?=x)'", F="10.a x"),
                misses("F|re: '^(ab|c)+[^x-z]{1,2}$'", F="abcx"),
            ),
        ),
        Clause(
            "Unicode in re",
            SILENT,
            r"`\d`, `\w`, `\s`, `\b` and `i` know Unicode",
            (
                matches(r"F|re: '^\w+$'", F="đặng"),
                matches("F|re|i: 'ĐẶNG'", F="đặng"),
                misses("F|re: 'ĐẶNG'", F="đặng"),
            ),
            "Vietnamese has letters beyond ASCII, and case",
        ),
        Clause(
            "re with i",
            "Regular Expression",
            "ignores case",
            (matches("F|re|i: 'ABC'", F="abc"), misses("F|re|i: 'ABC'", F="abd")),
        ),
        Clause(
            "re with s",
            "Regular Expression",
            "`.` is a line feed, too; without it, it is not",
            (matches("F|re|s: 'a.b'", F="a\nb"), misses("F|re: 'a.b'", F="a\nb")),
        ),
        Clause(
            "re with m",
            "Regular Expression",
            "`^` and `$` are at every line; without it, at the value's ends",
            (matches("F|re|m: '^b$'", F="a\nb\nc"), misses("F|re: '^b$'", F="a\nb\nc"), matches("F|re: 'b$'", F="b\n")),
        ),
        Clause(
            "several sub-modifiers",
            "Regular Expression",
            "in any order, behind `re`; `ignorecase`, `multiline`, `dotall` are their long names",
            (
                matches("F|re|i|m|s: '^B.c'", F="a\nb\nc"),
                matches("F|re|s|m|i: '^B.c'", F="a\nb\nc"),
                matches("F|re|ignorecase|multiline|dotall: '^B.c'", F="a\nb\nc"),
                misses("F|re|m|s: '^B.c'", F="a\nb\nc"),
                misses("F|re|i|s: '^B.c'", F="a\nb\nc"),
                misses("F|re|i|m: '^B.c'", F="a\nb\nc"),
                refuses("F|i|re: 'a'", "incompatible"),
                refuses("F|i: 'a'", "incompatible"),
            ),
        ),
        Clause(
            "re on other values than text",
            SILENT,
            "on their text: digits, true and false, each element of a list, a map's JSON",
            (
                matches("F|re: '^46\\d\\d$'", F=4688),
                matches("F|re: '^true$'", F=True),
                matches("F|re: '^b$'", F=["a", "b"]),
                misses("F|re: '^46\\d$'", F=4688),
            ),
            "values are strings",
        ),
        Clause(
            "re and the backslash",
            SILENT,
            "the expression is taken as written; Sigma's wildcards and escapes are not read in it",
            (
                matches(r"F|re: 'a\*b'", F="a*b"),
                matches(r"F|re: 'C:\\x'", F="C:\\x"),
                misses(r"F|re: 'a\*b'", F="aaab"),
                misses("F|re: '^a*b$'", F="axb"),
            ),
            "one language at a time",
        ),
        Clause(
            "empty expression",
            SILENT,
            "found in every text, the empty one included",
            (matches("F|re: ''", F="x"), matches("F|re: ''", F=""), misses("F|re: ''", F=None)),
            "as in every engine",
        ),
        Clause(
            "re with startswith, endswith, contains",
            SILENT,
            "the value begins, ends, is anywhere with what the expression finds; the other order is refused",
            (
                matches("F|re|startswith: 'a|b'", F="bc"),
                misses("F|re|startswith: 'a|b'", F="cb"),
                matches("F|re|endswith: 'a|b'", F="cb"),
                misses("F|re|endswith: 'a|b'", F="bc"),
                misses("F|re|startswith|m: 'a|b'", F="x\na"),
                misses("F|re|endswith: 'b'", F="b\n"),
                matches("F|re|contains: 'a|b'", F="cbc"),
                refuses("F|contains|re: 'a'", "unmodified"),
            ),
            "what the modifiers say of every field",
        ),
        Clause(
            "re that PCRE reads otherwise",
            SILENT,
            r"`[:alpha:]`, `\Z`",
            (
                refuses("F|re: '[[:alpha:]]+'", r"\[:alpha:\]"),
                refuses(r"F|re: 'a\Z'", r"\\Z"),
                matches("F|re: '[a-z]+$'", F="abc"),
            ),
            "Python reads both, and means something else",
        ),
        Clause(
            "re that cannot be read",
            SILENT,
            r"what is no expression; `\p`, `\h`, `\z`, `\x{..}`, `(?<name>..)`, flags in the middle",
            (
                refuses("F|re: '('", "invalid"),
                *(
                    refuses(f"F|re: '{odd}'", "invalid")
                    for odd in (r"\p{L}", r"\h", r"\z", r"\x{41}", "(?<n>a)", "a(?i)b")
                ),
                matches("F|re: '(?P<n>a)(?i:B)'", F="ab"),
            ),
            "the specification supports none of them",
        ),
    ),
)
