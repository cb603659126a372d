"""Signing in: argon2, remembered, constant work for unknown users, throttled."""

from pathlib import Path

import httpx
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr

from alerting.console import auth
from alerting.console.auth import FAILURES, Doorman, Throttled, Unknown
from soc.errors import SettingsError
from soc.settings import ConsoleSettings, User
from soc.testing import ManualClock, make_alert
from tests.alerting.console.world import Page, world

HASHER = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
USER = User(name="bình", password_hash=SecretStr(HASHER.hash("mật khẩu:1")))
OTHER = User(name="an", password_hash=SecretStr(HASHER.hash("khác")))


def basic(name: str, password: str) -> str:
    """Return the header."""
    return httpx.BasicAuth(name.encode(), password.encode())._auth_header


async def test_without_credentials_nothing_is_shown(tmp_path: Path) -> None:
    """Every URL asks to sign in, the API and static files too."""
    async with world(tmp_path, ConsoleSettings(users=(USER,))) as console:
        await console.put(make_alert(0))
        for url in ("/", "/alerts", "/alerts.csv", "/api/v1/alerts", "/api/v1/openapi.json", "/static/console.css"):
            answer = await console.client.get(url)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"].startswith("Basic ")
            assert "Failed SSH" not in answer.text
            assert "content-security-policy" in answer.headers


async def test_the_analyst_is_who_signed_in(tmp_path: Path) -> None:
    """The page names the user, and an action carries the name."""
    async with world(tmp_path, ConsoleSettings(users=(OTHER, USER))) as console:
        await console.put(make_alert(0))
        console.client.headers["authorization"] = basic("bình", "mật khẩu:1")
        page = Page((await console.client.get(f"/alerts/{make_alert(0).id}")).text)
        assert "Signed in as bình" in page.text
        form = page.form("close") | {"reason": "r"}
        url = f"/alerts/{make_alert(0).id}/actions"
        assert (await console.client.post(url, data={**form, "analyst": "an"})).status_code == 422
        assert (await console.client.post(url, data=form)).status_code == 303
        assert [action.analyst for action in await console.actions()] == ["bình"]


@pytest.mark.parametrize(
    "header",
    ["", "Basic", "Basic !!!", "Bearer x", "Basic YQ==", "Basic /w==", basic("bình", "sai"), basic("ai", "mật khẩu:1")],
)
async def test_wrong_credentials_are_unknown(header: str) -> None:
    """Wrong passwords, users, schemes and encodings are all the same."""
    with pytest.raises(Unknown):
        await Doorman((USER,), ManualClock()).analyst(header, "192.0.2.1")


async def test_without_users_everybody_here_is_the_analyst() -> None:
    """No users: no question."""
    assert await Doorman((), ManualClock()).analyst("", "127.0.0.1") == "analyst"


async def test_a_verified_password_is_not_hashed_again_for_ten_minutes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One hash, then none, until it is forgotten; a known and an unknown user cost the same hash each."""
    hashed: list[str] = []
    real = auth._matches

    def counted(stored: str, password: str) -> bool:
        hashed.append(stored)
        return real(stored, password)

    monkeypatch.setattr(auth, "_matches", counted)
    clock = ManualClock()
    doorman = Doorman((USER, OTHER), clock)
    for _ in range(3):
        assert await doorman.analyst(basic("bình", "mật khẩu:1"), "192.0.2.1") == "bình"
    assert len(hashed) == 1
    clock.advance(601)
    await doorman.analyst(basic("bình", "mật khẩu:1"), "192.0.2.1")
    assert len(hashed) == 2
    with pytest.raises(Unknown):
        await doorman.analyst(basic("nobody", "mật khẩu:1"), "192.0.2.1")
    assert len(hashed) == 3


async def test_too_many_failures_stop_an_address_for_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    """The eleventh is not even hashed; another address goes on, and so does who had signed in."""
    clock = ManualClock()
    doorman = Doorman((USER,), clock)
    await doorman.analyst(basic("bình", "mật khẩu:1"), "192.0.2.1")
    for _ in range(FAILURES):
        with pytest.raises(Unknown):
            await doorman.analyst(basic("bình", "sai"), "192.0.2.1")
    monkeypatch.setattr(auth, "_matches", lambda *_: pytest.fail("hashed"))
    with pytest.raises(Throttled) as stopped:
        await doorman.analyst(basic("bình", "sai"), "192.0.2.1")
    assert 1 <= stopped.value.after <= 60
    assert await doorman.analyst(basic("bình", "mật khẩu:1"), "192.0.2.1") == "bình"
    monkeypatch.undo()
    with pytest.raises(Unknown):
        await doorman.analyst(basic("bình", "sai"), "192.0.2.2")
    clock.advance(61)
    with pytest.raises(Unknown):
        await doorman.analyst(basic("bình", "sai"), "192.0.2.1")


async def test_an_ipv6_network_is_one_address() -> None:
    """Changing the lower half of the address does not help."""
    doorman = Doorman((USER,), ManualClock())
    for number in range(FAILURES):
        with pytest.raises(Unknown):
            await doorman.analyst(basic("bình", "sai"), f"2001:db8::{number:x}")
    with pytest.raises(Throttled):
        await doorman.analyst(basic("bình", "sai"), "2001:db8::ffff")


async def test_a_throttled_client_is_told_when_to_come_back(tmp_path: Path) -> None:
    """429 with Retry-After."""
    async with world(tmp_path, ConsoleSettings(users=(USER,)), authorization=basic("bình", "sai")) as console:
        answers = [await console.client.get("/alerts") for _ in range(FAILURES + 1)]
        assert [answer.status_code for answer in answers] == [401] * FAILURES + [429]
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60


@pytest.mark.parametrize(
    ("users", "words"),
    [
        ((User(name="an", password_hash=SecretStr("plain")),), "soc password"),
        ((User(name="a:n", password_hash=USER.password_hash),), "colon"),
        ((User(name="", password_hash=USER.password_hash),), "not empty"),
        ((USER, USER), "share a name"),
    ],
)
def test_unusable_users_are_refused_at_start(users: tuple[User, ...], words: str) -> None:
    """The message names the setting and the remedy, never the hash."""
    with pytest.raises(SettingsError, match=words) as error:
        Doorman(users, ManualClock())
    assert "console.users" in str(error.value)
    assert "plain" not in str(error.value)
