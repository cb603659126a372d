"""The console as one ASGI application. Serving it is serve.py's."""

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from alerting.console import api, pages, static_files
from alerting.console.actions import Actions, NotNow, NotThere
from alerting.console.auth import Doorman
from alerting.console.desk import Desk, Sites
from alerting.console.filters import BadFilter
from alerting.console.guard import Guard, Tokens
from alerting.console.render import Pages
from alerting.console.rules import RuleSources
from alerting.console.shown import zone_of
from soc import __version__
from soc.bus.base import Bus
from soc.clock import Clock
from soc.errors import Retry
from soc.metrics import Metrics
from soc.settings import Settings
from soc.store.base import Store

DESCRIPTION = "Alerts of the province's Security Operations Center. Times are microseconds since the epoch, UTC."

AWAY = "The store or the bus does not answer. Nothing is lost; the console goes on by itself when it is back."


def build(settings: Settings, bus: Bus, store: Store, metrics: Metrics, clock: Clock) -> FastAPI:
    """Return the application; `bus` and `store` are opened and closed by the caller.

    Raises SettingsError where a user's hash or the time zone is unusable.
    """
    doorman = Doorman(settings.console.users, clock)
    zone = zone_of(settings.collect.timezone)
    desk = Desk(
        store=store,
        clock=clock,
        zone=zone,
        actions=Actions(bus, store, clock),
        rules=RuleSources(settings, clock),
        sites=Sites(store, clock, settings.store.retention_days),
        tokens=Tokens(),
    )
    shown = Pages(zone)
    app = FastAPI(
        title="Vonggac",
        version=__version__,
        description=DESCRIPTION,
        openapi_url="/api/v1/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.include_router(api.router(desk))
    app.include_router(pages.router(desk, shown))
    app.include_router(static_files.router())
    _explain_errors(app, shown)
    app.add_middleware(Guard, console=settings.console, doorman=doorman, metrics=metrics)
    return app


def _explain_errors(app: FastAPI, shown: Pages) -> None:
    """Answer errors as JSON under /api/, as a page elsewhere; never with what was sent."""

    async def problem(request: Request, status: int, text: str) -> Response:
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": text}, status)
        again = request.url.query if request.method == "GET" else None
        return await shown.show("error.html", status, status=status, text=text, again=again)

    @app.exception_handler(RequestValidationError)
    async def _invalid(request: Request, error: RequestValidationError) -> Response:
        wrong = (f"{'.'.join(str(part) for part in each['loc'][1:])}: {each['msg']}" for each in error.errors())
        return await problem(request, 422, "; ".join(wrong)[:1000])

    @app.exception_handler(BadFilter)
    async def _bad_filter(request: Request, error: BadFilter) -> Response:
        return await problem(request, 422, str(error))

    @app.exception_handler(NotThere)
    async def _not_there(request: Request, error: NotThere) -> Response:
        return await problem(request, 404, str(error))

    @app.exception_handler(NotNow)
    async def _not_now(request: Request, error: NotNow) -> Response:
        return await problem(request, 409, str(error))

    @app.exception_handler(Retry)
    async def _away(request: Request, _error: Retry) -> Response:
        return await problem(request, 503, AWAY)

    @app.exception_handler(HTTPException)
    async def _other(request: Request, error: HTTPException) -> Response:
        return await problem(request, error.status_code, str(error.detail))
