"""The pages: the list of alerts, one alert, its actions, the export. They work without JavaScript."""

from typing import Annotated, Any
from urllib.parse import parse_qsl
from uuid import uuid4

from fastapi import APIRouter, HTTPException, Path, Query, Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from alerting.console import export
from alerting.console.actions import NotNow, NotThere, Order, entry_of
from alerting.console.desk import Desk
from alerting.console.documents import MAX_REASON, OrderDocument
from alerting.console.filters import Filters
from alerting.console.render import Pages
from soc.alerts import Act, Alert, Reason, Status
from soc.errors import Retry

MATCHES = 10
"""Matches on one page of an alert."""

RAW, RAW_FULL = 2_000, 70_000
"""Characters of one raw record that a page shows: at first, and of the one match that is asked for whole."""

WORK = "/alerts?status=open&status=acknowledged"
"""Where the console begins: what is still to be done."""

AlertId = Annotated[str, Path(max_length=100)]
EventId = Annotated[str, Path(max_length=200)]
Cursor = Annotated[str, Query(max_length=2000)]


def router(desk: Desk, pages: Pages) -> APIRouter:
    """Return the pages' routes."""
    routes = APIRouter(include_in_schema=False)

    @routes.get("/")
    async def home() -> Response:
        return RedirectResponse(WORK, 307)

    @routes.get("/alerts")
    async def alerts(request: Request, filters: Annotated[Filters, Query()]) -> Response:
        page = await desk.alerts(filters)
        return await pages.show(
            "list.html",
            page=page,
            filters=filters,
            counts=await desk.store.count_alerts(),
            sites=sorted({*await desk.sites.names(), *(site for site in filters.site if site)}),
            now=desk.clock.now(),
            analyst=request.state.analyst,
        )

    @routes.get("/alerts.csv")
    async def alerts_csv(filters: Annotated[Filters, Query()]) -> Response:
        sheet = await export.sheet(desk.store, filters.query(desk.zone, desk.clock.now()), desk.zone)
        name = "alerts.csv" if sheet.rows == sheet.total else f"alerts-first-{sheet.rows}-of-{sheet.total}.csv"
        disposition = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(sheet.text, 200, disposition, "text/csv; charset=utf-8")

    @routes.get("/alerts/{alert_id}")
    async def alert(
        request: Request, alert_id: AlertId, cursor: Cursor = "", action: str = "", full: str = ""
    ) -> Response:
        found = await _found(desk, alert_id)
        return await _show(desk, pages, found, request.state.analyst, cursor=cursor, action=action, full=full)

    @routes.get("/events/{event_id}")
    async def event(request: Request, event_id: EventId, cursor: Cursor = "", full: str = "") -> Response:
        matches = await desk.of_event(event_id, MATCHES, cursor)
        return await pages.show(
            "event.html",
            200 if matches.items else 404,
            event_id=event_id,
            matches=matches,
            ordered=sorted(
                matches.items, key=lambda each: each.correlation is not None
            ),  # those that show the event first
            timelines={},
            analyst=request.state.analyst,
            cursor=cursor,
            full=full,
            raw_limit=RAW,
            full_limit=RAW_FULL,
        )

    @routes.post("/alerts/{alert_id}/actions")
    async def act(request: Request, alert_id: AlertId) -> Response:
        found = await _found(desk, alert_id)
        analyst = request.state.analyst
        form = await _form(request)
        if not desk.tokens.holds(form.pop("token", ""), analyst, found.id):
            raise HTTPException(403, "This form is out of date, or not from the console. Load the alert again.")
        return await _act(desk, pages, found, analyst, form)

    return routes


async def _form(request: Request) -> dict[str, str]:
    try:
        return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), max_num_fields=10))
    except ValueError:
        raise HTTPException(422, "This is not the form of this page.") from None


async def _found(desk: Desk, alert_id: str) -> Alert:
    alert = await desk.store.find_alert(alert_id)
    if alert is None:
        raise NotThere("There is no such alert; it may be past the retention.")
    return alert


async def _act(desk: Desk, pages: Pages, alert: Alert, analyst: str, form: dict[str, str]) -> Response:
    """Take the form's act; what is wrong is said on the alert's page, with the form as it was."""
    try:
        order = OrderDocument.model_validate(form)
    except ValidationError as error:
        about_reason = {each["loc"] for each in error.errors()} <= {(), ("reason",)}
        wrong = (
            f"closing needs a reason, of at most {MAX_REASON} characters" if about_reason else "load the alert again"
        )
        text = f"Nothing was done: {wrong}."
        return await _show(desk, pages, alert, analyst, status=422, problem=text, form=form if about_reason else None)
    try:
        await desk.actions.apply(alert.id, Order(str(order.id), Act(order.act), order.reason), analyst)
    except NotNow as error:
        now = await _found(desk, alert.id)
        return await _show(desk, pages, now, analyst, status=409, problem=f"Nothing was done. {error}")
    except Retry:
        text = "The bus does not answer, so this may not have been taken. Send the form again: it is applied once."
        return await _show(desk, pages, alert, analyst, status=503, problem=text, form=form)
    return RedirectResponse(f"/alerts/{alert.id}?action={order.id}", 303)


async def _show(
    desk: Desk,
    pages: Pages,
    alert: Alert,
    analyst: str,
    *,
    status: int = 200,
    problem: str = "",
    form: dict[str, str] | None = None,
    cursor: str = "",
    action: str = "",
    full: str = "",
) -> Response:
    matches = await desk.matches(alert, MATCHES, cursor)
    return await pages.show(
        "alert.html",
        status,
        alert=alert,
        closed=alert.status is Status.CLOSED,
        matches=matches,
        timelines=await desk.timelines(matches.items, full),
        named=False,
        source=await desk.rules.find(alert.rule.id),
        why=_why(alert),
        history=_history(alert),
        action=action[:50],
        outcome=entry_of(alert, action) if action else None,
        problem=problem,
        form=form or {},
        ids={act.value: str(uuid4()) for act in Act},
        token=desk.tokens.make(analyst, alert.id),
        max_reason=MAX_REASON,
        analyst=analyst,
        cursor=cursor,
        full=full,
        raw_limit=RAW,
        full_limit=RAW_FULL,
        now=desk.clock.now(),
    )


def _why(alert: Alert) -> list[tuple[Reason, list[str]]]:
    """Return the alert's reasons, those of one selection, field and value as one with all the patterns that it met."""
    patterns: dict[Reason, list[str]] = {}
    for reason in alert.reasons:
        patterns.setdefault(reason._replace(pattern=""), []).append(reason.pattern)
    return list(patterns.items())


def _history(alert: Alert) -> list[dict[str, Any]]:
    """Return what happened to the alert, oldest first: analysts' acts, and the changes that matches made."""
    changes = [
        {"revision": each.revision, "time": each.time, "what": each.kind, "level": each.level, "by": "", "reason": ""}
        for each in alert.milestones
        if each.kind != "closed"
    ]
    words = {Act.ACKNOWLEDGE: "acknowledged", Act.CLOSE: "closed"}
    acts = [
        {
            "revision": each.revision,
            "time": each.time,
            "what": words[each.act],
            "level": None,
            "by": each.analyst,
            "reason": each.reason,
        }
        for each in alert.history
    ]
    return sorted(changes + acts, key=lambda each: (each["revision"], each["time"]))
