"""`re`: pySigma's expression to ours. Sigma modifiers appendix 2.1, "Regular Expression"."""

import re
from collections.abc import Sequence
from typing import Final

from sigma.exceptions import SigmaValueError
from sigma.modifiers import SigmaEndswithModifier, SigmaStartswithModifier
from sigma.types import SigmaRegularExpression, SigmaRegularExpressionFlag, SigmaString, SpecialChars

from correlator.syntax import Regex

_FLAGS: Final = {
    SigmaRegularExpressionFlag.IGNORECASE: re.IGNORECASE,
    SigmaRegularExpressionFlag.MULTILINE: re.MULTILINE,
    SigmaRegularExpressionFlag.DOTALL: re.DOTALL,
}
_FOREIGN: Final = re.compile(r"\[:\^?[a-z]+:\]|(?<!\\)(?:\\\\)*\\Z")
"""What PCRE and Python both read, and differently: POSIX classes, and \\Z before a last newline."""

_WILDCARDS: Final = {SpecialChars.WILDCARD_MULTI: "(?s:.*)", SpecialChars.WILDCARD_SINGLE: "(?s:.)"}


def regex(value: SigmaRegularExpression, modifiers: Sequence[type]) -> Regex:
    """Return the expression, bound to the value's start or end where a modifier asks for it.

    Raises SigmaValueError, or `re.error`, where it cannot be evaluated.
    """
    flags = 0
    for flag in value.flags:
        flags |= _FLAGS[flag]
    pattern = value.regexp.to_plain_regex()
    if found := _FOREIGN.search(pattern):
        raise SigmaValueError(f"{found[0]} is not evaluated as PCRE means it; write a class like [a-z], or $")
    start = r"\A" if SigmaStartswithModifier in modifiers else ""
    end = r"\Z" if SigmaEndswithModifier in modifiers else ""
    if start or end:
        pattern = f"{start}(?:{pattern}){end}"
    re.compile(pattern, flags)  # with its flags, and after its placeholders: pySigma checked it before them
    return Regex(pattern, flags)


def quoted(value: SigmaString) -> SigmaString:
    """Return an expression for a placeholder's value: text stands for itself, and wildcards stay wildcards."""
    parts = (_WILDCARDS[part] if isinstance(part, SpecialChars) else re.escape(str(part)) for part in value.s)
    return SigmaString("".join(parts), escape=False)
