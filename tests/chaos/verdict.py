"""What the end of a run must look like. Each check returns what is wrong, in words; nothing wrong is an empty list."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import orjson

from alerting.mock.server import Mock
from soc import store as stores
from soc.alerts import Alert, Level, Match, Milestone
from soc.bus.base import DEADLETTER, Bus, TopicPartition
from soc.clock import SystemClock
from soc.metrics import Metrics
from soc.settings import Settings
from soc.store.base import MAX_PAGE, AlertQuery, AlertSort, MatchQuery
from tests.chaos.analyst import Acts
from tests.chaos.oracle import Expected, Span, alerts
from tests.chaos.receivers import Inbox

CLOSERS = 4
"""Alerts of hosts whose number is 3 modulo 4 may be closed: when, and so their alerts, differ from run to run."""

SOME = 5
"""Examples in one line of a verdict."""


@dataclass(frozen=True)
class Final:
    """All that is stored."""

    matches: tuple[Match, ...]
    alerts: tuple[Alert, ...]
    letters: tuple[bytes, ...]


async def final(settings: Settings, bus: Bus) -> Final:
    """Read everything."""
    matches: list[Match] = []
    found: list[Alert] = []
    async with stores.connect(settings.store, Metrics(), SystemClock()) as store:
        await store.refresh()
        page = await store.find_matches(MatchQuery(limit=MAX_PAGE))
        matches += page.items
        while page.cursor:
            page = await store.find_matches(MatchQuery(limit=MAX_PAGE, cursor=page.cursor))
            matches += page.items
        listed = await store.find_alerts(AlertQuery(limit=MAX_PAGE, sort=AlertSort.OPENED))
        found += listed.items
        while listed.cursor:
            query = AlertQuery(limit=MAX_PAGE, sort=AlertSort.OPENED, cursor=listed.cursor)
            listed = await store.find_alerts(query)
            found += listed.items
        assert (page.total, listed.total) == (len(matches), len(found)), "the store counts otherwise than it lists"
    letters = await bus.read(TopicPartition(DEADLETTER, 0), 0, 1000)
    return Final(tuple(matches), tuple(found), tuple(letter.value for letter in letters))


# Matches --------------------------------------------------------------------------------------------------------------


def of_matches(end: Final, expected: Sequence[Expected], dead: int = 0) -> list[str]:
    """Every acknowledged event's matches are in the store once, and nothing else; `dead` records became dead letters.

    Who is killed between a letter and the commit behind it writes the letter again.
    """
    wrong = []
    stored = Counter(match.id for match in end.matches)
    wanted = {match.id: match for match in expected}
    if twice := [ident for ident, number in stored.items() if number > 1]:
        wrong.append(f"{len(twice)} matches are stored more than once: {twice[:SOME]}")
    if missing := [wanted[ident] for ident in wanted.keys() - stored.keys()]:
        wrong.append(f"{len(missing)} of {len(wanted)} matches are missing: {missing[:SOME]}")
    if more := stored.keys() - wanted.keys():
        wrong.append(f"{len(more)} matches are of no acknowledged event: {sorted(more)[:SOME]}")
    for match in end.matches:
        want = wanted.get(match.id)
        if want and (match.alert_key, match.time, match.site, match.host) != (
            want.key,
            want.time,
            want.site,
            want.host,
        ):
            wrong.append(f"stored otherwise: {match} instead of {want}")
    of_records = {_source_of(letter) for letter in end.letters}
    if len(of_records) != dead or len(end.letters) > 2 * dead:
        wrong.append(f"{len(end.letters)} dead letters: {end.letters[:SOME]!r}")
    return wrong


def _source_of(letter: bytes) -> tuple[object, ...]:
    document = orjson.loads(letter)
    source = document["source"]
    return document["stage"], document["topic"], source["partition"], source["offset"]


# Alerts ---------------------------------------------------------------------------------------------------------------


def of_alerts(end: Final) -> list[str]:
    """Each key's alerts divide its matches among them, by place, in order, without overlap, and count them exactly."""
    wrong = []
    by_key: dict[str, list[Alert]] = {}
    for alert in end.alerts:
        by_key.setdefault(alert.key, []).append(alert)
    matches: dict[str, list[Match]] = {}
    for match in end.matches:
        matches.setdefault(match.alert_key, []).append(match)
    if nobody := matches.keys() - by_key.keys():
        wrong.append(f"no alert at all: {sorted(nobody)[:SOME]}")
    for key, ours in by_key.items():
        ours.sort(key=lambda alert: alert.generation)
        wrong += [f"{key}: {text}" for text in _of_key(ours, matches.get(key, []))]
    return wrong


def _of_key(ours: Sequence[Alert], matches: Sequence[Match]) -> Iterable[str]:
    if [alert.generation for alert in ours] != list(range(len(ours))):
        yield f"generations {[alert.generation for alert in ours]}"
    if sum(alert.count for alert in ours) != len(matches):
        yield f"counts {[alert.count for alert in ours]} for {len(matches)} matches"
    if len({alert.place[:2] for alert in ours} | {alert.first_place[:2] for alert in ours}) > 1:
        yield "alerts lie in several partitions"
    for before, after in pairwise(ours):
        if not before.place.offset < after.first_place.offset:
            yield f"alerts {before.generation} and {after.generation} overlap: {before.place}, {after.first_place}"
    for alert in ours:
        members = [m for m in matches if m.place and alert.first_place.offset <= m.place.offset <= alert.place.offset]
        times = sorted(match.time for match in members)
        if alert.count != len(members) or [alert.first_seen, alert.last_seen] != [times[0], times[-1]]:
            yield f"alert {alert.generation} counts {alert.count}, and {len(members)} matches lie within its places"
        if alert.revision != alert.count + len(alert.history):
            yield f"alert {alert.generation}: revision {alert.revision}, {alert.count} matches, {len(alert.history)} acts"
        yield from _of_milestones(alert)


def _of_milestones(alert: Alert) -> Iterable[str]:
    kinds = Counter(milestone.kind for milestone in alert.milestones)
    closes = sum(entry.act.value == "close" for entry in alert.history)
    if kinds["opened"] != 1 or alert.milestones[0].revision != 1 or kinds["closed"] != closes:
        yield f"alert {alert.generation}: milestones {alert.milestones}, history {alert.history}"
    levels = [milestone.level for milestone in alert.milestones if milestone.kind in {"opened", "raised"}]
    if levels != sorted(set(levels)) or levels[-1] != alert.level:
        yield f"alert {alert.generation}: levels {levels}, now {alert.level}"


def of_uninterrupted(end: Final, expected: Sequence[Expected]) -> list[str]:
    """The alerts that nobody closes, and whose key lies on one partition of soc.events, are those of a run in peace."""
    in_peace = alerts(expected)
    stored: dict[str, dict[int, Span]] = {}
    for alert in end.alerts:
        span = Span(alert.count, alert.first_seen, alert.last_seen)
        stored.setdefault(alert.key, {})[alert.generation] = span
    wrong = []
    for key in {match.key for match in expected if comparable(match.key, match.host)}:
        ours = [span for _, span in sorted(stored.get(key, {}).items())]
        if ours != in_peace[key]:
            first = next((pair for pair in zip(ours, in_peace[key], strict=False) if pair[0] != pair[1]), None)
            wrong.append(f"{key}: {len(ours)} alerts, {len(in_peace[key])} in peace; the first that differs: {first}")
    return wrong


def comparable(key: str, host: str) -> bool:
    """Tell whether a key's alerts are the same in every run."""
    return key.endswith(f"|{host}") and int(host.rpartition("-")[2]) % CLOSERS != CLOSERS - 1


# The other sides ------------------------------------------------------------------------------------------------------


def told(alert: Alert, lowest: Level) -> list[Milestone]:
    """Return what receivers that begin at `lowest` are told of."""
    return [each for each in alert.milestones if each.kind in {"opened", "raised"} and each.level >= lowest]


def of_inbox(
    name: str, inbox: Inbox, end: Final, lowest: str, interruptions: Sequence[tuple[float, float]]
) -> list[str]:
    """Each opening and rise was told, under one id; the same id always said the same.

    Nobody can take a message and note that at the other side in one step: a process that is killed in between tells
    again, under the same id. `interruptions`: when that could be, monotonic seconds; one message at most each time.
    """
    wanted = {
        f"{alert.id}.{milestone.revision}@vonggac"
        for alert in end.alerts
        for milestone in told(alert, Level.parse(lowest))
    }
    wrong = []
    if missing := wanted - inbox.taken.keys():
        wrong.append(f"{name} was not told of {len(missing)} of {len(wanted)}: {sorted(missing)[:SOME]}")
    if more := inbox.taken.keys() - wanted:
        wrong.append(f"{name} was told of what never was: {sorted(more)[:SOME]}")
    if other := [ident for ident, each in inbox.taken.items() if len({body for body, _ in each}) > 1]:
        wrong.append(f"{name} was told different things under one id: {inbox.taken[other[0]]}")
    for ident, before, later in inbox.repeated():
        if not any(first <= later and before <= last for first, last in interruptions):
            wrong.append(f"{name} was told twice of {ident} though nothing was interrupted: {before:.2f}, {later:.2f}")
    if len(again := list(inbox.repeated())) > len(interruptions):
        wrong.append(f"{name} was told again {len(again)} times, and interrupted {len(interruptions)} times")
    return wrong


def of_acts(end: Final, acts: Acts) -> list[str]:
    """Each act that was answered stands in its alert's history once; of the others none stands twice."""
    wrong = []
    history = Counter(entry.action_id for alert in end.alerts for entry in alert.history)
    if twice := [ident for ident, number in history.items() if number > 1]:
        wrong.append(f"acts applied twice: {twice}")
    if lost := acts.applied.keys() - history.keys():
        wrong.append(f"acts answered and lost: {sorted(lost)}")
    if foreign := history.keys() - acts.applied.keys() - acts.unknown:
        wrong.append(f"acts that nobody made: {sorted(foreign)}")
    if acts.refused:
        wrong.append(f"acts refused: {acts.refused}")
    where = {entry.action_id: alert.id for alert in end.alerts for entry in alert.history}
    if stray := [ident for ident, alert in acts.applied.items() if where.get(ident, alert) != alert]:
        wrong.append(f"acts applied to another alert: {stray}")
    return wrong


def of_national(mock: Mock, end: Final, lowest: str, tombstones: int = 0) -> list[str]:
    """Both streams arrived without a gap, in order; each urgent milestone once; each interval once, all in a row."""
    messages = [each["message"] for each in _all(mock)]
    streams = mock.ledger.streams()
    wrong = [f"gaps: {each}" for each in streams if each.gaps or each.contiguous != each.received]
    if len({(each["stream"], each["epoch"]) for each in messages}) > 2:
        wrong.append(f"epochs: { {(each['stream'], each['epoch']) for each in messages} }")
    for name in ("urgent", "regular"):
        numbers = [each["seq"] for each in messages if each["stream"] == name]
        if numbers != list(range(1, len(numbers) + 1)):
            wrong.append(f"{name}: out of order: {numbers}")
    counters = mock.ledger.counters()
    if counters["conflicts"] or counters["invalid"]:
        wrong.append(f"the mock counted {counters}")
    return wrong + _of_urgent(messages, end, lowest, tombstones) + _of_summaries(messages)


def _all(mock: Mock) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while page := mock.ledger.messages(found[-1]["n"] if found else 0):
        found += page
    return found


def _of_urgent(messages: Sequence[Mapping[str, Any]], end: Final, lowest: str, tombstones: int) -> list[str]:
    sent = Counter((m["alert"]["id"], m["alert"]["revision"]) for m in messages if m["type"] == "urgent")
    wanted = {(alert.id, each.revision) for alert in end.alerts for each in told(alert, Level.parse(lowest))}
    wrong = []
    if twice := [what for what, number in sent.items() if number > 1]:
        wrong.append(f"urgent messages sent twice: {twice}")
    buried = sum(message["type"] == "tombstone" for message in messages)
    if (
        len(wanted - sent.keys()) + sum(m["stream"] != "urgent" for m in messages if m["type"] == "tombstone")
        != tombstones
    ):
        wrong.append(f"urgent milestones that did not arrive: {sorted(wanted - sent.keys())}; {buried} tombstones")
    if buried != tombstones:
        wrong.append(f"{buried} tombstones instead of {tombstones}")
    if more := sent.keys() - wanted:
        wrong.append(f"urgent messages of what never was: {sorted(more)}")
    return wrong


def _of_summaries(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each interval follows the one before; the tombstone of a summary that was refused stands for its interval."""
    broken, expected, length = [], None, timedelta()
    for message in (each for each in messages if each["stream"] == "regular"):
        if message["type"] == "tombstone":
            expected = expected + length if expected else None
            continue
        start, end = (datetime.fromisoformat(message["interval"][edge]) for edge in ("start", "end"))
        if expected not in {None, start}:
            broken.append(f"{expected} expected, {start} found")
        expected, length = end, end - start
    return [f"summaries do not follow each other: {broken}"] if broken else []
