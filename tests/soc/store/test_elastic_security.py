"""The Elasticsearch store behind TLS: what it trusts, what it sends, and what a refusal means."""

import base64
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from soc.clock import SystemClock
from soc.errors import Retry, SettingsError
from soc.events import to_document
from soc.metrics import Metrics
from soc.settings import StoreSettings
from soc.store import connect
from soc.store.base import AlertRef, Answer
from soc.testing import make_alert, make_event
from tests.soc.store.contract import CREATED, placed
from tests.soc.store.door import Door, make_certificate_aside
from tests.soc.store.test_elastic import settings as plain_settings  # the same, removed indices

__all__ = ["plain_settings"]


@pytest.fixture
async def door(plain_settings: StoreSettings, tmp_path: Path) -> AsyncIterator[Door]:
    """A door that asks for the API key `key`."""
    _, context = await make_certificate_aside(tmp_path)
    async with Door(plain_settings.url, "ApiKey key").open(context) as opened:
        yield opened


def behind(door: Door, plain: StoreSettings, tmp_path: Path, **changes: Any) -> StoreSettings:
    """Return settings that open the door."""
    fitting = {"url": door.url, "prefix": plain.prefix, "ca_file": str(tmp_path / "door.pem"), "api_key": "key"}
    return StoreSettings(**{**fitting, "timeout": 60, **changes})


async def test_an_api_key_opens_the_door(door: Door, plain_settings: StoreSettings, tmp_path: Path) -> None:
    """Writes and reads go over TLS that our CA file vouches for, each with the key."""
    async with connect(behind(door, plain_settings, tmp_path), Metrics(), SystemClock()) as store:
        assert await store.add_matches([placed(0)]) == [CREATED]
        assert await store.match_places([placed(0)]) == [placed(0).place]
    assert door.passed > 3


async def test_user_and_password_open_the_door(door: Door, plain_settings: StoreSettings, tmp_path: Path) -> None:
    """Where there is no API key."""
    door.authorization = "Basic " + base64.b64encode("lan:mật khẩu".encode()).decode()
    changes = {"api_key": "", "username": "lan", "password": "mật khẩu"}
    async with connect(behind(door, plain_settings, tmp_path, **changes), Metrics(), SystemClock()) as store:
        await store.ping()


@pytest.mark.parametrize(
    ("changes", "names"),
    [({"api_key": "wrong"}, "credentials"), ({"ca_file": ""}, "store.ca_file")],
    ids=["a wrong key", "no CA file"],
)
async def test_at_the_start_a_refusal_is_a_wrong_setting(
    door: Door, plain_settings: StoreSettings, tmp_path: Path, changes: dict[str, Any], names: str
) -> None:
    """The message names the setting, and not the secret."""
    with pytest.raises(SettingsError, match=names) as caught:
        await connect(behind(door, plain_settings, tmp_path, **changes), Metrics(), SystemClock()).open()
    assert "wrong" not in str(caught.value)
    assert door.passed == 0


@pytest.mark.parametrize("status", [401, 403, 429, 502, 503])
async def test_while_it_runs_a_refusal_is_retry(
    door: Door, plain_settings: StoreSettings, tmp_path: Path, status: int
) -> None:
    """A key that was revoked, a full queue, a proxy without its server: nothing is dead-lettered, all goes on later."""
    metrics = Metrics()
    async with connect(behind(door, plain_settings, tmp_path), metrics, SystemClock()) as store:
        door.status = status
        (answer,) = await store.add_matches([placed(0)])
        assert answer.answer is Answer.RETRY
        assert str(status) in answer.reason
        for call in (store.match_places([placed(0)]), store.get_alerts([AlertRef("x", "2026.09")]), store.ping()):
            with pytest.raises(Retry):
                await call
        assert [sample.value for metric in metrics.store_up.collect() for sample in metric.samples] == [0]
        door.status = 0
        assert await store.add_matches([placed(0)]) == [CREATED]
        assert [sample.value for metric in metrics.store_up.collect() for sample in metric.samples] == [1]


async def test_a_body_too_large_for_the_door_is_sent_in_halves(
    door: Door, plain_settings: StoreSettings, tmp_path: Path
) -> None:
    """413 to many documents halves the request; 413 to a single one rejects it alone."""
    async with connect(behind(door, plain_settings, tmp_path), Metrics(), SystemClock()) as store:
        door.most_bytes = 20_000
        large = placed(5, event=to_document(make_event(5, raw="x" * 30_000)))
        answers = await store.add_matches([*(placed(number) for number in range(5)), large, placed(6)])
        assert [each.answer for each in answers] == ["created"] * 5 + ["rejected", "created"]
        assert await store.put_alerts([(make_alert(number), None) for number in range(30)]) == [CREATED] * 30


async def test_another_product_is_a_wrong_setting(door: Door, plain_settings: StoreSettings, tmp_path: Path) -> None:
    """Something that answers, and does not say that it is Elasticsearch."""
    door.status = 200
    with pytest.raises(SettingsError, match="not Elasticsearch"):
        await connect(behind(door, plain_settings, tmp_path), Metrics(), SystemClock()).open()
