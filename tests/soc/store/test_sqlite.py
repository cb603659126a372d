"""The SQLite store keeps the port's promises, and those of its own: several processes, kill -9, files that go."""

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from soc.alerts import Level, Place, Status
from soc.clock import DAY
from soc.errors import Retry, SettingsError
from soc.metrics import Metrics
from soc.settings import StoreSettings
from soc.store import connect, queries, tables
from soc.store.base import AlertQuery, AlertRef, AlertSort, Answer, MatchQuery, Store
from soc.store.cursors import Position
from soc.store.files import MOST_OPEN
from soc.testing import NOW, ManualClock, make_alert, make_correlated, make_evidence, make_match
from tests.soc.store.contract import CREATED, EXISTS, StoreContract, placed

ROOT = Path(__file__).parents[3]

WRITER = """
import asyncio, sys
from soc.clock import SystemClock
from soc.metrics import Metrics
from soc.settings import StoreSettings
from soc.store import connect
from tests.soc.store.contract import placed

async def main(url, first, last):
    async with connect(StoreSettings(url=url), Metrics(), SystemClock()) as store:
        for number in range(first, last, 10):
            batch = [placed(each) for each in range(number, number + 10)]
            answers = await store.add_matches(batch)
            print(number, *(answer.answer for answer in answers), flush=True)

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    """A folder of the test's own."""
    return StoreSettings(url=f"sqlite:///{tmp_path}/store", retention_days=90, timeout=20)


def writer(settings: StoreSettings, first: int, last: int) -> "subprocess.Popen[str]":
    """Start a process that creates the matches of those numbers, ten at once, and prints each acknowledged batch."""
    command = [sys.executable, "-c", WRITER, settings.url, str(first), str(last)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def answers_of(process: "subprocess.Popen[str]") -> dict[int, Sequence[str]]:
    """Wait for its end; return the complete lines that it printed."""
    output = process.communicate(timeout=200)[0]
    lines = [line.split() for line in output.splitlines(keepends=True) if line.endswith("\n")]
    return {int(number): answers for number, *answers in lines}


def files(settings: StoreSettings) -> list[str]:
    """Return the names of the databases."""
    return sorted(path.name for path in Path(settings.url.removeprefix("sqlite:///")).glob("*.db"))


class TestSqliteStore(StoreContract):
    """The contract."""


async def test_reading_makes_no_file(store: Store, settings: StoreSettings) -> None:
    """Whatever month is asked for."""
    await store.get_alerts([AlertRef("x", "2026.01")])
    await store.match_places([placed(0)])
    await store.find_alert("x")
    await store.find_alerts(AlertQuery())
    assert files(settings) == ["keys.db"]


async def test_few_files_are_open_at_once(store: Store, settings: StoreSettings) -> None:
    """However many months there are."""
    months = [f"{year}.{month:02}" for year in range(2020, 2026) for month in range(1, 13)]
    await store.put_alerts([(make_alert(n, month=month), None) for n, month in enumerate(months)])
    assert (await store.find_alerts(AlertQuery())).total == len(months) == len(files(settings)) - 1
    assert len(open_databases()) <= 3 * MOST_OPEN


def open_databases() -> list[str]:
    """Return the databases that this process has open; the descriptor of the listing itself is gone by then."""
    listed = list(Path("/proc/self/fd").iterdir())
    opened = [str(each.readlink()) for each in listed if each.is_symlink()]
    return [path for path in opened if path.endswith(".db")]


async def test_two_processes_write_the_same_matches(store: Store, settings: StoreSettings) -> None:
    """Each match is created by one of them, and both end without an error."""
    processes = [writer(settings, 0, 600) for _ in range(2)]
    one, two = await asyncio.gather(*(asyncio.to_thread(answers_of, process) for process in processes))
    assert [process.returncode for process in processes] == [0, 0]
    assert len(one) == len(two) == 60
    for number, answers in one.items():
        assert {*zip(answers, two[number], strict=True)} <= {("created", "exists"), ("exists", "created")}
    assert (await store.find_matches(MatchQuery(placed(0).alert_key))).total == 600


async def test_acknowledged_matches_survive_kill_9(store: Store, settings: StoreSettings) -> None:
    """Six writers, each killed at another moment: what they had printed is there, and the next goes on."""
    for round_ in range(6):
        process = writer(settings, 10_000 * round_, 10_000 * (round_ + 1))
        assert process.stdout
        await asyncio.to_thread(process.stdout.readline)  # it writes
        await asyncio.sleep(0.03 * round_)
        os.kill(process.pid, signal.SIGKILL)
        done = await asyncio.to_thread(answers_of, process)
        acknowledged = [placed(each) for number in done for each in range(number, number + 10)]
        assert await store.match_places(acknowledged) == [match.place for match in acknowledged]
        assert await store.add_matches([placed(10_000 * round_)]) == [EXISTS]


async def test_a_lock_held_too_long_is_retry(settings: StoreSettings) -> None:
    """Another program sits on a file: its writes are RETRY in time, others go on; afterwards all is well."""
    hurried = settings.model_copy(update={"timeout": 0.3})
    async with connect(hurried, Metrics(), ManualClock()) as store:
        await store.add_matches([placed(0)])
        holder = sqlite3.connect(f"{settings.url.removeprefix('sqlite:///')}/matches-2026.09.db", isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        started = time.monotonic()
        first, other = await store.add_matches([placed(1), placed(2, time=NOW - 40 * 86_400_000_000)])
        assert (first.answer, other) == (Answer.RETRY, CREATED)
        assert "locked" in first.reason
        assert time.monotonic() - started < 20
        holder.execute("ROLLBACK")
        holder.close()
        assert await store.add_matches([placed(1)]) == [CREATED]


async def test_what_a_killed_removal_left_behind_harms_nothing(store: Store, settings: StoreSettings) -> None:
    """A log without its database is not taken into the next one of that name."""
    folder = Path(settings.url.removeprefix("sqlite:///"))
    await store.add_matches([placed(0)])
    log = (folder / "matches-2026.09.db-wal").read_bytes()
    assert log
    assert await store.expire(NOW + 365 * 86_400_000_000) == ["matches-2026.09"]
    (folder / "matches-2026.09.db-wal").write_bytes(log)
    assert await store.match_places([placed(0)]) == [None]
    assert await store.add_matches([placed(0)]) == [CREATED]
    assert (await store.find_matches(MatchQuery(placed(0).alert_key))).total == 1


async def test_removal_and_writing_at_once_lose_nothing(store: Store, second: Store) -> None:
    """What is acknowledged after the last removal is there, however the two met."""
    for round_ in range(20):
        batch = [placed(1000 * round_ + number) for number in range(20)]
        await asyncio.gather(store.expire(NOW + 365 * 86_400_000_000), second.add_matches(batch))
        later = [placed(1000 * round_ + 500 + number) for number in range(20)]
        assert await second.add_matches(later) == [CREATED] * 20
        assert await store.match_places(later) == [match.place for match in later]


async def test_a_damaged_file_is_retry(store: Store, settings: StoreSettings) -> None:
    """And harms no other month."""
    folder = Path(settings.url.removeprefix("sqlite:///"))
    (folder / "matches-2026.08.db").write_bytes(b"no database" * 1000)
    damaged = placed(1, time=NOW - 40 * 86_400_000_000)
    answers = await store.add_matches([placed(0), damaged])
    assert [each.answer for each in answers] == [Answer.CREATED, Answer.RETRY]
    with pytest.raises(Retry, match="not a database"):
        await store.match_places([damaged])
    assert await store.match_places([placed(0)]) == [placed(0).place]


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite://data", "sqlite:////dev/null/store"])
async def test_a_url_without_a_usable_folder_is_refused(url: str) -> None:
    """Naming the setting."""
    with pytest.raises(SettingsError, match=r"store\.url"):
        await connect(StoreSettings(url=url), Metrics(), ManualClock()).open()


class HastyClock(ManualClock):
    """An hour passes between any two looks at it."""

    def monotonic(self) -> float:
        """Return an hour more than the last time."""
        self.advance(3600)
        return super().monotonic()


async def test_a_search_that_takes_too_long_is_retry(store: Store, settings: StoreSettings) -> None:
    """It does not hold up the searches behind it for longer than the timeout."""
    await store.add_matches([make_match(number) for number in range(5000)])
    async with connect(settings, Metrics(), HastyClock()) as hasty:
        with pytest.raises(Retry, match="interrupted"):
            await hasty.tally_matches(0, 2**62)
        assert await hasty.find_alert("x") is None


@pytest.mark.parametrize("after", [None, Position(NOW, "x")])
@pytest.mark.parametrize("sort", AlertSort)
@pytest.mark.parametrize("statuses", [(), (Status.OPEN, Status.ACKNOWLEDGED)])
async def test_a_list_of_alerts_is_found_without_reading_their_documents(
    store: Store, settings: StoreSettings, sort: AlertSort, statuses: tuple[Status, ...], after: Position | None
) -> None:
    """Whatever the order and the status, an index alone says which alerts are on the page, and how many there are."""
    await store.put_alerts([(make_alert(), None)])
    where, values = tables.alert_filter(AlertQuery(statuses=statuses, sites=("a",), levels=(Level.HIGH,), since=NOW))
    search = queries.Search("alerts", tables.SORTED_BY[sort], where, values, after, 50)
    assert _unindexed(settings, search) == []


async def test_an_alerts_matches_are_found_without_reading_their_events(store: Store, settings: StoreSettings) -> None:
    """The page of an alert with a million matches reads the events of those that it shows."""
    await store.add_matches([placed(1)])
    where, values = tables.match_filter(MatchQuery("key", Place("l", 0, 1), Place("l", 0, 9)))
    assert _unindexed(settings, queries.Search("matches", "time", where, values, None, 50)) == []


def _unindexed(settings: StoreSettings, search: queries.Search) -> list[str]:
    """Return the steps of the search's statements that walk rows other than those of the page."""
    (path,) = Path(settings.url.removeprefix("sqlite:///")).glob(f"{search.kind}-*.db")
    page = [*search.values, *(search.after or ()), 51]
    with closing(sqlite3.connect(path)) as connection:
        steps = [
            row[3]
            for statement, values in ((search.counting(), search.values), (search.selecting(), page))
            for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
        ]
    allowed = ("COVERING INDEX", "rowid=?", "LIST SUBQUERY", "USE TEMP B-TREE", "REUSE LIST")
    return [step for step in steps if not any(part in step for part in allowed)]


async def test_a_file_of_an_older_schema_is_completed(settings: StoreSettings, store: Store) -> None:
    """What it holds stays, and the events of what is added to it are known."""
    await store.add_matches([placed(0)])
    path = Path(settings.url.removeprefix("sqlite:///")) / "matches-2026.09.db"
    with closing(sqlite3.connect(path)) as file:
        file.executescript("DROP TABLE named; PRAGMA user_version = 0;")
    async with connect(settings, Metrics(), ManualClock()) as later:
        assert await later.add_matches([placed(0), placed(1)]) == [EXISTS, CREATED]
        assert await later.known_events([placed(0).event_id, placed(1).event_id]) == {placed(1).event_id}


async def test_what_goes_from_old_is_named_no_more(settings: StoreSettings, store: Store) -> None:
    """Of a detection's and of a correlation's match."""
    far = NOW - 4000 * DAY
    correlated = make_correlated(evidence=make_evidence(bucket=far), received=NOW)
    await store.add_matches([placed(0, time=far), correlated])
    path = Path(settings.url.removeprefix("sqlite:///")) / "matches-old.db"
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT count(*) FROM named").fetchone()[0] == 11
        await store.expire(NOW + 91 * DAY)
        assert file.execute("SELECT count(*) FROM named").fetchone()[0] == 0
        assert file.execute("SELECT count(*) FROM matches").fetchone()[0] == 0
