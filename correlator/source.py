"""What a compile takes and gives: rules as neutral values, and what could not be one. No pySigma here."""

from dataclasses import dataclass

from correlator.syntax import Node
from soc.alerts import RuleRef
from soc.events import LogSource


@dataclass(frozen=True, slots=True)
class RuleSource:
    """One rule, ready to be made into closures. `alert_key`: fields that group its matches, none for site and host."""

    ref: RuleRef
    logsource: LogSource
    alert_key: tuple[str, ...]
    file: str
    line: int
    condition: Node


@dataclass(frozen=True, slots=True)
class Failure:
    """A rule, or a file, that is not evaluated: where it is written and why. `line` counts from 1."""

    file: str
    line: int
    reason: str

    def __str__(self) -> str:
        """Return FILE:LINE: REASON."""
        return f"{self.file}:{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True)
class Compiled:
    """Everything that the files held."""

    rules: tuple[RuleSource, ...]
    failures: tuple[Failure, ...]
