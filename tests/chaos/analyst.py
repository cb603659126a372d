"""An analyst at the API: acknowledges and closes alerts, each act under an id of its own, again until it is answered."""

import asyncio
import random
from dataclasses import dataclass, field
from uuid import UUID

import aiohttp

WANTED = 200
APPLIED = "applied"


@dataclass
class Acts:
    """Action ids: those answered 200, those that were sent and never answered, those refused for good."""

    applied: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    refused: dict[str, str] = field(default_factory=dict)


class Analyst:
    """Looks at the list, acts on alerts that are new to it. Only hosts whose number is 3 modulo 4 see alerts closed."""

    def __init__(self, url: str, seed: int) -> None:
        """`url`: the console's address."""
        self.acts = Acts()
        self._url = url
        self._random = random.Random(seed)
        self._seen: set[str] = set()

    async def work(self, stop: asyncio.Event) -> None:
        """Act until the stop; an act that is under way is finished."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(15)) as session:
            while not stop.is_set():
                for alert in await self._new(session):
                    await self._act(session, alert["id"], "acknowledge")
                    if int(alert["host"].rpartition("-")[2] or 0) % 4 == 3:
                        await self._act(session, alert["id"], "close")
                await asyncio.sleep(0.3)

    async def _new(self, session: aiohttp.ClientSession) -> list[dict[str, str]]:
        try:
            async with session.get(f"{self._url}/api/v1/alerts", params={"limit": "20"}) as answer:
                if answer.status != WANTED:
                    return []
                items = (await answer.json())["items"]
        except (aiohttp.ClientError, TimeoutError, OSError):
            return []
        new = [item for item in items if item["id"] not in self._seen and item["status"] == "open"][:3]
        self._seen |= {item["id"] for item in new}
        return new

    async def _act(self, session: aiohttp.ClientSession, alert: str, act: str) -> None:
        """Send the act until it is answered; every fifth is sent once only."""
        ident = str(UUID(int=self._random.getrandbits(128), version=4))
        patient = self._random.random() < 0.8
        for _ in range(400):
            said = await self._send(session, alert, {"id": ident, "act": act, "reason": "chaos"})
            if said == APPLIED:
                self.acts.applied[ident] = alert
                self.acts.unknown.discard(ident)
                return
            if said is not None:
                self.acts.refused[ident] = said
                return
            self.acts.unknown.add(ident)
            if not patient:
                return
            await asyncio.sleep(0.2)
        raise AssertionError(f"act {ident} on {alert} was never answered")

    async def _send(self, session: aiohttp.ClientSession, alert: str, order: dict[str, str]) -> str | None:
        """Return APPLIED where it was, a text where it was refused for good, None where nobody knows."""
        try:
            async with session.post(f"{self._url}/api/v1/alerts/{alert}/actions", json=order) as answer:
                if answer.status == WANTED:
                    return APPLIED
                if answer.status in {202, 500, 503}:
                    return None
                return f"{answer.status}: {(await answer.text())[:200]}"
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None
