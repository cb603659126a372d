"""Acting on alerts: through the API and the forms, applied once, waited for, and honest about it."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx

from soc.alerts import Act, Status
from soc.bus.base import CASES
from soc.testing import make_alert
from tests.alerting.console.world import DeadBus, Page, World

ALERT = make_alert(0)


def order(act: str = "close", reason: str = "đã xử lý") -> dict[str, str]:
    """Return the body of an action."""
    return {"id": str(uuid4()), "act": act, "reason": reason}


async def send(console: World, body: Any, **headers: str) -> httpx.Response:
    """Send an action to the API."""
    return await console.client.post(f"/api/v1/alerts/{ALERT.id}/actions", json=body, headers=headers)


async def test_an_action_is_published_for_group_and_its_outcome_waited_for(console: World) -> None:
    """The answer comes when the alert's history holds the action; the record is keyed by the alert key."""
    await console.put(ALERT)
    body = order()
    async with console.grouping():
        answer = await send(console, body)
    assert answer.status_code == 200
    assert answer.json()["outcome"] == "applied"
    assert answer.json()["alert"]["status"] == "closed"
    assert answer.json()["entry"]["reason"] == "đã xử lý"
    (action,) = await console.actions()
    assert (action.id, action.act, action.analyst) == (body["id"], Act.CLOSE, "analyst")
    assert (action.alert_id, action.alert_key, action.generation, action.month) == (
        ALERT.id, ALERT.key, ALERT.generation, ALERT.month,
    )  # fmt: skip
    ends = await console.bus.ends(CASES)
    assert ends[console.bus.partition_of(CASES, ALERT.key.encode())].high > 0


async def test_a_repeated_action_is_applied_once(console: World) -> None:
    """The same body again is answered with the first outcome, though the alert is closed by now."""
    await console.put(ALERT)
    body = order()
    async with console.grouping():
        first, again = await send(console, body), await send(console, body)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["entry"] == again.json()["entry"]
    assert len(again.json()["alert"]["history"]) == 1
    assert len(await console.actions()) == 1


async def test_an_action_that_is_not_applied_in_time_is_pending(console: World) -> None:
    """After ten seconds the answer is 202 and says pending; the action is on the bus, once."""
    await console.put(ALERT)
    start = console.clock.monotonic()
    answer = await send(console, order())
    assert answer.status_code == 202
    assert (answer.json()["outcome"], answer.json()["entry"]) == ("pending", None)
    assert 10 <= console.clock.monotonic() - start < 11
    assert len(await console.actions()) == 1


async def test_a_bus_that_is_away_gives_503_and_the_same_action_may_be_sent_again(console: World) -> None:
    """Publishing failed: the answer says so, and the same id is applied once when the bus is back."""
    await console.put(ALERT)
    assert isinstance(console.bus, DeadBus)
    body = order("acknowledge", "")
    console.bus.dead = True
    assert (await send(console, body)).status_code == 503
    console.bus.dead = False
    async with console.grouping():
        assert (await send(console, body)).json()["outcome"] == "applied"


async def test_closing_needs_a_reason(console: World) -> None:
    """No reason, or blanks alone, is refused; acknowledging needs none."""
    await console.put(ALERT)
    for reason in ("", "  \n "):
        answer = await send(console, order(reason=reason))
        assert answer.status_code == 422
        assert "needs a reason" in answer.json()["detail"]
    assert await console.actions() == []


async def test_acknowledging_a_closed_alert_is_refused_with_the_reason(console: World) -> None:
    """409, who closed it, and what happens next."""
    await console.put(make_alert(0, status=Status.CLOSED))
    answer = await send(console, order("acknowledge"))
    assert answer.status_code == 409
    assert "closed already" in answer.json()["detail"]
    assert await console.actions() == []


async def test_two_analysts_at_once_both_stand_in_the_history(console: World) -> None:
    """Acts that overtake each other are each applied once, and closed stays closed."""
    await console.put(ALERT)
    async with console.grouping():
        answers = await asyncio.gather(send(console, order("acknowledge")), send(console, order("close")))
    assert {answer.status_code for answer in answers} == {200}
    stored = await console.store.find_alert(ALERT.id)
    assert stored is not None
    assert stored.status is Status.CLOSED
    assert len(stored.history) == 2


async def test_wrong_bodies_are_refused_without_being_repeated(console: World) -> None:
    """An unknown act, field or id, a lone surrogate, a long reason, no JSON: 4xx, and never what was sent."""
    await console.put(ALERT)
    wrong: list[bytes] = [
        b"{",
        b"[]",
        b'{"id": "x<b>", "act": "close", "reason": "r"}',
        b'{"id": "%b", "act": "reopen<b>", "reason": "r"}' % str(uuid4()).encode(),
        b'{"id": "%b", "act": "close", "reason": "\\ud800<b>"}' % str(uuid4()).encode(),
        b'{"id": "%b", "act": "close", "reason": "r", "analyst": "boss<b>"}' % str(uuid4()).encode(),
        b'{"id": "%b", "act": "close", "reason": "%b"}' % (str(uuid4()).encode(), b"r" * 1001),
        b'{"reason": "' + b"r" * 70_000 + b'"}',
    ]
    for body in wrong:
        answer = await console.client.post(
            f"/api/v1/alerts/{ALERT.id}/actions", content=body, headers={"content-type": "application/json"}
        )
        assert 400 <= answer.status_code < 500
        assert isinstance(answer.json()["detail"], str)
        assert "<b>" not in answer.text
    assert await console.actions() == []


async def test_the_page_acts_and_shows_the_outcome(console: World) -> None:
    """The form carries an id and a token; after it the alert's page says who did what."""
    await console.put(ALERT)
    form = Page((await console.client.get(f"/alerts/{ALERT.id}")).text).form("close")
    async with console.grouping():
        answer = await console.client.post(f"/alerts/{ALERT.id}/actions", data={**form, "reason": "<b>xong</b>"})
        assert answer.status_code == 303
        repeated = await console.client.post(f"/alerts/{ALERT.id}/actions", data={**form, "reason": "<b>xong</b>"})
        assert repeated.headers["location"] == answer.headers["location"]
    page = Page((await console.client.get(answer.headers["location"])).text)
    assert "Done: closed by analyst" in page.text
    assert "<b>xong</b>" in page.text
    assert not page.all("form", method="post")
    assert len(await console.actions()) == 1


async def test_the_page_says_pending_and_looks_again(console: World) -> None:
    """An action that is not applied yet is shown as pending, without forms, refreshed often."""
    await console.put(ALERT)
    form = Page((await console.client.get(f"/alerts/{ALERT.id}")).text).form("acknowledge")
    answer = await console.client.post(f"/alerts/{ALERT.id}/actions", data=form, follow_redirects=True)
    page = Page(answer.text)
    assert "Still pending" in page.text
    assert page.all("section", id="wall")[0].attributes["hx-trigger"] == "every 2s"
    assert form["id"] in (page.all("section", id="wall")[0].attributes["hx-get"] or "")


async def test_a_form_that_failed_comes_back_as_it_was(console: World) -> None:
    """Without the bus the page keeps the reason and the id, so that sending it again applies it once."""
    await console.put(ALERT)
    assert isinstance(console.bus, DeadBus)
    form = Page((await console.client.get(f"/alerts/{ALERT.id}")).text).form("close")
    console.bus.dead = True
    answer = await console.client.post(f"/alerts/{ALERT.id}/actions", data={**form, "reason": "vì sao"})
    page = Page(answer.text)
    assert answer.status_code == 503
    assert page.form("close")["id"] == form["id"]
    assert "vì sao" in page.text
    empty = await console.client.post(f"/alerts/{ALERT.id}/actions", data={**form, "reason": " "})
    assert (empty.status_code, "closing needs a reason" in empty.text) == (422, True)
