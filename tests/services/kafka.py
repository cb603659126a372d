"""A real Kafka: one process that is broker and controller (KRaft), without TLS or passwords unless settings ask."""

import socket
import struct
import subprocess
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from uuid import uuid4

from tests.services import jars
from tests.services.process import JAVA_OPTIONS, QUICK, Port, Service, ServiceError

_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "PLAINTEXT",
    "auto.create.topics.enable": "false",
    # One broker: internal topics cannot have three replicas, and few partitions start faster.
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Tests should not wait: neither for more members of a group nor, after a kill, for the old session's end.
    "group.initial.rebalance.delay.ms": "0",
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
}
_LOGGING = ("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true")
_METADATA, _FIND_COORDINATOR, _VERSION, _CORRELATION = 3, 10, 1, 7
_ANSWER_SECONDS = 5.0


class Kafka(Service):
    """A broker at `bootstrap`. Topics are not made by themselves, and nothing is flushed by itself (see `settings`).

    `settings` are broker settings (server.properties) over the defaults above; a listener named in them replaces ours.
    """

    name = "kafka"

    def __init__(self, work: Path, settings: Mapping[str, str] | None = None, *, quick: bool = True) -> None:
        """Reserve its ports; nothing is written before `start`."""
        super().__init__(work, quick=quick)
        self._control = Port()
        self._settings = dict(settings or {})

    @property
    def bootstrap(self) -> str:
        """The address that clients start from, "127.0.0.1:PORT"."""
        return f"127.0.0.1:{self.port}"

    def _command(self) -> list[str]:
        classpath = ":".join(map(str, jars.resolve("kafka", jars.KAFKA)))
        properties = self._write_properties()
        if not (self.work / "kafka" / "meta.properties").exists():
            self._format(classpath, properties)
        return [jars.JAVA, *self._options, *_LOGGING, "-cp", classpath, "kafka.Kafka", str(properties)]

    def _write_properties(self) -> Path:
        control = f"127.0.0.1:{self._control.number}"
        settings = _SETTINGS | {
            "listeners": f"PLAINTEXT://{self.bootstrap},CONTROLLER://{control}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap}",
            "controller.quorum.bootstrap.servers": control,
            "log.dirs": str(self.work / "kafka"),
        }
        path = self.work / "kafka.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in (settings | self._settings).items()))
        return path

    def _format(self, classpath: str, properties: Path) -> None:
        cluster = urlsafe_b64encode(uuid4().bytes).decode().rstrip("=")
        command = [jars.JAVA, *JAVA_OPTIONS, QUICK, "-cp", classpath, "kafka.tools.StorageTool", "format"]
        command += [f"--cluster-id={cluster}", "--config", str(properties), "--standalone"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
        if done.returncode:
            raise ServiceError(f"kafka's storage was not formatted:\n{done.stdout}{done.stderr}")

    def _answers(self) -> bool:
        """Tell whether it names a broker, and a coordinator for a group: it makes the topic of commits for that first."""
        brokers = self._ask(_METADATA, struct.pack(">i", 0), ">i")  # no topic
        if not brokers or not brokers[0]:
            return False
        answer = self._ask(_FIND_COORDINATOR, struct.pack(">h5sb", 5, b"ready", 0), ">ih")
        return answer is not None and answer[1] == 0  # throttle time, error

    def _ask(self, what: int, body: bytes, answer: str) -> tuple[int, ...] | None:
        """Return the beginning of the answer to a request of the Kafka protocol; None where there is none."""
        request = struct.pack(">hhih", what, _VERSION, _CORRELATION, -1) + body  # no client id
        size = struct.calcsize(answer)
        with socket.create_connection(("127.0.0.1", self.port), _ANSWER_SECONDS) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            read = connection.makefile("rb").read(8 + size)  # size and correlation stand before it
        return struct.unpack(answer, read[8:]) if len(read) == 8 + size else None
