"""What pages load: ours and htmx, and nothing else."""

import hashlib

from alerting.console import static_files
from tests.alerting.console.world import Page, World

HTMX_2_0_3 = "491955cd1810747d7d7b9ccb936400afb760e06d25d53e4572b64b6563b2784e"
"""SHA-256 of dist/htmx.min.js as htmx itself publishes it in its npm package htmx.org 2.0.3."""


async def test_every_file_that_a_page_names_is_served(console: World) -> None:
    """Styles, scripts and the icon, each with its type; a second request is answered from the cache."""
    page = Page((await console.client.get("/alerts")).text)
    urls = [tag.attributes["src"] for tag in page.all("script")] + [tag.attributes["href"] for tag in page.all("link")]
    assert len(urls) == 4
    for url in urls:
        answer = await console.client.get(url or "")
        assert answer.status_code == 200
        assert answer.headers["content-type"].partition(";")[0] in {"text/css", "text/javascript", "image/svg+xml"}
        again = await console.client.get(url or "", headers={"if-none-match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")


def test_htmx_is_what_its_authors_published() -> None:
    """The repackaged file is byte for byte the one of htmx's own release."""
    assert hashlib.sha256(static_files.load()["htmx.min.js"].content).hexdigest() == HTMX_2_0_3


async def test_no_other_file_is_reachable(console: World) -> None:
    """Names are looked up, never opened."""
    for name in ("no.css", "..%2fapp.py", "../app.py", "%2e%2e/app.py", "console.css/../../app.py"):
        assert (await console.client.get(f"/static/{name}")).status_code == 404
