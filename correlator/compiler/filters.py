"""A filter document: read as the rule that its selections would make, with what it says of itself. Sigma filters 2.1."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, Final

from correlator.compiler import head
from correlator.compiler.locate import NO_SELECTIONS, Refused
from correlator.source import Filter, Rule

ANY: Final = "any"

MAX_RULES: Final = 10_000
"""Rules that one filter names."""

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NOT_ITS_OWN: Final = ("filter", "alert_key")
_OWN: Final = ("owner", "reason", "expires")
"""Keys that are ours and stand beside `filter`."""

_LIKENESS: Final = 0.8
"""How alike a key must be to `expires`, from 0 to 1, to be a slip of the pen."""

_WANTED: Final = "a list of ids or names of rules, or the word any"


def compile_filter(document: Mapping[str, Any], compiled: Callable[[dict[str, Any]], Rule]) -> Filter:
    """Return the filter that a document is; `compiled` makes a rule of a rule's document.

    So pipelines and placeholders change it as they change a rule of its logsource. Raises Refused, and what `compiled`
    raises.
    """
    rules = _rules(_part(document))
    _check_keys(document)
    owner, reason, expires = _text(document, "owner"), _text(document, "reason"), _expiry(document)
    rule = compiled(_as_rule(document))
    return Filter(
        id=rule.ref.id,
        title=rule.ref.title,
        logsource=rule.logsource,
        rules=rules,
        condition=rule.condition,
        file=rule.file,
        line=rule.line,
        owner=owner,
        reason=reason,
        expires=expires,
    )


def _part(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what stands under `filter`, where it is what must stand there."""
    for other in ("detection", "correlation"):
        if other in document:
            raise Refused(f"a filter and a {other} in one document; write two, with --- between them", "filter")
    part = document["filter"]
    if not isinstance(part, dict):
        raise Refused("filter: a map with rules, selections and condition is expected", "filter")
    if not isinstance(part.get("condition"), str):
        raise Refused("a filter has one condition, a text; give it one", "filter", "condition")
    if not part.keys() - NO_SELECTIONS:
        raise Refused("the filter has no selection; write what its condition names", "filter")
    return part


def _check_keys(document: Mapping[str, Any]) -> None:
    """Refuse what is meant to be a key of ours and is none: without its end a filter would hide things for ever."""
    for key, written in document["filter"].items():
        if not isinstance(written, dict | list) and (meant := _meant(key)):  # else it is a selection of that name
            raise Refused(f"{key!r} stands within filter; write {meant} beside it, not indented", "filter", str(key))
    for key in document:
        if key not in _OWN and (meant := _meant(key)):
            raise Refused(f"{key!r} is no key of a filter; write {meant}", str(key))


def _meant(key: Any) -> str:
    """Return which of our keys this one is, or is written for; "" for none."""
    folded = str(key).strip().casefold()
    if folded in _OWN:
        return folded
    near = difflib.SequenceMatcher(None, folded, "expires").ratio() >= _LIKENESS
    return "expires" if near or folded.startswith("expir") else ""


def _as_rule(document: Mapping[str, Any]) -> dict[str, Any]:
    selections = {name: each for name, each in document["filter"].items() if name != "rules"}
    return {**{key: each for key, each in document.items() if key not in _NOT_ITS_OWN}, "detection": selections}


def _rules(part: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return what the filter refers to, none twice; None for any rule."""
    if "rules" not in part:
        raise Refused(f"the filter does not say which rules it is for; write rules: {_WANTED}", "filter")
    written = part["rules"]
    if isinstance(written, str):
        written = [written]
        if written[0].strip().lower() == ANY:
            return None
    if not _are_names(written):
        raise Refused(f"rules: {_WANTED}, is expected", "filter", "rules")
    if any(each.strip().lower() == ANY for each in written):
        raise Refused("'any' in a list of rules; write rules: any, or the rules without it", "filter", "rules")
    if len(written) > MAX_RULES:
        raise Refused(f"more than {MAX_RULES} rules; write rules: any, or several filters", "filter", "rules")
    return tuple(dict.fromkeys(each.strip() for each in written))


def _are_names(written: Any) -> bool:
    return (
        isinstance(written, Sequence)
        and bool(written)  # pySigma takes an empty list for any: nobody writes that and means it
        and all(isinstance(each, str) and each.strip() for each in written)
    )


def _text(document: Mapping[str, Any], key: str) -> str:
    written = document.get(key, "")
    if not isinstance(written, str):
        raise Refused(f"{key}: a text is expected", key)
    return written.strip()[: head.MAX_TEXT]


def _expiry(document: Mapping[str, Any]) -> str:
    """Return the day as it is written. A slip of the pen must not make a filter that never ends."""
    if "expires" not in document:
        return ""
    written = document["expires"]
    if isinstance(written, str) and _DATE.fullmatch(written):
        try:
            return date.fromisoformat(written).isoformat()
        except ValueError as error:
            raise Refused(f"expires: {written} is no day: {error}", "expires") from None
    raise Refused("expires: a day is expected, written as 2027-03-31; leave the key out for never", "expires")
