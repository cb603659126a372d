"""The mock of the National SOC, over HTTP: what it accepts, refuses, repeats, reports and shows."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from alerting.mock.server import KINDS, running, schema, serve

URGENT: dict[str, Any] = {
    "version": 1,
    "type": "urgent",
    "province": "Quảng Trị",
    "stream": "urgent",
    "epoch": "log-1",
    "seq": 1,
    "id": "content-1",
    "alert": {
        "id": "alert-1",
        "revision": 1,
        "kind": "opened",
        "level": "critical",
        "time": "2026-11-22T08:00:00Z",
        "opened": "2026-11-22T08:00:00Z",
        "rule": "rule-1",
        "title": "<script>alert(1)</script>",
        "tags": [],
        "site": "xã Đông Hà",
        "host": "web\x1b[2J01",
        "reasons": [],
    },
}
BEAT: dict[str, Any] = {
    "version": 1,
    "type": "heartbeat",
    "province": "Quảng Trị",
    "time": "2026-11-22T08:00:00Z",
    "last": [{"stream": "urgent", "epoch": "log-1", "seq": 1}],
}


def urgent(seq: int, **changes: Any) -> dict[str, Any]:
    """Return an urgent message with this number and a content of its own."""
    return {**URGENT, "seq": seq, "id": f"content-{seq}", **changes}


class Client:
    """What a province and a tester do."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self.url = session, url

    async def send(self, message: Any, key: str | None = "") -> tuple[int, dict[str, Any]]:
        """Post the message; its key is its id where none is given."""
        body = message if isinstance(message, bytes) else json.dumps(message).encode()
        headers = {} if key is None else {"Idempotency-Key": key or message["id"]}
        async with self._session.post(f"{self.url}/api/v1/messages", data=body, headers=headers) as response:
            return response.status, await response.json()

    async def status(self) -> dict[str, Any]:
        """Return the status page's JSON."""
        async with self._session.get(f"{self.url}/api/v1/status") as response:
            answer: dict[str, Any] = await response.json()
            return answer

    async def control(self, **how: Any) -> int:
        """Tell the mock how to misbehave."""
        async with self._session.put(f"{self.url}/control", json=how) as response:
            return response.status

    async def text(self, path: str) -> str:
        """Return a page."""
        async with self._session.get(self.url + path) as response:
            assert response.status == 200
            return await response.text()


@asynccontextmanager
async def client(folder: Path | None = None) -> AsyncIterator[Client]:
    """Serve, and give a client."""
    async with (
        running("127.0.0.1", 0, folder) as (url, _),
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as session,
    ):
        yield Client(session, url)


async def test_a_message_is_acknowledged_with_a_receipt() -> None:
    """201, and the number counts as received."""
    async with client() as soc:
        assert await soc.send(URGENT) == (201, {"receipt": 1, "seq": 1})
        (stream,) = (await soc.status())["streams"]
        assert (stream["contiguous"], stream["highest"], stream["gaps"]) == (1, 1, [])


async def test_a_repeated_key_gets_the_same_answer_and_counts_once() -> None:
    """The replay is what makes a retry safe."""
    async with client() as soc:
        assert await soc.send(URGENT) == await soc.send(URGENT)
        status = await soc.status()
        assert (status["streams"][0]["received"], status["replays"]) == (1, 1)


async def test_the_same_key_with_another_body_is_a_conflict() -> None:
    """409, and the first stays."""
    async with client() as soc:
        await soc.send(URGENT)
        code, answer = await soc.send({**URGENT, "province": "other"})
        assert (code, answer["error"]) == (409, "this key was used with another body")


async def test_a_number_that_is_taken_is_a_conflict() -> None:
    """409: two contents cannot have one number within stream and epoch; another epoch is free."""
    async with client() as soc:
        await soc.send(URGENT)
        assert (await soc.send(urgent(1, id="other")))[0] == 409
        assert (await soc.send(urgent(1, id="new", epoch="log-2")))[0] == 201


async def test_gaps_are_reported_a_stream_and_epoch() -> None:
    """Highest contiguous number, highest number, and what is missing between."""
    async with client() as soc:
        for seq in (1, 2, 5, 6, 9):
            await soc.send(urgent(seq))
        (stream,) = (await soc.status())["streams"]
        assert (stream["contiguous"], stream["highest"], stream["gaps"]) == (2, 9, [[3, 4], [7, 8]])


@pytest.mark.parametrize(
    "changes",
    [
        {"seq": 0},
        {"seq": "1"},
        {"stream": "other"},
        {"version": 2},
        {"alert": {}},
        {"extra": 1},
        {"alert": {**URGENT["alert"], "level": "huge"}},
        {"alert": {**URGENT["alert"], "title": "x" * 301}},
        {"type": "unknown"},
        {"type": ["urgent"]},
    ],
)
async def test_what_the_schema_forbids_is_refused(changes: dict[str, Any]) -> None:
    """422 with the place that is wrong."""
    async with client() as soc:
        code, answer = await soc.send({**URGENT, **changes})
        assert (code, bool(answer["error"])) == (422, True)
        assert (await soc.status())["invalid"] == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"type": "urgent", "id": "\\ud800"}', b"3"])
async def test_what_is_no_message_is_refused(body: bytes) -> None:
    """400 or 422, never a crash."""
    async with client() as soc:
        assert (await soc.send(body, "key"))[0] in {400, 422}


async def test_numbered_messages_need_a_key_and_heartbeats_none() -> None:
    """400 without one."""
    async with client() as soc:
        assert (await soc.send(URGENT, None))[0] == 400
        assert (await soc.send(BEAT, None))[0] == 200


async def test_a_heartbeat_ahead_of_what_arrived_is_noticed() -> None:
    """It names numbers that never came: the answer and the status say so."""
    async with client() as soc:
        assert await soc.send(BEAT, None) == (200, {"behind": BEAT["last"]})
        await soc.send(URGENT)
        assert await soc.send(BEAT, None) == (200, {"behind": []})
        (beat,) = (await soc.status())["heartbeats"]
        assert (beat["number"], beat["ahead"]) == (2, 1)


async def test_it_fails_as_often_as_told() -> None:
    """Twice 503, then as ever; what failed was not taken in."""
    async with client() as soc:
        await soc.control(fail=2)
        assert [(await soc.send(URGENT))[0] for _ in range(3)] == [503, 503, 201]
        await soc.control(fail=True, status=500)
        assert (await soc.send(urgent(2)))[0] == 500
        await soc.control()
        assert (await soc.send(urgent(2)))[0] == 201


async def test_it_can_lose_its_answer() -> None:
    """Taken in, yet reported failed: the repetition gets the receipt, and there is one message."""
    async with client() as soc:
        await soc.control(fail=1, after=True)
        assert [(await soc.send(URGENT))[0] for _ in range(2)] == [503, 201]
        assert (await soc.status())["streams"][0]["received"] == 1


async def test_it_stalls_as_long_as_told() -> None:
    """A client with a deadline gives up."""
    async with client() as soc:
        await soc.control(stall=0.6)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(soc.send(URGENT), 0.3)
        await soc.control()
        assert (await soc.send(URGENT))[0] == 201


async def test_it_refuses_one_content_for_good() -> None:
    """422 now and for each repetition; others pass, and a tombstone takes the number."""
    async with client() as soc:
        await soc.control(refuse_next=1)
        assert [(await soc.send(URGENT))[0] for _ in range(2)] == [422, 422]
        assert (await soc.send(urgent(2)))[0] == 201
        stone = {key: URGENT[key] for key in ("version", "province", "stream", "epoch", "seq")}
        stone |= {"type": "tombstone", "id": "stone", "replaces": "content-1"}
        assert (await soc.send(stone))[0] == 201
        (stream,) = (await soc.status())["streams"]
        assert (stream["contiguous"], stream["tombstones"]) == (2, 1)
        await soc.control(refuse="content-3")
        assert (await soc.send(urgent(3)))[0] == 422


@pytest.mark.parametrize("how", [{"stal": 1}, {"fail": "x"}, {"status": 200}, {"stall": -1}, {"refuse": 5}])
async def test_a_wrong_control_is_named(how: dict[str, Any]) -> None:
    """400, and nothing changes."""
    async with client() as soc:
        assert await soc.control(**how) == 400
        assert (await soc.send(URGENT))[0] == 201


async def test_what_was_received_outlives_the_process(tmp_path: Path) -> None:
    """With a folder, keys, numbers and refusals are there after a restart."""
    async with client(tmp_path / "soc") as soc:
        first = await soc.send(URGENT)
        await soc.control(refuse="content-2")
    async with client(tmp_path / "soc") as soc:
        assert await soc.send(URGENT) == first
        assert (await soc.send(urgent(1, id="other")))[0] == 409
        assert (await soc.send(urgent(2)))[0] == 422


async def test_messages_are_listed_in_the_order_received() -> None:
    """From any point on, in pages."""
    async with client() as soc:
        for seq in (2, 1, 3):
            await soc.send(urgent(seq))
        page = json.loads(await soc.text("/api/v1/messages?after=1&limit=1"))
        assert [entry["message"]["seq"] for entry in page["messages"]] == [1]


async def test_the_page_shows_what_came_and_nothing_in_it_acts() -> None:
    """HTML is escaped, control characters are shown, no script may run, and the page refreshes itself."""
    async with client() as soc:
        assert "Nothing yet" in await soc.text("/")
        await soc.send(urgent(2))
        await soc.send(BEAT, None)
        await soc.control(stall=0.01)
        page = await soc.text("/")
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "web\\u001b[2J01" in page
    assert "Quảng Trị" in page
    assert 'http-equiv="refresh"' in page
    assert "Told to misbehave: stall = 0.01" in page


@pytest.mark.parametrize("kind", KINDS)
async def test_the_schemas_are_published(kind: str) -> None:
    """Each is served as it is shipped."""
    async with client() as soc:
        assert json.loads(await soc.text(f"/schema/{kind}.json")) == schema(kind)


async def test_it_serves_until_told_to_stop(capsys: pytest.CaptureFixture[str]) -> None:
    """`serve` says where it listens and returns at the stop."""
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(60):
        await serve("127.0.0.1", 0, None, stop)
    assert "http://127.0.0.1:" in capsys.readouterr().out


def test_it_is_independent_of_the_rest() -> None:
    """Importing the mock loads nothing of Vonggac but itself."""
    code = (
        "import sys, alerting.mock.server; "
        "print(sorted(m for m in sys.modules if m.split('.')[0] in {'soc', 'alerting', 'collectors', 'correlator'}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    names = [
        "alerting",
        "alerting.mock",
        *(f"alerting.mock.{each}" for each in ("control", "ledger", "page", "server")),
    ]
    assert loaded.strip() == str(names)
