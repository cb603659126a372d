"""/metrics, /health/live and /health/ready."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx
import pytest

from soc.errors import Stop
from soc.health import Health
from soc.metrics import Metrics
from tests.services.process import Port


@pytest.fixture
async def served() -> AsyncIterator[tuple[Health, httpx.AsyncClient]]:
    """A health server and a client of it."""
    metrics, stop, ours = Metrics(), asyncio.Event(), Port()
    port = ours.number
    health = Health(metrics)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client, asyncio.TaskGroup() as tasks:
        tasks.create_task(health.serve("127.0.0.1", port, stop))
        async with asyncio.timeout(60):
            while not await _answers(client):  # noqa: ASYNC110 - the server sets no event
                await asyncio.sleep(0.02)
        yield health, client
        stop.set()


async def _answers(client: httpx.AsyncClient) -> bool:
    try:
        await client.get("/health/live")
    except httpx.ConnectError:
        return False
    return True


async def test_a_process_that_is_starting_is_live_and_not_ready(served: tuple[Health, httpx.AsyncClient]) -> None:
    """Before any part has registered, ready says so."""
    _, client = served
    assert (await client.get("/health/live")).status_code == 200
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["not_ready"]) == (503, {"process": "starting"})


async def test_ready_names_what_is_not_ready_and_why(served: tuple[Health, httpx.AsyncClient]) -> None:
    """An operator reads the reason, not a code."""
    health, client = served
    health.register("bus", lambda: "broker is away")
    health.register("collect", lambda: None)
    answer = await client.get("/health/ready")
    assert (answer.status_code, answer.json()["not_ready"]) == (503, {"bus": "broker is away"})
    health.register("bus", lambda: None)
    assert (await client.get("/health/ready")).json() == {"ready": True, "not_ready": {}}


async def test_metrics_are_in_the_text_format_that_prometheus_reads(served: tuple[Health, httpx.AsyncClient]) -> None:
    """The process's own registry is what is shown."""
    _, client = served
    text = (await client.get("/metrics")).text
    assert "# TYPE vonggac_rules_loaded gauge" in text


async def test_another_path_is_not_found(served: tuple[Health, httpx.AsyncClient]) -> None:
    """It says what there is."""
    _, client = served
    assert (await client.get("/nothing")).status_code == 404


async def test_a_port_that_is_taken_is_an_error_that_names_the_setting() -> None:
    """The remedy stands in the message."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(Stop, match=r"set health\.\*"):
        await Health(Metrics()).serve("127.0.0.1", taken.getsockname()[1], asyncio.Event())
