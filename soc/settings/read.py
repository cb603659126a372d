"""All sections together, read once: defaults, then a TOML file, then variables."""

import difflib
import tomllib
from collections.abc import Iterator, Mapping
from math import ceil
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from soc.errors import SettingsError
from soc.settings.base import Address, Section
from soc.settings.correlate import CorrelateSettings
from soc.settings.receivers import Receiver
from soc.settings.sections import (
    AlertSettings,
    BusSettings,
    CollectSettings,
    ConsoleSettings,
    HealthSettings,
    NationalSettings,
    StoreSettings,
)

PREFIX = "SOC_"
FILE_VARIABLE = "SOC_SETTINGS"
"""Names the TOML file where the command line does not."""

_HINTS = {"tuple_type": '; want a list; in a variable JSON: ["..."]'}


class Settings(Section):
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

    @model_validator(mode="after")
    def _hits_outlast_correlations(self) -> Self:
        """A stage that was away for as long as records are kept can still have its correlations again."""
        given, correlate = self.bus.hits_retention_hours, self.correlate
        needed = correlate.max_timespan_hours + self.bus.retention_hours + ceil(correlate.lateness_seconds / 3600)
        if 0 < given < needed:
            raise ValueError(
                f"bus.hits_retention_hours: {given} is less than correlations may need, {needed}: correlate."
                "max_timespan_hours, bus.retention_hours and correlate.lateness_seconds together; set it to 0, or "
                "lower one of those"
            )
        if not given:
            object.__setattr__(self, "bus", self.bus.model_copy(update={"hits_retention_hours": needed}))
        return self


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
            yield ": ".join(filter(None, (origin, key, each["msg"]))) + _HINTS.get(each["type"], "")


def _names(path: tuple[Any, ...]) -> list[str]:
    model: Any = Settings
    for part in path:
        model = getattr(model, "model_fields", {}).get(part)
        model = getattr(model, "annotation", None)
    return list(getattr(model, "model_fields", {}))
