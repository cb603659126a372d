"""The few files that pages load: ours, and htmx as its package ships it. Held in memory, known by name alone."""

import hashlib
from importlib.resources import files
from typing import Final, NamedTuple

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

HTMX: Final = ("js_lib_htmx", "static/htmx/htmx.min.js")
"""The package (distribution django-js-lib-htmx, 0BSD, no dependencies) and where it keeps htmx 2."""

_TYPES: Final = {"css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_OURS: Final = ("console.css", "console.js", "icon.svg")


class StaticFile(NamedTuple):
    """One file and its entity tag."""

    content: bytes
    media_type: str
    etag: str


def load() -> dict[str, StaticFile]:
    """Return the files by name. Raises ModuleNotFoundError where htmx's package is not installed."""
    contents = {name: (files("alerting.console") / "static" / name).read_bytes() for name in _OURS}
    contents["htmx.min.js"] = (files(HTMX[0]) / HTMX[1]).read_bytes()
    return {name: _file(name, content) for name, content in contents.items()}


def _file(name: str, content: bytes) -> StaticFile:
    return StaticFile(content, _TYPES[name.rpartition(".")[2]], f'"{hashlib.sha256(content).hexdigest()[:16]}"')


def router() -> APIRouter:
    """Return GET /static/NAME."""
    found = load()
    routes = APIRouter(include_in_schema=False)

    @routes.get("/static/{name}")
    async def static(request: Request, name: str) -> Response:
        file = found.get(name)
        if file is None:
            return PlainTextResponse("There is no such file.\n", 404)
        headers = {"etag": file.etag, "cache-control": "no-cache"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        return Response(file.content, media_type=file.media_type, headers=headers)

    return routes
