"""Real sockets on loopback: what is sent arrives on the bus, slows its sender, or is counted."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from collectors.stage import CollectStage
from soc.bus import connect
from soc.bus.base import EVENTS
from soc.clock import SystemClock
from soc.errors import AlreadyRunning, SettingsError, Stop
from soc.metrics import Metrics
from soc.settings import Address, BusSettings, Settings
from tests.collectors.fakes import FakeBus, SetClock, counted, eventually, make_settings


@asynccontextmanager
async def running(settings: Settings, bus: FakeBus, metrics: Metrics) -> AsyncIterator[CollectStage]:
    """A stage that listens for the length of the block, and is then stopped and drained."""
    stage = CollectStage(settings, bus, metrics, SetClock())
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(stage.run(stop))
        await eventually(lambda: stage.addresses["tcp"] and stage.unready() is None)
        try:
            yield stage
        finally:
            stop.set()


async def tcp(address: Address, *chunks: bytes) -> None:
    """Send over one connection, and close it."""
    _, writer = await asyncio.open_connection(address.host, address.port)
    for chunk in chunks:
        writer.write(chunk)
        await writer.drain()
    writer.close()
    await writer.wait_closed()


def udp(address: Address, *messages: bytes) -> None:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as sock:
        for message in messages:
            sock.sendto(message, (address.host, address.port))


def line(text: str) -> bytes:
    return f"<38>1 2026-09-01T00:00:00Z web01 sshd 7 - - {text}".encode()


async def test_each_transport_and_address_family(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """UDP and TCP, IPv4 and IPv6, both framings and both formats reach the bus, keyed by site and host."""
    async with running(make_settings(tmp_path), bus, metrics) as stage:
        for number, address in enumerate(stage.addresses["udp"]):
            udp(address, line(f"udp{number}"))
        for number, address in enumerate(stage.addresses["tcp"]):
            message = line(f"counted{number}")
            await tcp(address, b"%d %s" % (len(message), message), b"<38>Sep  1 07:00:00 web01 sshd: tcp%d\n" % number)
        await eventually(lambda: len(bus.topics.get(EVENTS, ())) == 6)
    events = {event.fields["message"]: event for event in bus.events()}
    assert set(events) == {"udp0", "udp1", "counted0", "counted1", "tcp0", "tcp1"}
    assert {message.key for message in bus.topics[EVENTS]} == {b"district-1/web01"}
    assert len({event.id for event in events.values()}) == 6
    assert {event.time for event in events.values()} == {1_788_220_800_000_000}
    assert events["udp0"].source["address"] == "127.0.0.1"
    assert events["udp1"].source == {
        "type": "syslog",
        "transport": "udp",
        "address": "::1",
        "collector": "collector-1",
        "format": "rfc5424",
    }
    assert counted(metrics, "events_published_total", transport="udp") == 2
    assert counted(metrics, "messages_received_total", transport="tcp") == 4


async def test_a_dual_stack_socket_names_ipv4_senders(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """On [::] an IPv4 sender arrives as ::ffff:127.0.0.1, and is told as 127.0.0.1."""
    anywhere = (Address(host="::", port=0),)
    async with running(make_settings(tmp_path, udp=anywhere, tcp=anywhere), bus, metrics) as stage:
        udp(Address(host="127.0.0.1", port=stage.addresses["udp"][0].port), b"<13>u")
        await tcp(Address(host="127.0.0.1", port=stage.addresses["tcp"][0].port), b"<13>t\n")
        await eventually(lambda: len(bus.events()) == 2)
    assert {event.source["address"] for event in bus.events()} == {"127.0.0.1"}
    assert {event.host for event in bus.events()} == {"127.0.0.1"}


async def test_bad_input_is_counted_and_kept(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """Truncated, oversized, wrongly counted, empty and malformed messages are dead letters with the reason."""
    settings = make_settings(tmp_path)
    settings = settings.model_copy(update={"bus": BusSettings(max_message_bytes=1024)})
    long = b"<13>" + b"x" * 2000
    async with running(settings, bus, metrics) as stage:
        address = stage.addresses["tcp"][0]
        await tcp(address, b"100 <13>cut short")
        await tcp(address, b"%d %s" % (len(long), long), b"7 <13>abcdef\n<34>1 cut\n<13>\x80\x81\xff \0 fine\n")
        udp(stage.addresses["udp"][0], long, b"", b"<13>good")
        await eventually(lambda: len(bus.letters()) == 6 and len(bus.events()) == 3)
    letters = bus.letters()
    reasons = sorted(letter.reason for letter in letters)
    assert reasons == ["empty", "malformed_header", "octet_count", "oversized", "oversized", "truncated"]
    assert {letter.size for letter in letters if letter.reason == "oversized"} == {2004}
    assert next(letter for letter in letters if letter.reason == "truncated").input() == b"<13>cut short"
    assert all(letter.source["address"] == "127.0.0.1" for letter in letters)
    assert counted(metrics, "deadletters_total", stage="collect", reason="oversized") == 2
    assert b"<13>\x80\x81\xff \0 fine" in {event.raw_bytes() for event in bus.events()}


async def test_tcp_senders_wait_while_the_bus_is_away(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """Reading stops at the bound, the sender blocks, and when the bus is back nothing is missing."""
    bus.away = True
    async with running(make_settings(tmp_path, pending_messages=500), bus, metrics) as stage:
        address = stage.addresses["tcp"][0]
        _, writer = await asyncio.open_connection(address.host, address.port)
        body = b"".join(line(f"{number} " + "x" * 4000) + b"\n" for number in range(5000))
        writer.write(body)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), 1)
        await eventually(lambda: counted(metrics, "messages_received_total", transport="tcp") >= 500)
        await eventually(lambda: stage.unready() == "the bus takes nothing: away")
        assert counted(metrics, "messages_received_total", transport="tcp") < 2000
        bus.away = False
        await writer.drain()
        writer.close()
        await eventually(lambda: len(bus.topics.get(EVENTS, ())) == 5000, 100)
        assert stage.unready() is None
    assert [message.split()[0] for message in bus.messages()] == [str(number) for number in range(5000)]
    assert counted(metrics, "messages_dropped_total", transport="tcp", cause="stopped") == 0


async def test_udp_loss_is_counted(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """What UDP loses while the bus is away is the newest, and every message is received, dropped by us or by the kernel."""
    bus.away = True
    settings = make_settings(tmp_path, pending_messages=100, receive_buffer=65_536)
    async with running(settings, bus, metrics) as stage:
        udp(stage.addresses["udp"][0], *[line(str(number)) for number in range(5000)])
        await asyncio.sleep(1.2)
        bus.away = False
        await eventually(lambda: len(bus.topics.get(EVENTS, ())) == 100)
    assert [int(message) for message in bus.messages()] == list(range(100))
    full = counted(metrics, "messages_dropped_total", transport="udp", cause="full")
    kernel = counted(metrics, "messages_dropped_total", transport="udp", cause="kernel")
    assert 100 + full + kernel == 5000


async def test_the_kernels_drops_are_counted(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """A burst while the process is busy: what was lost equals the exported counter."""
    settings = make_settings(tmp_path, pending_messages=100_000, receive_buffer=65_536)
    async with running(settings, bus, metrics) as stage:
        udp(stage.addresses["udp"][0], *[line("x" * 500)] * 3000)  # nothing reads meanwhile: this blocks the loop
        await asyncio.sleep(0.3)
    lost = counted(metrics, "messages_dropped_total", transport="udp", cause="kernel")
    assert lost > 0
    assert len(bus.events()) + lost == 3000


@pytest.fixture
def patient_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop that takes its time: a machine may be too busy to read within a tenth of a second what is in the sockets."""
    monkeypatch.setattr("collectors.stage.DRAIN_SECONDS", 60.0)
    monkeypatch.setattr("collectors.stage._LAST_WORDS", 2.0)


@pytest.mark.usefixtures("patient_stop")
async def test_the_stop_drains_what_was_received(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """What is in the sockets when the stop comes is published; an unfinished message is a dead letter."""
    async with running(make_settings(tmp_path), bus, metrics) as stage:
        address = stage.addresses["tcp"][1]
        _, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"".join(line(str(number)) + b"\n" for number in range(2000)) + b"50 <13>unfinished")
        await eventually(lambda: not writer.transport.get_write_buffer_size())
        udp(stage.addresses["udp"][0], *[line("u")] * 1000)
    assert len(bus.events()) == 3000
    assert [letter.reason for letter in bus.letters()] == ["truncated"]
    writer.close()


async def test_the_stop_is_bounded(
    bus: FakeBus, metrics: Metrics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bus that stays away does not hold up the stop; what is lost is counted."""
    monkeypatch.setattr("collectors.stage.DRAIN_SECONDS", 0.5)
    bus.away = True
    async with running(make_settings(tmp_path), bus, metrics) as stage:
        await tcp(stage.addresses["tcp"][0], b"<13>a\n<13>b\n")
        await eventually(lambda: counted(metrics, "messages_received_total", transport="tcp") == 2)
    assert counted(metrics, "messages_dropped_total", transport="tcp", cause="stopped") == 2


async def test_what_lies_unread_at_the_stop_is_counted(
    bus: FakeBus, metrics: Metrics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sender that was made to wait has bytes in the kernel; plain TCP cannot hand them back, so they are counted."""
    monkeypatch.setattr("collectors.stage.DRAIN_SECONDS", 0.5)
    bus.away = True
    async with running(make_settings(tmp_path, pending_messages=500), bus, metrics) as stage:
        address = stage.addresses["tcp"][0]
        _, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"".join(line("x" * 4000) + b"\n" for _ in range(2000)))
        await eventually(lambda: counted(metrics, "messages_received_total", transport="tcp") >= 500)
    assert counted(metrics, "bytes_unread_total", transport="tcp") > 0
    writer.transport.abort()


async def test_too_many_connections_are_refused(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """Beyond the limit, whichever the address, one is closed at once and counted; those that are open work on."""
    async with running(make_settings(tmp_path, max_connections=2), bus, metrics) as stage:
        address, other = stage.addresses["tcp"]
        streams = [await asyncio.open_connection(each.host, each.port) for each in (other, address)]
        await eventually(lambda: counted(metrics, "connections_open", transport="tcp") == 2)
        reader, writer = await asyncio.open_connection(address.host, address.port)
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        streams[1][1].write(b"<13>still here\n")
        await eventually(lambda: bus.messages() == ["still here"])
        assert counted(metrics, "connections_refused_total", transport="tcp") == 1
        for _, each in streams:
            each.close()


async def test_silent_connections_are_closed(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """After idle_timeout the connection ends; what it had begun is a dead letter."""
    async with running(make_settings(tmp_path, idle_timeout=2.0), bus, metrics) as stage:
        address = stage.addresses["tcp"][0]
        reader, writer = await asyncio.open_connection(address.host, address.port)
        writer.write(b"50 <13>half")
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()
        await eventually(lambda: [letter.reason for letter in bus.letters()] == ["truncated"])
        assert counted(metrics, "connections_open", transport="tcp") == 0


async def test_a_bus_that_stops_ends_the_stage(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """Stop from the bus comes out as it is, not in a group."""
    bus.trouble = [Stop("disk gone")]
    stage = CollectStage(make_settings(tmp_path), bus, metrics, SystemClock())

    async def poke() -> None:
        await eventually(lambda: stage.addresses["tcp"])
        await tcp(stage.addresses["tcp"][0], b"<13>a\n")

    with pytest.raises(Stop, match="disk gone"):
        await asyncio.gather(stage.run(asyncio.Event()), poke())
    assert stage.unready() == "not listening"


async def test_an_address_in_use_is_named(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """The error names the setting, the address and a remedy; nothing stays bound."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = Address(host="127.0.0.1", port=taken.getsockname()[1])
        stage = CollectStage(make_settings(tmp_path, tcp=(address,)), bus, metrics, SystemClock())
        with pytest.raises(SettingsError, match=rf"collect\.tcp: {address}: Address already in use"):
            await stage.run(asyncio.Event())


async def test_a_missing_ipv6_is_no_failure(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """An IPv6 address that the machine does not have is left out while another is heard."""
    addresses = (Address(host="127.0.0.1", port=0), Address(host="2001:db8::dead", port=0))
    async with running(make_settings(tmp_path, tcp=addresses), bus, metrics) as stage:
        assert len(stage.addresses["tcp"]) == 1
    stage = CollectStage(make_settings(tmp_path, tcp=addresses[1:]), bus, metrics, SystemClock())
    with pytest.raises(SettingsError, match="none of these addresses"):
        await stage.run(asyncio.Event())


async def test_two_collectors_do_not_share_a_door(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """The second is refused with the remedy, and the first one's door stays."""
    settings = make_settings(tmp_path)
    async with running(settings, bus, metrics):
        with pytest.raises(AlreadyRunning, match="end it first"):
            await CollectStage(settings, bus, metrics, SystemClock()).run(asyncio.Event())
        assert stat.S_IMODE((tmp_path / "door.sock").stat().st_mode) == 0o600
    assert not (tmp_path / "door.sock").exists()


async def test_a_door_whose_folder_cannot_be_made_is_named(bus: FakeBus, metrics: Metrics, tmp_path: Path) -> None:
    """The setting is named, instead of a traceback."""
    (tmp_path / "file").write_bytes(b"")
    for door in ("file/door.sock", "file/folder/door.sock"):
        stage = CollectStage(make_settings(tmp_path, door=str(tmp_path / door)), bus, metrics, SystemClock())
        with pytest.raises(SettingsError, match=r"collect\.door"):
            await stage.run(asyncio.Event())


@pytest.mark.usefixtures("patient_stop")
async def test_on_the_embedded_bus(metrics: Metrics, tmp_path: Path) -> None:
    """The same through SQLite: what was sent can be read from the topic."""
    settings = make_settings(tmp_path).model_copy(update={"bus": BusSettings(url=f"sqlite:///{tmp_path}/bus")})
    async with connect(settings.bus, metrics, SystemClock()) as bus:
        stage, stop = CollectStage(settings, bus, metrics, SystemClock()), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(stage.run(stop))
            await eventually(lambda: stage.addresses["tcp"])
            await tcp(stage.addresses["tcp"][0], b"".join(line(str(n)) + b"\n" for n in range(3000)))
            stop.set()
        assert sum(ends.high for ends in (await bus.ends(EVENTS)).values()) == 3000
