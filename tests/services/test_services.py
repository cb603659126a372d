"""The real services start, keep what they acknowledged through kill -9, and leave nothing behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from elasticsearch import Elasticsearch

from tests.services import jars
from tests.services.elastic import Elastic
from tests.services.kafka import Kafka
from tests.services.process import Port, Service, ServiceError
from tests.services.shared import ElasticAddress, KafkaAddress

ROOT = Path(__file__).parents[2]
VALUES = [f"record {number}".encode() for number in range(100)]


async def publish(bootstrap: str, topic: str) -> None:
    """Make `topic` and return when the broker has acknowledged VALUES."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        for value in VALUES:
            await producer.send(topic, value)
        await producer.flush()


async def read(bootstrap: str, topic: str) -> list[bytes | None]:
    """Return as many records of `topic` as there are VALUES."""
    async with AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        return [(await consumer.getone()).value for _ in VALUES]


def index(url: str, name: str) -> None:
    """Create one document that is found at once."""
    with Elasticsearch(url) as client:
        client.create(index=name, id="1", document={"message": "Bến Tre"}, refresh=True)


def found(url: str, name: str) -> list[str]:
    """Return the ids of the documents that hold the word "tre"."""
    with Elasticsearch(url) as client:
        answer = client.search(index=name, query={"match": {"message": "tre"}})
        return [hit["_id"] for hit in answer["hits"]["hits"]]


async def test_shared_kafka_gives_back_what_was_produced(kafka_service: KafkaAddress) -> None:
    """Records acknowledged by the run's broker are read back in order."""
    await publish(kafka_service.bootstrap, "services-shared")
    assert await read(kafka_service.bootstrap, "services-shared") == VALUES


def test_shared_elasticsearch_finds_what_was_created(elastic_service: ElasticAddress) -> None:
    """A document created in the run's node is found by a word in it."""
    index(elastic_service.url, "services-shared")
    assert found(elastic_service.url, "services-shared") == ["1"]


async def test_kafka_keeps_acknowledged_records_through_kill(tmp_path: Path) -> None:
    """After kill -9 and a restart the records are there, at the same address; stop leaves no process."""
    with Kafka(tmp_path) as kafka:
        address = kafka.bootstrap
        await publish(address, "kept")
        kafka.restart()
        assert kafka.bootstrap == address
        assert await read(address, "kept") == VALUES
        pid = kafka.pid
    assert kafka.pid is None
    assert not running(pid)


def test_elasticsearch_keeps_acknowledged_documents_through_kill(tmp_path: Path) -> None:
    """After kill -9 and a restart the document is there, at the same address; stop leaves no process."""
    with Elastic(tmp_path) as elastic:
        address = elastic.url
        index(address, "kept")
        elastic.restart()
        assert elastic.url == address
        assert found(address, "kept") == ["1"]
        pid = elastic.pid
    assert elastic.pid is None
    assert not running(pid)


class Sleeper(Service):
    """A service that is ready at once, for what needs no Java."""

    name = "sleeper"
    script = "exec sleep 600"

    def _command(self) -> list[str]:
        return ["sh", "-c", self.script]

    def _answers(self) -> bool:
        return True


class Dying(Sleeper):
    """A service that ends with a reason in its log."""

    script = "echo the disk is full; exit 3"

    def _answers(self) -> bool:
        return False


def state(pid: int | None) -> str:
    """Return the letter of the process's state, as in ps: R, S, D, T (stopped), Z (zombie)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def running(pid: int | None) -> bool:
    """Tell whether a process has this id and is not a zombie."""
    try:
        return state(pid) != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def eventually_gone(pid: int) -> bool:
    """Wait up to a minute for the end of a process that is not our child."""
    deadline = time.monotonic() + 60
    while running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not running(pid)


def test_paused_service_stands_still_and_still_stops(tmp_path: Path) -> None:
    """SIGSTOP freezes the process, and stop ends it nevertheless."""
    with Sleeper(tmp_path) as sleeper:
        sleeper.pause()
        assert sleeper.pid
        assert state(sleeper.pid) == "T"
        sleeper.resume()
        assert state(sleeper.pid) != "T"
        sleeper.pause()
    assert sleeper.pid is None


def test_service_that_ends_tells_its_last_log_lines(tmp_path: Path) -> None:
    """A failed start raises with the exit status and the log, instead of waiting for the bound."""
    with pytest.raises(ServiceError, match=r"(?s)dying ended with 3.*the disk is full"):
        type("Named", (Dying,), {"name": "dying"})(tmp_path).start()


def test_service_is_started_once_at_a_time(tmp_path: Path) -> None:
    """A second start while it runs is refused, so no process is lost sight of."""
    with Sleeper(tmp_path) as sleeper, pytest.raises(ServiceError, match="runs already"):
        sleeper.start()


def test_service_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    """After kill -9 of the owner, in whose thread-pool thread it was started, its service ends."""
    script = (
        "import sys, time; from concurrent.futures import ThreadPoolExecutor; from pathlib import Path\n"
        "from tests.services.test_services import Sleeper\n"
        f"sleeper = Sleeper(Path({str(tmp_path)!r}))\n"
        "with ThreadPoolExecutor() as pool: pool.submit(sleeper.start).result()\n"
        "print(sleeper.pid, flush=True); time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout
        pid = int(owner.stdout.readline())
        assert running(pid)
        owner.kill()
    assert eventually_gone(pid)


def test_ports_are_never_shared() -> None:
    """Two reservations never name one port, and a port comes back when its object is gone."""
    ports = [Port() for _ in range(200)]
    assert len({port.number for port in ports}) == 200


CONFTEST = "from tests.conftest import kafka_service, pytest_configure, pytest_unconfigure\n"
INNER_TEST = """
import os, time
from pathlib import Path
import pytest

@pytest.mark.parametrize("number", range(4))
def test_asks(number, kafka_service, tmp_path):
    Path(os.environ["SEEN"], f"{number}-{os.getpid()}").write_text(kafka_service.bootstrap)
    ENDING
"""


def inner_run(folder: Path, ending: str, **environment: str) -> subprocess.Popen[str]:
    """Start pytest with two workers in `folder`; every test notes under `seen` the address that it got."""
    (folder / "seen").mkdir()
    (folder / "pytest.ini").write_text("[pytest]\n")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_inner.py").write_text(INNER_TEST.replace("ENDING", ending))
    environment = {"SEEN": str(folder / "seen"), "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)} | environment
    command = [sys.executable, "-m", "pytest", "-q", "-n2", "-p", "no:cacheprovider", str(folder)]
    return subprocess.Popen(
        command, cwd=folder, env=os.environ | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def notes(folder: Path) -> list[Path]:
    """Wait until a test has noted its address; return all notes."""
    deadline = time.monotonic() + 200
    while not (found := [note for note in (folder / "seen").iterdir() if note.read_text()]):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def left(folder: Path) -> list[int]:
    """Return the running processes whose command line names `folder`."""
    lines = {path.parent.name: path for path in Path("/proc").glob("[0-9]*/cmdline")}
    return [int(pid) for pid, path in lines.items() if running(int(pid)) and names(path, str(folder))]


def names(cmdline: Path, text: str) -> bool:
    """Tell whether the command line has the text; that of a process that just ended has none."""
    try:
        return text.encode() in cmdline.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_workers_share_one_broker_and_a_failed_run_leaves_nothing(tmp_path: Path) -> None:
    """Two workers get one address; when the run has ended, with a failure, so has the broker."""
    with inner_run(tmp_path, "assert number != 3") as run:
        output, _ = run.communicate(timeout=250)
    assert "1 failed, 3 passed" in output
    seen = notes(tmp_path)
    assert len({note.read_text() for note in seen}) == 1
    assert len({note.name.split("-")[1] for note in seen}) == 2
    assert left(tmp_path) == []
    assert list(tmp_path.glob("vonggac-tests-*")) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_interrupted_run_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """After Ctrl-C, and after kill -9 of the pytest controller, the broker ends as well."""
    with inner_run(tmp_path, "time.sleep(600)") as run:
        notes(tmp_path)
        assert any(names(Path(f"/proc/{pid}/cmdline"), "kafka.Kafka") for pid in left(tmp_path))
        run.send_signal(number)
        run.communicate(timeout=200)
    assert all(eventually_gone(pid) for pid in left(tmp_path))


def test_service_that_cannot_start_fails_the_tests(tmp_path: Path) -> None:
    """Without a usable jar cache every test fails with the reason; none is skipped."""
    with inner_run(tmp_path, "pass", XDG_CACHE_HOME="/dev/null") as run:
        output, _ = run.communicate(timeout=200)
    assert "4 errors" in output
    assert "Not a directory" in output
    assert left(tmp_path) == []


def test_module_prints_settings_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    """`python -m tests.services` names where to connect as settings, and leaves nothing after SIGINT."""
    command = [sys.executable, "-m", "tests.services", "--work", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        lines = [process.stdout.readline(), process.stdout.readline()]
        process.send_signal(signal.SIGINT)
        assert process.wait(100) == 0
    assert lines[0].startswith("SOC_BUS__URL=kafka://127.0.0.1:")
    assert lines[1].startswith("SOC_STORE__URL=http://127.0.0.1:")
    assert left(tmp_path) == []


def test_kafka_settings_replace_the_defaults(tmp_path: Path) -> None:
    """A setting that a test asks for stands in the broker's file once, instead of ours."""
    broker = Kafka(tmp_path, {"auto.create.topics.enable": "true", "log.retention.ms": "1000"})
    lines = broker._write_properties().read_text().splitlines()
    assert [line for line in lines if line.startswith("auto.create")] == ["auto.create.topics.enable=true"]
    assert "log.retention.ms=1000" in lines


def test_jars_are_resolved_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Another process's answer is used; other coordinates, or a jar that is gone, are resolved again."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jar, asked = tmp_path / "a.jar", []

    def download(coordinates: str) -> list[Path]:
        asked.append(coordinates)
        jar.touch()
        return [jar]

    monkeypatch.setattr(jars, "_download", download)
    assert jars.resolve("a", "a:1") == jars.resolve("a", "a:1") == [jar]
    jars.resolve("a", "a:2")
    jar.unlink()
    jars.resolve("a", "a:2")
    assert asked == ["a:1", "a:2", "a:2"]
