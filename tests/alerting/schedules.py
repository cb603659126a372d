"""Random schedules of the group stage: every effect is a step that may fail, land late, or be done by a zombie.

The stage's own coroutine is driven by hand: each call on a port yields an Effect, and the schedule decides whether it
is done, done and reported failed, not done, or left in flight while the process dies.
"""

import random
from collections.abc import Coroutine, Sequence
from typing import Any, cast

from alerting.group import Group
from soc.alerts import Alert, Level
from soc.bus.base import Bus, Record
from soc.clock import DAY
from soc.errors import Conflict, Retry
from soc.metrics import Metrics
from soc.settings import AlertSettings, Settings
from soc.store.base import Store
from soc.testing import NOW, ManualClock
from tests.alerting.effects import Effect, FakeBus, FakeStore, World
from tests.alerting.plans import WINDOW, Oracle, Plan, plan


class Worker:
    """One process of the group: reads from the committed position, handles, commits."""

    def __init__(self, world: World, log: Sequence[Record], batch: int) -> None:
        settings = Settings(alert=AlertSettings(window_seconds=WINDOW))
        bus, store = cast("Bus", FakeBus(world)), cast("Store", FakeStore(world))
        self._group = Group(settings, bus, store, Metrics(), ManualClock(NOW + 40 * DAY))
        self._world, self._log, self._batch = world, log, batch
        self.running: Coroutine[Any, Any, None] = self._run()
        self.pending: Effect | None = None
        self.zombie_steps: int | None = None
        self.ended = False
        self.advance(None)

    async def _run(self) -> None:
        while True:
            start = await Effect(lambda _: self._world.committed, "poll")
            batch = self._log[start : start + self._batch]
            if not batch:
                await Effect(lambda _: None, "idle")
                continue
            try:
                await self._group.handle(batch)
            except (Retry, Conflict):
                continue
            if not await self._commit(start + len(batch)):
                return

    def _commit(self, position: int) -> Effect:
        def do(_: random.Random | None) -> bool:
            if self.zombie_steps is None:
                self._world.committed = position
            return self.zombie_steps is None

        return Effect(do, "commit")

    def advance(self, result: Any) -> None:
        """Hand over the pending effect's result and run to the next effect."""
        try:
            self.pending = self.running.send(result)
        except StopIteration:
            self.ended, self.pending = True, None

    def step(self, faults: random.Random | None) -> None:
        """Carry out the pending effect."""
        if self.ended or self.pending is None:
            return
        result = self.pending.do(faults)
        if self.zombie_steps is not None:
            self.zombie_steps -= 1
            if self.zombie_steps <= 0:
                self.die()
                return
        self.advance(result)

    @property
    def idle(self) -> bool:
        """Tell whether there is nothing to read."""
        return self.pending is not None and self.pending.label == "idle"

    def die(self) -> None:
        """Stop where it stands."""
        self.ended = True
        self.running.close()


def run(seed: int) -> list[str]:
    """Run one schedule; return what differs from the oracle."""
    chance = random.Random(seed)
    what = plan(chance)
    world = World({}, {}, [], [])
    for log in what.logs:
        world.committed = 0
        _Schedule(chance, world, log).run()
    return compare(world, what)


class _Schedule:
    """One bus's life: faults, then quiet."""

    def __init__(self, chance: random.Random, world: World, log: Sequence[Record]) -> None:
        self._chance, self._world, self._log = chance, world, log
        self._batch = chance.choice([1, 2, 4, 50])
        self._worker = self._start()
        self._zombies: list[Worker] = []
        self._inflight: list[Effect] = []

    def _start(self) -> Worker:
        return Worker(self._world, self._log, self._batch)

    def run(self) -> None:
        chance = self._chance
        crash, replaced = chance.choice([0, 0.03, 0.1]), chance.choice([0, 0.03, 0.1])
        for _ in range(chance.choice([30, 80, 200])):
            luck = chance.random()
            if luck < crash:
                self._crash()
            elif luck < crash + replaced:
                self._replace()
            elif self._inflight and chance.random() < 0.2:
                self._inflight.pop(chance.randrange(len(self._inflight))).do(chance)
            elif self._zombies and chance.random() < 0.4:
                chance.choice(self._zombies).step(chance)
            else:
                self._worker.step(chance)
        self._quiet()
        for each in (self._worker, *self._zombies):
            each.die()

    def _crash(self) -> None:
        """Kill the worker; what it was about to do may be done later."""
        pending = self._worker.pending
        if pending and pending.label != "commit" and self._chance.random() < 0.6:
            self._inflight.append(pending)
        self._worker.die()
        self._worker = self._start()

    def _replace(self) -> None:
        """Give the partition away; the old worker goes on for a while and may not commit."""
        self._worker.zombie_steps = self._chance.randint(1, 8)
        self._zombies.append(self._worker)
        self._worker = self._start()

    def _quiet(self) -> None:
        """Let faults end; what is in flight and the zombies still land, at some moment."""
        for _ in range(5000):
            if self._inflight and self._chance.random() < 0.1:
                self._inflight.pop().do(None)
            if self._zombies and self._chance.random() < 0.3:
                self._chance.choice(self._zombies).step(None)
            self._worker.step(None)
            if self._worker.idle and not self._inflight and all(each.ended or each.idle for each in self._zombies):
                return
        raise AssertionError("never quiet")


def compare(world: World, what: Plan) -> list[str]:
    """Return every difference between the world and the uninterrupted run."""
    oracle = Oracle()
    for case in what.order:
        oracle.take(case)
    have = {ref.id: alert for ref, (alert, _) in world.alerts.items()}
    wrong = []
    if len(have) != len(world.alerts):
        wrong.append("one alert in two months")
    if have.keys() != oracle.alerts.keys():
        wrong.append(f"alerts {len(have)} instead of {len(oracle.alerts)}")
    for id_ in have.keys() & oracle.alerts.keys():
        wrong += _differences(have[id_], oracle.alerts[id_])
        if [entry.action_id for entry in have[id_].history] != oracle.applied.get(id_, []):
            wrong.append(f"history {have[id_].history} instead of {oracle.applied.get(id_)}")
    told = {
        (each.alert_id, each.kind, each.level) for each in world.changes if each.kind in {"opened", "raised", "closed"}
    }
    if told != oracle.told:
        wrong.append(f"told {told ^ oracle.told}")
    contents: dict[tuple[str, int], set[tuple[str, Level]]] = {}
    for each in world.changes:
        contents.setdefault((each.alert_id, each.revision), set()).add((each.kind, each.level))
    wrong += [f"revision {revision} has {said}" for revision, said in contents.items() if len(said) > 1]
    if world.dead:
        wrong.append(f"dead letters {world.dead}")
    return wrong


def _differences(have: Alert, want: Alert) -> list[str]:
    names = ("generation", "month", "count", "level", "status", "first_seen", "last_seen", "first_place", "place")
    return [
        f"{name}: {getattr(have, name)} instead of {getattr(want, name)}"
        for name in names
        if getattr(have, name) != getattr(want, name)
    ]
