"""Value modifiers where pySigma departs from the specification, or does not have them. Sigma modifiers appendix 2.1.

- encodings work on bytes, so that text outside ASCII can be encoded, and an escaped wildcard is plain text;
- `utf16` puts the byte order mark FF FE in front, and `utf16le` is there;
- `windash` knows all five dashes, as what is written and as what is put in its place;
- `cased` and `fieldref` go together, in either order;
- `cidr` takes a placeholder, which `expand` resolves later;
- numbers are kept as YAML read them: pySigma makes a float of an integer beyond 53 bits.
"""

import re
from base64 import b64encode
from itertools import product
from math import isfinite
from typing import Any, Final

from sigma.exceptions import SigmaValueError
from sigma.modifiers import SigmaExpandModifier, SigmaModifier, SigmaValueModifier, modifier_mapping
from sigma.types import (
    SigmaCIDRExpression,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNumber,
    SigmaString,
    SigmaStringPartType,
    SpecialChars,
    type_map,
)

DASHES: Final = "-/\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}"
MAX_PERMUTATIONS: Final = 3125
"""Five dashes in five places."""

MAX_NUMBER: Final = 10**64
"""Integers from it on are refused: Python writes none of thousands of digits, and no event has one."""

MIN_SHIFTED: Final = 2
"""Bytes of the shortest value of which every shift has a character that depends on nothing else."""

_FLAG = re.compile(rf"\B[{DASHES}]\b")


class Number(SigmaNumber):
    """A number as YAML read it: a whole one is exact, whatever its size."""

    def __post_init__(self, init_number: Any) -> None:
        """Keep it. Raises SigmaValueError where nothing could equal it."""
        if isinstance(init_number, float) and not isfinite(init_number):
            raise SigmaValueError("Invalid number: infinity and not-a-number are not compared")
        if abs(init_number) >= MAX_NUMBER and isinstance(init_number, int):
            raise SigmaValueError("Invalid number: of more than 64 digits; write it with quotes, as text")
        self.number = init_number


class Encoded(SigmaString):
    """Text of which each character is one byte (Latin-1): what the UTF-16 modifiers make."""


def _like(value: SigmaString, parts: list[SigmaStringPartType]) -> SigmaString:
    made = value.__class__()
    made.s = parts
    return made


def _bytes(value: SigmaString, source: Any) -> bytes:
    """Return the bytes that the text stands for. Raises SigmaValueError where it has wildcards."""
    if not all(isinstance(part, str) for part in value.s):
        raise SigmaValueError("wildcards and placeholders cannot be encoded with base64", source=source)
    text = "".join(str(part) for part in value.s)
    return text.encode("latin-1" if isinstance(value, Encoded) else "utf-8")


class _Utf16(SigmaValueModifier[SigmaString, SigmaString]):
    codec: str
    mark = ""

    def modify(self, val: SigmaString) -> SigmaString:
        parts: list[SigmaStringPartType] = [self.mark] if self.mark else []
        for part in val.s:
            if isinstance(part, str):
                parts.append(part.encode(self.codec).decode("latin-1"))
            else:  # one character is two bytes
                parts += [part, part] if part is SpecialChars.WILDCARD_SINGLE else [part]
        made = Encoded()
        made.s = parts
        return made._merge_strs()  # noqa: SLF001 - pySigma offers the merging only as part of `+`


class Utf16Le(_Utf16):
    """`utf16le` and its alias `wide`."""

    codec = "utf-16-le"


class Utf16Be(_Utf16):
    """`utf16be`."""

    codec = "utf-16-be"


class Utf16(_Utf16):
    """`utf16`: a byte order mark, then little-endian."""

    codec = "utf-16-le"
    mark = "\xff\xfe"


class Base64(SigmaValueModifier[SigmaString, SigmaString]):
    """`base64`."""

    def modify(self, val: SigmaString) -> SigmaString:
        """Encode the whole value."""
        return SigmaString.from_str(b64encode(_bytes(val, self.source)).decode())


class Base64Offset(SigmaValueModifier[SigmaString, SigmaExpansion]):
    """`base64offset`: the three shifts, without the characters at the edges that depend on their neighbours."""

    def modify(self, val: SigmaString) -> SigmaExpansion:
        """Encode the value behind no, one and two bytes."""
        data = _bytes(val, self.source)
        if len(data) < MIN_SHIFTED:
            raise SigmaValueError("base64offset needs two bytes at least: fewer are found in every text")
        starts, ends = (0, 2, 3), (None, -3, -2)
        encoded = [
            b64encode(b" " * shift + data).decode()[starts[shift] : ends[(len(data) + shift) % 3]] for shift in range(3)
        ]
        return SigmaExpansion([SigmaString.from_str(text) for text in encoded])


class WindowsDash(SigmaValueModifier[SigmaString, SigmaExpansion]):
    """`windash`: each dash that begins a flag, as any of the five. `-param-name` has one flag."""

    def modify(self, val: SigmaString) -> SigmaExpansion:
        """Return every permutation."""
        choices: list[list[SigmaStringPartType]] = []
        for part in val.s:
            choices += self._choices(part) if isinstance(part, str) else [[part]]
        if len(DASHES) ** sum(len(choice) > 1 for choice in choices) > MAX_PERMUTATIONS:
            raise SigmaValueError(
                "windash: more than five flags in one value; split it with '|all'", source=self.source
            )
        made = [_like(val, list(chosen)) for chosen in product(*choices)]
        return SigmaExpansion([each._merge_strs() for each in made])  # noqa: SLF001 - as above

    @staticmethod
    def _choices(text: str) -> list[list[SigmaStringPartType]]:
        choices: list[list[SigmaStringPartType]] = []
        position = 0
        for found in _FLAG.finditer(text):
            choices += [[text[position : found.start()]], list(DASHES)]
            position = found.end()
        return [*choices, [text[position:]]]


class Cased(SigmaValueModifier[SigmaString | SigmaFieldReference, SigmaString | SigmaFieldReference]):
    """`cased`: the value stays as it is, and that the modifier is there says how it is compared."""

    def modify(self, val: SigmaString | SigmaFieldReference) -> SigmaString | SigmaFieldReference:
        """Return the value."""
        return val


class Network(SigmaValueModifier[SigmaString, SigmaString | SigmaCIDRExpression]):
    """`cidr`. Beside `expand`, in either order, the value stays text until its placeholders are resolved."""

    def modify(self, val: SigmaString) -> SigmaString | SigmaCIDRExpression:
        """Return the network. Raises SigmaTypeError where the value is none."""
        if set(self.applied_modifiers) - {SigmaExpandModifier}:
            raise SigmaValueError("cidr is only applicable to unmodified values", source=self.source)
        if SigmaExpandModifier in self.detection_item.modifiers:
            return val
        return SigmaCIDRExpression(str(val), source=self.source)


class FieldReference(SigmaValueModifier[SigmaString, SigmaFieldReference]):
    """`fieldref`."""

    def modify(self, val: SigmaString) -> SigmaFieldReference:
        """Take the value as another field's name."""
        if not all(isinstance(part, str) for part in val.s):
            raise SigmaValueError("a field reference must not contain wildcards", source=self.source)
        return SigmaFieldReference("".join(str(part) for part in val.s))


_CORRECTED: Final[dict[str, type[SigmaModifier[Any, Any]]]] = {
    "base64": Base64,
    "base64offset": Base64Offset,
    "cased": Cased,
    "cidr": Network,
    "fieldref": FieldReference,
    "utf16": Utf16,
    "utf16be": Utf16Be,
    "utf16le": Utf16Le,
    "wide": Utf16Le,
    "windash": WindowsDash,
}


def register() -> None:
    """Make pySigma read rules with these modifiers and numbers: its mappings of names and types are the door for them."""
    modifier_mapping.update(_CORRECTED)
    type_map.update({int: Number, float: Number})
