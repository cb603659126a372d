"""The stage that turns cases into alerts: soc.cases ─▶ store ─▶ soc.alerts, then commit. The alerts' only writer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

import orjson

from alerting.cases import Case, alert_id, case_of
from alerting.grouping import Outcome, Standing, fold
from soc.alerts import Action, Alert, AlertChange, AlertKey
from soc.bus.base import ALERTS, Bus, Message, Record
from soc.bus.deadletters import Letter, bury, of_record
from soc.clock import SECOND, Clock
from soc.errors import Conflict, DeadLetter, Retry
from soc.metrics import Metrics
from soc.settings import Settings
from soc.store.base import AlertRef, Answer, Store, Stored, Written
from soc.store.months import is_past

GROUP: Final = "group"
"""The consumer group."""


class Filed(NamedTuple):
    """A case and the record that it came in."""

    record: Record
    case: Case


Pending = Mapping[str, Sequence[Filed]]
"""The cases still to be folded, by alert key, in order."""


def message_of(change: AlertChange, limit: int = 1_000_000) -> Message:
    """Return the change as a message for soc.alerts; over `limit` bytes the history and the reasons stay in the store."""
    value = orjson.dumps(change.to_document())
    if len(value) > limit:
        value = orjson.dumps(replace(change, alert=replace(change.alert, history=(), reasons=())).to_document())
    return Message(change.alert_id.encode(), value)


class Group:
    """Folds batches of soc.cases. All keys of a batch advance together, in rounds of one read and one write."""

    def __init__(self, settings: Settings, bus: Bus, store: Store, metrics: Metrics, clock: Clock) -> None:
        """Keep the ports; no state outlives a batch."""
        self._window = settings.alert.window_seconds
        self._retention = settings.store.retention_days
        self._limit = settings.bus.max_value_bytes
        self._bus = bus
        self._store = store
        self._metrics = metrics
        self._clock = clock

    async def handle(self, records: Sequence[Record]) -> None:
        """Take the batch in: alerts written, changes published, the rest dead-lettered.

        Raises Conflict or Retry where a write has to be tried again: the batch's fold then starts afresh.
        """
        pending, letters = self._sort(records)
        await bury(self._bus, self._metrics, letters)
        while pending:
            pending = await self._round(pending)

    def _sort(self, records: Sequence[Record]) -> tuple[Pending, list[Letter]]:
        pending: dict[str, list[Filed]] = {}
        letters = []
        for record in records:
            try:
                case = case_of(record.value)
            except DeadLetter as error:
                letters.append(self._letter(record, error))
            else:
                pending.setdefault(case.alert_key, []).append(Filed(record, case))
        return pending, letters

    async def _round(self, pending: Pending) -> Pending:
        """Fold every key as far as one write goes; return what is left."""
        standings = await self._read(pending)
        outcomes = [fold(each, [filed.case for filed in pending[each.key]], self._window) for each in standings]
        setbacks = await self._write(outcomes)
        done = [each for each in outcomes if each.key not in setbacks]
        await self._publish(done)
        await bury(self._bus, self._metrics, self._refused(outcomes, setbacks, pending))
        _raise_for(setbacks.values())
        rest = {each.key: pending[each.key][each.taken :] for each in outcomes}
        return {key: filed for key, filed in rest.items() if filed}

    # ---- reading

    async def _read(self, pending: Pending) -> list[Standing]:
        """Return where each key stands, in three reads at most for all of them."""
        keys = list(pending)
        known = dict(zip(keys, await self._store.get_keys(keys), strict=True))
        latest = {key: _ref(stored.document) for key, stored in known.items() if stored}
        named = {ref for filed in pending.values() for ref in _named(filed)}
        alerts = await self._alerts([*latest.values(), *named])
        announced = [
            stored.document
            for key, stored in known.items()
            if stored and latest[key] not in alerts and not self._expired(stored.document)
        ]
        alerts |= await self._alerts([ref for each in announced if (ref := _before(each))])
        waiting = {each.key for each in announced}
        return [self._standing(key, known[key], alerts, key in waiting, pending[key]) for key in keys]

    def _standing(
        self,
        key: str,
        known: Stored[AlertKey] | None,
        alerts: Mapping[AlertRef, Stored[Alert]],
        announced: bool,
        filed: Sequence[Filed],
    ) -> Standing:
        ref = None
        if known is not None:
            ref = _before(known.document) if announced else _ref(known.document)
        current = alerts.get(ref) if ref else None
        older = {each.id: alerts[each] for each in _named(filed) if each in alerts and each != ref}
        return Standing(key, known, current, announced, older)

    async def _alerts(self, refs: Iterable[AlertRef]) -> dict[AlertRef, Stored[Alert]]:
        wanted = list(dict.fromkeys(refs))
        if not wanted:
            return {}
        found = await self._store.get_alerts(wanted)
        return {ref: stored for ref, stored in zip(wanted, found, strict=True) if stored is not None}

    def _expired(self, known: AlertKey) -> bool:
        return is_past(known.month, self._clock.now(), self._retention)

    # ---- writing

    async def _write(self, outcomes: Sequence[Outcome]) -> dict[str, Written]:
        """Write the keys, then the alerts; return the keys that were not written whole, with the first answer why."""
        setbacks: dict[str, Written] = {}
        announcing = [each for each in outcomes if each.announce]
        if announcing:
            answers = await self._store.put_keys([each.announce for each in announcing if each.announce])
            _note(setbacks, [each.key for each in announcing], answers)
        writes = [(each.key, write) for each in outcomes if each.key not in setbacks for write in each.alerts]
        if writes:
            answers = await self._store.put_alerts([write for _, write in writes])
            _note(setbacks, [key for key, _ in writes], answers)
        return setbacks

    async def _publish(self, outcomes: Sequence[Outcome]) -> None:
        changes = [change for each in outcomes for change in each.changes]
        if not changes:
            return
        await self._bus.publish(ALERTS, [message_of(change, self._limit) for change in changes])
        now = self._clock.now()
        for change in changes:
            self._metrics.alert_changes.labels(change.kind).inc()
            self._metrics.alert_delay.observe(max(0, now - change.time) / SECOND)

    def _refused(self, outcomes: Sequence[Outcome], setbacks: Mapping[str, Written], pending: Pending) -> list[Letter]:
        """Return letters for actions whose alert does not exist and for cases whose alert the store refuses for good."""
        letters = []
        for each in outcomes:
            filed = pending[each.key]
            setback = setbacks.get(each.key)
            if setback is None:
                gone = DeadLetter("no_such_alert", "the action's alert does not exist, or retention has removed it")
                letters += [self._letter(filed[position].record, gone) for position in each.orphans]
            elif setback.answer is Answer.REJECTED:
                error = DeadLetter("store_rejected", setback.reason)
                letters += [self._letter(record, error) for record, _ in filed[: each.taken]]
        return letters

    def _letter(self, record: Record, error: DeadLetter) -> Letter:
        return of_record(GROUP, record, error, self._clock.now())


def _ref(known: AlertKey) -> AlertRef:
    return AlertRef(alert_id(known.key, known.generation), known.month)


def _before(known: AlertKey) -> AlertRef | None:
    """Return where the generation before is, or None where there is none."""
    return AlertRef(alert_id(known.key, known.generation - 1), known.previous) if known.previous else None


def _named(filed: Sequence[Filed]) -> list[AlertRef]:
    return [AlertRef(case.alert_id, case.month) for _, case in filed if isinstance(case, Action)]


def _note(setbacks: dict[str, Written], keys: Sequence[str], answers: Sequence[Written]) -> None:
    """Keep the first answer that was no success, a key; one to be tried again before one that is final."""
    for key, answer in zip(keys, answers, strict=True):
        before = setbacks.get(key)
        if answer.answer in {Answer.CREATED, Answer.UPDATED}:
            continue
        if before is None or before.answer is Answer.REJECTED:
            setbacks[key] = answer


def _raise_for(setbacks: Iterable[Written]) -> None:
    reasons = {written.answer: written.reason for written in setbacks}
    if Answer.RETRY in reasons:
        raise Retry(f"the store asks to try again: {reasons[Answer.RETRY]}")
    if Answer.CONFLICT in reasons:
        raise Conflict("somebody else wrote these alerts; reading them again")
