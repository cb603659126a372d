"""Made-up events for a measurement where there are no recordings: Windows and Linux, a fleet's usual repetition."""

import random
from collections.abc import Iterator
from typing import Any, Final

import orjson

from soc import taxonomy
from soc.events import LogSource

COUNT: Final = 20_000

_SYSMON: Final = "Microsoft-Windows-Sysmon/Operational"
_PROGRAMS: Final = ("office", "client", "browser", "mail", "agent", "reader", "updater", "printing", "accounts")
_COMMANDS: Final = (
    "",
    " --type=renderer --id={n}",
    " {home}\\report{n}.txt",
    " --config {home}\\client.ini",
    " /embedding",
)
_SSHD: Final = LogSource("linux", None, "sshd")


def sample(count: int = COUNT) -> Iterator[tuple[LogSource, bytes]]:
    """Yield events, each as its logsource and the JSON of its fields: the same ones every time."""
    chance = random.Random(2026)  # noqa: S311 - a measurement is to be repeatable
    kinds = (_process, _process, _connection, _image, _registry, _logon, _sshd)
    for number in range(count):
        fields = chance.choice(kinds)(chance, number)
        logsource = taxonomy.windows(fields) if "Channel" in fields else _SSHD
        yield logsource, orjson.dumps(fields)


def _common(chance: random.Random, number: int, event_id: int) -> dict[str, Any]:
    user = f"user{chance.randrange(200):03}"
    return {
        "Channel": _SYSMON,
        "EventID": event_id,
        "Computer": f"PC-{chance.randrange(300):03}.province.example",
        "EventRecordID": 1_000_000 + number,
        "UtcTime": f"2026-11-22 08:{number // 60_000 % 60:02}:{number // 1000 % 60:02}.{number % 1000:03}",
        "ProcessGuid": f"{{{chance.getrandbits(128):032x}}}",
        "ProcessId": chance.randrange(4, 30_000, 4),
        "Image": f"C:\\Program Files\\Vendor\\{chance.choice(_PROGRAMS)}.exe",
        "User": f"PROVINCE\\{user}",
    }


def _process(chance: random.Random, number: int) -> dict[str, Any]:
    fields = _common(chance, number, 1)
    home = f"C:\\Users\\{fields['User'][9:]}\\Documents"
    command = chance.choice(_COMMANDS).format(home=home, n=chance.randrange(50))
    parent = chance.choice(_PROGRAMS)
    return {
        **fields,
        "CommandLine": f'"{fields["Image"]}"{command}',
        "CurrentDirectory": f"{home}\\",
        "IntegrityLevel": chance.choice(("Medium", "System", "High")),
        "Hashes": f"SHA256={chance.randrange(500):064X},IMPHASH={chance.randrange(500):032X}",
        "OriginalFileName": fields["Image"].rpartition("\\")[2],
        "Company": "Vendor",
        "ParentImage": f"C:\\Program Files\\Vendor\\{parent}.exe",
        "ParentCommandLine": f"{parent}.exe -s {chance.randrange(20)}",
    }


def _connection(chance: random.Random, number: int) -> dict[str, Any]:
    return {
        **_common(chance, number, 3),
        "Protocol": "tcp",
        "Initiated": "true",
        "SourceIp": f"10.1.2.{chance.randrange(250)}",
        "SourcePort": chance.randrange(49_152, 65_536),
        "DestinationIp": f"10.3.4.{chance.randrange(250)}",
        "DestinationPort": chance.choice((443, 443, 80, 53, 8443)),
        "DestinationHostname": f"host{chance.randrange(100)}.example",
    }


def _image(chance: random.Random, number: int) -> dict[str, Any]:
    return {
        **_common(chance, number, 7),
        "ImageLoaded": f"C:\\Windows\\System32\\library{chance.randrange(400)}.dll",
        "Signed": "true",
        "SignatureStatus": "Valid",
    }


def _registry(chance: random.Random, number: int) -> dict[str, Any]:
    return {
        **_common(chance, number, 13),
        "EventType": "SetValue",
        "TargetObject": f"HKLM\\SOFTWARE\\Vendor\\Product{chance.randrange(300)}\\State",
        "Details": f"DWORD (0x{chance.randrange(16):08x})",
    }


def _logon(chance: random.Random, number: int) -> dict[str, Any]:
    fields = _common(chance, number, chance.choice((4624, 4624, 4672)))
    return {
        **fields,
        "Channel": "Security",
        "TargetUserName": fields["User"][9:],
        "LogonType": chance.choice((2, 3, 3, 5)),
        "IpAddress": f"10.1.2.{chance.randrange(250)}",
        "LogonProcessName": "Kerberos",
    }


def _sshd(chance: random.Random, _number: int) -> dict[str, Any]:
    user, address = f"user{chance.randrange(200):03}", f"10.5.6.{chance.randrange(250)}"
    port = chance.randrange(1024, 65_536)
    outcome = chance.choice(("Accepted publickey", "Failed password"))
    return {
        "program": "sshd",
        "User": user,
        "SourceIp": address,
        "SourcePort": port,
        "message": f"{outcome} for {user} from {address} port {port} ssh2",
    }
