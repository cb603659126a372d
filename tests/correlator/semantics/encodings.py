"""`base64`, `base64offset` and the UTF-16 family."""

from base64 import b64encode
from typing import Final

from tests.correlator.semantics.clause import SILENT, Area, Clause, Example, matches, misses, refuses


def _wide(plain: str) -> Example:
    encoded = b64encode(f"x{plain}y".encode("utf-16-le")).decode()
    return matches(f"F|utf16le|base64offset|contains: '{plain}'", F=f"powershell -enc {encoded}")


AREA: Final = Area(
    "Encodings",
    (
        Clause(
            "base64",
            "Encoding",
            "of the value's UTF-8 bytes, padding included",
            (
                matches("F|base64: 'net user'", F="bmV0IHVzZXI="),
                matches("F|base64|contains: 'net user1'", F="x bmV0IHVzZXIx y"),
                matches("F|base64: 'tải'", F=b64encode("tải".encode()).decode()),
                misses("F|base64: 'net user'", F="bmV0IHVzZXI"),
            ),
        ),
        Clause(
            "base64 of escaped wildcards",
            "Escape Character",
            r"`\*` is a star, and its backslash is not encoded; `C:\x` is what it reads",
            (
                matches(r"F|base64: 'a\*b'", F=b64encode(b"a*b").decode()),
                matches(r"F|base64: 'C:\x'", F=b64encode(rb"C:\x").decode()),
                misses(r"F|base64: 'a\*b'", F=b64encode(rb"a\*b").decode()),
            ),
            "pySigma encodes the backslash",
        ),
        Clause(
            "base64 of wildcards",
            SILENT,
            "with `base64offset` too, and behind `contains`",
            (
                refuses("F|base64: 'a*b'", "cannot be encoded"),
                refuses("F|base64offset: 'a?b'", "cannot be encoded"),
                refuses("F|contains|base64: 'ab'", "cannot be encoded"),
                matches("F|base64|contains: 'abc'", F="xYWJj"),
            ),
            "a wildcard has no encoding",
        ),
        Clause(
            "base64 ignores case",
            SILENT,
            "as any value; add `cased` where that is too much",
            (
                matches("F|base64: 'abc'", F="ywjj"),
                matches("F|base64|cased: 'abc'", F="YWJj"),
                misses("F|base64|cased: 'abc'", F="ywjj"),
            ),
            "pySigma, and values ignore case; it can only find more",
        ),
        Clause(
            "base64offset",
            "Encoding",
            "three forms, for zero, one and two bytes before; any of them",
            (
                *(
                    matches("F|base64offset|contains: 'foobar'", F=b64encode(before + b"foobar, and more").decode())
                    for before in (b"", b"x", b"xx", b"xxx")
                ),
                misses("F|base64offset|contains: 'foobar'", F=b64encode(b"fooba").decode()),
                misses("F|base64offset: 'foobar'", F="xZm9vYmFy"),
            ),
        ),
        Clause(
            "base64offset drops partial characters",
            "Encoding",
            "characters at the edges that depend on neighbouring bytes are not part of a form",
            (
                matches("F|base64offset: 'foobar!'", F="Zm9vYmFyI"),
                misses("F|base64offset: 'foobar!'", F="Zm9vYmFyIQ"),
                misses("F|base64offset: 'foobar!'", F="Zm9vYmFyIQ=="),
            ),
        ),
        Clause(
            "base64offset of less than two bytes",
            SILENT,
            "the empty value, or one of one byte",
            (
                refuses("F|base64offset|contains: 'x'", "two bytes"),
                refuses("F|base64offset|contains: ''", "two bytes"),
                matches("F|base64offset|contains: 'xy'", F=b64encode(b"1xy2").decode()),
                misses("F|base64offset|contains: 'xy'", F="zzzz"),
            ),
            "no character depends on that byte alone at every shift: one form would be found in every value",
        ),
        Clause(
            "utf16le and wide",
            "Encoding",
            "each byte is a character: cmd is c, NUL, m, NUL, d, NUL",
            (
                matches("F|utf16le: 'cmd'", F="c\0m\0d\0"),
                matches("F|wide: 'cmd'", F="c\0m\0d\0"),
                misses("F|utf16le: 'cmd'", F="cmd"),
                misses("F|wide: 'cmd'", F="\0c\0m\0d"),
            ),
        ),
        Clause(
            "utf16be",
            "Encoding",
            "the high byte first",
            (matches("F|utf16be: 'cmd'", F="\0c\0m\0d"), misses("F|utf16be: 'cmd'", F="c\0m\0d\0")),
        ),
        Clause(
            "utf16",
            "Encoding",
            "the byte order mark FF FE, then as utf16le",
            (matches("F|utf16: 'cmd'", F="\xff\xfec\0m\0d\0"), misses("F|utf16: 'cmd'", F="c\0m\0d\0")),
        ),
        Clause(
            "wildcards in UTF-16",
            SILENT,
            "`*` stays, `?` stands for the two bytes of a character",
            (
                matches("F|utf16le: 'c*d'", F="c\0m\0d\0"),
                matches("F|utf16le: 'c?d'", F="c\0m\0d\0"),
                matches("F|utf16be|contains: 'c?d'", F="x\0c\0m\0d"),
                misses("F|utf16le: 'c?d'", F="c\0d\0"),
                misses("F|utf16le: 'c?d'", F="c\0m\0x\0d\0"),
            ),
            "`?` is one character, of which two bytes are made",
        ),
        Clause(
            "UTF-16, then base64",
            "Value Modifiers",
            "in the order written, on bytes, beyond ASCII too: PowerShell's -EncodedCommand",
            (
                _wide("IEX (New-Object"),
                _wide("tải về"),
                matches("F|utf16|base64: 'a'", F=b64encode(b"\xff\xfea\0").decode()),
                misses("F|utf16le|base64offset|contains: 'IEX (New'", F=b64encode(b"IEX (New").decode()),
            ),
            "pySigma refuses text beyond ASCII",
        ),
    ),
)
