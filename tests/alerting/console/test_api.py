"""The API: its description is valid, and its answers are as described."""

from typing import Any

import jsonschema
import pytest

from soc.alerts import Act, HistoryEntry, Level, Milestone, Place, Status
from soc.errors import Retry
from soc.testing import NOW, make_alert, make_match
from tests.alerting.console.world import World

FULL = make_alert(
    0,
    place=Place("log", 0, 5),
    history=(HistoryEntry("a", Act.ACKNOWLEDGE, "an", "r", NOW, 2),),
    milestones=(Milestone(1, "opened", Level.LOW, "log/0/0", NOW),),
    status=Status.ACKNOWLEDGED,
)


async def _described(console: World, path: str, status: str = "200") -> dict[str, Any]:
    document = (await console.client.get("/api/v1/openapi.json")).json()
    schema = document["paths"][path]["get"]["responses"][status]["content"]["application/json"]["schema"]
    return {**schema, "components": document["components"]}


async def test_the_description_is_openapi_with_every_route(console: World) -> None:
    """OpenAPI 3.1, each schema a valid JSON Schema, each reference there, pages left out."""
    document = (await console.client.get("/api/v1/openapi.json")).json()
    assert document["openapi"].startswith("3.1.")
    assert set(document["paths"]) == {
        "/api/v1/alerts",
        "/api/v1/counts",
        "/api/v1/alerts/{alert_id}",
        "/api/v1/alerts/{alert_id}/matches",
        "/api/v1/alerts/{alert_id}/actions",
        "/api/v1/events/{event_id}/matches",
    }
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name.isidentifier()
    for reference in _references(document):
        assert reference.rpartition("/")[2] in document["components"]["schemas"]
    listing = document["paths"]["/api/v1/alerts"]["get"]["parameters"]
    assert {each["name"] for each in listing} == {
        "level", "site", "status", "text", "since", "until", "sort", "order", "limit", "cursor",
    }  # fmt: skip


def _references(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [found for value in node.values() for found in _references(value)]
    return [found for value in node for found in _references(value)] if isinstance(node, list) else []


@pytest.mark.parametrize(
    ("path", "url"),
    [
        ("/api/v1/alerts", "/api/v1/alerts"),
        ("/api/v1/counts", "/api/v1/counts"),
        ("/api/v1/alerts/{alert_id}", f"/api/v1/alerts/{FULL.id}"),
        ("/api/v1/alerts/{alert_id}/matches", f"/api/v1/alerts/{FULL.id}/matches"),
    ],
)
async def test_answers_are_as_described(console: World, path: str, url: str) -> None:
    """Each answer is valid against its schema in the description."""
    whole, bare = make_match(0, place=Place("log", 0, 0)), make_match(1, place=Place("log", 0, 1), event=None)
    await console.put(FULL, matches=[whole, bare])
    answer = await console.client.get(url)
    assert answer.status_code == 200
    jsonschema.validate(answer.json(), await _described(console, path))


async def test_documents_are_the_stores(console: World) -> None:
    """An alert and its matches come as they are stored; counts name every status and level."""
    match = make_match(0, place=Place("log", 0, 0))
    await console.put(FULL, matches=[match])
    alert = (await console.client.get(f"/api/v1/alerts/{FULL.id}")).json()
    assert alert["history"][0]["analyst"] == "an"
    assert (alert["count"], alert["level"], alert["status"]) == (1, "medium", "acknowledged")
    found = (await console.client.get(f"/api/v1/alerts/{FULL.id}/matches")).json()
    assert found["total"] == 1
    assert found["items"][0]["event"]["raw"].endswith("ssh2")
    counts = (await console.client.get("/api/v1/counts")).json()
    assert len(counts) == 15
    assert {"status": "acknowledged", "level": "medium", "number": 1} in counts


async def test_pages_of_the_api_follow_each_other(console: World) -> None:
    """The cursor of one page asks for the next; that of another list is refused."""
    await console.put(*(make_alert(number) for number in range(5)))
    first = (await console.client.get("/api/v1/alerts?limit=3")).json()
    second = (await console.client.get("/api/v1/alerts", params={"limit": 3, "cursor": first["cursor"]})).json()
    assert (len(first["items"]), len(second["items"]), second["cursor"], second["total"]) == (3, 2, "", 5)
    other = await console.client.get("/api/v1/alerts", params={"sort": "count", "cursor": first["cursor"]})
    assert other.status_code == 422


async def test_a_store_that_is_away_is_said_so(console: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with a text, on pages and in the API; the page goes on looking."""

    async def away(_query: object) -> None:
        raise Retry("connection refused to 10.0.0.1")

    monkeypatch.setattr(console.store, "find_alerts", away)
    for url in ("/alerts?level=high", "/api/v1/alerts"):
        answer = await console.client.get(url)
        assert answer.status_code == 503
        assert "does not answer" in answer.text
        assert "10.0.0.1" not in answer.text
    assert 'hx-get="?level=high"' in (await console.client.get("/alerts?level=high")).text


async def test_a_page_of_matches_is_small(console: World) -> None:
    """Each brings its event, a megabyte where a log is hostile: 50 are the most that one answer carries."""
    await console.put(FULL)
    url = f"/api/v1/alerts/{FULL.id}/matches"
    assert (await console.client.get(url, params={"limit": 50})).status_code == 200
    assert (await console.client.get(url, params={"limit": 51})).status_code == 422
