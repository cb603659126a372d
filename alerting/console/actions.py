"""An analyst's act: published for `group`, the only writer of alerts, and waited for."""

from typing import NamedTuple

import orjson

from soc.alerts import Act, Action, Alert, HistoryEntry, Status
from soc.bus.base import CASES, Bus, Message
from soc.clock import Clock
from soc.errors import Retry, VonggacError
from soc.store.base import AlertRef, Store

WAIT_SECONDS = 10.0
"""How long the outcome is waited for before it is reported as pending."""

FIRST_LOOK, LONGEST_LOOK = 0.05, 0.5
"""Seconds between two looks at the store, growing from the first to the longest."""


class NotThere(VonggacError):
    """There is no such alert: it never was, or its month is past the retention."""


class NotNow(VonggacError):
    """The alert is in a state that does not take this act; the message says which and why."""


class Order(NamedTuple):
    """What an analyst asks for. `id` is made by the page, so that a repeated form is applied once."""

    id: str
    act: Act
    reason: str


class Outcome(NamedTuple):
    """What became of an order. `entry` is None while it is pending."""

    alert: Alert
    entry: HistoryEntry | None


class Actions:
    """Publishes analysts' acts and waits for what `group` makes of them."""

    def __init__(self, bus: Bus, store: Store, clock: Clock) -> None:
        """Keep no state: an act's outcome is the alert's history."""
        self._bus = bus
        self._store = store
        self._clock = clock

    async def apply(self, alert_id: str, order: Order, analyst: str) -> Outcome:
        """Return the outcome, after WAIT_SECONDS at most: pending then.

        An act that another one overtakes is applied all the same: the history holds both, and closed stays closed.
        Raises NotThere, NotNow where the alert is closed, and Retry where the act could not be published: the same
        order may then be given again, and is applied once even if it had landed.
        """
        alert = await self._store.find_alert(alert_id)
        if alert is None:
            raise NotThere("There is no such alert; it may be past the retention.")
        entry = entry_of(alert, order.id)
        if entry:
            return Outcome(alert, entry)
        _check(alert, order)
        await self._publish(alert, order, analyst)
        return await self._wait(alert, order)

    async def _publish(self, alert: Alert, order: Order, analyst: str) -> None:
        action = Action(
            id=order.id,
            alert_id=alert.id,
            alert_key=alert.key,
            generation=alert.generation,
            month=alert.month,
            act=order.act,
            analyst=analyst,
            reason=order.reason,
            time=self._clock.now(),
        )
        value = orjson.dumps({"kind": "action", "action": action.to_document()})
        await self._bus.publish(CASES, [Message(alert.key.encode(), value)])

    async def _wait(self, alert: Alert, order: Order) -> Outcome:
        pause, until = FIRST_LOOK, self._clock.monotonic() + WAIT_SECONDS
        while self._clock.monotonic() < until:
            await self._clock.sleep(pause)
            pause = min(pause * 1.5, LONGEST_LOOK)
            alert = await self._look(alert)
            entry = entry_of(alert, order.id)
            if entry:
                return Outcome(alert, entry)
        return Outcome(alert, None)

    async def _look(self, alert: Alert) -> Alert:
        try:
            stored = (await self._store.get_alerts([AlertRef(alert.id, alert.month)]))[0]
        except Retry:  # the act is on the bus: its outcome is only not known yet
            return alert
        return stored.document if stored else alert


def entry_of(alert: Alert, action_id: str) -> HistoryEntry | None:
    """Return the history's entry of this action, None where it was not applied."""
    return next((entry for entry in alert.history if entry.action_id == action_id), None)


def _check(alert: Alert, order: Order) -> None:
    if alert.status is not Status.CLOSED:
        return
    by = next((entry.analyst for entry in reversed(alert.history) if entry.act is Act.CLOSE), "")
    closed = f"This alert was closed already{f' by {by}' if by else ''}"
    then = {Act.ACKNOWLEDGE: "there is nothing left to acknowledge", Act.CLOSE: "it cannot be closed again"}
    raise NotNow(f"{closed}: {then[order.act]}. A new match of its rule opens a new alert.")
