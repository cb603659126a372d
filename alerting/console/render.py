"""Pages from templates: everything that they are given is escaped, always."""

import asyncio
import json
from typing import Any
from zoneinfo import ZoneInfo

import jinja2
from starlette.responses import HTMLResponse

from alerting.console import shown
from soc.alerts import Level, Status, told_apart
from soc.evidence import is_correlation


class Pages:
    """Renders the templates of this package."""

    def __init__(self, zone: ZoneInfo) -> None:
        """Times are shown in `zone`."""
        self._environment = jinja2.Environment(
            loader=jinja2.PackageLoader("alerting.console"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals.update(
            pieces=shown.pieces,
            lines=shown.lines,
            moment=lambda time: shown.moment(time, zone),
            is_correlation=is_correlation,
            technique=shown.technique,
            pretty=pretty,
            told_apart=told_apart,
            levels=tuple(reversed(Level)),
            statuses=tuple(Status),
            zone=str(zone),
        )

    async def show(self, template: str, status: int = 200, /, **context: Any) -> HTMLResponse:
        """Return the page, made in a thread: one full of hostile text takes long. Raises jinja2.UndefinedError where the context lacks a name."""
        html = await asyncio.to_thread(self._environment.get_template(template).render, context)
        return HTMLResponse(html, status)


def pretty(event: dict[str, Any]) -> str:
    """Return an event as indented JSON, its characters as they are."""
    return json.dumps(event, ensure_ascii=False, indent=2)
