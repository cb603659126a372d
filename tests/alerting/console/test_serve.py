"""Serving: a real socket, the real URL, a bounded end, and refusal to stand open."""

import asyncio
import signal
import socket
import ssl
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from alerting.console import serve as serving
from alerting.console.serve import check_exposure, serve
from soc.errors import SettingsError
from soc.settings import Address, ConsoleSettings, User
from tests.alerting.console.world import World

USERS = (User(name="an", password_hash=SecretStr("$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$x")),)
FREE = ConsoleSettings(listen=Address(host="127.0.0.1", port=0))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "soc.example", "::ffff:127.0.0.1"])
def test_the_network_without_users_is_refused(host: str) -> None:
    """Any address but loopback needs users; the message names the setting and the remedy."""
    with pytest.raises(SettingsError, match=r"console\.listen.*console\.users.*soc password"):
        check_exposure(ConsoleSettings(listen=Address(host=host, port=8080)))
    check_exposure(ConsoleSettings(listen=Address(host=host, port=8080), users=USERS))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_needs_no_users(host: str) -> None:
    """Only this machine reaches it."""
    check_exposure(ConsoleSettings(listen=Address(host=host, port=8080)))


def test_half_a_certificate_is_refused() -> None:
    """A certificate without its key would mean passwords in the clear."""
    with pytest.raises(SettingsError, match="key_file"):
        check_exposure(ConsoleSettings(certificate_file="cert.pem"))


async def test_it_serves_on_the_port_that_it_reports_and_ends_when_told(console: World) -> None:
    """Port 0 becomes a real one; the stop ends it; signal handlers stay as they were."""
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(console.app, FREE, url.set_result, stop))
        async with httpx.AsyncClient(base_url=await url) as client:
            answer = await client.get("/alerts")
            assert answer.status_code == 200
            assert "server" not in answer.headers
            assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
            stop.set()


async def test_a_slow_request_does_not_hold_the_end(console: World) -> None:
    """An idle connection and a half sent request are cut within the bound."""
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(console.app, FREE, url.set_result, stop))
        port = httpx.URL(await url).port
        assert port
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"POST /alerts/x/actions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf")
        await writer.drain()
        await asyncio.sleep(0.1)
        stop.set()
    writer.close()


async def test_connections_that_ask_for_nothing_are_cut(console: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent ones and ones that never finish a request's head cannot fill the places that analysts need."""
    monkeypatch.setattr(serving, "HEAD_SECONDS", 2.0)
    url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(console.app, FREE, url.set_result, stop))
        port = httpx.URL(await url).port
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        whole = b"GET /alerts HTTP/1.1\r\nHost: localhost\r\n\r\n"
        for (_, writer), head in zip(opened, (b"", whole[:-2], whole), strict=True):
            writer.write(head)
        silent, unfinished, answered = [await reader.read() for reader, _ in opened]
        assert (silent, unfinished) == (b"", b"")
        assert answered.startswith(b"HTTP/1.1 200")
        for _, writer in opened:
            writer.close()
        stop.set()


async def test_a_taken_address_names_the_setting(console: World) -> None:
    """The error says which setting and why."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = ConsoleSettings(listen=Address(host="127.0.0.1", port=port))
        with pytest.raises(SettingsError, match=rf"console\.listen: 127\.0\.0\.1:{port}"):
            await serve(console.app, settings, print, asyncio.Event())


async def test_a_wrong_certificate_names_the_setting(console: World, tmp_path: Path) -> None:
    """No file, or no certificate in it."""
    empty = tmp_path / "empty.pem"
    empty.write_text("")
    for name in ("/nowhere.pem", str(empty)):
        settings = FREE.model_copy(update={"certificate_file": name, "key_file": name})
        with pytest.raises(SettingsError, match=r"console\.certificate_file"):
            await serve(console.app, settings, print, asyncio.Event())
    assert issubclass(ssl.SSLError, OSError)
