"""The forward stage's handler on real backends: created, already there, retry later, rejected; and counts by place."""

import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import orjson
import pytest

from correlator.forward import Forwarder
from soc.alerts import Match, Place
from soc.bus.base import CASES, DEADLETTER, MATCHES, Message, Record
from soc.bus.deadletters import Letter
from soc.clock import SystemClock
from soc.errors import Retry
from soc.metrics import Metrics
from soc.store.base import MatchQuery
from soc.testing import make_correlated, make_evidence, make_match
from tests.correlator.flaky import FlakyBus, FlakyStore

Read = Callable[[str], Awaitable[list[Record]]]


@pytest.fixture
def forwarder(bus: FlakyBus, store: FlakyStore, metrics: Metrics) -> Forwarder:
    """A forwarder between the two."""
    return Forwarder(bus, store, metrics, SystemClock())


async def published(bus: FlakyBus, read: Read, matches: Sequence[Match]) -> list[Record]:
    """Put matches on soc.matches and return all records there."""
    messages = [Message(match.alert_key.encode(), orjson.dumps(match.to_document())) for match in matches]
    await bus.publish(MATCHES, messages)
    return await read(MATCHES)


async def cases(read: Read) -> list[Match]:
    """Return the matches on soc.cases, in order."""
    documents = [orjson.loads(record.value) for record in await read(CASES)]
    assert {document["kind"] for document in documents} <= {"match"}
    return [Match.from_document(document["match"]) for document in documents]


async def test_a_new_match_is_stored_with_its_place_and_goes_on(
    forwarder: Forwarder, bus: FlakyBus, store: FlakyStore, read: Read
) -> None:
    """The store keeps the event; soc.cases carries the place under the alert key."""
    match = make_match(1)
    (record,) = await published(bus, read, [match])
    await forwarder.forward([record])
    place = Place(await bus.identity(MATCHES), record.partition, record.offset)
    assert await store.match_places([match]) == [place]
    (case,) = await cases(read)
    assert (case.id, case.place, case.event) == (match.id, place, None)
    assert [record.key for record in await read(CASES)] == [match.alert_key.encode()]


async def test_a_correlations_match_is_stored_whole_and_goes_on_without_its_evidence(
    forwarder: Forwarder, bus: FlakyBus, store: FlakyStore, read: Read
) -> None:
    """Its reasons say enough to the alert; another completing event of the same bucket is a duplicate."""
    match = make_correlated()
    again = replace(match, time=match.time + 1, event_id="another")
    await forwarder.forward(await published(bus, read, [match, again]))
    (case,) = await cases(read)
    assert (case.id, case.correlation, case.reasons) == (match.id, None, match.reasons)
    (stored,) = (await store.find_matches(MatchQuery(match.alert_key))).items
    assert stored == replace(match, place=case.place)


async def test_a_redelivery_goes_on_again_with_the_same_place(forwarder: Forwarder, bus: FlakyBus, read: Read) -> None:
    """Its first way on may have been lost; who reads soc.cases knows the place."""
    records = await published(bus, read, [make_match(1)])
    await forwarder.forward(records)
    await forwarder.forward(records)
    one, two = await cases(read)
    assert one == two


async def test_a_duplicate_at_another_place_ends_here(forwarder: Forwarder, bus: FlakyBus, read: Read) -> None:
    """The same match published twice is counted once, in one batch or in two."""
    records = await published(bus, read, [make_match(1), make_match(2), make_match(1)])
    await forwarder.forward(records)
    again = await published(bus, read, [make_match(2)])
    await forwarder.forward(again[3:])
    assert sorted(case.id for case in await cases(read)) == sorted(make_match(n).id for n in (1, 2))


async def test_an_id_stands_once_in_a_request(
    forwarder: Forwarder, bus: FlakyBus, store: FlakyStore, read: Read
) -> None:
    """Within one bulk request an answer could not be told from another's."""
    await forwarder.forward(await published(bus, read, [make_match(n) for n in (1, 1, 2, 1)]))
    assert all(len(set(bulk)) == len(bulk) for bulk in store.bulks)
    assert len(await cases(read)) == 2


async def test_while_the_store_is_away_the_batch_comes_again(
    forwarder: Forwarder, bus: FlakyBus, store: FlakyStore, metrics: Metrics, read: Read
) -> None:
    """Nothing goes on before it is stored, and the gauge tells."""
    records = await published(bus, read, [make_match(1)])
    store.away = True
    with pytest.raises(Retry, match="the store is away"):
        await forwarder.forward(records)
    assert await cases(read) == []
    assert metrics.registry.get_sample_value("vonggac_store_up") == 0
    store.away = False
    await forwarder.forward(records)
    assert len(await cases(read)) == 1
    assert metrics.registry.get_sample_value("vonggac_store_up") == 1


async def test_what_the_store_refuses_is_buried_and_the_others_go_on(
    forwarder: Forwarder, bus: FlakyBus, read: Read
) -> None:
    """With the store's reason."""
    await forwarder.forward(await published(bus, read, [make_match(1, id="bad"), make_match(2)]))
    assert [case.id for case in await cases(read)] == [make_match(2).id]
    (letter,) = [Letter.from_record(record) for record in await read(DEADLETTER)]
    assert (letter.stage, letter.reason, letter.detail) == ("forward", "store_rejected", "not for us")


EVENT = make_evidence().contributions[0]._asdict()
CHANGES: Sequence[dict[str, object]] = (
    {"id": ["x"]},
    {"time": "now"},
    {"received": None},
    {"alert_key": 7},
    {"site": {}},
    {"correlation": [1]},
)
EVIDENCE: Sequence[dict[str, object]] = (
    {"hits": "ten"},
    {"bucket": None},
    {"group": [["User", 7]]},
    {"group": [["User"]]},
    {"contributions": [{"event_id": "e"}]},
    {"contributions": [["e", 1, "r", "s", "h", ""]]},
    {"contributions": [{**EVENT, "time": "now"}]},
    {"contributions": [{**EVENT, "host": None}]},
    {"contributions": [EVENT] * 1001},
    {"incomplete": [7]},
    {"unknown": 1},
)
FOUND = make_correlated().to_document()
WRONG = [
    *(orjson.dumps({**make_match(1).to_document(), **changes}) for changes in CHANGES),
    *(orjson.dumps({**FOUND, "correlation": {**FOUND["correlation"], **part}}) for part in EVIDENCE),
]


@pytest.mark.parametrize("value", [b"{", b"[]", b"{}", b'{"id": 1}', b'"text"', b"null", *WRONG])
async def test_what_is_no_match_is_buried(forwarder: Forwarder, bus: FlakyBus, read: Read, value: bytes) -> None:
    """Whatever stands on soc.matches."""
    await bus.publish(MATCHES, [Message(b"k", value)])
    await forwarder.forward(await read(MATCHES))
    (letter,) = [Letter.from_record(record) for record in await read(DEADLETTER)]
    assert letter.reason == "malformed_match"


@pytest.mark.parametrize("seed", range(25))
async def test_counts_are_exact_whatever_fails(
    bus: FlakyBus, store: FlakyStore, metrics: Metrics, read: Read, seed: int
) -> None:
    """Random repeats, faults, crashes and batches: each id reaches soc.cases, each with one place only."""
    chance = random.Random(seed)
    numbers = [chance.randrange(12) for _ in range(30)]
    records = await published(bus, read, [make_match(number, alert_key=f"key {number % 3}") for number in numbers])
    bus.random = store.random = chance
    bus.rate = store.rate = 0.2
    for partition in {record.partition for record in records}:
        todo = [record for record in records if record.partition == partition]
        while todo:
            batch = todo[: chance.randint(1, 6)]
            try:
                await Forwarder(bus, store, metrics, SystemClock()).forward(batch)
            except Retry:
                continue
            if chance.random() > 0.2:  # else the process died before its commit
                todo = todo[len(batch) :]
    places = defaultdict(set)
    for case in await cases(read):
        places[case.id].add(case.place)
    assert places.keys() == {make_match(number).id for number in numbers}
    assert {len(each) for each in places.values()} == {1}
