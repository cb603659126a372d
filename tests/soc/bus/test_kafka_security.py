"""Kafka behind TLS and passwords: the settings do what they say, on a real broker that asks for both."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soc.bus import connect
from soc.bus.base import MATCHES, Message, TopicPartition
from soc.clock import SystemClock
from soc.errors import Retry
from soc.metrics import Metrics
from soc.settings import BusSettings
from tests.services.kafka import Kafka
from tests.services.process import Port
from tests.soc.bus.contract import behind, drain

LOGIN = 'org.apache.kafka.common.security.plain.PlainLoginModule required user_collect="secret";'


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for the broker and for us, with its key in the same file."""
    folder = tmp_path_factory.mktemp("certificate")
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2", "-nodes"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
    command: list[str | Path] = [
        "openssl",
        "req",
        "-x509",
        *key,
        "-keyout",
        folder / "key",
        "-out",
        folder / "cert.pem",
        *subject,
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    both = folder / "both.pem"
    both.write_bytes((folder / "key").read_bytes() + (folder / "cert.pem").read_bytes())
    both.with_name("trusted.pem").write_bytes((folder / "cert.pem").read_bytes())
    return both


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, certificate: Path) -> Iterator[str]:
    """The address of a listener that wants our certificate and a password."""
    broker, port = Kafka(tmp_path_factory.mktemp("secured")), Port()
    listeners = f"PLAINTEXT://{broker.bootstrap},SECURE://127.0.0.1:{port.number}"
    broker._settings |= {
        "listeners": f"{listeners},CONTROLLER://127.0.0.1:{broker._control.number}",
        "advertised.listeners": listeners,
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(certificate),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificate.with_name("trusted.pem")),
        "listener.name.secure.ssl.client.auth": "required",
        "sasl.enabled.mechanisms": "PLAIN",
        "listener.name.secure.plain.sasl.jaas.config": LOGIN,
    }
    with broker:
        yield f"kafka://127.0.0.1:{port.number}"


@pytest.fixture
def settings(secured: str, certificate: Path) -> dict[str, Any]:
    trusted = str(certificate.with_name("trusted.pem"))
    return {
        "url": secured,
        "security": "SASL_SSL",
        "sasl_mechanism": "PLAIN",
        "username": "collect",
        "password": "secret",
        "ca_file": trusted,
        "certificate_file": trusted,
        "key_file": str(certificate),
        "publish_timeout": 3.0,
    }


async def test_password_and_certificate_open_the_door(settings: dict[str, Any]) -> None:
    """Publish, read, group and commit all go through TLS with our certificate and password."""
    patient = {**settings, "publish_timeout": 30.0}
    async with connect(BusSettings.model_validate(patient), Metrics(), SystemClock()) as bus:
        await bus.publish(MATCHES, [Message(b"k", b"v", (), 0)])
        async with bus.consumer("g", [MATCHES]) as consumer:
            records = await drain(consumer, 1)
            await consumer.commit(behind(records))
        assert sum((await bus.lag("g", MATCHES)).values()) == 0
        assert [record.value for record in await bus.read(TopicPartition(MATCHES, 0), 0, 9)] == [b"v"]


@pytest.mark.parametrize("wrong", [{"password": "guess"}, {"ca_file": ""}, {"certificate_file": "", "key_file": ""}])
async def test_nothing_else_does(settings: dict[str, Any], wrong: dict[str, str]) -> None:
    """A wrong password, an authority that is not trusted, no certificate: no connection, told in time."""
    async with asyncio.timeout(60):
        with pytest.raises(Retry):
            await connect(BusSettings.model_validate({**settings, **wrong}), Metrics(), SystemClock()).open()
