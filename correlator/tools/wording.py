"""Atoms in words: what a test asks of a value, said of one that has it and of one that has not."""

import re
from typing import Final, NamedTuple

from correlator.engine.text import merged
from correlator.syntax import Anchor, Atom, Cidr, Compare, Exists, FieldRef, Glob, Null, Regex, TimePart, Wildcard

_FLAGS: Final = {re.IGNORECASE: "i", re.MULTILINE: "m", re.DOTALL: "s"}


class Wording(NamedTuple):
    """`does`: "ends with"; `does_not`: "does not end with"; `wanted`: what stands behind either, "" where nothing does."""

    does: str
    does_not: str
    wanted: str = ""


_IS: Final = ("is", "is not")
_STARTS: Final = ("starts with", "does not start with")
_ENDS: Final = ("ends with", "does not end with")
_CONTAINS: Final = ("contains", "does not contain")
_LIKE: Final = ("is like", "is not like")
_ANCHORED: Final = {Anchor.IS: _IS, Anchor.STARTS: _STARTS, Anchor.ENDS: _ENDS, Anchor.CONTAINS: _CONTAINS}


def wording(atom: Atom) -> Wording:  # noqa: PLR0911 - one return an atom reads best
    """Return what an atom asks. Texts are quoted, and nothing in them is spelled out or cut."""
    match atom:
        case Glob():
            return _glob(atom)
        case Regex(pattern, flags):
            letters = "".join(letter for flag, letter in _FLAGS.items() if flags & flag)
            return Wording("matches", "does not match", f"/{pattern}/{letters}")
        case Cidr(network):
            return Wording("is in", "is not in", network)
        case Compare(relation, number):
            return Wording("is", "is not", f"{relation.value} {number}")
        case TimePart(unit, relation, number):
            return Wording(f"has a {unit.value}", f"has no {unit.value}", f"{relation.value} {number}")
        case FieldRef(other, anchor, cased):
            return Wording(*_cased(_ANCHORED[anchor], cased=cased), f"the field {other}")
        case Exists(wanted):
            return Wording("is present", "is absent") if wanted else Wording("is absent", "is present")
        case Null():
            return Wording(*_IS, "null")


def _glob(atom: Glob) -> Wording:
    """Name the common shapes by Sigma's modifiers; what is left has its wildcards written."""
    kind, text = _LIKE, str(atom)
    match merged(atom.parts):
        case []:
            return Wording("is empty", "is not empty")
        case [Wildcard.ANY]:
            return Wording("has a value", "has no value")
        case [str(text)]:
            kind = _IS
        case [str(text), Wildcard.ANY]:
            kind = _STARTS
        case [Wildcard.ANY, str(text)]:
            kind = _ENDS
        case [Wildcard.ANY, str(text), Wildcard.ANY]:
            kind = _CONTAINS
    return Wording(*_cased(kind, cased=atom.cased), f'"{text}"')


def _cased(kind: tuple[str, str], *, cased: bool) -> tuple[str, str]:
    return (f"{kind[0]}, in this case,", f"{kind[1]}, in this case,") if cased else kind
