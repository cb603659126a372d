"""One record of soc.events in, matches out, and hits for the correlations that refer to the rules. No I/O."""

from collections.abc import Mapping
from typing import Any, Final

from correlator.correlation.feed import Feeder
from correlator.engine.record import Record as Fields
from correlator.engine.record import text_of
from correlator.flood import FloodGate, flood_match
from correlator.keys import joined
from correlator.rules import Failed, Hit, RuleSet
from correlator.source import Rule
from soc.alerts import Match
from soc.bus.base import Record
from soc.errors import DeadLetter
from soc.events import SCHEMA, Event, decode, digest, from_document
from soc.taxonomy import native

MAX_VALUES: Final = 20_000
"""Values of an event, the elements of its lists counted; rules by the thousand look at each."""


class Matcher:
    """Evaluates the rules on records, feeds correlations, and counts the matches at the gate.

    A rule that a correlation silences feeds, and makes no matches.
    """

    def __init__(self, rules: RuleSet, gate: FloodGate, failed: Failed, feeder: Feeder | None = None) -> None:
        """Take the rules, the counts to go on from, who is told of rules that fail, and who takes the hits."""
        self._rules = rules
        self._silenced = rules.plan.silenced
        self._gate = gate
        self._feed = feeder.feed if feeder else _nobody
        self._failed = failed

    def matches(self, record: Record) -> list[Match]:
        """Return the matches of one record. Raises DeadLetter where it is no event that can be evaluated."""
        wire = record.value
        document = decode(wire, record.header("schema") or SCHEMA)
        fields: dict[str, Any] = document["fields"]
        if len(wire) > 2 * MAX_VALUES and (number := _values(fields)) > MAX_VALUES:  # a value takes two bytes or more
            raise DeadLetter("too_many_values", f"{number}; the rules are evaluated on up to {MAX_VALUES}")
        source = document["logsource"].get
        kind = (source("product"), source("category"), source("service"))
        hits = self._rules.evaluate(kind, fields, self._failed, wire)
        return self._matches(hits, document, record) if hits else []

    def _matches(self, hits: list[Hit], document: dict[str, Any], record: Record) -> list[Match]:
        event = from_document(document)
        found: list[Match] = []
        for hit in hits:
            rule = hit.rule
            self._feed(rule, hit.record, event, record.timestamp)
            if rule.ref.id in self._silenced:
                continue
            verdict = self._gate.admit(rule.ref.id, record.timestamp)
            found.append(_match(hit, event, document if verdict.full else None))
            if verdict.begins:
                found.append(flood_match(rule.ref, record.timestamp, event.site, self._gate.per_minute))
        return found


def _nobody(_rule: Rule, _record: Fields, _event: Event, _arrival: int) -> None:
    """Take a hit where nobody asks for hits."""


def _values(fields: Mapping[str, Any]) -> int:
    return sum(len(value) if isinstance(value, list) else 1 for value in fields.values())


def _match(hit: Hit, event: Event, document: dict[str, Any] | None) -> Match:
    """Return a hit's match, without reasons if without the event's document.

    The id depends on rule and event alone, so a redelivery has the same.
    """
    return Match(
        id=digest(hit.rule.ref.id, event.id),
        rule=hit.rule.ref,
        time=event.time,
        received=event.received,
        site=event.site,
        host=event.host,
        alert_key=alert_key(hit.rule, event),
        event_id=event.id,
        reasons=() if document is None else hit.reasons,
        event=document,
    )


def alert_key(rule: Rule, event: Event) -> str:
    """Return what groups the matches: rule, site and host, or rule and the fields that the rule names.

    A field that the event does not have gives no group of its own: host and site stand in.
    """
    names = native(rule.logsource, event.logsource).names if rule.alert_key else {}
    named = [_named(names.get(field, field), event.fields) for field in rule.alert_key]
    parts = [event.site, event.host] if not named or None in named else [part for part in named if part is not None]
    return joined(rule.ref.id, parts)


def _named(field: str, fields: Mapping[str, Any]) -> str | None:
    """Return "Field=value", or None where the event does not have the field."""
    text = text_of(fields.get(field))
    return None if text is None else f"{field}={text if isinstance(text, str) else ','.join(text)}"
