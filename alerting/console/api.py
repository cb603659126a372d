"""The JSON API, /api/v1: what the pages show, and what they do."""

from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Body, Depends, HTTPException, Path, Query, Request
from starlette.responses import Response

from alerting.console.actions import NotThere, Order
from alerting.console.desk import Desk
from alerting.console.documents import (
    AlertDocument,
    AlertList,
    Count,
    MatchList,
    OrderDocument,
    OutcomeDocument,
    Problem,
)
from alerting.console.filters import Filters
from soc.alerts import Act, Alert, Level, Status
from soc.store.base import Page

MAX_MATCHES = 50
"""Matches of one answer: each brings its event, which is a megabyte where a log is hostile."""

AlertId = Annotated[str, Path(max_length=100)]
EventId = Annotated[str, Path(max_length=200)]
MatchLimit = Annotated[int, Query(ge=1, le=MAX_MATCHES)]
Cursor = Annotated[str, Query(max_length=2000)]

PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "Not signed in"},
    422: {"model": Problem, "description": "A parameter is wrong; the detail names it"},
    503: {"model": Problem, "description": "The store or the bus is away; try again"},
}
MISSING: dict[int | str, dict[str, Any]] = {404: {"model": Problem, "description": "There is no such alert"}}
ACTING: dict[int | str, dict[str, Any]] = {
    202: {"model": OutcomeDocument, "description": "Taken, and not applied yet"},
    403: {"model": Problem, "description": "Another site's page sent this"},
    409: {"model": Problem, "description": "The alert is closed"},
    415: {"model": Problem, "description": "The body is not application/json"},
}


def document(value: object, status: int = 200) -> Response:
    """Return a JSON answer."""
    return Response(orjson.dumps(value), status, media_type="application/json")


def only_json(request: Request) -> None:
    """Refuse a body that a form of another site could send: browsers ask first before they send JSON."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "Send the body as application/json.")


def router(desk: Desk) -> APIRouter:
    """Return the API's routes."""
    routes = APIRouter(prefix="/api/v1", responses=PROBLEMS)

    @routes.get("/alerts", response_model=AlertList, summary="List alerts")
    async def alerts(filters: Annotated[Filters, Query()]) -> Response:
        """One page of alerts, newest activity first unless told otherwise."""
        return document(_page(await desk.alerts(filters)))

    @routes.get("/counts", response_model=list[Count], summary="Count alerts")
    async def counts() -> Response:
        """How many alerts there are, by status and level."""
        found = await desk.store.count_alerts()
        every = ((status, level) for status in Status for level in reversed(Level))
        return document([{"status": s, "level": n.label, "number": found.get((s, n), 0)} for s, n in every])

    @routes.get("/alerts/{alert_id}", response_model=AlertDocument, responses=MISSING, summary="Get an alert")
    async def alert(alert_id: AlertId) -> Response:
        """The alert with its history."""
        return document((await _alert(desk, alert_id)).to_document())

    @routes.get("/alerts/{alert_id}/matches", response_model=MatchList, responses=MISSING, summary="List matches")
    async def matches(alert_id: AlertId, limit: MatchLimit = 10, cursor: Cursor = "") -> Response:
        """One page of the alert's matches with their events, newest first."""
        return document(_page(await desk.matches(await _alert(desk, alert_id), limit, cursor)))

    @routes.get("/events/{event_id}/matches", response_model=MatchList, summary="List matches of an event")
    async def of_event(event_id: EventId, limit: MatchLimit = 10, cursor: Cursor = "") -> Response:
        """One page of the matches of an event, and of the correlations that counted it, newest first."""
        return document(_page(await desk.of_event(event_id, limit, cursor)))

    @routes.post(
        "/alerts/{alert_id}/actions",
        response_model=OutcomeDocument,
        responses=MISSING | ACTING,
        summary="Acknowledge or close an alert",
        dependencies=[Depends(only_json)],
    )
    async def act(request: Request, alert_id: AlertId, order: Annotated[OrderDocument, Body()]) -> Response:
        """Take an act and wait for its outcome, ten seconds at most."""
        taken = Order(str(order.id), Act(order.act), order.reason)
        outcome = await desk.actions.apply(alert_id, taken, request.state.analyst)
        found = outcome.alert.to_document()
        entry = next((each for each in found["history"] if each["action_id"] == taken.id), None)
        return document(
            {"outcome": "applied" if entry else "pending", "alert": found, "entry": entry}, 200 if entry else 202
        )

    return routes


async def _alert(desk: Desk, alert_id: str) -> Alert:
    alert = await desk.store.find_alert(alert_id)
    if alert is None:
        raise NotThere("There is no such alert; it may be past the retention.")
    return alert


def _page(page: Page[Any]) -> dict[str, Any]:
    items = [item.to_document() for item in page.items]
    return {"items": items, "cursor": page.cursor, "total": page.total}
