"""One frozen Settings, read once: defaults, then a TOML file, then SOC_* variables (SOC_BUS__URL is bus.url).

Unknown and wrong keys are refused by name. docs/settings.md is generated from the descriptions here.
"""

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import orjson
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from soc.alerts import Level
from soc.errors import SettingsError

PREFIX = "SOC_"
FILE_VARIABLE = "SOC_SETTINGS"
"""Names the TOML file where the command line does not."""

Port = Annotated[int, Field(ge=0, le=65535)]
_HINTS = {"tuple_type": '; want a list; in a variable JSON: ["..."]'}
LevelName = Annotated[str, AfterValidator(lambda name: Level.parse(name) and name)]
Url = Annotated[str, Field(pattern=r"^(https?://.+)?$")]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Address(_Section):
    """Where to listen: "127.0.0.1:514", "[::1]:514", or a table of both parts."""

    host: str
    """A name or an address; IPv6 without brackets."""
    port: Port
    """0 takes a free one."""

    @model_validator(mode="before")
    @classmethod
    def _apart(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not (parts := re.fullmatch(r"\[?(.+?)\]?:([0-9]+)", value)):
            raise ValueError(f"{value!r}: want HOST:PORT, with an IPv6 host in brackets")
        return {"host": parts[1], "port": parts[2]}

    def __str__(self) -> str:
        """Return HOST:PORT, an IPv6 host in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class BusSettings(_Section):
    """The bus."""

    url: str = "sqlite:///data/bus"
    """sqlite:///FOLDER or kafka://HOST:PORT[,HOST:PORT...]."""
    partitions: Annotated[int, Field(ge=1, le=1024)] = 4
    """Partitions of soc.events and soc.hits where they are created; other topics get as many, soc.national two."""
    replication: Annotated[int, Field(ge=1, le=9)] = 1
    """Kafka: replicas of each topic that we create."""
    retention_hours: Annotated[int, Field(ge=1)] = 72
    """How long records are kept."""
    retention_bytes: Annotated[int, Field(ge=0)] = 5_000_000_000
    """How many bytes a topic keeps, all partitions together (Kafka: divided among them)."""
    segment_bytes: Annotated[int, Field(ge=65_536)] = 64_000_000
    """SQLite: a segment file is closed at this size; retention removes whole files."""
    segment_seconds: Annotated[int, Field(ge=1)] = 3600
    """SQLite: a segment file is closed at this age."""
    max_message_bytes: Annotated[int, Field(ge=1024, le=16_000_000)] = 65_536
    """The largest log record that is taken in; a longer one becomes a dead letter."""
    publish_timeout: Annotated[float, Field(gt=0)] = 30.0
    """Seconds that a publish waits for the bus before it reports failure."""
    session_timeout: Annotated[float, Field(gt=0)] = 10.0
    """Seconds of silence after which a consumer's partitions go to others."""
    near_retention: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Publishers slow down when the slowest group's lag fills this share of the retention."""
    on_lost: Literal["stop", "continue"] = "stop"
    """What a stage does when retention has removed records that it had not read."""
    linger: Annotated[float, Field(ge=0)] = 0.005
    """Kafka: seconds that a batch waits for company."""
    prefix: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,60}$")] = ""
    """Kafka: what the names of our topics and groups begin with, where installations share a cluster."""
    security: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = "PLAINTEXT"
    """Kafka: the security protocol."""
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = "SCRAM-SHA-512"
    """Kafka: the SASL mechanism."""
    username: str = ""
    """Kafka: the principal; one a role."""
    password: SecretStr = SecretStr("")
    """Kafka: its password."""
    ca_file: str = ""
    """Kafka: PEM file with the authorities that sign the brokers' certificates."""
    certificate_file: str = ""
    """Kafka: PEM file with our certificate, for mutual TLS."""
    key_file: str = ""
    """Kafka: PEM file with its key."""

    @property
    def max_value_bytes(self) -> int:
        """The largest value that the bus takes: a record whose every byte JSON must escape, in `raw` and in `fields`."""
        return 16 * self.max_message_bytes


class StoreSettings(_Section):
    """The store."""

    url: str = "sqlite:///data/store"
    """sqlite:///FOLDER or http(s)://HOST:9200 for Elasticsearch."""
    retention_days: Annotated[int, Field(ge=1)] = 90
    """Months that ended longer ago than this are removed."""
    prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")] = "soc"
    """Elasticsearch: what our indices' names begin with."""
    replicas: Annotated[int, Field(ge=0, le=9)] = 0
    """Elasticsearch: replicas of each index."""
    timeout: Annotated[float, Field(gt=0)] = 30.0
    """Seconds that a request may take."""
    api_key: SecretStr = SecretStr("")
    """Elasticsearch: the API key."""
    username: str = ""
    """Elasticsearch: the user, where there is no API key."""
    password: SecretStr = SecretStr("")
    """Elasticsearch: the user's password."""
    ca_file: str = ""
    """Elasticsearch: PEM file with the authority that signs its certificate."""


class CollectSettings(_Section):
    """The collectors."""

    name: str = "collector-1"
    """This collector's name: part of the ids of its events, so no two may share one."""
    udp: tuple[Address, ...] = (Address(host="127.0.0.1", port=5514), Address(host="::1", port=5514))
    """Where syslog over UDP is heard. Port 514 needs a privilege."""
    tcp: tuple[Address, ...] = (Address(host="127.0.0.1", port=5514), Address(host="::1", port=5514))
    """Where syslog over TCP is heard."""
    receive_buffer: Annotated[int, Field(ge=65_536)] = 4 * 1024 * 1024
    """Bytes of each UDP socket's receive buffer."""
    max_connections: Annotated[int, Field(ge=1)] = 4096
    """TCP connections at once; more are refused and counted."""
    idle_timeout: Annotated[float, Field(gt=0)] = 3600.0
    """Seconds after which a silent TCP connection is closed."""
    pending_messages: Annotated[int, Field(ge=100)] = 20_000
    """Messages received and not yet on the bus; at this bound TCP senders wait and UDP messages are dropped, counted."""
    batch_messages: Annotated[int, Field(ge=1)] = 1000
    """Messages at most in one publish."""
    batch_seconds: Annotated[float, Field(gt=0)] = 0.05
    """How long a message waits for company."""
    timezone: str = "Asia/Ho_Chi_Minh"
    """The zone of RFC 3164 times, which carry none."""
    max_future_seconds: Annotated[int, Field(ge=0)] = 3600
    """A record's own time further ahead than this is replaced by the time of receipt."""
    door: str = "data/collect.sock"
    """Unix socket where `soc replay` hands events to the running collector. Empty: none."""

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"no time zone is called {name!r}; want a name like Asia/Ho_Chi_Minh or UTC") from None
        return name


class CorrelateSettings(_Section):
    """The correlator."""

    rules: tuple[Path, ...] = ()
    """Files and folders of Sigma rules; none: those that come with Vonggac."""
    placeholders: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Values for `expand`: placeholder name to values."""
    flood_per_minute: Annotated[int, Field(ge=1)] = 5000
    """Matches of one rule in a minute beyond which only samples are stored in full."""
    flood_samples: Annotated[int, Field(ge=1)] = 100
    """Full matches that are kept of each minute of a flood."""


class AlertSettings(_Section):
    """Grouping."""

    window_seconds: Annotated[int, Field(ge=1)] = 3600
    """A pause longer than this between two matches of one alert key opens a new alert."""


class User(_Section):
    """Somebody who may sign in to the console."""

    name: str
    """What the audit trail calls them."""
    password_hash: SecretStr
    """As `soc password` prints it (argon2)."""


class ConsoleSettings(_Section):
    """The triage console and its API."""

    listen: Address = Address(host="127.0.0.1", port=8080)
    """Where it listens. Any address but loopback needs users."""
    users: tuple[User, ...] = ()
    """Who may sign in. Empty: everybody on this machine, as `analyst`."""
    hosts: tuple[str, ...] = ()
    """Host names, beside loopback and `listen`, under which browsers reach it."""
    certificate_file: str = ""
    """PEM file with the certificate for HTTPS."""
    key_file: str = ""
    """PEM file with its key."""


class MailReceiver(_Section):
    """Operators who are told by mail."""

    kind: Literal["mail"] = "mail"
    """Tells receivers apart."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
    """Names the receiver in metrics and in the consumer group."""
    host: str
    """The SMTP server."""
    port: Port = 25
    """Its port."""
    sender: str
    """The address that mails come from."""
    to: tuple[str, ...]
    """The addresses that mails go to."""
    username: str = ""
    """Signs in to the server; empty: without."""
    password: SecretStr = SecretStr("")
    """The password for that."""
    tls: Literal["none", "starttls", "tls"] = "starttls"
    """How the connection is secured."""
    min_level: LevelName = "high"
    """The lowest level that is told."""


class WebhookReceiver(_Section):
    """Operators who are told by an HTTP POST."""

    kind: Literal["webhook"] = "webhook"
    """Tells receivers apart."""
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,30}$")]
    """Names the receiver in metrics and in the consumer group."""
    url: Url
    """Where alerts are posted."""
    headers: dict[str, SecretStr] = Field(default_factory=dict)
    """Sent with each request."""
    min_level: LevelName = "high"
    """The lowest level that is told."""


Receiver = Annotated[MailReceiver | WebhookReceiver, Field(discriminator="kind")]


class NationalSettings(_Section):
    """The National SOC."""

    url: Url = ""
    """Where messages go. Empty: nothing is sent."""
    token: SecretStr = SecretStr("")
    """Sent as a bearer token."""
    province: str = "province"
    """How the National SOC knows us."""
    interval_seconds: Annotated[int, Field(ge=1)] = 3600
    """The length of a summary's interval, aligned to the epoch."""
    heartbeat_seconds: Annotated[float, Field(gt=0)] = 60.0
    """How often a heartbeat is sent."""
    urgent_level: LevelName = "critical"
    """The lowest level of an urgent message."""
    timeout: Annotated[float, Field(gt=0)] = 10.0
    """Seconds that a request may take."""


class HealthSettings(_Section):
    """/metrics, /health/live and /health/ready of each process."""

    host: str = "127.0.0.1"
    """The address that all three listen on."""
    collect: Port = 9101
    """The collectors' port."""
    correlate: Port = 9102
    """The correlator's port."""
    alert: Port = 9103
    """Alerting's port."""


class Settings(_Section):
    """Everything that can be set."""

    site: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$")] = "province"
    """The site that this machine's collectors speak for."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least important log line that is written to standard error."""
    bus: BusSettings = BusSettings()
    store: StoreSettings = StoreSettings()
    collect: CollectSettings = CollectSettings()
    correlate: CorrelateSettings = CorrelateSettings()
    alert: AlertSettings = AlertSettings()
    console: ConsoleSettings = ConsoleSettings()
    receivers: tuple[Receiver, ...] = ()
    """Who is told of alerts; each has its own queue."""
    national: NationalSettings = NationalSettings()
    health: HealthSettings = HealthSettings()

    @field_validator("receivers")
    @classmethod
    def _one_name_each(cls, receivers: tuple[Any, ...]) -> tuple[Any, ...]:
        names = [receiver.name for receiver in receivers]
        if len(set(names)) != len(names):
            raise ValueError(f"two receivers share a name: {sorted(names)}")
        return receivers


def load(file: Path | None, environment: Mapping[str, str]) -> Settings:
    """Return the settings. Raises SettingsError naming each unknown or wrong key, where it stands and the remedy."""
    path = file or (Path(environment[FILE_VARIABLE]) if environment.get(FILE_VARIABLE) else None)
    document = _read(path) if path else {}
    origin = str(path) if path else "the settings"
    for name, value in environment.items():
        if name.startswith(PREFIX) and name not in {FILE_VARIABLE, "SOC_SIGMA_PATH", "SOC_EVENTS_PATH"}:
            _put(document, name, value, origin)
    try:
        return Settings.model_validate(document)
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(error, origin))) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: not TOML: {error}") from None


def _put(document: dict[str, Any], name: str, value: str, origin: str) -> None:
    """Set SOC_BUS__URL=... as document["bus"]["url"]. A value may be JSON where the setting is no plain text."""
    *sections, last = name.removeprefix(PREFIX).lower().split("__")
    field = _field(name, [*sections, last])
    target = document
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            raise SettingsError(f"{name}: {section} is no table in {origin}; write [{section}] there")
    target[last] = _parsed(name, field, value)


def _field(name: str, path: list[str]) -> Any:
    model: Any = Settings
    for part in path:
        fields = getattr(model, "model_fields", {})
        if part not in fields:
            near = difflib.get_close_matches(part, fields, 1)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(fields))}"
            raise SettingsError(f"{name}: there is no setting {'.'.join(path)}{hint}")
        model = fields[part].annotation
    return model


def _parsed(name: str, annotation: Any, value: str) -> Any:
    plain = annotation in (str, SecretStr) or (annotation is Address and value.startswith("["))
    if plain or not value.lstrip().startswith(("[", "{")):
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        raise SettingsError(f"{name}: looks like JSON and is not; quote it as TOML does in a file instead") from None


def _explain(error: ValidationError, origin: str) -> Iterator[str]:
    for each in error.errors():
        key = ".".join(str(part) for part in each["loc"])
        if each["type"] == "extra_forbidden":
            near = difflib.get_close_matches(str(each["loc"][-1]), _names(each["loc"][:-1]), 1)
            yield f"{origin}: there is no setting {key}" + (f"; did you mean {near[0]}?" if near else "")
        else:
            yield f"{origin}: {key}: {each['msg']}{_HINTS.get(each['type'], '')}"


def _names(path: tuple[Any, ...]) -> list[str]:
    model: Any = Settings
    for part in path:
        model = getattr(model, "model_fields", {}).get(part)
        model = getattr(model, "annotation", None)
    return list(getattr(model, "model_fields", {}))
