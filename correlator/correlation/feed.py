"""A match of detection becomes hits: which correlations it enters, in which group, with which value.

Values are compared without case, as Sigma compares them: an attacker picks the case of a user name. An event without a
field of the group enters no group, least of all one that it would share with others that lack it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

import orjson

from correlator.correlation.hits import Batch, Hit, Value, encode
from correlator.correlation.plan import Input, Linked, Plan
from correlator.correlation.rule import Kind
from correlator.engine.atoms import number_of
from correlator.engine.record import Record, Text
from correlator.source import Rule
from soc.events import Event, digest
from soc.taxonomy import native

MAX_TEXT: Final = 200
"""Characters of a value that are kept; a longer one is told apart by its digest."""

CUT_TEXT: Final = MAX_TEXT + 33
"""Characters of a value that was cut: what is no longer is kept whole, so that cutting twice changes nothing."""

MAX_INTEGER: Final = 2**63
"""JSON has no integers beyond; they become floats."""

MAX_ESCAPED: Final = 7
"""Bytes that a character may take in JSON within JSON."""

MAX_REST: Final = 512
"""Bytes of a record of one hit beside its texts."""

OWN: Final = frozenset({"host", "site"})
"""What an event has beside its fields, and correlations use as if they were fields."""

_NUMERIC: Final = frozenset({Kind.VALUE_SUM, Kind.VALUE_AVG, Kind.VALUE_PERCENTILE, Kind.VALUE_MEDIAN})


def folded(text: Text) -> str | None:
    """Return a field's value as correlations compare it, None where it is missing, null or an empty list.

    A list's texts are joined by commas. Folding what was folded changes nothing.
    """
    if not isinstance(text, str):
        if not text:
            return None
        text = ",".join(text)
    text = text.casefold()
    return text if len(text) <= CUT_TEXT else f"{text[:MAX_TEXT]}#{digest(text)}"


def group_of(texts: Iterable[Text]) -> str | None:
    """Return the JSON list of the folded texts, "[]" for none, or None where one is missing."""
    values = [folded(text) for text in texts]
    return None if None in values else orjson.dumps(values).decode()


def value_of(kind: Kind, texts: Iterable[Text]) -> Value:
    """Return what a condition of this kind looks at, None where there is none.

    Of value_count the folded text, of several fields all together; of numeric kinds the number.
    """
    every = list(texts)
    if not every:
        return None
    if kind in _NUMERIC:
        return _number(every[0])
    return folded(every[0]) if len(every) == 1 else group_of(every)


def _number(text: Text) -> int | float | None:
    """Return the finite number that a text writes, as the engine reads it; a list of one is that one."""
    if isinstance(text, tuple) and len(text) == 1:
        (text,) = text
    number = number_of(text) if isinstance(text, str) else None
    if number is None or -MAX_INTEGER <= number < MAX_INTEGER:
        return number
    return float(number) if abs(number) < float("inf") else None


class _Texts:
    """An event's fields by the rule's names, and its own `host` and `site`: a field of that name is whoever's wrote it."""

    __slots__ = ("_event", "_names", "_texts")

    def __init__(self, record: Record, names: Mapping[str, str], event: Event) -> None:
        self._texts, self._names, self._event = record.texts, names, event

    def __call__(self, field: str) -> Text:
        if field in OWN:
            return getattr(self._event, field) or None
        return self._texts[self._names.get(field, field)]


class Feeder:
    """Makes hits of a batch's matches. `hits`: with the version of the correlation that each enters.

    Counts, by the id of the correlation: `ungrouped`: events without a field of the group, `too_large` ones whose hit no
    record would hold (neither is fed), and `valueless` ones, fed without the value that the condition looks at.
    """

    def __init__(self, plan: Plan, max_bytes: int) -> None:
        """Take who is fed by whom, and the size of the largest record."""
        self._feeds = plan.feeds
        self._max_bytes = max_bytes
        self.hits: list[tuple[str, Hit]] = []
        self.ungrouped: Counter[str] = Counter()
        self.valueless: Counter[str] = Counter()
        self.too_large: Counter[str] = Counter()

    def feed(self, rule: Rule, record: Record, event: Event, arrival: int) -> None:
        """Feed the correlations that refer to a rule which fired.

        `record`: the event's fields as it was evaluated. `arrival`: when soc.events had it, microseconds since the epoch.
        """
        if found := self._feeds.get(rule.ref.id):
            names = native(rule.logsource, event.logsource).names
            text_of = _Texts(record, names, event)
            for linked, how in found:
                group = group_of(map(text_of, how.group))
                if group is None:
                    self.ungrouped[linked.correlation.ref.id] += 1
                    continue
                value = value_of(linked.correlation.kind, map(text_of, how.values))
                carried = {field: text for field in linked.carried if (text := folded(text_of(field))) is not None}
                origin = (event.site, event.host)
                hit = Hit(group, event.id, event.time, arrival, how.number, value, origin, carried or None)
                self._add(linked, how, hit)

    def _add(self, linked: Linked, how: Input, hit: Hit) -> None:
        if self._is_too_large(linked.version, hit):
            self.too_large[linked.correlation.ref.id] += 1
            return
        self.hits.append((linked.version, hit))
        if how.values and hit.value is None:
            self.valueless[linked.correlation.ref.id] += 1

    def _is_too_large(self, version: str, hit: Hit) -> bool:
        """Measure it only where it might be."""
        carried = hit.carried or {}
        texts = (hit.group, hit.id, str(hit.value), *hit.origin, *carried, *carried.values())
        most = MAX_ESCAPED * sum(map(len, texts)) + MAX_REST
        return most > self._max_bytes and len(encode(Batch({version: [hit]}, ()))) > self._max_bytes
