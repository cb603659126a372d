"""What sections of the settings are made of."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from soc.alerts import Level

Port = Annotated[int, Field(ge=0, le=65535)]
LevelName = Annotated[str, AfterValidator(lambda name: Level.parse(name) and name)]
Url = Annotated[str, Field(pattern=r"^(https?://.+)?$")]


class Section(BaseModel):
    """A table of the settings: frozen, its attributes' docstrings are its documentation."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Address(Section):
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
