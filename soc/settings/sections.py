"""The sections of the settings, but for the correlator's and the receivers of alerts."""

from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, field_validator

from soc.settings.base import Address, LevelName, Port, Section, Url


class BusSettings(Section):
    """The bus."""

    url: str = "sqlite:///data/bus"
    """sqlite:///FOLDER or kafka://HOST:PORT[,HOST:PORT...]."""
    partitions: Annotated[int, Field(ge=1, le=1024)] = 4
    """Partitions of soc.events and soc.hits where they are created; other topics get as many, soc.national two."""
    replication: Annotated[int, Field(ge=1, le=9)] = 1
    """Kafka: replicas of each topic that we create."""
    retention_hours: Annotated[int, Field(ge=1)] = 72
    """How long records are kept."""
    hits_retention_hours: Annotated[int, Field(ge=0)] = 0
    """How long soc.hits is kept; 0: what correlations need, max_timespan_hours + retention_hours + lateness_seconds."""
    retention_bytes: Annotated[int, Field(ge=0)] = 5_000_000_000
    """How many bytes a topic keeps, all partitions together (Kafka: divided among them)."""
    hits_retention_bytes: Annotated[int, Field(ge=0)] = 0
    """How many bytes soc.hits keeps; 0: as many as any topic. A hit takes 110, alone in its record 230."""
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


class StoreSettings(Section):
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


class CollectSettings(Section):
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


class AlertSettings(Section):
    """Grouping."""

    window_seconds: Annotated[int, Field(ge=1)] = 3600
    """A pause longer than this between two matches of one alert key opens a new alert."""


class User(Section):
    """Somebody who may sign in to the console."""

    name: str
    """What the audit trail calls them."""
    password_hash: SecretStr
    """As `soc password` prints it (argon2)."""


class ConsoleSettings(Section):
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


class NationalSettings(Section):
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


class HealthSettings(Section):
    """/metrics, /health/live and /health/ready of each process."""

    host: str = "127.0.0.1"
    """The address that all three listen on."""
    collect: Port = 9101
    """The collectors' port."""
    correlate: Port = 9102
    """The correlator's port."""
    alert: Port = 9103
    """Alerting's port."""
