"""Value modifiers where pySigma departs from the specification, or does not have them. Sigma modifiers appendix 2.1.

- encodings work on bytes, so that text outside ASCII can be encoded, and an escaped wildcard is plain text;
- `utf16` puts the byte order mark FF FE in front, and `utf16le` is there;
- `windash` knows all five dashes, as what is written and as what is put in its place;
- `cased` and `fieldref` go together, in either order.
"""

import re
from base64 import b64encode
from itertools import product
from typing import Any, Final

from sigma.exceptions import SigmaValueError
from sigma.modifiers import SigmaModifier, SigmaValueModifier, modifier_mapping
from sigma.types import SigmaExpansion, SigmaFieldReference, SigmaString, SigmaStringPartType

DASHES: Final = "-/\N{EN DASH}\N{EM DASH}\N{HORIZONTAL BAR}"
MAX_PERMUTATIONS: Final = 3125
"""Five dashes in five places."""

_FLAG = re.compile(rf"\B[{DASHES}]\b")


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
        parts += [p.encode(self.codec).decode("latin-1") if isinstance(p, str) else p for p in val.s]
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
    "fieldref": FieldReference,
    "utf16": Utf16,
    "utf16be": Utf16Be,
    "utf16le": Utf16Le,
    "wide": Utf16Le,
    "windash": WindowsDash,
}


def register() -> None:
    """Make pySigma read rules with these modifiers: its mapping of names to classes is the door for them."""
    modifier_mapping.update(_CORRECTED)
