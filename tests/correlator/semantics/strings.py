r"""Wildcards, and the backslash before them."""

from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, matches, misses

AREA: Final = Area(
    "Wildcards and escapes",
    (
        Clause(
            "star is any text",
            "String Wildcard",
            "of any length, none included",
            (
                matches("F: 'a*c'", F="abbbc"),
                matches("F: 'a*c'", F="ac"),
                matches("F: '*b*'", F="abc"),
                misses("F: 'a*c'", F="abbb"),
                misses("F: 'a*c'", F="xabc"),
            ),
        ),
        Clause(
            "question mark is one character",
            "String Wildcard",
            "exactly one, whatever it is",
            (
                matches("F: 'a?c'", F="abc"),
                matches("F: '??b*'", F="aab"),
                matches("F: 'stra?e'", F="STRAßE"),
                matches("F: 'a?c'", F="a\N{GRINNING FACE}c"),
                misses("F: 'a?c'", F="ac"),
                misses("F: 'a?c'", F="abbc"),
            ),
        ),
        Clause(
            "wildcards cross line ends",
            SILENT,
            "`*` and `?` stand for line feeds and carriage returns, too",
            (
                matches("F: 'a*c'", F="a\nb\r\nc"),
                matches("F: 'a?c'", F="a\nc"),
                matches("F|contains: 'a*c'", F="x\na\nc\n"),
                misses("F: 'a?c'", F="a\r\nc"),
            ),
            '"unbounded"; an attacker\'s script has many lines',
        ),
        Clause(
            "star asks for a value",
            SILENT,
            "`'*'` holds of every value, the empty one included, and not of null or a missing field",
            (matches("F: '*'", F="x"), matches("F: '*'", F=""), misses("F: '*'", F=None), misses("F: '*'")),
            "no length is a length; null is no text",
        ),
        Clause(
            "escaped wildcard",
            "Escape Character",
            r"`\*` is a star, `\?` a question mark",
            (
                matches(r"F: 'a\*c'", F="a*c"),
                matches(r"F: 'a\?c'", F="a?c"),
                misses(r"F: 'a\*c'", F="abc"),
                misses(r"F: 'a\?c'", F="abc"),
            ),
        ),
        Clause(
            "escaped backslash before a wildcard",
            "Escape Character",
            r"`\\*` is a backslash and a wildcard",
            (matches(r"F: 'C:\\*'", F="C:\\x"), matches(r"F: 'C:\\?'", F="C:\\x"), misses(r"F: 'C:\\*'", F="C:x")),
        ),
        Clause(
            "three backslashes before a wildcard",
            "Escape Character",
            r"`\\\*` is a backslash and a star",
            (matches(r"F: 'a\\\*'", F="a\\*"), misses(r"F: 'a\\\*'", F="a\\b")),
        ),
        Clause(
            "backslash before anything else",
            "Escape Character",
            r"`\` and `\\` are one backslash",
            (
                matches(r"F: 'C:\Windows'", F="c:\\windows"),
                matches(r"F: 'C:\\Windows'", F="c:\\windows"),
                matches("F: 'dir\\'", F="dir\\"),
                misses(r"F: 'C:\\Windows'", F="c:\\\\windows"),
            ),
        ),
        Clause(
            "three and four backslashes",
            "Escape Character",
            "are two",
            (
                matches(r"F: '\\\\host'", F="\\\\host"),
                matches(r"F: '\\\host'", F="\\\\host"),
                misses(r"F: '\\\\host'", F="\\host"),
            ),
        ),
        Clause(
            "backslash at the end under a modifier",
            SILENT,
            "a backslash: the modifier's wildcard is put behind what was read, not into the text",
            (
                matches("F|startswith: 'C:\\'", F="c:\\x"),
                matches("F|contains: '\\'", F="a\\b"),
                misses("F|startswith: 'C:\\'", F="c:*"),
            ),
            "`C:\\` under `startswith` means a folder",
        ),
        Clause(
            "wildcards under modifiers",
            SILENT,
            "stay wildcards, escaped ones stay characters",
            (
                matches("F|contains: 'a*c'", F="xabcx"),
                matches(r"F|endswith: 'a\*'", F="xa*"),
                misses(r"F|endswith: 'a\*'", F="xab"),
                misses("F|startswith: 'a?c'", F="ac"),
            ),
            "modifiers are applied to the value as it is read",
        ),
        Clause(
            "other signs",
            "General",
            "have no meaning: . [ ] ( ) + ^ $ | % stand for themselves",
            (matches("F: 'a.c[1]$|%x%'", F="A.C[1]$|%X%"), misses("F: 'a.c'", F="abc"), misses("F: 'a|b'", F="a")),
        ),
    ),
)
