"""What a message costs on its way in: CPU from the socket's bytes to the wire form of its event."""

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from collectors.framing import Framer
from collectors.ship import Intake, Shipper
from collectors.sources import Options, read
from collectors.syslog import parse
from soc.clock import SystemClock
from soc.events import to_wire
from soc.metrics import Metrics
from soc.settings import Settings
from soc.testing import NOW
from tests.bench.figures import Figure
from tests.collectors.fakes import FakeBus

COUNT = 50_000
RUNS = 3
CHUNK = 65_536

TEXTS = (
    ("app", "request {n} done in 12 ms, as usual, for customer 4711 with nothing at all to report about it"),
    ("sshd", "Failed password for invalid user admin{n} from 203.0.113.7 port 51514 ssh2"),
    (
        "nginx",
        '203.0.113.7 - - [22/Nov/2026:10:00:00 +0700] "GET /products?id={n} HTTP/1.1" 200 512 "-" "Mozilla/5.0 (X11)"',
    ),
)


def run() -> list[Figure]:
    """Return CPU microseconds a message."""
    mixed = [_message(number, *TEXTS[number % len(TEXTS)]) for number in range(COUNT)]
    figures = [
        Figure("octet-counted RFC 5424, framing alone", _cpu(lambda: _frame(mixed)), "us"),
        Figure("framing, parsing and encoding, mixed messages", _cpu(lambda: _whole(mixed)), "us", 60, "most"),
        Figure("the same through Intake and Shipper, without a bus", _cpu(lambda: _prepare(mixed)), "us", 80, "most"),
    ]
    for program, text in TEXTS:
        messages = [_message(number, program, text) for number in range(COUNT)]
        figures.append(Figure(f"parsing and encoding, {program}", _cpu(partial(_parse, messages)), "us"))
    return [*figures, _json()]


def _message(number: int, program: str, text: str) -> bytes:
    return f"<134>1 2026-09-21T14:13:20.123456Z web{number % 50} {program} 4711 - - {text.format(n=number)}".encode()


def _cpu(work: Callable[[], object]) -> float:
    """Return the least CPU time a message, in microseconds, of several runs."""
    best = float("inf")
    for _ in range(RUNS):
        begun = time.process_time()
        work()
        best = min(best, time.process_time() - begun)
    return best / COUNT * 1e6


def _stream(messages: Sequence[bytes]) -> list[bytes]:
    data = b"".join(b"%d %s" % (len(message), message) for message in messages)
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]


def _frame(messages: Sequence[bytes]) -> int:
    framer = Framer(CHUNK)
    return sum(len(framer.feed(chunk)) for chunk in _stream(messages))


def _whole(messages: Sequence[bytes]) -> None:
    framer = Framer(CHUNK)
    for chunk in _stream(messages):
        _parse([item for item in framer.feed(chunk) if isinstance(item, bytes)])


def _parse(messages: Sequence[bytes]) -> None:
    for message in messages:
        to_wire(parse(message, received=NOW, site="district-1"))


def _prepare(messages: Sequence[bytes]) -> None:
    metrics = Metrics()
    intake = Intake(COUNT, metrics)
    shipper = Shipper(Settings(), FakeBus(), intake, metrics, SystemClock())
    framer = Framer(CHUNK)
    for chunk in _stream(messages):
        intake.put(framer.feed(chunk), NOW, "tcp", "192.0.2.1")
    shipper._prepare(intake.left())


def _json() -> Figure:
    line = b'{"Channel":"Security","EventID":4625,"Computer":"dc1","TimeCreated":"2026-09-21T14:13:20Z","TargetUserName":"u","IpAddress":"203.0.113.7"}\n'
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.jsonl"
        path.write_bytes(line * COUNT)
        return Figure("a Windows record from JSON lines", _cpu(lambda: list(read(path, Options(site="s")))), "us")
