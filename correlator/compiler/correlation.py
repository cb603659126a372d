"""A correlation rule: a YAML document in, a `Correlation` out. Sigma correlation rules specification 2.1.

pySigma reads what stands around the correlation section; the section is read here and in `criterion`: pySigma 1.5.1
knows one comparison and whole numbers only.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from sigma.correlations import SigmaCorrelationRule

from correlator.compiler import head
from correlator.compiler.criterion import MAX_FIELDS, condition, field_name, field_names
from correlator.compiler.locate import Refused
from correlator.correlation.rule import Aliases, Correlation, Kind
from soc.clock import SECOND

MAX_RULES: Final = 100
"""Rules that one correlation may refer to."""

_SECTION: Final = "correlation"
_KEYS: Final = ("type", "rules", "generate", "group-by", "timespan", "aliases", "condition")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "M": 2_629_746, "y": 31_556_952}
_TIMESPAN: Final = re.compile(f"([0-9]{{1,9}})([{''.join(_UNITS)}])")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

_EXTENDED: Final = "temporal_extended"
_ORDERED_EXTENDED: Final = "temporal_ordered_extended"
"""pySigma's names for types whose condition is an expression."""

Document = Mapping[str, Any]


def compile_correlation(document: Document, file: str, line: int) -> Correlation:
    """Return the correlation that a document with the key `correlation` is. Raises Refused with the key at fault."""
    parsed = _head(document)
    section = _section(document)
    kind = _kind(section)
    required, rules = condition(kind, section.get("condition"), _listed(section))
    _check_rules(rules)
    return Correlation(
        ref=head.ref(parsed),
        name=head.name(parsed),
        kind=kind,
        rules=rules,
        group_by=_group_by(section),
        aliases=_aliases(section, rules),
        timespan=_timespan(section),
        condition=required,
        generate=_generate(document, section),
        file=file,
        line=line,
        status=head.status(parsed),
        author=head.author(parsed),
    )


def _refused(reason: str, *path: str | int) -> Refused:
    return Refused(reason, _SECTION, *path)


# Around the section --------------------------------------------------------------------------------------------------


def _head(document: Document) -> SigmaCorrelationRule:
    try:
        return _read_head(document)
    except Exception as error:  # noqa: BLE001 - pySigma meets a malformed document with exceptions of any type
        raise Refused(str(error) or type(error).__name__, *_fault(document)) from None


def _read_head(document: Document) -> SigmaCorrelationRule:
    values, _ = SigmaCorrelationRule.from_dict_common_params(dict(document))
    return SigmaCorrelationRule(rules=[], **values)


def _fault(document: Document) -> tuple[str, ...]:
    """Return the key that fails alone."""
    for key, value in document.items():
        try:
            _read_head({"title": "x", key: value})
        except Exception:  # noqa: BLE001 - the question is only whether it fails
            return (str(key),)
    return ()


def _section(document: Document) -> Document:
    for other in ("detection", "filter"):
        if other in document:
            raise Refused(f"a document has either '{_SECTION}' or '{other}'; write two", other)
    section = document[_SECTION]
    if not isinstance(section, dict):
        raise _refused("the correlation must be a map of type, rules, group-by, timespan and condition")
    for key in section:
        if key not in _KEYS:
            raise _refused(f"{key!r} is no key of a correlation; it has {', '.join(_KEYS)}", str(key))
    return section


def _generate(document: Document, section: Document) -> bool:
    """Read what the specification writes beside the section, and pySigma in it."""
    written = [
        (path, where["generate"]) for path, where in (((), document), ((_SECTION,), section)) if "generate" in where
    ]
    for path, value in written:
        if not isinstance(value, bool):
            raise Refused("generate must be true or false", *path, "generate")
    if len({value for _, value in written}) > 1:
        raise _refused("generate is written twice, and differs; remove one", "generate")
    return any(value for _, value in written)


# The section ---------------------------------------------------------------------------------------------------------


def _kind(section: Document) -> Kind:
    written = section.get("type")
    name = written.lower() if isinstance(written, str) else written
    if name == _ORDERED_EXTENDED:
        raise _refused("an expression has no order: chain a temporal_ordered correlation with a temporal one", "type")
    if name == _EXTENDED:
        if not isinstance(section.get("condition"), str):
            raise _refused(f"{_EXTENDED} needs a condition of rules with and, or, not", "type")
        return Kind.TEMPORAL
    if not isinstance(name, str) or name not in list(Kind):
        known = f"the types are {', '.join(Kind)}"
        raise _refused(f"{written!r} is no type; {known}" if written else f"the type is missing; {known}", "type")
    return Kind(name)


def _listed(section: Document) -> tuple[str, ...]:
    """Return the references in `rules`, none where it is not written."""
    written = section.get("rules")
    if written is None:
        return ()
    if isinstance(written, str):
        return (_reference(written, "rules"),)
    if not isinstance(written, list) or not written:
        raise _refused("rules must be a list of the ids or names of rules", "rules")
    if len(written) > MAX_RULES:
        raise _refused(f"more than {MAX_RULES} rules; put some into a correlation of their own", "rules")
    found: dict[str, str] = {}
    for number, each in enumerate(written):
        reference = _reference(each, "rules", number)
        if (same := reference.lower() if _UUID.fullmatch(reference) else reference) in found:
            raise _refused(f"{reference!r} is listed twice; remove one", "rules", number)
        found[same] = reference
    return tuple(found.values())


def _reference(value: Any, *path: str | int) -> str:
    if not isinstance(value, str) or not value:
        raise _refused("a rule is referred to by its id or its name, a text; put a number in quotes", *path)
    if len(value) > head.MAX_TEXT:
        raise _refused(f"no id or name is longer than {head.MAX_TEXT} characters", *path)
    return value


def _check_rules(rules: tuple[str, ...]) -> None:
    """Refuse what names no rules, or, in an expression, too many."""
    if not rules:
        raise _refused("the correlation refers to no rule; list ids or names in 'rules'", "rules")
    for each in rules:
        _reference(each, "condition")
    if len(rules) > MAX_RULES:
        raise _refused(f"more than {MAX_RULES} rules; put some into a correlation of their own", "condition")


def _group_by(section: Document) -> tuple[str, ...]:
    """Return the fields, none for one group of all hits."""
    if (written := section.get("group-by")) is None:
        return ()
    return field_names(written, "group-by", _SECTION, "group-by")


def _timespan(section: Document) -> int:
    """Return microseconds."""
    written = section.get("timespan")
    if written is None:
        raise _refused("timespan is missing: within which time, for example 'timespan: 10m'")
    found = _TIMESPAN.fullmatch(written) if isinstance(written, str) else None
    if found is None or not int(found[1]):
        units = "s, m (minutes), h, d, w, M (months) or y"
        raise _refused(f"{written!r} is no timespan; write a positive number and one of {units}: 90m", "timespan")
    return int(found[1]) * _UNITS[found[2]] * SECOND


def _aliases(section: Document, rules: tuple[str, ...]) -> Aliases:
    written = section.get("aliases")
    if written is None:
        return ()
    if not isinstance(written, dict):
        raise _refused("aliases must be a map: alias, and under it rule and field", "aliases")
    if len(written) > MAX_FIELDS:
        raise _refused(f"more than {MAX_FIELDS} aliases", "aliases")
    return tuple(
        (field_name(alias, "an alias", _SECTION, "aliases"), _meant(alias, written[alias], rules)) for alias in written
    )


def _meant(alias: Any, written: Any, rules: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return of one alias the rules and their fields."""
    path = ("aliases", str(alias))
    if not isinstance(written, dict) or not written:
        raise _refused(f"the alias {alias!r} must be a map of rule and field", *path)
    for rule in written:
        if rule not in rules and not any(
            map(_UUID.fullmatch, (str(rule), *rules))
        ):  # else it may be the same rule's id
            raise _refused(
                f"the alias {alias!r} names {rule!r}, which the correlation does not refer to", *path, str(rule)
            )
    return tuple(
        (_reference(rule, *path), field_name(field, "an alias", _SECTION, *path, str(rule)))
        for rule, field in written.items()
    )
