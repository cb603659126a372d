"""What stands before every page: host names, origins, tokens, sizes, and the headers of every answer."""

from pathlib import Path
from uuid import uuid4

import pytest

from alerting.console.guard import Hosts, Tokens
from soc.settings import Address, ConsoleSettings
from soc.testing import make_alert
from tests.alerting.console.world import URL, Page, World, world

ALERT = make_alert(0)
ACTIONS = f"/api/v1/alerts/{ALERT.id}/actions"


def body() -> dict[str, str]:
    """Return an action that would be taken."""
    return {"id": str(uuid4()), "act": "close", "reason": "r"}


@pytest.mark.parametrize(
    "url", ["/", "/alerts", "/alerts.csv", "/no", "/alerts/no", "/api/v1/alerts", "/static/console.css", "/api/v1/no"]
)
async def test_every_answer_has_the_headers(console: World, url: str) -> None:
    """Policy, no sniffing, no framing, no referrer elsewhere; on errors and redirects too."""
    headers = (await console.client.get(url)).headers
    assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"
    assert headers["cache-control"] == ("no-cache" if url.startswith("/static/") else "no-store")


async def test_a_failure_of_our_own_has_the_headers_and_no_detail(
    console: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug gives 500 with the same policy; what went wrong stands in the log alone."""

    async def broken(_query: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(console.store, "find_alerts", broken)
    answer = await console.client.get("/alerts")
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert "content-security-policy" in answer.headers


async def test_requests_are_counted_by_status(console: World) -> None:
    """console_requests counts each answer."""
    await console.client.get("/alerts")
    await console.client.get("/no")
    counter = console.metrics.console_requests
    assert counter.labels("200")._value.get() == 1
    assert counter.labels("404")._value.get() == 1


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example", "", "localhost@evil.example", "[", "10.0.0.1"]
)
async def test_another_host_name_gets_nothing(console: World, host: str) -> None:
    """A page of another name that resolves to us (DNS rebinding) is refused, and told nothing."""
    await console.put(ALERT)
    answer = await console.client.get("/alerts", headers={"host": host})
    assert answer.status_code == 421
    assert ALERT.id not in answer.text


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:8080", "[::1]:8080", "LOCALHOST:1", "soc.province.vn", "localhost."]
)
async def test_our_own_names_are_known(tmp_path: Path, host: str) -> None:
    """Loopback by any name and port, and console.hosts."""
    async with world(tmp_path, ConsoleSettings(hosts=("soc.province.vn",))) as console:
        assert (await console.client.get("/alerts", headers={"host": host})).status_code == 200


def test_listening_everywhere_any_address_is_ours_and_no_other_name() -> None:
    """An address cannot be rebound; a name can."""
    hosts = Hosts(ConsoleSettings(listen=Address(host="0.0.0.0", port=80)))
    assert hosts.known("192.0.2.7:80")
    assert hosts.known("[2001:db8::1]")
    assert not hosts.known("evil.example")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://["},
        {"origin": "http://127.0.0.1:9999"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site", "origin": URL},
    ],
)
async def test_what_another_site_sends_is_refused(console: World, headers: dict[str, str]) -> None:
    """Forms and calls from other origins change nothing, whatever else they carry."""
    await console.put(ALERT)
    form = Page((await console.client.get(f"/alerts/{ALERT.id}")).text).form("close") | {"reason": "r"}
    assert (await console.client.post(ACTIONS, json=body(), headers=headers)).status_code == 403
    answer = await console.client.post(f"/alerts/{ALERT.id}/actions", data=form, headers=headers)
    assert answer.status_code == 403
    assert await console.actions() == []


async def test_our_own_pages_may_act(console: World) -> None:
    """The same origin, said either way, is taken."""
    await console.put(ALERT)
    headers = {"origin": URL, "sec-fetch-site": "same-origin"}
    assert (await console.client.post(ACTIONS, json=body(), headers=headers)).status_code == 202


@pytest.mark.parametrize("token", ["", "0" * 64, "é", None])
async def test_a_form_needs_its_token(console: World, token: str | None) -> None:
    """Without the token of this analyst and this alert, a form changes nothing."""
    await console.put(ALERT)
    form = Page((await console.client.get(f"/alerts/{ALERT.id}")).text).form("close") | {"reason": "r"}
    del form["token"]
    answer = await console.client.post(
        f"/alerts/{ALERT.id}/actions", data=form if token is None else {**form, "token": token}
    )
    assert answer.status_code == 403
    assert await console.actions() == []


def test_tokens_belong_to_one_analyst_and_one_alert() -> None:
    """Neither another analyst's nor another alert's token is taken, nor one of another process."""
    tokens = Tokens()
    token = tokens.make("an", "a1")
    assert tokens.holds(token, "an", "a1")
    assert not tokens.holds(token, "binh", "a1")
    assert not tokens.holds(token, "an", "a2")
    assert not Tokens().holds(token, "an", "a1")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"])
async def test_the_api_takes_json_alone(console: World, kind: str) -> None:
    """What a form of another site could send without asking is not taken."""
    await console.put(ALERT)
    content = b'{"id": "%b", "act": "close", "reason": "r"}' % str(uuid4()).encode()
    answer = await console.client.post(ACTIONS, content=content, headers={"content-type": kind})
    assert answer.status_code == 415
    assert await console.actions() == []


async def test_large_bodies_are_refused(console: World) -> None:
    """Declared or not, more than 64 KiB is not read."""
    await console.put(ALERT)
    url = f"/alerts/{ALERT.id}/actions"
    assert (await console.client.post(url, content=b"x" * 70_000)).status_code == 413

    async def parts() -> object:
        for _ in range(70):
            yield b"x" * 1000

    assert (await console.client.post(url, content=parts())).status_code == 413  # type: ignore[arg-type] # a generator
